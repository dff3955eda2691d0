"""The key `drained` in the text of a file: nothing else changes, whatever the file looks like."""

import difflib
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.drain.file_line import LineError, with_drained
from config.loading.strict_yaml import parse
from config.paths import ROOT

COMMENTS = st.sampled_from(
    ["", "  # yours", " # {drained: true}", "   ", "\t# a tab", " #\t東京 \N{FISH CAKE WITH SWIRL DESIGN}"]
)
VALUES = st.sampled_from(
    ["asia-northeast2", "8", "'quoted # text'", '"double: quoted"', "[a, b]", "{max_nodes: 4}", "[]", "plain words"]
)
KEYS = st.lists(
    st.sampled_from(["region", "number", "zones", "cluster", '"quoted"', "retired"]),
    min_size=1,
    max_size=5,
    unique=True,
)
BETWEEN = st.sampled_from(["", "\n", "# a comment\n", "      # further in\n", "\n# one\n\n"])


@st.composite
def block_regions(draw: st.DrawFn, key: str, indentation: str) -> str:
    """Return a region in block style; some of its values are blocks themselves."""
    inner = indentation + " " * draw(st.integers(1, 4))
    lines = [f"{indentation}{key}:{draw(COMMENTS)}\n"]
    for name in draw(KEYS):
        lines.append(draw(BETWEEN))
        match draw(st.sampled_from(["scalar", "mapping", "list", "literal", "folded", "kept"])):
            case "mapping":
                lines.append(f"{inner}{name}:{draw(COMMENTS)}\n{inner}  min_nodes: 1{draw(COMMENTS)}\n")
            case "list":
                lines.append(f"{inner}{name}:\n{inner}- a{draw(COMMENTS)}\n{inner}- b\n")
            case "literal":
                lines.append(f"{inner}{name}: |\n{inner}  first # no comment\n\n{inner}  second\n")
            case "folded":
                lines.append(f"{inner}{name}: >-{draw(COMMENTS)}\n{inner}  some\n{inner}  words\n\n")
            case "kept":  # with its empty lines, which no other line may come before
                lines.append(f"{inner}{name}: |+\n{inner}  text\n\n\n")
            case _:
                lines.append(f"{inner}{name}: {draw(VALUES)}{draw(COMMENTS)}\n")
    return "".join(lines)


@st.composite
def flow_regions(draw: st.DrawFn, key: str, indentation: str) -> str:
    """Return a region in flow style, on one line or on several."""
    separator = draw(st.sampled_from([", ", ",", " , ", f",\n{indentation}    ", f", # why\n{indentation}    "]))
    end = draw(st.sampled_from(["}", " }", ",}", f"\n{indentation}  }}", f", # last\n{indentation}  }}"]))
    entries = [f"{name}: {draw(VALUES)}" for name in draw(KEYS)]
    return f"{indentation}{key}: {{{separator.join(entries)}{end}{draw(COMMENTS)}\n"


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return the text of a file with the regions tokyo and osaka."""
    indentation = " " * draw(st.integers(1, 4))
    regions = [draw(st.one_of(block_regions(key, indentation), flow_regions(key, indentation))) for key in REGIONS]
    others = ["project: {id: a}\n", "ingress:\n  config_cluster: tokyo # the one\n", "# regions: {osaka: {}}\n"]
    blocks = draw(st.permutations([f"regions:{draw(COMMENTS)}\n{draw(BETWEEN).join(regions)}", *others]))
    text = draw(BETWEEN).join(blocks)
    text = text.rstrip("\n") if draw(st.booleans()) else text
    text = text.replace("\n", "\r\n") if draw(st.booleans()) else text
    return f"\ufeff{text}" if draw(st.booleans()) else text


REGIONS = ("tokyo", "osaka")


@hypothesis.settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(files(), st.sampled_from(REGIONS))
def test_any_file(text: str, region: str) -> None:
    data = _data(text)
    drained = with_drained(text, region, True)
    data["regions"][region]["drained"] = True
    assert _data(drained) == data
    [added] = _differences(text, drained)
    assert added.strip(", \r\n").replace('"', "") == "drained: true"
    assert with_drained(drained, region, True) == drained
    assert with_drained(drained, region, False) == text


def _data(text: str) -> Any:
    source = parse(text)
    assert not source.problems
    return source.data


def _differences(text: str, changed: str) -> list[str]:
    """Return what was inserted; nothing may be deleted."""
    # The insertion is one piece: what is before and after it is as it was.
    length = len(changed) - len(text)
    places = [at for at in range(len(text) + 1) if changed[:at] + changed[at + length :] == text]
    return [changed[places[0] : places[0] + length]] if places else []


BLOCK = """regions:
  osaka:
    region: asia-northeast2
    number: 8  # never changes
    # what follows is osaka's, too

  tokyo: {region: asia-northeast1, number: 0}
"""


@pytest.mark.parametrize(
    ("text", "drained"),
    [
        (
            BLOCK,
            BLOCK.replace("# never changes\n", "# never changes\n    drained: true\n"),
        ),
        ("regions: {osaka: {number: 8}}", "regions: {osaka: {number: 8, drained: true}}"),
        ('{"regions": {"osaka": {"number": 8}}}\n', '{"regions": {"osaka": {"number": 8, "drained": true}}}\n'),
        ("regions:\n osaka:\n  number: 8", "regions:\n osaka:\n  number: 8\n  drained: true"),
        ("regions:\r\n osaka:\r\n  number: 8", "regions:\r\n osaka:\r\n  number: 8\r\n  drained: true"),
        # Lines that end in both ways: the new one ends like the one before it.
        (
            "# one\r\nregions:\n osaka:\n  number: 8\n# more\r\n",
            "# one\r\nregions:\n osaka:\n  number: 8\n  drained: true\n# more\r\n",
        ),
    ],
)
def test_how_it_looks(text: str, drained: str) -> None:
    assert with_drained(text, "osaka", True) == drained
    assert with_drained(drained, "osaka", False) == text


@pytest.mark.parametrize(
    ("drained", "undrained"),
    [
        (
            "regions:\n  osaka:\n    drained: true # until Friday\n    number: 8\n",
            "regions:\n  osaka:\n    drained: false # until Friday\n    number: 8\n",
        ),
        ("regions:\n  osaka:\n    drained: true\n    number: 8\n", "regions:\n  osaka:\n    number: 8\n"),
        ("regions: {osaka: {drained: true, number: 8}}", "regions: {osaka: {number: 8}}"),
        ("regions:\n  osaka:\n    'drained': true\n    number: 8\n", "regions:\n  osaka:\n    number: 8\n"),
    ],
)
def test_a_key_that_a_person_wrote(drained: str, undrained: str) -> None:
    assert with_drained(drained, "osaka", False) == undrained


def test_a_key_that_is_false() -> None:
    text = "regions:\n  osaka:\n    drained: false # was true\n    number: 8\n"
    assert with_drained(text, "osaka", True) == text.replace("false", "true")
    assert with_drained(text, "osaka", False) == text


@pytest.mark.parametrize(
    "text",
    [
        "regions:\n  osaka:\n    ? number\n    : 8\n",
        "? regions\n: ? osaka\n  : ? number\n    : 8\n",
    ],
)
def test_explicit_keys(text: str) -> None:
    """What can't be edited is left alone, and what can be is right."""
    try:
        changed = with_drained(text, "osaka", True)
    except LineError:
        return
    assert _data(changed)["regions"]["osaka"] == {"number": 8, "drained": True}


def test_a_file_with_a_problem_is_left_alone() -> None:
    with pytest.raises(LineError, match="line 3"):
        with_drained("regions:\n  osaka:\n    number: 8\n    number: 9\n".replace("8\n", "012\n"), "osaka", True)


@pytest.mark.parametrize("file", [*(ROOT / "examples").glob("*.yaml"), ROOT / "mesh.yaml"], ids=lambda file: file.name)
def test_the_examples(file: Any) -> None:
    text = file.read_bytes().decode()
    for region in _data(text)["regions"]:
        drained = with_drained(text, region, True)
        added = [line for line in difflib.ndiff(text.splitlines(), drained.splitlines()) if line[0] in "+-"]
        assert len(added) == 1
        assert added[0].split() == ["+", "drained:", "true"]
        assert with_drained(drained, region, False) == text

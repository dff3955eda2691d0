"""Configurations that a program makes up: nothing but ConfigError, and nothing wrong is accepted.

The examples are the same at every run. THOROUGH=20 makes others, and twenty times
as many; what it finds is printed with a line that reproduces it.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from config import ConfigError, Environment, load
from config.loading.load import parse_environment
from config.naming import ProjectNames, RegionNames
from tests.config import configurations as made
from tests.config.google_limits import NAMES, broken_limits
from tests.config.inputs import THOROUGH
from tests.synthesized import REFERENCE, THREE_REGIONS


def settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples * (THOROUGH or 1),
        derandomize=not THOROUGH,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
    )


def tried(read: Callable[[], Environment]) -> Environment | None:
    """Return what was accepted; what was refused was refused with a message that a terminal shows."""
    try:
        return read()
    except ConfigError as error:
        refusal = error
    assert refusal.problems
    assert all(line.isprintable() for line in str(refusal).split("\n"))
    return None


def parsed(text: str) -> Environment | None:
    return tried(lambda: parse_environment(text, "made-up.yaml", {}))


@pytest.mark.parametrize(("strategy", "examples"), [(made.with_slips(), 200), (made.crowded(), 400)])
def test_what_is_accepted_keeps_to_the_limits(strategy: made.Strategy, examples: int) -> None:
    count: Counter[bool] = Counter()

    @settings(examples)
    @given(strategy, st.integers(0, 3))
    def try_one(data: made.Data, style: int) -> None:
        text = made.written(data, style)
        environment = parsed(text)
        count[environment is not None] += 1
        if environment is not None:
            assert list(broken_limits(environment, yaml.safe_load(text))) == []

    try_one()
    assert count[True] > 20  # the limits have been looked at
    assert count[False] > 20


@settings(200)
@given(made.anything, st.integers(0, 3))
def test_any_data(data: object, style: int) -> None:
    parsed(made.written(data, style))


@settings(200)
@given(made.texts)
def test_any_text(text: str) -> None:
    parsed(text)


@settings(100)
@given(st.data(), st.sampled_from([REFERENCE, THREE_REGIONS]))
def test_a_file_after_an_accident(data: st.DataObject, file: Path) -> None:
    parsed(data.draw(made.mutilated(file.read_text(encoding="utf-8"))))


@settings(100)
@given(st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "made-up.yaml"
    file.write_bytes(content)
    tried(lambda: load(file, {}))


@settings(100)
@given(st.one_of(made.cidrs(), st.text(max_size=20)))
def test_any_address_of_the_operator(address: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    environment = tried(lambda: parse_environment(text, "mesh.yaml", {"MESH_OPERATOR_ADDRESS": address}))
    assert environment is None or address in ("", str(environment.cluster.operator_address))


@pytest.mark.parametrize("kind", [ProjectNames, RegionNames])
def test_every_derived_name_is_judged(kind: type) -> None:
    derived = {name for name, one in vars(kind).items() if isinstance(one, property) and not name.startswith("_")}
    assert derived == NAMES[kind].keys()

"""The whole output, as it was when somebody last looked: refresh with `make snapshots`, and read the diff."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from config.naming import STACKS
from tests.synthesized import ENVIRONMENTS, REFERENCE, Synthesis, load_without_variables, synthesize

Give = Callable[[str], Synthesis]


class TextFile(SingleFileSnapshotExtension):
    """A snapshot is a text file, named by what it holds, so that several tests can share one."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    @classmethod
    def get_file_basename(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        return str(index)

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        return Path(snapshot_location).parent.name == test_location.basename

    def serialize(self, data: Any, **_: Any) -> str:
        return str(data)


class JsonFile(TextFile):
    """A snapshot is a JSON file, sorted, which can be read and diffed as such."""

    file_extension = "json"

    def serialize(self, data: Any, **_: Any) -> str:
        return json.dumps(data, indent=2, sort_keys=True) + "\n"


ASSET_HASH = re.compile(r"(assets/\w+/)[0-9A-F]{32}")


def masked(node: Any) -> Any:
    """Return synthesized JSON without cdktf's metadata and the hashes of assets."""
    if isinstance(node, dict):
        return {key: masked(value) for key, value in node.items() if key != "//"}
    if isinstance(node, list):
        return [masked(item) for item in node]
    return ASSET_HASH.sub(r"\1HASH", node) if isinstance(node, str) else node


def stack_of(synthesis: Synthesis, stack: str) -> Any:
    return masked(synthesis.stacks[stack])


def addresses_of(synthesis: Synthesis) -> str:
    return "\n".join(synthesis.addresses()) + "\n"


def files_of(synthesis: Synthesis) -> str:
    files = (str(path.relative_to(synthesis.outdir)) for path in synthesis.outdir.rglob("*") if path.is_file())
    return "\n".join(sorted(masked(file) for file in files)) + "\n"


def holder(environment: str, synthesized: Give, output: Callable[[Synthesis], Any]) -> str:
    """Return the first environment with the same output, whose snapshot serves both."""
    own = output(synthesized(environment))
    return next(name for name in ENVIRONMENTS if output(synthesized(name)) == own)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stack(environment: str, stack: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    output = partial(stack_of, stack=stack)
    name = f"{stack}-{holder(environment, synthesized, output)}"
    assert output(synthesized(environment)) == snapshot(name=name, extension_class=JsonFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_addresses(environment: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    """A line that disappears is a resource that is destroyed; a line that changes is one that is replaced."""
    addresses = addresses_of(synthesized(environment))
    assert addresses.count("\n") > 50
    name = f"addresses-{holder(environment, synthesized, addresses_of)}"
    assert addresses == snapshot(name=name, extension_class=TextFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_files(environment: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    """The output's files: scripts are shipped with the stacks that run them, and only there."""
    name = f"files-{holder(environment, synthesized, files_of)}"
    assert files_of(synthesized(environment)) == snapshot(name=name, extension_class=TextFile)


def test_equal_snapshots_exist_once() -> None:
    files = [path for path in (Path(__file__).parent / "__snapshots__").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert len({path.read_bytes() for path in files}) == len(files)


def test_same_bytes_in_any_folder(reference: Synthesis, tmp_path: Path) -> None:
    elsewhere = tmp_path / "a folder" / "somewhere else"
    elsewhere.mkdir(parents=True)
    again = synthesize(load_without_variables(REFERENCE), elsewhere)
    files = [path.relative_to(reference.outdir) for path in reference.outdir.rglob("*") if path.is_file()]
    assert len(files) > 4
    for file in files:
        assert (again.outdir / file).read_bytes() == (reference.outdir / file).read_bytes(), file


def test_no_absolute_path(reference: Synthesis) -> None:
    for stack in STACKS:
        assert str(reference.outdir.parent) not in json.dumps(reference.stacks[stack])

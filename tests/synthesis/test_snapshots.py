"""Snapshots of the whole output: update them with `make snapshots`, and review the diff."""

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

Synthesized = Callable[[str], Synthesis]


class TextFile(SingleFileSnapshotExtension):
    """A text file as a snapshot; several tests can share it by name."""

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
    """A sorted JSON file as a snapshot."""

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


def snapshot_owner(environment: str, synthesized: Synthesized, output: Callable[[Synthesis], Any]) -> str:
    """Return the first environment with the same output, whose snapshot both share."""
    own = output(synthesized(environment))
    return next(name for name in ENVIRONMENTS if output(synthesized(name)) == own)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stack(environment: str, stack: str, synthesized: Synthesized, snapshot: SnapshotAssertion) -> None:
    output = partial(stack_of, stack=stack)
    name = f"{stack}-{snapshot_owner(environment, synthesized, output)}"
    assert output(synthesized(environment)) == snapshot(name=name, extension_class=JsonFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_addresses(environment: str, synthesized: Synthesized, snapshot: SnapshotAssertion) -> None:
    """A removed line means that terraform destroys a resource, a changed line that it replaces one."""
    addresses = addresses_of(synthesized(environment))
    assert addresses.count("\n") > 50
    name = f"addresses-{snapshot_owner(environment, synthesized, addresses_of)}"
    assert addresses == snapshot(name=name, extension_class=TextFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_files(environment: str, synthesized: Synthesized, snapshot: SnapshotAssertion) -> None:
    """The output's files: only stacks that run a script contain it."""
    name = f"files-{snapshot_owner(environment, synthesized, files_of)}"
    assert files_of(synthesized(environment)) == snapshot(name=name, extension_class=TextFile)


def test_equal_snapshots_exist_once() -> None:
    files = [path for path in (Path(__file__).parent / "__snapshots__").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert len({path.read_bytes() for path in files}) == len(files)


def test_same_bytes_in_any_folder(reference: Synthesis, tmp_path: Path) -> None:
    other_folder = tmp_path / "a folder" / "somewhere else"
    other_folder.mkdir(parents=True)
    again = synthesize(load_without_variables(REFERENCE), other_folder)
    files = [path.relative_to(reference.outdir) for path in reference.outdir.rglob("*") if path.is_file()]
    assert len(files) > 4
    for file in files:
        assert (again.outdir / file).read_bytes() == (reference.outdir / file).read_bytes(), file


def test_no_absolute_path(reference: Synthesis) -> None:
    for stack in STACKS:
        assert str(reference.outdir.parent) not in json.dumps(reference.stacks[stack])

"""The whole output, as it was when somebody last looked: refresh with `make snapshots`, and read the diff."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from config.naming import STACKS
from tests.synthesized import ENVIRONMENTS, REFERENCE, Synthesis, load_without_variables, synthesize

Give = Callable[[str], Synthesis]


class JsonFile(SingleFileSnapshotExtension):
    """A snapshot is a JSON file, sorted, which can be read and diffed as such."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    def serialize(self, data: Any, **_: Any) -> str:
        return json.dumps(data, indent=2, sort_keys=True) + "\n"


class TextFile(SingleFileSnapshotExtension):
    """A snapshot is a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data: Any, **_: Any) -> str:
        return str(data)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stack(environment: str, stack: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    assert synthesized(environment).stacks[stack] == snapshot(extension_class=JsonFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_addresses(environment: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    """A line that goes is a resource that is destroyed; a line that changes is one that is made anew."""
    addresses = list(synthesized(environment).addresses())
    assert len(addresses) > 50
    assert "\n".join(addresses) + "\n" == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_files(environment: str, synthesized: Give, snapshot: SnapshotAssertion) -> None:
    """Which files the output has: scripts are shipped with the stacks that run them, and only there."""
    outdir = synthesized(environment).outdir
    files = sorted(str(path.relative_to(outdir)) for path in outdir.rglob("*") if path.is_file())
    assert "\n".join(files) + "\n" == snapshot(extension_class=TextFile)


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

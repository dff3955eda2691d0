"""Fixtures of `mesh repair`'s tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.loading.load import load
from tests.cli.doctor.diagnosis import CONFIGURATION, INSTALLER
from tests.cli.repair.interrupted import Interrupted, interrupted_project
from tests.synthesized import Synthesis, synthesize


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    folder = tmp_path_factory.mktemp("synthesized")
    (folder / "mesh.yaml").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "asmcli").write_bytes(INSTALLER)
    return synthesize(load(folder / "mesh.yaml", {}), folder)


@pytest.fixture
def interrupted(tmp_path: Path, synthesis: Synthesis) -> Iterator[Interrupted]:
    """Everything is deployed, and all of it is in the states."""
    with interrupted_project(tmp_path, synthesis) as found:
        yield found

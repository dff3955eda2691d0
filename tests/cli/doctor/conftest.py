"""Fixtures of `mesh doctor`'s tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.apis import APIS
from tests.cli.doctor.diagnosis import CONFIGURATION, INSTALLER, KUBECTL, PROJECT, log_in
from tests.cli.emulated_project import EmulatedProject, emulated_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[EmulatedProject]:
    """A project with enabled APIs, before the first deploy."""
    (tmp_path / "asmcli").write_bytes(INSTALLER)
    with emulated_project(tmp_path, CONFIGURATION, PROJECT) as found:
        found.enable(*APIS, "cloudbilling")
        log_in(found)
        found.fake_program("kubectl", KUBECTL.format("true"))
        yield found

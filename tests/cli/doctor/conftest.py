"""Fixtures of `mesh doctor`'s tests."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cli.doctor import command
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


@pytest.fixture(autouse=True)
def _before_the_deprecations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on a day on which Google supported every mode; test_support.py has the other days."""
    monkeypatch.setattr(command, "utc_today", lambda: date(2026, 1, 1))

"""What an acceptance run says and asks before it creates anything."""

import io
import sys
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.tools.acceptance.fake_machine import PROJECT, STATE
from tools.acceptance import __main__ as program
from tools.acceptance.configuration import OTHER_IMAGE, ZONES, change_in_place, write_configuration
from tools.acceptance.estimate import estimate
from tools.acceptance.steps import CHECKS, CLEAN_UP
from tools.acceptance.workspace import AcceptanceError, Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace, for which `mesh` runs as `mesh init` does, without its shell."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    mesh = bin_folder / "mesh"
    mesh.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m cli "$@"\n', encoding="utf-8")
    mesh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    found = Workspace.of(PROJECT, tmp_path)
    found.folder.mkdir()
    return found


def test_the_configuration_and_what_it_costs(workspace: Workspace) -> None:
    write_configuration(workspace, ZONES)
    environment = workspace.environment()
    assert environment.project.id == PROJECT
    assert environment.mesh.control_plane == "fleet"
    assert not environment.cluster.deletion_protection
    assert [region.zones for region in environment.resolved_regions()] == [("us-central1-b",), ("us-east1-b",)]
    lines = list(estimate(environment, [*CHECKS, *CLEAN_UP]))
    assert "    2 to 4   nodes: e2-standard-4 with a boot disk of 100 GB" in lines
    assert "    4 to 10  gateway pods behind it" in lines
    assert [line.split()[0] for line in lines if "mesh drill" in line or "cdktf destroy" in line] == [
        "drill",
        "destroy",
    ]
    assert "63 to 127 minutes" in lines[-1]

    before = workspace.config.read_text(encoding="utf-8")
    change_in_place(workspace.config)
    assert workspace.environment().demo.image == OTHER_IMAGE != environment.demo.image
    once = workspace.config.read_text(encoding="utf-8")
    change_in_place(workspace.config)
    assert workspace.config.read_text(encoding="utf-8") == once != before


@pytest.mark.parametrize("zones", [["us-east1-b"], ["us-east1-b", "us-east1-c"], ["a", "b"]])
def test_zones_of_two_regions(workspace: Workspace, zones: list[str]) -> None:
    with pytest.raises(AcceptanceError, match="ZONES"):
        write_configuration(workspace, zones)


def test_a_project_that_can_not_be_one(workspace: Workspace) -> None:
    with pytest.raises(AcceptanceError, match="Bad"):
        write_configuration(Workspace("Bad", workspace.folder), ZONES)


def run(monkeypatch: pytest.MonkeyPatch, parent: Path, *arguments: str) -> int:
    def write(workspace: Workspace, zones: list[str]) -> None:
        workspace.config.write_text((ROOT / "examples" / "fleet.yaml").read_text(encoding="utf-8"), encoding="utf-8")

    class Unexpected:
        def __init__(self, *_: object) -> None:
            pytest.fail("it runs")

    monkeypatch.setattr(program, "write_configuration", write)
    monkeypatch.setattr(program, "Acceptance", Unexpected)
    monkeypatch.setattr(Workspace, "of", lambda project: Workspace(project, parent / project))
    monkeypatch.setattr(sys, "argv", ["acceptance", "--project", PROJECT, *arguments])
    return program.main()


def test_nothing_runs_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(monkeypatch, tmp_path) == 2
    assert "set YES=1" in capsys.readouterr().err
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert run(monkeypatch, tmp_path) == 2
    captured = capsys.readouterr()
    assert "nothing was created" in captured.err
    assert "Billed while it exists" in captured.out


def test_a_new_run_keeps_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    workspace = Workspace(PROJECT, tmp_path / PROJECT)
    with workspace.locked():
        for name in ("report.json", "report.md", "answers.json", "logs/001.log", "mesh.yaml"):
            (workspace.folder / name).touch()
        workspace.forget_earlier_run()
        assert sorted(path.name for path in workspace.folder.iterdir()) == ["lock", "logs", "mesh.yaml"]
        assert not list(workspace.logs.iterdir())


def test_states_without_progress_are_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / PROJECT
    folder.mkdir()
    (folder / "terraform.network.tfstate").write_text(STATE, encoding="utf-8")
    assert run(monkeypatch, tmp_path, "--yes") == 2
    assert "cdktf destroy" in capsys.readouterr().err


def test_only_one_run_for_a_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workspace(PROJECT, tmp_path / PROJECT).locked():
        assert run(monkeypatch, tmp_path, "--yes") == 2
    assert "is already running" in capsys.readouterr().err

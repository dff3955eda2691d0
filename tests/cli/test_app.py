"""How the `mesh` command line ends: its exit status, its JSON, its errors, whatever happens."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cli.doctor.command
import cli.status.command
from cli.app import main
from cli.errors import MeshError
from config.paths import ROOT
from tests.cli.invocation import invoke

WITH_JSON = [["doctor"], ["status"], ["verify", "split"], ["drill", "tokyo"], ["audit"]]
RIGHT = ["--config", str(ROOT / "mesh.yaml")]


def mesh(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return invoke(list(arguments), os.environ)


def error_of(result: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """Return the error of what has to be JSON, and the same report as of a command that succeeds."""
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert {"command", "sections", "data"} <= report.keys()
    found: dict[str, str] = report["error"]
    assert found["message"]
    assert found["fix"]
    assert "Traceback" not in result.stderr
    return found


def python(code: str, output: str = "") -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own, as what it sees is how a process ends."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {output}', sys.executable, code],
        cwd=ROOT,
        # With its usual buffer: what is in it is written when the process ends.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", WITH_JSON, ids=lambda command: command[0])
def test_a_wrong_configuration_as_json(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("project: {id: X}\n", encoding="utf-8")
    result = mesh(*command, "--json", "--config", str(file))
    assert result.returncode == 2
    assert "wrong.yaml: 3 errors" in error_of(result)["message"]
    [section] = json.loads(result.stdout)["sections"]
    assert [one["name"] for one in section["findings"]] == ["project.id", "regions", "ingress"]
    assert {one["state"] for one in section["findings"]} == {"failure"}


@pytest.mark.parametrize("command", WITH_JSON, ids=lambda command: command[0])
def test_a_wrong_command_line_as_json(command: list[str]) -> None:
    result = mesh(*command, "--json", "--zzz")
    assert result.returncode == 2
    assert error_of(result) == {"message": "No such option: --zzz", "fix": f"mesh {command[0]} --help"}
    assert result.stderr.splitlines() == ["mesh: No such option: --zzz", f"      mesh {command[0]} --help"]


def test_no_such_command_as_json() -> None:
    result = mesh("zzz", "--json")
    assert result.returncode == 2
    assert error_of(result) == {"message": "No such command 'zzz'.", "fix": "mesh --help"}


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MeshError("there is no way in", "mend the door"), 2, "there is no way in"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt(15), 143, "interrupted"),
        (FileNotFoundError(2, "No such file or directory"), 2, "the working directory does not exist any more"),
        (PermissionError(13, "Permission denied", "/a/file"), 1, "/a/file: Permission denied"),
    ],
)
def test_what_stops_a_command_as_json(
    error: BaseException, status: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli.status.command, "run_status", stop)
    result = mesh("status", "--json", *RIGHT)
    assert result.returncode == status
    assert error_of(result)["message"] == message
    assert f"mesh: {message}" in result.stderr
    assert mesh("status", *RIGHT).stdout == ""


def test_a_mistake_of_ours_is_json_and_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.doctor.command, "examine", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["doctor", "--json", *RIGHT])
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "ZeroDivisionError: division by zero"


def test_a_junit_file_that_can_t_be_written_is_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.report.findings import Report  # noqa: PLC0415

    monkeypatch.setattr(cli.status.command, "run_status", lambda *_: Report("status"))
    result = mesh("status", "--json", "--junit", "/none/a.xml", *RIGHT)
    assert result.returncode == 2
    assert error_of(result)["message"] == "can't write /none/a.xml: No such file or directory"


@pytest.mark.process
@pytest.mark.parametrize("arguments", ["'--version'", "'status', '--json', '--config', 'none.yaml'", "'picture'"])
def test_a_full_disk_is_one_line_and_1(arguments: str) -> None:
    draw = "import sys, cli.topology.command as c; c.draw = lambda *_: sys.stdout.write('graph LR') and 0"
    result = python(f"{draw}; import cli.app; sys.exit(cli.app.main([{arguments}]))", "> /dev/full")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "mesh: can't write the output: No space left on device"
    assert "Traceback" not in result.stderr


@pytest.mark.process
def test_a_reader_that_has_seen_enough_gets_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "--help"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == ""
    assert process.wait(60) == 1


def test_the_version_stands_in_one_place() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    result = mesh("--version")
    assert (result.returncode, result.stdout) == (0, f"mesh {version}\n")
    assert version == "0.1.0"


def test_without_arguments_the_help_is_shown() -> None:
    result = mesh()
    assert result.returncode == 2
    assert "Usage: mesh" in result.stdout
    assert result.stderr == ""


@pytest.mark.process
@pytest.mark.parametrize(
    "module",
    [
        "app",
        *(f"{name}.command" for name in ("audit", "doctor", "status", "topology")),
        "traffic.verify",
        "traffic.drill",
    ],
)
def test_the_cli_loads_neither_what_synthesizes_nor_what_plots(module: str) -> None:
    """It is at hand before anything is synthesized, and starts in a moment."""
    heavy = ("cdktf", "jsii", "matplotlib", "numpy", "scipy")
    result = python(f"import cli.{module}, sys; print([name for name in {heavy} if name in sys.modules])")
    assert result.stdout == "[]\n", result.stderr

"""Errors when opening the configuration file: each is reported at once, in one line."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config import ConfigError, load
from config.__main__ import main
from config.loading.load import OPERATOR_VARIABLE, parse_environment
from config.paths import ROOT


def _loop(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def _socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # the path of a socket is short
        server.bind("socket")
    return folder / "socket"


def _unreadable(folder: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    file = folder / "closed.yaml"
    file.write_text("{}", encoding="utf-8")
    file.chmod(0)
    return file


NOT_A_FILE = "is not a regular file; name a YAML file"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_loop, "can't be read: Too many levels of symbolic links"),
        (_pipe, NOT_A_FILE),
        (_socket, NOT_A_FILE),
        (_unreadable, "can't be read: Permission denied"),
        (lambda folder: folder, NOT_A_FILE),
        (lambda folder: Path("/dev/zero"), NOT_A_FILE),
        (lambda folder: folder / "a\0b", "can't be read: embedded null byte"),
        (lambda folder: folder / ("a" * 300), "can't be read: File name too long"),
        (
            lambda folder: folder / "none.yaml",
            "there is no such file; set MESH_CONFIG to yours, or write one by `mesh init`",
        ),
        (
            lambda folder: folder / "none" / "none.yaml",
            "there is no such file; set MESH_CONFIG to yours, or write one by `mesh init`",
        ),
    ],
)
def test_an_unreadable_file_is_an_error(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(make(tmp_path), {})
    [problem] = caught.value.problems
    assert message in problem.rule
    assert str(caught.value).count("\n") == 1


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"m\xff.yaml")
    file.write_bytes((ROOT / "mesh.yaml").read_bytes())
    with pytest.raises(ConfigError, match="has a path that is not UTF-8, which no JSON can hold; rename it"):
        load(file, {})


def test_an_installer_that_is_a_pipe(tmp_path: Path) -> None:
    _pipe(tmp_path)
    file = tmp_path / "mesh.yaml"
    text = (ROOT / "examples" / "asmcli-managed.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("control_plane:", "asmcli: {file: pipe}\n  control_plane:"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mesh\.asmcli\.file = 'pipe': is a pipe or a device; name a file"):
        load(file, {})


def test_a_wrong_address_of_the_operator_is_the_only_error() -> None:
    """What it leaves without an authorized network follows from it."""
    text = (ROOT / "mesh.yaml").read_text(encoding="utf-8").replace("    - name: office", "    # - name: office")
    text = text.replace("      cidr: 203.0.113.0/24\n", "").replace("  authorized_networks:\n", "")
    for address in ("203.0.113.7", " 203.0.113.7/32"):
        with pytest.raises(ConfigError) as caught:
            parse_environment(text, "mesh.yaml", {OPERATOR_VARIABLE: address})
        assert [one.path for one in caught.value.problems] == [OPERATOR_VARIABLE]


def test_an_input_output_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("{}", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(ConfigError, match="can't be read: Input/output error"):
        load(file, {})


def test_the_command_checks_the_file_in_its_argument(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = ROOT / "mesh.yaml", tmp_path / "wrong.yaml"
    wrong.write_text("project: {id: X}\n", encoding="utf-8")
    monkeypatch.setenv("MESH_CONFIG", str(right))
    assert main([str(wrong)]) == 2
    assert "wrong.yaml: 3 errors" in capsys.readouterr().err
    assert main([]) == 0
    monkeypatch.setenv("MESH_CONFIG", str(wrong))
    assert main([]) == 2
    assert main([str(right)]) == 0
    monkeypatch.setenv("MESH_CONFIG", str(right))
    assert main([""]) == 2  # an unset variable of a script names no file


@pytest.mark.process
@pytest.mark.parametrize(("file", "status"), [(str(ROOT / "mesh.yaml"), 0), ("mesh.yaml", 2)])
def test_a_deleted_working_directory(file: str, status: int, tmp_path: Path) -> None:
    """An absolute path still works; a relative one is an error."""
    command = f'rmdir "$PWD" && exec "{sys.executable}" -m config "$1"'
    folder = tmp_path / "gone"
    folder.mkdir()
    result = subprocess.run(
        ["sh", "-c", command, "sh", file],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr

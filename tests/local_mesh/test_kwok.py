"""Tests of what kwokctl needs around it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local_mesh import kwok
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.kwok import keep_controller_manager


@pytest.fixture
def write_pid(tmp_path: Path) -> Callable[[int], Path]:
    """Write the file with the id of the controller manager's process."""
    file = tmp_path / "pids" / "kube-controller-manager.pid"
    file.parent.mkdir()

    def write(number: int) -> Path:
        file.write_text(f"{number}\n", encoding="utf-8")
        return file

    return write


def test_an_ended_controller_manager_is_started_again(tmp_path: Path, write_pid: Callable[[int], Path]) -> None:
    """Also before its parent, which is not kwokctl any more, has waited for it."""
    with subprocess.Popen(["true"]) as ended, subprocess.Popen(["sleep", "60"]) as running:
        file = write_pid(ended.pid)
        subprocess.run(["sleep", "0.2"], check=True)  # it is a zombie now
        starts: list[bool] = []

        def start() -> None:
            starts.append(file.exists())
            write_pid(running.pid)

        keep_controller_manager(tmp_path, works=lambda: bool(starts), start=start)
        running.kill()
    assert starts == [False]


def test_a_running_controller_manager_is_waited_for(tmp_path: Path, write_pid: Callable[[int], Path]) -> None:
    answers = [False, False, True]
    with subprocess.Popen(["sleep", "60"]) as running:
        write_pid(running.pid)
        keep_controller_manager(tmp_path, works=lambda: answers.pop(0), start=pytest.fail)
        running.kill()
    assert not answers


def test_one_that_never_works_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kwok, "CREATE_SECONDS", 0)
    with pytest.raises(LocalMeshError, match="does not work"):
        keep_controller_manager(tmp_path, works=lambda: False, start=lambda: None)

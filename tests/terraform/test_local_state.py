"""`mesh repair`, a local state and its lock, with the real terraform."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from cli.errors import MeshError
from cli.repair.step import restore_step
from cli.sources.terraform import StackFolder
from config.local_state import is_incomplete
from tests.terraform.terraform import APPLY, PRODUCER, initialized, run_terraform, terraform, write_stack

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")

INFO = json.dumps({"ID": "12-34", "Operation": "OperationTypeApply", "Who": "matt@laptop", "Path": "x.tfstate"})


def test_a_lock_ends_with_its_terraform(tmp_path: Path) -> None:
    """What a killed terraform leaves is a file with its name; the lock is the operating system's."""
    path = initialized(write_stack(tmp_path, "producer", {"backend": {"local": {"path": "x.tfstate"}}}, PRODUCER))
    run_terraform(path, *APPLY)
    folder, info = StackFolder("producer", path), path / ".x.tfstate.lock.info"
    info.write_text(INFO, encoding="utf-8")
    assert folder.lock_holder() is None
    assert not info.exists()
    with (path / "x.tfstate").open("r+") as state:
        fcntl.lockf(state, fcntl.LOCK_EX)
        info.write_text(INFO, encoding="utf-8")
        holder = folder.lock_holder()
    assert holder is not None
    assert (holder.id, holder.who) == ("12-34", "matt@laptop")


@pytest.mark.parametrize("kept", [0, 100], ids=["empty", "cut off"])
def test_a_state_that_was_being_written_is_restored(tmp_path: Path, kept: int) -> None:
    """terraform takes an empty state for that of a new environment, and has a backup beside it."""
    path = initialized(write_stack(tmp_path, "producer", {"backend": {"local": {"path": "../x.tfstate"}}}, PRODUCER))
    state = tmp_path / "x.tfstate"
    run_terraform(path, *APPLY)
    assert not is_incomplete(state)
    run_terraform(path, "apply", "-auto-approve", "-destroy")
    assert not is_incomplete(state)
    os.truncate(state, kept)
    assert is_incomplete(state)
    if kept:  # terraform has to read what it locks
        with pytest.raises(MeshError, match="can't lock the state of producer"):
            StackFolder("producer", path).lock_holder()
    planned = terraform(path, "plan")
    assert "Plan: 1 to add" in planned.stdout if kept == 0 else planned.returncode == 1
    assert not restore_step("producer", state).do()
    assert StackFolder("producer", path).lock_holder() is None
    assert run_terraform(path, "state", "list").split() == ["terraform_data.x"]


@pytest.mark.parametrize(("kept", "incomplete"), [(0, False), (100, True)], ids=["empty", "cut off"])
def test_the_first_state_has_no_backup(tmp_path: Path, kept: int, incomplete: bool) -> None:
    """An empty one is as good as none; a cut-off one is put aside."""
    path = initialized(write_stack(tmp_path, "producer", {"backend": {"local": {"path": "../x.tfstate"}}}, PRODUCER))
    state = tmp_path / "x.tfstate"
    run_terraform(path, *APPLY)
    os.truncate(state, kept)
    assert is_incomplete(state) is incomplete
    if incomplete:
        assert not restore_step("producer", state).do()
        assert not state.exists()
        assert (tmp_path / "x.tfstate.incomplete").stat().st_size == kept
    assert StackFolder("producer", path).pull() == ""
    run_terraform(path, *APPLY)

"""`mesh repair` and the lock of a local state, with the real terraform."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from cli.sources.terraform import StackFolder
from tests.terraform.terraform import APPLY, PRODUCER, initialized, run_terraform, write_stack

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

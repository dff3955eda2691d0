"""`mesh audit`, of what a killed terraform has left on this machine, and as a lock."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.audit.interrupted import check_lock
from cli.errors import MeshError
from cli.sources.provider_processes import orphaned_providers
from cli.sources.terraform import LockHolder, StackFolder
from config.loading.load import displayed
from tests.cli.deployed_mesh import DeployedMesh

PROVIDER = ".terraform/providers/x/terraform-provider-google_v6.50.0_x5"
SECTION = "Interrupted commands"
HERE = f"{getpass.getuser()}@{os.uname().nodename}"


@pytest.fixture
def folder(mesh: DeployedMesh, tmp_path: Path) -> Path:
    """The folder of a stack of the deployed mesh."""
    mesh.variables["CDKTF_OUTDIR"] = str(tmp_path / "out")
    path = tmp_path / "out" / "stacks" / "mesh"
    path.mkdir(parents=True)
    return path


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[int]:
    """Run a program with another name in a folder, and yield its process id."""
    program = shutil.which(command[1])
    with subprocess.Popen(command[:1] + command[2:], executable=program, cwd=folder) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="there is no /proc on this machine")
def test_a_provider_that_has_outlived_its_terraform(mesh: DeployedMesh, folder: Path) -> None:
    assert mesh.run_json("audit").findings()[SECTION, "on this machine"]["text"] == "none"
    with running([PROVIDER, "sleep", "60"], folder) as pid:
        report = mesh.run_json("audit")
        assert [one.pid for one in orphaned_providers([folder.parent])] == []
    [(where, finding)] = report.findings("failure").items()
    assert where == (SECTION, f"process {pid}, {Path(PROVIDER).name}")
    assert finding["text"] == "the terraform that has started it was killed"
    assert finding["fix"] == f"kill {pid}"
    assert report.data["data"]["orphaned"] == [
        {"name": where[1], "why": finding["text"], "command": finding["fix"]},
    ]


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="there is no /proc on this machine")
def test_a_provider_of_a_running_terraform(folder: Path) -> None:
    script = f"exec -a {PROVIDER} sleep 60 & echo > started; wait"
    with running(["terraform", "bash", "-c", script], folder):
        deadline = time.monotonic() + 20
        while not (folder / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        assert list(orphaned_providers([folder])) == []
    [left] = orphaned_providers([folder])
    assert left.name == Path(PROVIDER).name
    os.kill(left.pid, 9)


def test_a_state_that_terraform_could_not_store(mesh: DeployedMesh, folder: Path) -> None:
    (folder / "errored.tfstate").touch()
    [(where, finding)] = mesh.run_json("audit").findings("failure").items()
    assert where == (SECTION, "errored.tfstate of mesh")
    shown = displayed(folder)
    assert finding["fix"] == f"terraform -chdir={shown} state push errored.tfstate && rm {shown}/errored.tfstate"


@pytest.mark.parametrize(
    ("holder", "state", "text"),
    [
        (None, "ok", "not held"),
        (LockHolder("7", "matt@laptop", "OperationTypeApply", "5 o'clock"), "warning", "held by matt@laptop, "),
        (LockHolder("7", HERE, "OperationTypeApply", "5 o'clock"), "failure", f"held by {HERE}, "),
        (MeshError("no credentials", "log in"), "warning", "not looked at: no credentials"),
    ],
)
def test_a_lock_in_a_bucket(tmp_path: Path, holder: LockHolder | MeshError | None, state: str, text: str) -> None:
    folder = StackFolder("mesh", tmp_path)
    finding = check_lock(folder)
    assert finding.text == "not looked at: terraform is not initialized in its folder"
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform.lock.hcl").touch()
    (tmp_path / "ps").write_text("#!/bin/sh\necho bash\n", encoding="utf-8")
    (tmp_path / "ps").chmod(0o755)
    with (
        patch.object(StackFolder, "lock_holder", side_effect=[holder]),
        patch.dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"),
    ):
        finding = check_lock(folder)
    assert finding.name == "lock of mesh"
    assert finding.state.value == state
    assert finding.text.startswith(text)

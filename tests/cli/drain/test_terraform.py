"""terraform for some resources of a stack: the real one, with resources that need no provider."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.drain.terraform import StackTerraform, StateLockedError, TerraformError
from config.paths import ROOT

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")


def write(folder: Path, **inputs: Any) -> None:
    resources = {name: {"input": value} for name, value in inputs.items()}
    (folder / "cdk.tf.json").write_text(json.dumps({"resource": {"terraform_data": resources}}), encoding="utf-8")


def state(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "terraform.tfstate").read_text(encoding="utf-8"))
    return {one["name"]: one["instances"][0]["attributes"]["input"]["value"] for one in content["resources"]}


@pytest.fixture
def stack(tmp_path: Path) -> StackTerraform:
    """A stack whose resources `first`, `second` and `other` were applied."""
    write(tmp_path, first="a", second="a", other="a")
    terraform = StackTerraform(tmp_path)
    terraform.init()
    terraform.plan([f"terraform_data.{name}" for name in ("first", "second", "other")], tmp_path / "plan")
    terraform.apply(tmp_path / "plan")
    return terraform


def test_only_the_targets_are_applied(tmp_path: Path, stack: StackTerraform) -> None:
    write(tmp_path, first="b", second="b", other="b")
    planned = stack.plan(["terraform_data.first", "terraform_data.second"], tmp_path / "plan")
    assert {(one.address, one.actions, one.before["input"]) for one in planned} == {
        ("terraform_data.first", ("update",), "a"),
        ("terraform_data.second", ("update",), "a"),
    }
    stack.apply(tmp_path / "plan")
    assert state(tmp_path) == {"first": "b", "second": "b", "other": "a"}


def test_what_a_target_needs_is_in_the_plan(tmp_path: Path, stack: StackTerraform) -> None:
    write(tmp_path, first="${terraform_data.other.output}", second="a", other="b")
    planned = stack.plan(["terraform_data.first"], tmp_path / "plan")
    assert {(one.address, one.actions) for one in planned} == {
        ("terraform_data.first", ("update",)),
        ("terraform_data.other", ("update",)),
    }


def test_an_error_is_one_line(tmp_path: Path, stack: StackTerraform) -> None:
    write(tmp_path, first="${terraform_data.missing.output}")
    with pytest.raises(TerraformError, match="Reference to undeclared resource: A managed resource") as error:
        stack.plan(["terraform_data.first"], tmp_path / "plan")
    assert "\n" not in str(error.value)


def test_a_state_that_is_locked(tmp_path: Path, stack: StackTerraform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.drain.terraform.LOCK_SECONDS", 0)
    info = {"ID": "12-34", "Operation": "OperationTypeApply", "Who": "ann@laptop", "Path": "terraform.tfstate"}
    with (tmp_path / "terraform.tfstate").open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        (tmp_path / ".terraform.tfstate.lock.info").write_text(json.dumps(info), encoding="utf-8")
        with pytest.raises(StateLockedError, match="locked by ann@laptop, OperationTypeApply, since "):
            stack.plan(["terraform_data.first"], tmp_path / "plan")


def test_the_command_for_a_person(tmp_path: Path, stack: StackTerraform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    command = f"terraform -chdir={tmp_path.name} apply -target='terraform_data.first'"
    assert stack.command(["terraform_data.first"]) == command


TERRAFORM = """#!/bin/sh
trap 'echo interrupted >> log; sleep 1; echo written >> log; exit 1' INT
echo started >> log
while :; do sleep 0.1; done
"""


@pytest.mark.process
def test_ctrl_c_is_passed_on_once_and_waited_for(tmp_path: Path) -> None:
    """Killed, terraform would lose what it has applied."""
    program = tmp_path / "terraform"
    program.write_text(TERRAFORM, encoding="utf-8")
    program.chmod(0o755)
    code = "from pathlib import Path; from cli.drain.terraform import StackTerraform; StackTerraform(Path()).init()"
    variables = {**os.environ, "TERRAFORM_BINARY_NAME": str(program), "PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=variables, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)  # the start of a program is not over as soon as the program runs
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors.splitlines()[-1] == b"KeyboardInterrupt"
    assert log.read_text(encoding="utf-8").split() == ["started", "interrupted", "written"]

"""An acceptance run goes through its steps, and destroys what it has created on every way out."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.audit.ownership import LEFT_BY_MESH
from config.naming import STACKS
from config.paths import ROOT
from tests.tools.acceptance.fake_machine import PROJECT, FakeMachine
from tools.acceptance import steps
from tools.acceptance.step import StepContext
from tools.acceptance.steps import CHECKS

DESTROY = "cdktf destroy network clusters mesh ingress --auto-approve"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    monkeypatch.setattr(steps, "SECONDS_TO_SERVE", 0)
    monkeypatch.setattr(steps, "SECONDS_TO_CLEAN_UP", 0)
    return FakeMachine.create(
        tmp_path, lambda folder: monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    )


def test_all_steps_in_their_order(machine: FakeMachine) -> None:
    assert machine.run() == 0
    plans = [
        f"terraform -chdir={machine.workspace.stack(stack)} plan -input=false -detailed-exitcode" for stack in STACKS
    ]
    calls = [one for one in machine.calls() if "version" not in one]
    assert calls == [
        "mesh doctor",
        "cdktf deploy network clusters mesh ingress --auto-approve",
        "mesh status",
        "mesh verify locality",
        "mesh verify ingress",
        "cdktf deploy ingress --auto-approve --ignore-missing-stack-dependencies",
        "mesh status",
        "mesh drill us-east1",
        *plans,
        DESTROY,
        "mesh audit",
    ]
    assert machine.report()["result"] == "accepted"
    assert machine.report()["steps"]["change"]["measured"] == {"ingress": {"added": 0, "changed": 2, "destroyed": 0}}
    assert not machine.workspace.progress.exists(), "the next run is a new one"


def test_a_check_that_fails_lets_the_others_go_on(machine: FakeMachine) -> None:
    machine.behave('[ "$name" = mesh-verify-locality ] && { echo "v2 from us-central1"; exit 1; }')
    assert machine.run() == 1
    assert machine.called("mesh drill") == machine.called(DESTROY) == machine.called("mesh audit") == 1
    assert machine.report()["result"] == "not accepted: failed: verify"
    assert "v2 from us-central1" in str(machine.report()["steps"]["verify"]["problem"])
    assert "v2 from us-central1" in (machine.workspace.folder / "report.md").read_text(encoding="utf-8")


def test_a_deploy_that_fails_is_destroyed_at_once(machine: FakeMachine) -> None:
    machine.behave('case "$name" in cdktf-deploy-network*) echo "Error: quota"; exit 1 ;; esac')
    assert machine.run() == 1
    assert machine.called("mesh verify") == machine.called("mesh drill") == 0
    assert machine.called(DESTROY) == machine.called("mesh audit") == 1
    assert "failed: deploy" in str(machine.report()["result"])


def test_nothing_is_destroyed_before_anything_is_created(machine: FakeMachine) -> None:
    machine.behave('[ "$name" = mesh-doctor ] && exit 1')
    assert machine.run() == 1
    assert machine.called("cdktf deploy") == machine.called("cdktf destroy") == 0


def test_an_error_of_its_own_destroys_too(machine: FakeMachine, capsys: pytest.CaptureFixture[str]) -> None:
    def defect(_: StepContext) -> None:
        raise KeyError("a defect")

    machine.checks = [replace(step, run=defect) if step.name == "verify" else step for step in CHECKS]
    assert machine.run() == 1
    assert machine.called(DESTROY) == 1
    assert "a defect" in str(machine.report()["result"])
    assert "KeyError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (
            "  # google_compute_network.vpc will be updated in-place",
            "google_compute_network.vpc will be updated in-place",
        ),
        ("Changes to Outputs:", "it changes outputs"),
    ],
)
def test_a_plan_that_is_not_empty_fails(machine: FakeMachine, output: str, found: str) -> None:
    machine.behave(f'[ "$name" = terraform-plan ] && {{ echo "{output}"; exit 2; }}')
    assert machine.run() == 1
    assert f"the plan of network is not empty: {found}" in str(machine.report()["steps"]["plan"]["problem"])


def test_a_change_that_replaces_something_fails(machine: FakeMachine) -> None:
    lines = [
        f"ingress  kubernetes_manifest.regions_a_service-helloworld_{name}: Destroying..."
        for name in ("rollout-see-mesh-status_21B636BF", "deployment_E331408D")
    ]
    machine.behave(f"[ $name = cdktf-deploy-ingress ] && printf '%s\\n' '{lines[0]}'")
    assert machine.run() == 0
    machine.behave(f"[ $name = cdktf-deploy-ingress ] && printf '%s\\n' '{lines[0]}' '{lines[1]}'")
    assert machine.run() == 1
    problem = machine.report()["steps"]["change"]["problem"]
    assert problem.endswith("it destroys kubernetes_manifest.regions_a_service-helloworld_deployment_E331408D")


NOTHING_LEFT = """
      mesh-repair*--json*) echo '{"data": {"steps": []}}' ;;
      mesh-audit*--json*) echo '{"data": {"orphaned": []}}' ;;
"""


def test_what_terraform_has_lost_is_adopted_before_it_is_destroyed(machine: FakeMachine) -> None:
    """As when a deploy was killed, and the next one has not begun."""
    machine.behave("""case "$name $*" in
      cdktf-destroy*) [ -e "$folder/repaired" ] || exit 1 ;;
      mesh-repair*--json*) touch "$folder/repaired"; echo '{"data": {"steps": [{"name": "cluster a"}]}}' ;;
      mesh-audit*--json*) echo '{"data": {"orphaned": []}}' ;;
    esac""")
    assert machine.run() == 0
    calls = [one for one in machine.calls() if "version" not in one]
    assert calls[-5:] == [DESTROY, "mesh repair --yes --json", "mesh audit --json", DESTROY, "mesh audit"]


def test_destroy_is_tried_again(machine: FakeMachine) -> None:
    machine.behave(
        'case "$name" in cdktf-destroy*) [ -e "$folder/tried" ] || { touch "$folder/tried"; exit 1; } ;; esac'
    )
    assert machine.run() == 0
    assert machine.called(DESTROY) == 2


def test_what_the_mesh_has_left_is_deleted_and_nothing_else(machine: FakeMachine) -> None:
    command = "gcloud compute network-endpoint-groups delete gsmrsvd-1 --zone us-central1-a --project acme-mesh-prod"
    left = [
        {
            "name": "endpoint group gsmrsvd-1",
            "why": f"{LEFT_BY_MESH}, and blocks the deletion of v",
            "command": command,
        },
        {"name": "router r", "why": "it is not in terraform's state", "command": "gcloud compute routers delete r"},
    ]
    report = json.dumps({"data": {"orphaned": left}})
    (machine.workspace.folder / "audited").write_text(report, encoding="utf-8")
    machine.behave("""case "$name $*" in
      cdktf-destroy*) [ -e "$folder/deleted" ] || exit 1 ;;
      gcloud-*delete*) touch "$folder/deleted" ;;
      mesh-audit*--json*) echo "mesh: listing" >&2; cat "$folder/audited"; exit 1 ;;
      mesh-repair*) echo '{"data": {"steps": []}}' ;;
    esac""")
    assert machine.run() == 0
    calls = [one for one in machine.calls() if "version" not in one]
    assert calls[-6:] == [
        *(DESTROY, "mesh repair --yes --json", "mesh audit --json", f"{command} --quiet", DESTROY, "mesh audit"),
    ]


def test_what_was_not_destroyed_is_said_and_the_next_run_only_destroys(
    machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.behave(f"""case "$name $*" in
      cdktf-destroy*) exit 1 ;;
      {NOTHING_LEFT}
    esac""")
    assert machine.run() == 1
    assert "NOT DESTROYED" in capsys.readouterr().out
    before = machine.called("cdktf deploy")
    machine.behave("true")
    assert machine.run() == 0
    assert machine.called("cdktf deploy") == before, "the checks are done"
    assert machine.called(DESTROY) == 4


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW_TERRAFORM = """
case "$name" in
  cdktf-deploy-network*)
    trap 'touch "$folder/cdktf-was-told"' INT
    cat >"$folder/terraform" <<'END'
#!/bin/sh
trap 'touch "$1/terraform-was-told"; exit 1' INT
touch "$1/applying"
n=0; while [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
END
    chmod +x "$folder/terraform"
    "$folder/terraform" "$folder" || exit 1
    ;;
esac
"""


def test_a_signal_lets_terraform_end_what_it_has_begun_and_destroys(machine: FakeMachine) -> None:
    folder = machine.workspace.folder
    machine.behave(SLOW_TERRAFORM)

    def press() -> None:
        _wait_for((folder / "applying").exists)
        machine.signals._note(signal.SIGTERM, None)

    thread = threading.Thread(target=press)
    thread.start()
    assert machine.run() == 128 + signal.SIGTERM
    thread.join()
    assert (folder / "terraform-was-told").exists()
    assert not (folder / "cdktf-was-told").exists(), "cdktf would kill terraform"
    assert machine.called("mesh status") == 0
    assert machine.called(DESTROY) == machine.called("mesh audit") == 1
    assert "stopped by signal 15" in str(machine.report()["result"])


CUT_OFF = """
case "$name" in
  cdktf-deploy-network*)
    touch "$folder/applying"
    n=0; while [ ! -e "$folder/go-on" ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
    echo "a line for whoever reads it"
    touch "$folder/applied"
    ;;
  mesh-repair) [ -e "$folder/creating" ] || { touch "$folder/creating"; exit 1; } ;;
esac
"""

PROGRAM = """
import sys
from pathlib import Path
from tests.tools.acceptance.fake_machine import FakeMachine
from tools.acceptance.workspace import Workspace
sys.exit(FakeMachine(Workspace.of(sys.argv[1], Path(sys.argv[2]))).run())
"""


@pytest.mark.process
def test_a_run_that_was_killed_goes_on_after_the_command_that_it_left(machine: FakeMachine, tmp_path: Path) -> None:
    folder = machine.workspace.folder
    machine.behave(CUT_OFF)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, PROJECT, str(tmp_path)], cwd=ROOT) as process:
        _wait_for((folder / "applying").exists)
        process.kill()
    assert not (folder / "applied").exists()

    def release() -> None:
        time.sleep(0.5)
        (folder / "released").write_text(str(machine.called("mesh doctor")), encoding="utf-8")
        (folder / "go-on").touch()

    thread = threading.Thread(target=release)
    thread.start()
    assert machine.run() == 0
    thread.join()
    assert (folder / "released").read_text(encoding="utf-8") == "1", "nothing runs beside the command of before"
    calls = machine.calls()
    again = calls.index("mesh repair --yes")
    assert calls[again : again + 3] == [
        "mesh repair --yes",  # a cluster is still being created
        "mesh repair --yes",
        "cdktf deploy network clusters mesh ingress --auto-approve",
    ]
    assert machine.called(DESTROY) == 1

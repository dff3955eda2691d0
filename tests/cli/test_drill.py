"""`mesh drill`, run as a user runs it, against a fake kubectl that simulates the demo."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.report.findings import Finding, FindingState
from cli.report.output import Output
from cli.traffic import drill
from cli.traffic.options import DrillOptions, FaultKind
from cli.traffic.outage import count_failed, first_arrival, is_steady, slowest, start_of_last_run
from config import load
from tests.cli.demo_mesh import DemoMesh, demo_mesh
from tests.local_mesh.traffic import DemoResponse

RATE = ("--rate", "50")
SECONDS = 30.0
EJECTED_AT = 5
IMPATIENT_SECONDS = 4.0
AWAY_AFTER = 10
"""Requests that another region still serves after the fault, as an ejection lasts."""


class Tokyo:
    """Tokyo's demo: serves, unless it is removed or fails."""

    def __init__(self, cluster: Path, *, honours_sidecars: bool = True, ejects: bool = True) -> None:
        self._cluster = cluster
        self._honours_sidecars = honours_sidecars
        self._ejects = ejects
        self._failures = 0
        self._away = 0

    def __call__(self, number: int) -> str | int:
        if (self._cluster / "replicas").read_text(encoding="utf-8") == "0":
            return "osaka"
        if (self._cluster / "failing").exists() and self._honours_sidecars:
            self._failures += 1
            self._away = AWAY_AFTER
            return "osaka" if self._failures > EJECTED_AT and self._ejects else 503
        if self._away:
            self._away -= 1
            return "osaka"
        return "tokyo"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[DemoMesh]:
    with demo_mesh(tmp_path) as found:
        found.serve("osaka", lambda number: "osaka")
        found.serve("tokyo", Tokyo(tmp_path / "tokyo"))
        yield found


def replicas(mesh: DemoMesh) -> str:
    return (mesh.folder / "tokyo" / "replicas").read_text(encoding="utf-8")


def impatient_drill(mesh: DemoMesh) -> dict[str, Finding]:
    """Let Tokyo's demo fail, wait for a few seconds only, and return what was found."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SECONDS_TO_FAIL_OVER", "SECONDS_TO_FAIL_BACK"):
            patch.setattr(drill, name, IMPATIENT_SECONDS)
        for name, value in mesh.variables().items():
            patch.setenv(name, value)
        # It is this process whose answer to signals a drill changes.
        patch.setattr(drill, "stop_on_signals", lambda: None)
        options = DrillOptions("tokyo", FaultKind.FAILING, rate=50, restore_seconds=10)
        report = drill.run_drill(load(mesh.config), mesh.folder / "kubeconfig", options, Output())
    return {finding.name: finding for _, finding in report.findings()}


def calls(mesh: DemoMesh) -> list[str]:
    """Return the changes that kubectl has made in Tokyo."""
    lines = (mesh.folder / "tokyo" / "calls").read_text(encoding="utf-8").splitlines()
    changes = [line.split() for line in lines if " job/" not in line]
    return [" ".join(words) for words in changes if words[0] in ("scale", "apply", "delete")]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "this never came to be"
        time.sleep(0.05)


def test_both_faults_are_gone_through_and_taken_back(mesh: DemoMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "WATCHED_SECONDS", 1.0)
    (mesh.folder / "tokyo" / "replicas").write_text("3", encoding="utf-8")
    result = mesh.run("drill", "tokyo", *RATE, "--json")
    assert result.status == 0, result.output + result.errors
    findings = result.findings
    assert {one["state"] for one in findings.values()} == {"ok"}
    removed, failing = result.report["data"]["faults"]
    assert removed["fault"] == "removed"
    assert removed["failed"] == 0
    assert removed["failover_seconds"] < 5
    assert failing["failed"] == EJECTED_AT
    assert failing["failover_seconds"] < 5
    assert 0 < failing["failback_seconds"] < 20
    assert failing["failed_in_other_regions"] == 0
    assert "503" in findings["returns 503: errors during failover"]["text"]
    assert replicas(mesh) == "3"
    assert [line.split()[0] for line in calls(mesh)] == ["scale", "scale", "apply", "delete"]
    assert not (mesh.folder / "osaka" / "failing").exists()


@pytest.mark.process
def test_what_lets_the_demo_fail_is_a_sidecar_that_leads_nowhere(mesh: DemoMesh) -> None:
    import yaml  # noqa: PLC0415

    process = mesh.start("drill", "tokyo", *RATE, "--fault", "failing")
    failing = mesh.folder / "tokyo" / "failing"
    wait_until(lambda: failing.exists() and failing.stat().st_size > 0)
    sidecar = yaml.safe_load(failing.read_text(encoding="utf-8"))
    process.terminate()
    process.communicate(timeout=SECONDS)
    assert sidecar["kind"] == "Sidecar"
    assert sidecar["metadata"] == {"name": "mesh-drill", "namespace": "sample"}
    assert sidecar["spec"]["workloadSelector"]["labels"] == {"app": "helloworld"}
    assert sidecar["spec"]["ingress"][0]["port"]["number"] == 5000


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("fault", ["removed", "failing"])
def test_a_signal_puts_everything_back(mesh: DemoMesh, number: signal.Signals, fault: str) -> None:
    process = mesh.start("drill", "tokyo", *RATE, "--fault", fault)
    wait_until(lambda: replicas(mesh) == "0" or (mesh.folder / "tokyo" / "failing").exists())
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    assert replicas(mesh) == "1"
    assert not (mesh.folder / "tokyo" / "failing").exists()
    assert "mesh: the fault in tokyo is rolled back" in errors
    assert "Traceback" not in errors


@pytest.mark.process
def test_even_when_it_is_killed(mesh: DemoMesh) -> None:
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed")
    wait_until(lambda: replicas(mesh) == "0")
    time.sleep(0.5)
    process.kill()
    wait_until(lambda: replicas(mesh) == "1")
    assert "what was changed is rolled back" in process.communicate(timeout=SECONDS)[1]


@pytest.mark.process
def test_a_lost_connection_is_waited_for(mesh: DemoMesh) -> None:
    """The client's connection ends and the cluster is unreachable; the rollback runs as soon as it is not."""
    away = mesh.folder / "tokyo" / "away"
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed")
    wait_until(lambda: replicas(mesh) == "0")
    time.sleep(0.5)
    away.touch()
    end_clients(process.pid)
    assert process.stderr is not None
    for line in process.stderr:
        if "the rollback does not succeed yet" in line:
            assert "is tried again for 300 s: Unable to connect to the server" in line
            break
    assert replicas(mesh) == "0"
    away.unlink()
    _, errors = process.communicate(timeout=SECONDS)
    assert replicas(mesh) == "1"
    assert process.returncode == 2
    assert "lost the connection to the client pod in tokyo" in errors
    assert "the rollback does not succeed yet" not in errors, "it is reported once"


@pytest.mark.process
def test_what_can_t_be_put_back_is_said_with_the_command(mesh: DemoMesh) -> None:
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed", "--restore-seconds", "1")
    wait_until(lambda: replicas(mesh) == "0")
    (mesh.folder / "tokyo" / "away").touch()
    process.terminate()
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert "the rollback failed; run these commands:" in errors
    command = "scale deployment/helloworld-v1 --namespace sample --replicas=1"
    assert any(line.strip().startswith("kubectl ") and line.endswith(command) for line in errors.splitlines())


@pytest.mark.process
@pytest.mark.parametrize("prevented", ["interactive", "stuck"])
def test_a_deletion_counts_when_the_object_is_gone(mesh: DemoMesh, prevented: str) -> None:
    """kubectl exits with 0 and deletes nothing; a preference of the caller's for that has no effect."""
    (mesh.folder / "tokyo" / prevented).touch()
    failing = mesh.folder / "tokyo" / "failing"
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "failing", "--restore-seconds", "1")
    wait_until(failing.exists)
    time.sleep(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=SECONDS)
    assert failing.exists() == (prevented == "stuck")
    assert ("the rollback failed; run these commands:" in errors) == (prevented == "stuck")


def test_a_control_plane_that_takes_no_notice_is_said(mesh: DemoMesh) -> None:
    mesh.servers["tokyo"].behaviour = Tokyo(mesh.folder / "tokyo", honours_sidecars=False)
    finding = impatient_drill(mesh)["returns 503: failover"]
    assert finding.state is FindingState.FAILURE
    assert "ignores the Sidecar that injects the fault" in finding.text
    assert finding.fix == "mesh drill tokyo --fault removed"


def test_failing_pods_that_are_not_ejected_are_found(mesh: DemoMesh) -> None:
    """Nothing is ejected, and every request fails."""
    mesh.servers["tokyo"].behaviour = Tokyo(mesh.folder / "tokyo", ejects=False)
    findings = impatient_drill(mesh)
    assert findings["returns 503: failover"].state is FindingState.FAILURE
    assert "DestinationRule" in findings["returns 503: failover"].fix
    assert findings["returns 503: errors during failover"].state is FindingState.FAILURE
    assert findings["returns 503: rollback"].state is FindingState.OK


def test_answers_from_elsewhere_to_begin_with(mesh: DemoMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "SECONDS_TO_SETTLE", IMPATIENT_SECONDS)
    mesh.servers["tokyo"].behaviour = lambda number: ("tokyo", "osaka")[number % 2]
    result = mesh.run("drill", "tokyo", *RATE, "--json")
    assert result.status == 1
    assert result.findings["endpoints removed: baseline"]["fix"] == "mesh verify locality"
    assert calls(mesh) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"failover": False}, "demo.failover is false"),
        ({"versions": {"tokyo": "v1"}}, "no other region runs the demo service"),
        ({"versions": {"osaka": "v2"}}, "the demo service does not run in tokyo"),
    ],
)
def test_a_drill_that_would_show_nothing_is_refused(mesh: DemoMesh, change: dict[str, object], message: str) -> None:
    mesh.content["demo"].update(change)
    result = mesh.run("drill", "tokyo")
    assert result.status == 2
    assert message in result.errors
    assert len(result.errors.splitlines()) == 2


def test_a_demo_that_is_down_already(mesh: DemoMesh) -> None:
    (mesh.folder / "tokyo" / "replicas").write_text("0", encoding="utf-8")
    result = mesh.run("drill", "tokyo")
    assert result.status == 2
    assert "already has 0 replicas" in result.errors
    assert "scale deployment/helloworld-v1 --namespace sample --replicas=1" in result.errors


def test_what_a_series_of_answers_says() -> None:
    good, bad = "version: v1", "sick"
    answers = [
        DemoResponse(float(number), 0.5, 200 if body is good else 503, body) for number, body in enumerate([bad, good])
    ]
    assert count_failed(answers) == 1
    assert slowest(answers) == 0.5
    assert slowest([]) == 0
    assert first_arrival(answers, lambda one: one.ok) == 1.5
    assert first_arrival(answers[:1], lambda one: one.ok) is None
    assert start_of_last_run(answers, lambda one: one.ok) == 1.0
    assert start_of_last_run(answers[:1], lambda one: one.ok) is None
    assert is_steady(answers, lambda one: one.ok, 1)
    assert not is_steady(answers, lambda one: one.ok, 2)
    assert not is_steady([], lambda one: one.ok, 1)


def end_clients(parent: int) -> None:
    """End the fake kubectl exec, as a lost connection would."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc on this machine: connections can't be ended")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[1]) == parent and b"\0client\0http://" in command:
                os.killpg(int(process.name), signal.SIGKILL)

"""`mesh drill`, run as a user runs it, against a fake kubectl that simulates the demo."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import cast

import pytest

from cli.errors import MeshError
from cli.report.consent import obtain_consent
from cli.report.findings import Finding, FindingState
from cli.report.output import Output
from cli.traffic import drill
from cli.traffic.client import LoadGenerator
from cli.traffic.colours import FAILED, response_colours
from cli.traffic.drill_load import DrillLoad
from cli.traffic.drill_plot import count_by_time
from cli.traffic.options import DrillOptions, FaultKind
from cli.traffic.outage import (
    count_failed,
    first_arrival,
    is_steady,
    seconds_of_failure,
    slowest,
    start_of_last_run,
)
from cli.traffic.response import Response
from config import load
from tests.cli.demo_mesh import Behaviour, DemoMesh, demo_mesh
from tests.local_mesh.traffic import DemoResponse

RATE = ("--rate", "50")
SECONDS = 90
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
        options = DrillOptions("tokyo", fault=FaultKind.FAILING, rate=50, stop_after=2, restore_seconds=10)
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
    plot = mesh.folder / "drill.svg"
    result = mesh.run("drill", "tokyo", *RATE, "--json", "--plot", str(plot))
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
    content = plot.read_text(encoding="utf-8")
    for text in ("response from tokyo", "response from osaka", "fault", "repair", "passed: failover after"):
        assert text in content
    colours = response_colours(["tokyo", "osaka"])
    assert all(colours[one] in content for one in ("tokyo", "osaka", FAILED))


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
    labels = {"multi-region-mesh/temporary": "drill"}
    assert sidecar["metadata"] == {"name": "mesh-drill", "namespace": "sample", "labels": labels}
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
    """Meanwhile the Deployment notes the number of replicas."""
    (mesh.folder / "tokyo" / "replicas").write_text("3", encoding="utf-8")
    annotation = mesh.folder / "tokyo" / "annotation"
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed")
    wait_until(lambda: replicas(mesh) == "0")
    assert annotation.read_text(encoding="utf-8") == "3"
    process.kill()
    process.wait(SECONDS)
    wait_until(lambda: replicas(mesh) == "3")
    wait_until(lambda: not annotation.exists())
    assert "what was changed is rolled back" in process.communicate(timeout=SECONDS)[1]
    assert not list(mesh.temporary.iterdir()), "its own folder, and that of the rollback"


@pytest.mark.process
def test_a_lost_connection_is_waited_for(mesh: DemoMesh) -> None:
    """The client's connection ends and the cluster is unreachable; the rollback runs as soon as it is not."""
    away = mesh.folder / "tokyo" / "away"
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed")
    wait_until(lambda: replicas(mesh) == "0")
    time.sleep(0.5)
    away.touch()
    began = time.monotonic()
    end_clients(process.pid)
    assert process.stderr is not None
    line = next(line for line in process.stderr if "the rollback does not succeed yet" in line)
    left = re.search(r"is tried again for (\d+) s: Unable to connect to the server", line)
    assert left, line
    # The first attempt has taken some of the 300 s.
    assert round(300 - (time.monotonic() - began)) <= int(left[1]) <= 300
    assert replicas(mesh) == "0"
    away.unlink()
    output, errors = process.communicate(timeout=SECONDS)
    assert replicas(mesh) == "1"
    assert process.returncode == 1
    assert re.search("failure  drill: lost the connection to the client pod in (tokyo|osaka)", output), output
    assert "warning  endpoints removed: measurement: interrupted after" in output
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
    assert finding.fix == "mesh drill tokyo --service helloworld --fault removed"


def test_total_failure_ends_a_drill(mesh: DemoMesh) -> None:
    """Nothing is ejected, and every request fails."""
    mesh.servers["tokyo"].behaviour = Tokyo(mesh.folder / "tokyo", ejects=False)
    findings = impatient_drill(mesh)
    failover = findings["returns 503: failover"]
    assert failover.state is FindingState.FAILURE
    assert "the drill was stopped, as all requests from tokyo failed: HTTP 503" in failover.text
    assert findings["returns 503: errors during failover"].state is FindingState.FAILURE
    assert findings["returns 503: rollback"].state is FindingState.OK
    assert findings["returns 503: failback"].state is not FindingState.FAILURE


@pytest.mark.slow
def test_total_failure_of_another_region_ends_it_too(mesh: DemoMesh) -> None:
    failing = mesh.folder / "tokyo" / "failing"
    mesh.servers["osaka"].behaviour = lambda number: 503 if failing.exists() else "osaka"
    failover = impatient_drill(mesh)["returns 503: failover"]
    assert "as all requests from osaka failed: HTTP 503" in failover.text


@pytest.mark.parametrize(
    ("region", "behaviour"), [("tokyo", lambda number: ("tokyo", "osaka")[number % 2]), ("osaka", lambda number: 503)]
)
def test_a_region_that_does_not_serve_itself(
    mesh: DemoMesh, monkeypatch: pytest.MonkeyPatch, region: str, behaviour: Behaviour
) -> None:
    """The drill is refused before it has changed anything."""
    monkeypatch.setattr(drill, "SECONDS_TO_SETTLE", IMPATIENT_SECONDS)
    mesh.servers[region].behaviour = behaviour
    result = mesh.run("drill", "tokyo", *RATE, "--json")
    assert result.status == 2
    assert f"{region} does not serve its own requests before the fault" in result.errors
    assert result.report["error"]["fix"]
    assert calls(mesh) == []


@pytest.mark.parametrize("health", [None, {"eds_health_status": "UNHEALTHY"}, {"failed_outlier_check": True}])
def test_a_proxy_without_a_healthy_endpoint_elsewhere(mesh: DemoMesh, health: dict[str, object] | None) -> None:
    mesh.write_proxies("tokyo", osaka=health)
    result = mesh.run("drill", "tokyo", *RATE)
    assert result.status == 2
    assert "the client in tokyo knows no healthy endpoint of helloworld in osaka: a drill would be an outage" in (
        result.errors
    )
    assert "mesh explain helloworld --from tokyo" in result.errors
    assert calls(mesh) == []


def test_a_region_without_a_ready_pod(mesh: DemoMesh) -> None:
    (mesh.folder / "osaka" / "replicas").write_text("0", encoding="utf-8")
    result = mesh.run("drill", "tokyo", *RATE)
    assert result.status == 2
    assert "no pod of helloworld is ready in osaka: a drill of tokyo could be an outage" in result.errors
    assert calls(mesh) == []


@pytest.mark.slow
def test_ejections_of_earlier_are_reported(mesh: DemoMesh) -> None:
    mesh.write_proxies("tokyo", tokyo={"failed_outlier_check": True})
    result = mesh.run("drill", "tokyo", *RATE, "--fault", "removed")
    assert "the client has ejected 1 endpoint before: an ejection lasts 30 s, longer by that each time" in result.errors


def test_so_many_pods_that_the_drill_would_stop_before_they_are_ejected(mesh: DemoMesh) -> None:
    (mesh.folder / "tokyo" / "replicas").write_text("11", encoding="utf-8")
    result = mesh.run("drill", "tokyo", "--rate", "10", "--fault", "failing")
    assert result.status == 2
    assert "11 pods are ejected after 55 errors" in result.errors
    assert "--stop-after 6, or a higher --rate" in result.errors
    assert calls(mesh) == []
    mesh.content["demo"]["outlier_detection"] = {"consecutive_gateway_errors": 4}
    assert (
        "11 pods are ejected after 44 errors" in mesh.run("drill", "tokyo", "--rate", "8", "--fault", "failing").errors
    )


def test_a_drill_in_which_no_response_ejects_a_pod(mesh: DemoMesh) -> None:
    mesh.content["demo"]["outlier_detection"] = {"consecutive_5xx": 0, "consecutive_local_origin_failures": 3}
    result = mesh.run("drill", "tokyo", *RATE, "--fault", "failing")
    assert result.status == 2
    assert "no response ejects a pod" in result.errors
    assert calls(mesh) == []


def real_service(mesh: DemoMesh) -> None:
    """Have a service of the user, which the same servers serve, and which the demo may call."""
    mesh.content["services"] = {
        "checkout": {
            "image": "example.com/checkout:1",
            "user": 1000,
            "port": 8080,
            "allow_from": ["sample/sleep"],
            "ports": {"grpc": {"port": 9000, "protocol": "grpc"}},
        }
    }
    mesh.host, mesh.port = "checkout.apps.svc.cluster.local", 8080
    for region, server in mesh.servers.items():
        mesh.connect(region, server.server_address[1])
        mesh.write_proxies(region)


def test_a_service_of_the_user_s_fails_only_with_consent(mesh: DemoMesh) -> None:
    real_service(mesh)
    arguments = ("drill", "tokyo", "--service", "checkout", *RATE, "--fault", "removed")
    refused = mesh.run(*arguments, "--json")
    assert refused.status == 2
    assert "checkout in tokyo will fail, and its requests go to osaka" in refused.errors
    assert "checkout-v1 is scaled from 1 to 0 replicas" in refused.errors
    assert "add --yes" in refused.report["error"]["fix"]
    assert calls(mesh) == []
    result = mesh.run(*arguments, "--yes", "--json")
    assert result.status == 0, result.output + result.errors
    assert [line.split()[:2] for line in calls(mesh)] == [["scale", "deployment/checkout-v1"]] * 2


@pytest.mark.parametrize(("answer", "goes_on"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    terminal = StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    if goes_on:
        obtain_consent("All of it stops.", given=False)
    else:
        with pytest.raises(MeshError, match="nothing was changed"):
            obtain_consent("All of it stops.", given=False)


@pytest.mark.process
def test_what_was_counted_until_an_interruption_is_printed(mesh: DemoMesh) -> None:
    process = mesh.start("drill", "tokyo", *RATE, "--fault", "removed", "--json", "--plot", str(mesh.folder / "a.svg"))
    wait_until(lambda: replicas(mesh) == "0")
    time.sleep(2)
    process.terminate()
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    [fault] = json.loads(output)["data"]["faults"]
    assert fault["requests"] > 0
    assert (fault["complete"], fault["restored"]) == (False, True)
    assert "interrupted after" in (mesh.folder / "a.svg").read_text(encoding="utf-8")


def test_responses_are_counted_by_time_and_region() -> None:
    def response(received: float, region: str, problem: str = "") -> Response:
        return Response(received, 0.1, 200, region, problem)

    responses = [response(10.0, "a"), response(10.4, "a"), response(11.2, ""), response(11.9, "", "HTTP 503")]
    responses += [response(9.0, "a"), response(12.0, "a")]
    rates = count_by_time(responses, 10.0, 0.5, 4)
    assert rates == {"a": [4.0, 0, 0, 0], "unknown": [0, 0, 2.0, 0], "failed": [0, 0, 0, 2.0]}


def test_responses_that_the_end_leaves_unknown_do_not_count(mesh: DemoMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the last one would end the series that is the failback."""
    stop = DrillLoad.stop

    def stop_with_unknown(load: DrillLoad) -> None:
        stop(load)
        for one in load.generators.values():
            one.responses.append(replace(one.responses[-1], region=""))

    monkeypatch.setattr(DrillLoad, "stop", stop_with_unknown)
    assert impatient_drill(mesh)["returns 503: failback"].state is FindingState.OK


def test_a_client_that_reports_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees then what the fault does."""

    class Silent:
        running = True
        responses = (Response(100.0, 0.1, 200, "tokyo", ""),)

    load = DrillLoad({"tokyo": cast(LoadGenerator, Silent())})
    monkeypatch.setattr("time.monotonic", lambda: 114.0)
    load.watch(0, lambda: False)
    monkeypatch.setattr("time.monotonic", lambda: 116.0)
    with pytest.raises(MeshError, match="the client pod in tokyo has reported nothing for 15 s"):
        load.watch(0, lambda: False)


def test_seconds_of_failure() -> None:
    def response(received: float, problem: str = "") -> Response:
        return Response(received, 0.5, 200, "a", problem)

    assert seconds_of_failure([], 10.0, 17.0) == 0
    assert seconds_of_failure([response(11.0)], 10.0, 17.0) == 0
    assert seconds_of_failure([response(11.0), response(12.0, "HTTP 503")], 10.0, 17.0) == 6.0
    assert seconds_of_failure([response(12.0, "HTTP 503"), response(13.0)], 10.0, 17.0) == 0
    assert seconds_of_failure([response(12.0, "HTTP 503")], 10.0, 17.0) == 7.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"failover": False, "outlier_detection": {}}, "demo.failover is false"),
        ({"versions": {"tokyo": "v1"}}, "no other region runs helloworld"),
        ({"versions": {"osaka": "v2"}}, "helloworld does not run in tokyo"),
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
    assert "--namespace sample scale deployment/helloworld-v1 --replicas=1" in result.errors


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

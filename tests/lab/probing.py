"""Probes: a bad version gets no requests, a pod that stops being ready neither, and a rollout loses none."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from cli.traffic.outage import count_failed, first_arrival, start_of_last_run
from tests.lab.budget.faults import RETURNS_503
from tests.lab.budget.limits import LOAD_BALANCER, limits
from tests.lab.faults import (
    FAILOVER_SECONDS,
    INTERVAL_SECONDS,
    conditions,
    format_failed,
    format_seconds,
    seconds_since,
    wait_until_steady,
)
from tests.lab.services import API_HOST, GRPC, HTTP, HTTP2, NAMESPACE, SHOP_HOST, TCP, LabServices
from tests.local_mesh.application.facts import BAD_TAG
from tests.local_mesh.pod import Pod
from tests.local_mesh.traffic import DemoResponse, Recorded
from tests.reporting.report import Report
from tests.reporting.table import Table

PROBES = {HTTP: "http", HTTP2: "exec", GRPC: "grpc", TCP: "tcp"}
"""The type of the readiness probe of each service in `services.yaml`."""

GOOD_TAG = "2"
"""Tag of the version after the bad one."""

SECONDS = 10
"""How long requests are sent to a service with a bad version."""

ROLLOUT_SECONDS = 120

Apply = Callable[[str, str], None]
"""Applies the lab's services with a tag of their images in one region."""


def check_probes(services: LabServices, apply: Apply, report: Report) -> None:
    """Deploy a bad version to the last region, replace it by a good one, and let that one fail for a while."""
    region = services.regions[-1]
    bad = Table(
        f"Probes: a bad version in {region} is never ready",
        [
            *("Probe", "Bad pods", "Bad endpoints", "Requests", "Responses of the bad version", "Local responses"),
            "Failed requests",
        ],
    )
    bad.notes.append(
        "Envoy counts a pod that is not ready among those of its region: part of the requests goes to another region."
    )
    with report.filling(bad), _streams(services, region) as streams:
        report.progress(f"deploying a bad version to {region}")
        apply(region, BAD_TAG)
        _wait_for(services, lambda: all(_pods(services, region, name, BAD_TAG) for name in PROBES))
        since = time.monotonic()
        time.sleep(SECONDS)
        for name, probe in PROBES.items():
            pods = _pods(services, region, name, BAD_TAG)
            endpoints = _ready_addresses(services, region, name) & {str(pod.address) for pod in pods}
            responses = streams[name].since(since)
            served = sum(_tag(response) == BAD_TAG for response in responses)
            failed = count_failed(responses)
            good = bool(pods) and not endpoints and bool(responses) and served == failed == 0
            local = sum(response.version == region for response in responses)
            bad.add(probe, len(pods), len(endpoints), len(responses), served, local, failed, ok=good)
    _check_rollout(services, region, apply, report)
    _check_changing_readiness(services, region, report)
    _check_liveness(services, region, report)


def _check_rollout(services: LabServices, region: str, apply: Apply, report: Report) -> None:
    """Replace all pods of a region by those of a good version."""
    table = Table(
        f"Graceful termination: all pods in {region} are replaced by those of another version",
        ["Protocol", "Drain (s)", "Requests", "Failed requests", "Last response of the new version"],
    )
    drains = {name: _drain_seconds(services, region, name) for name in PROBES}
    with _streams(services, region) as streams:
        report.progress(f"deploying a good version to {region}")
        began = time.monotonic()
        apply(region, GOOD_TAG)
        services.lab.wait_for_rollout(ROLLOUT_SECONDS)
        for stream in streams.values():
            wait_until_steady(
                services.lab, stream, began, lambda response: _tag(response) == GOOD_TAG, FAILOVER_SECONDS
            )
        time.sleep(max(drains.values()))  # the old pods end
    for name, stream in streams.items():
        responses = stream.since(began)
        failed = count_failed(responses)
        new = bool(responses) and _tag(responses[-1]) == GOOD_TAG
        cells = (len(responses), failed, "yes" if new else "no")
        table.add(name.removeprefix("lab-"), f"{drains[name]:g}", *cells, ok=new and failed == 0)
    report.add(table)


def _check_changing_readiness(services: LabServices, region: str, report: Report) -> None:
    """Let the pods of a region fail their readiness probes for a while."""
    table = Table(
        f"Probes: the pods in {region} fail after the start, and recover",
        ["Probe", "Failed requests", "Failover time (s)", "Errors during failback", "Failback time (s)"],
    )
    report.progress(f"failing the readiness of the pods in {region}")
    is_local, is_remote = conditions(region)
    pods = [pod for name in PROBES for pod in services.lab.regions[region].agent.pods(NAMESPACE, name)]
    with _streams(services, region) as streams:
        failed_at = time.monotonic()
        for pod in pods:
            pod.fail_readiness()
        for stream in streams.values():
            wait_until_steady(services.lab, stream, failed_at, is_remote, FAILOVER_SECONDS)
        ended_at = time.monotonic()
        for pod in pods:
            pod.pass_readiness()
        for stream in streams.values():
            wait_until_steady(services.lab, stream, ended_at, is_local, FAILOVER_SECONDS)
    for name, stream in streams.items():
        away = [response for response in stream.since(failed_at) if response.sent < ended_at]
        back = stream.since(ended_at)
        failover = seconds_since(failed_at, first_arrival(away, is_remote))
        failback = seconds_since(ended_at, start_of_last_run(back, is_local))
        served = name == TCP or count_failed(away) == 0
        table.add(
            *(PROBES[name], format_failed(away), format_seconds(failover)),
            *(format_failed(back), format_seconds(failback)),
            ok=None not in (failover, failback) and served and count_failed(back) == 0,
        )
    table.notes.append(
        "Pods with the other probes still serve requests. Nothing listens on the port of tcp, so that requests fail "
        "until the probe does: a client's proxy reaches the pod's proxy, and ejects nothing."
    )
    report.add(table)


def _check_liveness(services: LabServices, region: str, report: Report) -> None:
    """Let the application of a region return errors, until its liveness probe restarts it."""
    table = Table(
        f"Probes: the application in {region} returns 503, until its liveness probe restarts it",
        ["Probe", "Restarts", "Restart after (s)", "Failed requests"],
    )
    pod = services.lab.pod(region, NAMESPACE, HTTP)
    report.progress(f"failing the liveness of {HTTP} in {region}")
    with services.gateway(region, SHOP_HOST).stream("/", INTERVAL_SECONDS) as stream:
        failed_at = time.monotonic()
        pod.return_503()
        restarted = _wait_for(services, lambda: pod.restarts > 0 and pod.ready)
        seconds = time.monotonic() - failed_at
    failed = stream.since(failed_at)
    good = restarted and bool(failed) and count_failed(failed) <= limits(RETURNS_503, LOAD_BALANCER).failed
    table.add(PROBES[HTTP], pod.restarts, f"{seconds:.1f}", format_failed(failed), ok=good)
    report.add(table)


@contextmanager
def _streams(services: LabServices, region: str) -> Iterator[dict[str, Recorded]]:
    """Send requests to every service from a region; those of HTTP come from the load balancer."""
    with ExitStack() as stack:
        streams: dict[str, Recorded] = {
            HTTP: stack.enter_context(services.gateway(region, SHOP_HOST).stream("/", INTERVAL_SECONDS)),
            HTTP2: stack.enter_context(services.gateway(region, API_HOST).stream("/", INTERVAL_SECONDS)),
            GRPC: stack.enter_context(services.grpc(region).stream(INTERVAL_SECONDS)),
            TCP: stack.enter_context(services.tcp(region).stream(INTERVAL_SECONDS)),
        }
        started = time.monotonic()
        for stream in streams.values():
            wait_until_steady(services.lab, stream, started, lambda response: response.ok, FAILOVER_SECONDS)
        yield streams


def _pods(services: LabServices, region: str, name: str, tag: str) -> list[Pod]:
    """Return the started pods of a version."""
    pods = services.lab.regions[region].agent.pods(NAMESPACE, name)
    return [pod for pod in pods if pod.started and _image(pod, name).endswith(f":{tag}")]


def _image(pod: Pod, name: str) -> str:
    containers = pod.manifest["spec"]["containers"]
    return next(str(container["image"]) for container in containers if container["name"] == name)


def _ready_addresses(services: LabServices, region: str, name: str) -> set[str]:
    """Return the addresses of the ready endpoints of a service in a region's own cluster."""
    label = f"kubernetes.io/service-name={name}"
    slices = services.lab.regions[region].cluster.get("endpointslices", "--namespace", NAMESPACE, "--selector", label)
    return {
        address
        for item in slices["items"]
        for endpoint in item.get("endpoints") or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    }


def _drain_seconds(services: LabServices, region: str, name: str) -> float:
    pod = services.lab.pod(region, NAMESPACE, name)
    return pod.drain_seconds


def _tag(response: DemoResponse) -> str:
    """Return the tag of the image that responded."""
    return str(response.facts.get("image", "")).rpartition(":")[2]


def _wait_for(services: LabServices, condition: Callable[[], bool]) -> bool:
    """Wait for a condition, and return whether it holds in time."""
    deadline = time.monotonic() + FAILOVER_SECONDS
    while not condition():
        services.lab.check()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True

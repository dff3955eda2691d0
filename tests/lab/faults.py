"""Errors that clients of the demo see when a region fails."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.traffic.outage import count_failed, first_arrival, is_steady, slowest, start_of_last_run
from config.environment import DEMO_SERVICE
from tests.lab.demo import LabDemo
from tests.local_mesh.pod import Pod
from tests.local_mesh.traffic import TIMEOUT_SECONDS, Client, DemoResponse, Recorded, Stream
from tests.reporting.report import Report
from tests.reporting.table import Table

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh, LocalRegion

INTERVAL_SECONDS = 0.05
STEADY = 20
"""Consecutive responses after which a state is steady."""

LEAD_SECONDS = 1.0
FAILOVER_SECONDS = 60.0
FAILBACK_SECONDS = 120.0
CUT_OFF_SECONDS = 15.0

SLOW_SECONDS = 0.5

MOST_FAILED = 10
"""Limit of one client's failed requests: outlier detection ejects at the fifth, and some are under way."""

Condition = Callable[[DemoResponse], bool]


@dataclass(frozen=True)
class ServiceFault:
    """A fault of the service in one region.

    Attributes:
        name: in tables.
        inject: starts the fault.
        end: ends the fault.
        announced: the control plane knows of it, so that no request has to fail.
    """

    name: str
    inject: Callable[[], None]
    end: Callable[[], None]
    announced: bool = False


def service_faults(home: "LocalRegion", namespace: str, name: str, version: str) -> list[ServiceFault]:
    """Return the three faults of a service's version in a region."""
    deployment = f"deployment/{name}-{version}"

    def scale(replicas: int) -> None:
        home.cluster.kubectl("scale", deployment, "--namespace", namespace, f"--replicas={replicas}")

    def each(work: Callable[[Pod], None]) -> Callable[[], None]:
        def call() -> None:
            for pod in home.agent.pods(namespace, name):
                work(pod)

        return call

    replicas = len(home.agent.pods(namespace, name))
    return [
        ServiceFault("endpoints removed", lambda: scale(0), lambda: scale(replicas), announced=True),
        ServiceFault("connection refused", each(Pod.kill), each(home.agent.restart)),
        ServiceFault("returns 503", each(Pod.return_503), each(Pod.recover)),
    ]


def _demo_faults(demo: LabDemo, region: str) -> list[ServiceFault]:
    return service_faults(demo.lab.regions[region], demo.service.namespace, DEMO_SERVICE, demo.versions[region])


@dataclass(frozen=True)
class ClientOutage:
    """What one client of a failed region saw.

    Attributes:
        client: name of the client.
        away: responses to the requests sent during the fault.
        back: responses to the requests sent after it.
        failover_seconds: from the fault to the first response from another region; None if there was none.
        failback_seconds: from the end of the fault until only local responses; None if that was never.
        steady: whether both states lasted.
    """

    client: str
    away: Sequence[DemoResponse]
    back: Sequence[DemoResponse]
    failover_seconds: float | None
    failback_seconds: float | None
    steady: bool


def check_failover(demo: LabDemo, report: Report) -> None:
    """Inject each fault while clients in that region, at its gateway and in the other regions send requests.

    Each fault is in another region, as a proxy remembers the failures of an endpoint for a while.
    """
    columns = [
        *("Fault", "Region", "Client", "Failed requests", "Failover time (s)", "Slowest response (s)"),
        *("Errors during failback", "Failback time (s)"),
    ]
    table = Table(f"Failover of {DEMO_SERVICE}", columns)
    table.notes.append(
        f"Each client sends a request every {INTERVAL_SECONDS * 1000:.0f} ms. Failover time: from the fault to the "
        "first response from another region. Failback time: from the end of the fault until every response is local."
    )
    regions = list(demo.versions)
    outages: list[ClientOutage] = []
    with report.filling(table):
        for index in range(len(_demo_faults(demo, regions[0]))):
            region = regions[index % len(regions)]
            fault = _demo_faults(demo, region)[index]
            report.progress(f"failover of {region}: {fault.name}")
            outages += _measure_fault(demo, region, fault, table)
            _summarize(outages, report)


def _summarize(outages: Sequence[ClientOutage], report: Report) -> None:
    """Put the key figures of all measured outages into the summary."""
    failed = [count_failed(outage.away) for outage in outages]
    sent = sum(len(outage.away) for outage in outages)
    back = [response for outage in outages for response in outage.back]
    failover = _format_range([outage.failover_seconds for outage in outages])
    failback = _format_range([outage.failback_seconds for outage in outages])
    report.figure("Failover time", f"{failover}, from the fault to the first response from another region")
    report.figure("Failed requests", f"{sum(failed)} of {sent} during the faults, at most {max(failed)} for a client")
    report.figure("Errors during failback", f"{count_failed(back)} of {len(back)} requests; failback time {failback}")


def _format_range(seconds: Sequence[float | None]) -> str:
    found = [one for one in seconds if one is not None]
    if len(found) < len(seconds):
        return f"none in {len(seconds) - len(found)} of {len(seconds)} cases"
    return f"{min(found):.1f} to {max(found):.1f} s"


@contextmanager
def streaming(path: str, clients: Sequence[Client]) -> Iterator[list[Stream]]:
    with ExitStack() as stack:
        yield [stack.enter_context(client.stream(path, INTERVAL_SECONDS)) for client in clients]


def _local_clients(demo: LabDemo, region: str) -> dict[str, Client]:
    return {"client": demo.client(region), "gateway": demo.gateways(region)[0]}


def _measure_fault(demo: LabDemo, region: str, fault: ServiceFault, table: Table) -> list[ClientOutage]:
    is_local, is_remote = conditions(demo.versions[region])
    local = _local_clients(demo, region)
    others = [demo.client(key) for key in demo.lab.regions if key != region]
    with streaming(demo.path, list(local.values())) as streams, streaming(demo.path, others) as bystanders:
        time.sleep(LEAD_SECONDS)
        failed_at = time.monotonic()
        fault.inject()
        left = [wait_until_steady(demo.lab, stream, failed_at, is_remote, FAILOVER_SECONDS) for stream in streams]
        fault.end()
        ended_at = time.monotonic()  # all pods that were restarted are ready again
        returned = [wait_until_steady(demo.lab, stream, ended_at, is_local, FAILBACK_SECONDS) for stream in streams]
    outages = []
    for name, stream, steady in zip(local, streams, map(all, zip(left, returned, strict=True)), strict=True):
        away = [response for response in stream.since(failed_at) if response.sent < ended_at]
        back = stream.since(ended_at)
        failover = seconds_since(failed_at, first_arrival(away, is_remote))
        failback = seconds_since(ended_at, start_of_last_run(back, is_local))
        outages.append(ClientOutage(name, away, back, failover, failback, steady))
        table.add(
            *(fault.name, region, name, format_failed(away), format_seconds(failover), format_slowest(away)),
            *(format_failed(back), format_seconds(failback)),
            ok=steady and count_failed(away) <= (0 if fault.announced else MOST_FAILED) and count_failed(back) == 0,
        )
    responses = [response for stream in bystanders for response in stream.responses]
    good = all(stream.responses for stream in bystanders) and count_failed(responses) == 0
    cells = (format_failed(responses), "", format_slowest(responses), "", "")
    table.add(fault.name, region, "other regions", *cells, ok=good)
    return outages


def check_lost_regions(demo: LabDemo, report: Report) -> None:
    """Cut off the last region; and with three regions, again while it serves another region's clients."""
    regions = list(demo.versions)
    lost = regions[-1]
    report.progress(f"cutting off {lost}")
    _lose_region(demo, lost, report)
    if len(regions) > 2:
        report.progress(f"cutting off {lost} while it serves the clients of {regions[0]}")
        report.add(_lose_failover_region(demo, regions[0], lost))


def _lose_region(demo: LabDemo, lost: str, report: Report) -> None:
    """Cut a region off from all others while clients in all regions send requests."""
    table = Table(
        f"Region lost: {lost} is cut off from all other regions for {CUT_OFF_SECONDS:.0f} s",
        ["Region", "Client", "Requests", "Local responses", "Failed requests", "Slowest response (s)"],
    )
    other = next(key for key in demo.lab.regions if key != lost)
    clients = {(key, name): one for key in demo.lab.regions for name, one in _local_clients(demo, key).items()}
    with streaming(demo.path, list(clients.values())) as streams:
        reaches = [demo.reaches(other, lost)]
        demo.lab.network.cut_off(lost)
        time.sleep(CUT_OFF_SECONDS)
        reaches.append(demo.reaches(other, lost))
        demo.lab.network.reconnect(lost)
        time.sleep(LEAD_SECONDS)
        reaches.append(demo.reaches(other, lost))
    words = ["reaches" if reached else "does not reach" for reached in reaches]
    table.notes.append(
        f"A pod of {other} {words[0]} {lost} before, {words[1]} it while it is cut off, {words[2]} it after."
    )
    failed_in_all = requests = 0
    for (key, name), stream in zip(clients, streams, strict=True):
        home = demo.versions.get(key)
        local = sum(response.ok and response.version == home for response in stream.responses)
        failed, count = count_failed(stream.responses), len(stream.responses)
        failed_in_all, requests = failed_in_all + failed, requests + count
        # A region without the service may have used the lost region's.
        good = local == count if home is not None else failed <= MOST_FAILED
        good = good and count > 0 and reaches == [True, False, True]
        where = f"{key} (cut off)" if key == lost else key
        table.add(where, name, count, local, failed, format_slowest(stream.responses), ok=good)
    report.figure(
        "Lost region",
        f"{failed_in_all} of {requests} requests failed while {lost} was cut off for {CUT_OFF_SECONDS:.0f} s",
    )
    report.add(table)


def _lose_failover_region(demo: LabDemo, region: str, lost: str) -> Table:
    """Remove a region's own version, and then cut off a region that serves its clients."""
    table = Table(
        f"Region lost during a failover: {region} has no {DEMO_SERVICE}, and {lost} is cut off",
        ["Region", "Client", "Failed requests", "Recovery time (s)", "Slowest response (s)", "Errors during failback"],
    )
    _, is_remote = conditions(demo.versions[region])
    removal = _demo_faults(demo, region)[0]
    removal.inject()
    local = _local_clients(demo, region)
    with streaming(demo.path, list(local.values())) as streams:
        start = time.monotonic()
        steady = [wait_until_steady(demo.lab, stream, start, is_remote, FAILOVER_SECONDS) for stream in streams]
        time.sleep(LEAD_SECONDS)
        cut_at = time.monotonic()
        demo.lab.network.cut_off(lost)
        time.sleep(2 * CUT_OFF_SECONDS)
        back_at = time.monotonic()
        demo.lab.network.reconnect(lost)
        time.sleep(CUT_OFF_SECONDS)
    removal.end()
    for name, stream in zip(local, streams, strict=True):
        away = [response for response in stream.since(cut_at) if response.sent < back_at]
        back = stream.since(back_at)
        before = [response for response in stream.since(start) if response.sent < cut_at]
        needed = any(response.version == demo.versions[lost] for response in before)
        slow = [response for response in away if not response.ok or response.seconds > SLOW_SECONDS]
        fast = max((response.sent + response.seconds - cut_at for response in slow), default=0.0)
        table.add(
            region,
            name,
            format_failed(away),
            f"{fast:.1f}",
            format_slowest(away),
            format_failed(back),
            ok=all(steady)
            and needed
            and count_failed(away) <= MOST_FAILED
            and bool(back)
            and count_failed(back) == 0
            and fast < 2 * CUT_OFF_SECONDS,
        )
    table.notes.append(
        f"Requests on open connections fail: only the client's own timeout, here {TIMEOUT_SECONDS:.0f} s, ends them. "
        f"Recovery time: until every response takes less than {SLOW_SECONDS} s."
    )
    return table


def wait_until_steady(lab: "LocalMesh", stream: Recorded, since: float, condition: Condition, seconds: float) -> bool:
    """Wait until the last responses all meet a condition, and return whether they do in time."""
    while time.monotonic() < since + seconds:
        lab.check()
        if is_steady(stream.since(since), condition, STEADY):
            return True
        time.sleep(INTERVAL_SECONDS)
    return False


def conditions(version: str) -> tuple[Condition, Condition]:
    """Return the conditions that a response is from the region of a version, and from another one."""
    return (
        lambda response: response.ok and response.version == version,
        lambda response: response.ok and response.version != version,
    )


def format_failed(responses: Sequence[DemoResponse]) -> str:
    return f"{count_failed(responses)} of {len(responses)}"


def format_slowest(responses: Sequence[DemoResponse]) -> str:
    return f"{slowest(responses):.1f}"


def seconds_since(start: float, moment: float | None) -> float | None:
    return None if moment is None else moment - start


def format_seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"

"""Requests while a region is drained, and while it serves again."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address

from cli.traffic.outage import count_failed, start_of_last_run
from config.environment import DEMO_SERVICE
from tests.lab.demo import GATEWAY_PORT, LabDemo
from tests.lab.faults import (
    INTERVAL_SECONDS,
    LEAD_SECONDS,
    conditions,
    format_failed,
    format_seconds,
    seconds_since,
    streaming,
    wait_until_steady,
)
from tests.local_mesh.traffic import Client
from tests.reporting.report import Report
from tests.reporting.table import Table

LIMIT_SECONDS = 30.0
"""Of the time until a region gets no requests, and until it gets its own again."""


def check_drain(
    demo: LabDemo,
    region: str,
    address: IPv4Address,
    host: str,
    report: Report,
    *,
    drain: Callable[[], None],
    verify: Callable[[], None],
    undrain: Callable[[], None],
) -> None:
    """Drain a region and undrain it, while clients in the mesh and users of the load balancer send requests.

    Args:
        demo: the demo.
        region: key of the region.
        address: of the load balancer.
        host: that it serves.
        report: of the checks.
        drain: applies the objects of the configuration in which the region is drained.
        verify: runs while the region is drained.
        undrain: applies those of the configuration in which it is not.
    """
    report.progress(f"draining {region}")
    clients = {}
    for key in demo.lab.regions:
        where = demo.lab.network.region(key)
        clients[key, "client"] = demo.client(key)
        clients[key, "load balancer"] = Client(str(address), GATEWAY_PORT, host, where=where)
    _, is_remote = conditions(demo.versions[region])
    with streaming(demo.path, list(clients.values())) as streams:
        time.sleep(LEAD_SECONDS)
        began = time.monotonic()
        drain()
        empty = [wait_until_steady(demo.lab, stream, began, is_remote, LIMIT_SECONDS) for stream in streams]
        drained_at = time.monotonic()
        verify()
        ended_at = time.monotonic()
        undrain()
        for (key, _), stream in zip(clients, streams, strict=True):
            if key == region:
                is_local, _ = conditions(demo.versions[key])
                wait_until_steady(demo.lab, stream, ended_at, is_local, LIMIT_SECONDS)
    columns = ["Region", "Client", "Failed requests", f"Responses from {region}", "Drain time (s)", "Failback time (s)"]
    table = Table(f"Drain of {DEMO_SERVICE} in {region}", columns)
    table.notes.append(
        f"Each client sends a request every {INTERVAL_SECONDS * 1000:.0f} ms. Drain time: until the first of only "
        f"responses from other regions. Those from {region} are counted after that, until the drain ends."
    )
    for (key, name), stream, steady in zip(clients, streams, empty, strict=True):
        away = [one for one in stream.since(began) if one.sent < ended_at]
        late = sum(one.sent >= drained_at and not is_remote(one) for one in away)
        seconds = seconds_since(began, start_of_last_run(away, is_remote))
        is_local, _ = conditions(demo.versions.get(key, ""))
        back = seconds_since(ended_at, start_of_last_run(stream.since(ended_at), is_local))
        good = steady and late == 0 and count_failed(stream.responses) == 0 and (back is not None or key != region)
        cells = (format_failed(stream.responses), late, format_seconds(seconds), format_seconds(back))
        table.add(key, name, *cells, ok=good)
    report.add(table)
    failed = sum(count_failed(stream.responses) for stream in streams)
    sent = sum(len(stream.responses) for stream in streams)
    report.figure("Drain", f"{failed} of {sent} requests failed while {region} was drained and served again")

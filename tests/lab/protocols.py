"""Protocols: what a service gets, how its requests are balanced, and how it fails over."""

import time
from collections import Counter
from contextlib import ExitStack
from math import sqrt

from cli.traffic.outage import count_failed, first_arrival, start_of_last_run
from tests.lab.budget.limits import FAILED
from tests.lab.faults import (
    FAILBACK_SECONDS,
    FAILOVER_SECONDS,
    INTERVAL_SECONDS,
    MOST_FAILED,
    ServiceFault,
    conditions,
    format_failed,
    format_seconds,
    seconds_since,
    service_faults,
    wait_until_steady,
)
from tests.lab.services import API_HOST, GRPC, HTTP, HTTP2, NAMESPACE, TCP, LabServices
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 40

MOST_REFUSED = {GRPC: FAILED, TCP: MOST_FAILED}
"""Limits of the failed requests while connections are refused.

With gRPC, 3 to 32 failed in eight runs, as with a 503: its limit is that of the budget. Its two pods each have to be
ejected, and again when an ejection has ended.
"""

DEVIATIONS = 4
"""Tolerance in standard deviations, which chance exceeds in one of 16,000 cases."""


def check_protocols(services: LabServices, report: Report) -> None:
    """Send requests of each protocol in every region."""
    table = Table(
        "Protocols: every response is local, and the application gets the protocol of its port",
        ["Region", "Client", "Connections", "Requests", "Protocol", "Local responses", "Responses of each pod"],
    )
    with report.filling(table):
        for region in services.regions:
            grpc, tcp = services.grpc(region), services.tcp(region)
            for client, connections, responses, protocol, pods in (
                (
                    "http",
                    REQUESTS,
                    services.http(region, f"{NAMESPACE}/{HTTP}", 8080).send("/", REQUESTS),
                    "HTTP/1.1",
                    1,
                ),
                (
                    "http, port admin",
                    REQUESTS,
                    services.http(region, f"{NAMESPACE}/{HTTP}", 9090).send("/", REQUESTS),
                    "HTTP/1.1",
                    1,
                ),
                (
                    "http2",
                    REQUESTS,
                    services.http(region, f"{NAMESPACE}/{HTTP2}", 8080).send("/", REQUESTS),
                    "HTTP/2",
                    1,
                ),
                ("http2, gateway", REQUESTS, services.gateway(region, API_HOST).send("/", REQUESTS), "HTTP/2", 1),
                ("grpc", 1, grpc.send(REQUESTS), "gRPC", services.nearest_grpc_pods(region)),
                ("tcp", REQUESTS, tcp.send(REQUESTS), "TCP", 1),
                ("tcp", 1, tcp.send_over_one_connection(REQUESTS), "TCP", 1),
            ):
                local = sum(response.version == region for response in responses)
                found = sorted({response.facts.get("protocol", "none") for response in responses})
                shares = Counter(response.facts.get("instance", "none") for response in responses)
                table.add(
                    *(region, client, connections, len(responses), ", ".join(found)),
                    *(f"{local} of {len(responses)}", ", ".join(map(str, shares.values()))),
                    ok=local == len(responses) == REQUESTS and found == [protocol] and _is_even(shares, pods),
                )
    table.notes.append(
        "Clients send HTTP/1.1 to http and http2. The gRPC requests of one connection go to every pod in the client's "
        "zone, or to every pod of the region if there is none."
    )


def _is_even(shares: Counter[str], pods: int) -> bool:
    """Return whether all pods of a region got requests, in equal shares."""
    share = 1 / pods
    mean, slack = REQUESTS * share, DEVIATIONS * sqrt(REQUESTS * share * (1 - share))
    return len(shares) == pods and all(abs(count - mean) <= slack for count in shares.values())


def check_protocol_failover(services: LabServices, report: Report) -> None:
    """Inject two faults into the gRPC and the TCP service at once, while a client of each sends requests."""
    table = Table(
        "Failover of gRPC and TCP",
        [
            *("Fault", "Region", "Protocol", "Failed requests", "Failover time (s)"),
            *("Responses of each pod of other regions", "Errors during failback", "Failback time (s)"),
        ],
    )
    table.notes.append("gRPC requests go over one connection of the client, each TCP request over a new one.")
    with report.filling(table):
        for index in range(2):
            region = services.regions[index % len(services.regions)]
            faults = {
                name: service_faults(services.lab.regions[region], NAMESPACE, name, region)[index]
                for name in (GRPC, TCP)
            }
            report.progress(f"failover of gRPC and TCP in {region}: {faults[TCP].name}")
            _measure(services, region, faults, table)


def _measure(services: LabServices, region: str, faults: dict[str, ServiceFault], table: Table) -> None:
    is_local, is_remote = conditions(region)
    with ExitStack() as stack:
        streams = {
            GRPC: stack.enter_context(services.grpc(region).stream(INTERVAL_SECONDS)),
            TCP: stack.enter_context(services.tcp(region).stream(INTERVAL_SECONDS)),
        }
        started = time.monotonic()
        for stream in streams.values():  # the gRPC client is a process, which has to start
            wait_until_steady(services.lab, stream, started, is_local, FAILOVER_SECONDS)
        failed_at = time.monotonic()
        for fault in faults.values():
            fault.inject()
        for stream in streams.values():
            wait_until_steady(services.lab, stream, failed_at, is_remote, FAILOVER_SECONDS)
        for fault in faults.values():
            fault.end()
        ended_at = time.monotonic()  # all pods are ready again
        for stream in streams.values():
            wait_until_steady(services.lab, stream, ended_at, is_local, FAILBACK_SECONDS)
    for name, stream in streams.items():
        away = [response for response in stream.since(failed_at) if response.sent < ended_at]
        back = stream.since(ended_at)
        failover = seconds_since(failed_at, first_arrival(away, is_remote))
        failback = seconds_since(ended_at, start_of_last_run(back, is_local))
        others = Counter(response.facts["instance"] for response in away if is_remote(response))
        balanced = name != GRPC or len(others) > 1  # over one connection, to pods of any zone
        most = 0 if faults[name].announced else MOST_REFUSED[name]
        table.add(
            *(faults[name].name, region, name.removeprefix("lab-"), format_failed(away), format_seconds(failover)),
            *(", ".join(map(str, others.values())), format_failed(back), format_seconds(failback)),
            ok=None not in (failover, failback) and balanced and count_failed(away) <= most and count_failed(back) == 0,
        )

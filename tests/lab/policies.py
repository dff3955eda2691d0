"""Timeouts and retries: what callers in the mesh and users of the gateways see of slow and failing responses."""

from tests.lab.services import API_HOST, HTTP, HTTP2, NAMESPACE, SHOP_HOST, LabServices
from tests.local_mesh.application.facts import FLAKY_PATH, SLOW_PATH, SLOW_SECONDS
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 3

MOST_LATER = 0.5
"""Seconds by which a response may be later than the service or the timeout makes it."""

CLOCKS = 0.01
"""Seconds by which the clock of the client may differ from the timers of the proxy and of the application."""


def check_policies(services: LabServices, report: Report) -> None:
    """Send requests that are slow, and such that fail at the first try, to a service with limits and to one without."""
    report.progress("timeouts and retries")
    table = Table(
        "Timeouts and retries", ["Region", "Service", "Request", "Requests", "Statuses", "Slowest response (s)"]
    )
    limit = services.environment.services[HTTP2].timeout_seconds
    assert limit is not None
    with report.filling(table):
        for region in services.regions:
            for service, host, path, status, seconds in (
                (HTTP2, API_HOST, FLAKY_PATH, 200, 0),
                (HTTP2, API_HOST, SLOW_PATH, 504, limit),
                (HTTP, SHOP_HOST, FLAKY_PATH, 503, 0),
                (HTTP, SHOP_HOST, SLOW_PATH, 200, SLOW_SECONDS),
            ):
                for name, client in (
                    (service, services.http(region, f"{NAMESPACE}/{service}", 8080)),
                    (f"{service}, gateway", services.gateway(region, host)),
                ):
                    found = client.send(path, REQUESTS)
                    statuses = sorted({one.status for one in found})
                    in_time = all(seconds - CLOCKS <= one.seconds < seconds + MOST_LATER for one in found)
                    table.add(
                        *(region, name, path, REQUESTS, ", ".join(map(str, statuses))),
                        f"{max(one.seconds for one in found):.2f}",
                        ok=statuses == [status] and in_time,
                    )
    table.notes.append(
        f"{HTTP2} has a timeout of {limit:g} s, and retries a 503. {HTTP} has the defaults, which retry no response. "
        f"{SLOW_PATH} takes {SLOW_SECONDS:g} s, and {FLAKY_PATH} is a 503 at the first try."
    )

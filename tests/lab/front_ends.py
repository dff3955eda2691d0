"""Requests of users to each load balancer."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from tests.lab.demo import GATEWAY_PORT, PUBLIC_HOST, LabDemo
from tests.local_mesh.front_end import FrontEnd, FrontEndKey
from tests.local_mesh.traffic import Client
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 10
OTHER_HOST = "other.example"


def check_front_ends(
    demo: LabDemo, front_ends: Mapping[IPv4Address, tuple[FrontEndKey, FrontEnd]], report: Report
) -> None:
    """Check that the users of a region get its responses, from each load balancer, and only for its hosts.

    Args:
        demo: the demo.
        front_ends: the load balancers, by their addresses.
        report: of the checks.
    """
    columns = ["Load balancer", "Region", "Responses", "From the region", f"404 responses to {OTHER_HOST}"]
    table = Table(f"Load balancers: users request {demo.path}, every response is local", columns)
    for address, ((kind, name), front_end) in front_ends.items():
        host = next(iter(front_end.hosts), PUBLIC_HOST)
        for region, version in demo.versions.items():
            where = demo.lab.network.region(region)
            client = Client(str(address), GATEWAY_PORT, host, where=where)
            demo.settle([client], lambda responses, own=version: all(one.version == own for one in responses), 5)  # type: ignore[misc]
            local = sum(one.version == version for one in client.send(demo.path, REQUESTS))
            other = Client(str(address), GATEWAY_PORT, OTHER_HOST, where=where).send(demo.path, REQUESTS)
            refused = sum(one.status == 404 for one in other)
            expected = REQUESTS if front_end.hosts else 0
            good = local == REQUESTS and refused == expected
            table.add(f"{kind} {name}", region, REQUESTS, local, f"{refused} of {expected}", ok=good)
    report.add(table)

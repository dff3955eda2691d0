"""The versions that respond in a healthy mesh: steps A, B and C."""

from collections.abc import Sequence
from math import sqrt

from tests.lab.demo import STATUS_PATH, STATUS_PORT, LabDemo
from tests.local_mesh.traffic import Client, DemoResponse, tally
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS_A_VERSION = 40
REQUESTS = 40
DEVIATIONS = 4
"""Tolerance in standard deviations, which chance exceeds in one of 16,000 cases."""

OTHER_PATH = "/other"
COLUMNS = ("Region", "Requests", "Local version", "Local responses", "Remote responses", "Failed requests")


def step_a(demo: LabDemo, report: Report) -> None:
    """Check step A: without a DestinationRule, each client gets responses of every version, in equal shares."""
    versions = sorted(set(demo.versions.values()))
    pods = {version: 0 for version in versions}
    for region, version in demo.versions.items():
        (deployment,) = demo.environment.deployments(demo.service)[region]
        pods[version] += demo.service.replicas if deployment.replicas is None else deployment.replicas
    requests = REQUESTS_A_VERSION * len(versions)
    table = Table(
        "Step A: without a DestinationRule, every version gets an equal share of the requests",
        ["Region", "Requests", *(f"Responses of {version}" for version in versions), "Expected responses"],
    )
    clients = {region: demo.client(region) for region in demo.lab.regions}
    seconds = demo.settle(
        list(clients.values()), lambda responses: set(tally(responses)) == set(versions), requests // 2
    )
    for region, client in clients.items():
        counts = tally(client.send(demo.path, requests))
        even = True
        limits = []
        for version in versions:
            share = pods[version] / sum(pods.values())
            mean, slack = requests * share, DEVIATIONS * sqrt(requests * share * (1 - share))
            even = even and abs(counts[version] - mean) <= slack
            limits.append(f"{mean:.0f}±{slack:.0f}")
        expected = limits[0] if len(set(limits)) == 1 else " ".join(limits)
        row = (region, requests, *(counts[version] for version in versions), expected)
        table.add(*row, ok=even and set(counts) == set(versions))
    table.notes.append(f"all proxies were configured after {seconds:.1f} s")
    report.add(table)


def step_b(demo: LabDemo, report: Report) -> None:
    """Check step B: with the DestinationRule, every response is local, and the sidecars use mutual TLS."""
    table = Table(
        "Step B: with the DestinationRule, every response is local",
        [*COLUMNS, "Requests over mutual TLS"],
    )
    clients = {region: demo.client(region) for region in demo.lab.regions}
    for region, client in clients.items():
        _settle_locally(demo, region, client)
    everything: list[tuple[str, DemoResponse]] = []
    for region, client in clients.items():
        responses = client.send(demo.path, REQUESTS)
        everything += [(region, response) for response in responses]
        secured = sum(demo.client_identity in response.peer for response in responses)
        cells, good = _cells(demo, region, responses)
        table.add(*cells, f"{secured} of {len(responses)}", ok=good and secured == len(responses))
    report.figure("Locality, sidecars", _format_local(demo, everything))
    report.add(table)


def step_c(demo: LabDemo, report: Report) -> None:
    """Check step C: each region's gateways serve the route locally and no other path, and are ready."""
    title = f"Step C: the load balancer requests {demo.path} from the gateways, every response is local"
    table = Table(title, [*COLUMNS, f"404 responses to {OTHER_PATH}", "Ready gateways"])
    everything: list[tuple[str, DemoResponse]] = []
    for region in demo.lab.regions:
        responses: list[DemoResponse] = []
        not_found: list[DemoResponse] = []
        ready: list[DemoResponse] = []
        gateways = demo.gateways(region)
        for client in gateways:
            _settle_locally(demo, region, client)
            responses += client.send(demo.path, REQUESTS)
            not_found += client.send(OTHER_PATH, REQUESTS // 4)
            ready += Client(client.address, STATUS_PORT, client.host).send(STATUS_PATH, 1)
        everything += [(region, response) for response in responses]
        not_served = sum(response.status == 404 for response in not_found)
        healthy = sum(response.ok for response in ready)
        cells, good = _cells(demo, region, responses)
        table.add(
            *cells,
            f"{not_served} of {len(not_found)}",
            f"{healthy} of {len(gateways)}",
            ok=good and not_served == len(not_found) and healthy == len(gateways),
        )
    report.figure("Locality, gateways", _format_local(demo, everything))
    report.add(table)


def _settle_locally(demo: LabDemo, region: str, client: Client) -> None:
    demo.settle([client], lambda responses: _count(demo, region, responses)[3], 10)


def _cells(demo: LabDemo, region: str, responses: Sequence[DemoResponse]) -> tuple[tuple[object, ...], bool]:
    """Return the cells of a region's responses, and whether they are right."""
    local, remote, failed, good = _count(demo, region, responses)
    return (region, len(responses), demo.versions.get(region, "none"), local, remote, failed), good


def _format_local(demo: LabDemo, responses: Sequence[tuple[str, DemoResponse]]) -> str:
    """Return how many responses are local, in the regions that have the service.

    Args:
        demo: the demo.
        responses: each with the region of its client.
    """
    found = [response.version == demo.versions[region] for region, response in responses if region in demo.versions]
    return f"{sum(found)} of {len(found)} requests served in the client's own region"


def _count(demo: LabDemo, region: str, responses: Sequence[DemoResponse]) -> tuple[int, int, int, bool]:
    """Return how many responses are local, remote and failed, and whether that is right."""
    home = demo.versions.get(region)
    local = sum(response.ok and response.version == home for response in responses)
    failed = sum(not response.ok for response in responses)
    good = bool(responses) and failed == 0 and local == (0 if home is None else len(responses))
    return local, len(responses) - local - failed, failed, good

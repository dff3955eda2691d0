"""Who answers whom when all is well: steps A, B and C."""

from collections.abc import Sequence
from math import sqrt

from tests.lab.demo import STATUS_PATH, STATUS_PORT, LabDemo
from tests.local_mesh.traffic import Client, Response, tally
from tests.reporting.table import Table

REQUESTS_A_VERSION = 40
REQUESTS = 40
DEVIATIONS = 4
"""Standard deviations by which a count may be off: by chance it is in one of 16,000 cases."""

OTHER_PATH = "/other"


def step_a(demo: LabDemo) -> Table:
    """A: without the DestinationRule, each client sees every version, in even shares."""
    versions = sorted(set(demo.versions.values()))
    pods = {version: 0 for version in versions}
    for region, version in demo.versions.items():
        deployment = demo.environment.deployments(demo.service)[region]
        pods[version] += demo.service.replicas if deployment.replicas is None else deployment.replicas
    requests = REQUESTS_A_VERSION * len(versions)
    table = Table(
        "A  without the DestinationRule: every version, in even shares", ["from", "requests", *versions, "expected"]
    )
    clients = {region: demo.client(region) for region in demo.lab.regions}
    seconds = demo.settle(list(clients.values()), lambda answers: set(tally(answers)) == set(versions), requests // 2)
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
    table.notes.append(f"settled after {seconds:.1f} s")
    return table


def step_b(demo: LabDemo) -> Table:
    """B: with the DestinationRule, all answers are local; the sidecars know each other by their certificates."""
    table = Table(
        "B  with the DestinationRule: the own region answers",
        ["from", "requests", "version", "local", "others", "failed", "mutual TLS"],
    )
    clients = {region: demo.client(region) for region in demo.lab.regions}
    for region, client in clients.items():
        _settle_at_home(demo, region, client)
    for region, client in clients.items():
        answers = client.send(demo.path, REQUESTS)
        secured = sum(demo.client_identity in answer.peer for answer in answers)
        cells, good = _cells(demo, region, answers)
        table.add(*cells, f"{secured} of {len(answers)}", ok=good and secured == len(answers))
    return table


def step_c(demo: LabDemo) -> Table:
    """C: each region's gateways answer the route locally, and no other path, and say that they are ready."""
    columns = ["gateways of", "requests", "version", "local", "others", "failed", f"404 on {OTHER_PATH}", "ready"]
    table = Table(f"C  at the gateways, as the load balancer asks them: {demo.path} from the own region", columns)
    for region in demo.lab.regions:
        answers: list[Response] = []
        elsewhere: list[Response] = []
        ready: list[Response] = []
        gateways = demo.gateways(region)
        for client in gateways:
            _settle_at_home(demo, region, client)
            answers += client.send(demo.path, REQUESTS)
            elsewhere += client.send(OTHER_PATH, REQUESTS // 4)
            ready += Client(client.address, STATUS_PORT, client.host).send(STATUS_PATH, 1)
        refused = sum(answer.status == 404 for answer in elsewhere)
        healthy = sum(answer.ok for answer in ready)
        cells, good = _cells(demo, region, answers)
        table.add(
            *cells,
            f"{refused} of {len(elsewhere)}",
            f"{healthy} of {len(gateways)}",
            ok=good and refused == len(elsewhere) and healthy == len(gateways),
        )
    return table


def _settle_at_home(demo: LabDemo, region: str, client: Client) -> None:
    demo.settle([client], lambda answers: _count(demo, region, answers)[3], 10)


def _cells(demo: LabDemo, region: str, answers: Sequence[Response]) -> tuple[tuple[object, ...], bool]:
    """Return what a row says of a region's answers, and whether they are as they have to be."""
    local, others, failed, good = _count(demo, region, answers)
    return (region, len(answers), demo.versions.get(region, "none"), local, others, failed), good


def _count(demo: LabDemo, region: str, answers: Sequence[Response]) -> tuple[int, int, int, bool]:
    """Return how many answers are local, from elsewhere, and none; and whether that is as it has to be."""
    home = demo.versions.get(region)
    local = sum(answer.ok and answer.version == home for answer in answers)
    failed = sum(not answer.ok for answer in answers)
    good = bool(answers) and failed == 0 and local == (0 if home is None else len(answers))
    return local, len(answers) - local - failed, failed, good

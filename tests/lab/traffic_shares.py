"""Shares of requests: those of versions and regions, and copies for another service."""

from collections.abc import Sequence
from math import sqrt

from cli.sources.proxies import parse_endpoints
from config.naming import service_host
from tests.lab.services import NAMESPACE, OTHER_WEIGHT, SHOP_HOST, VERSIONS, WEIGHTS, LabServices
from tests.local_mesh.traffic import Client, DemoResponse
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 200
CANARY, CANARY_WEIGHT, MIRRORED = "v2", 20, 50
"""The version with few requests, and the percentages of services.yaml."""

DEVIATIONS = 4
"""Tolerance in standard deviations, which chance exceeds in one of 16,000 cases."""

ADMIN_PORT = 15000
"""Of Envoy's administration interface, on the pod's loopback."""


def check_traffic_shares(services: LabServices, report: Report) -> None:
    """Send requests in every region to services whose requests are split or copied."""
    _check_versions(services, report)
    if services.environment.services[WEIGHTS].region_weights:
        _check_regions(services, report)


def _check_versions(services: LabServices, report: Report) -> None:
    """Check that the weights of versions hold in every region, and that copies arrive."""
    table = Table(
        f"Versions: {CANARY} gets {CANARY_WEIGHT} % of the requests in every region, and {MIRRORED} % are mirrored",
        ["Region", "Client", "Requests", f"Responses of {CANARY}", "Local responses", "Mirrored requests"],
    )
    with report.filling(table):
        for region in services.regions:
            in_mesh = services.http(region, f"{NAMESPACE}/{VERSIONS}", 8080)
            for name, client, path, admin in (
                ("sleep", in_mesh, "/", in_mesh.where),
                ("gateway", services.gateway(region, SHOP_HOST), "/versions", services.gateway_namespace(region)),
            ):
                counter = Client("127.0.0.1", ADMIN_PORT, "localhost", where=admin)
                before = _copies(counter)
                responses = client.send(path, REQUESTS)
                canary = sum(response.version == CANARY for response in responses)
                copies = _copies(counter) - before
                local = _in_region(services, region, VERSIONS, responses)
                right = _is_share(canary, CANARY_WEIGHT) and _is_share(copies, MIRRORED) and local == REQUESTS
                table.add(region, name, len(responses), canary, f"{local} of {REQUESTS}", copies, ok=right)
    table.notes.append("Mirrored requests are the successes that the client's proxy counts for the other service.")


def _check_regions(services: LabServices, report: Report) -> None:
    """Check that weights of regions hold for the clients of one region, and that others stay local."""
    first, second = services.regions[:2]
    table = Table(
        f"Weights of regions: {OTHER_WEIGHT} % of the requests of {first} go to {second}",
        ["Client region", "Requests", *(f"Responses from {region}" for region in services.regions)],
    )
    with report.filling(table):
        for region in services.regions:
            responses = services.http(region, f"{NAMESPACE}/{WEIGHTS}", 8080).send("/", REQUESTS)
            counts = [_in_region(services, key, WEIGHTS, responses) for key in services.regions]
            away = _in_region(services, second, WEIGHTS, responses)
            local = _in_region(services, region, WEIGHTS, responses)
            right = _is_share(away, OTHER_WEIGHT) and local + away == REQUESTS if region == first else local == REQUESTS
            table.add(region, len(responses), *counts, ok=right)


def _copies(counter: Client) -> int:
    """Return how many requests a proxy has sent to the service that gets copies, with success."""
    (response,) = counter.send("/clusters?format=json", 1)
    host = service_host(WEIGHTS, NAMESPACE)
    return sum(one.succeeded for one in parse_endpoints(response.body) if one.outbound and one.host == host)


def _in_region(services: LabServices, region: str, name: str, responses: Sequence[DemoResponse]) -> int:
    """Return how many responses come from pods of a service in a region."""
    pods = {pod.name for pod in services.lab.regions[region].agent.pods(NAMESPACE, name)}
    return sum(response.facts.get("instance") in pods for response in responses)


def _is_share(count: int, percent: int) -> bool:
    """Return whether a number of the requests is a percentage of them, but for chance."""
    share = percent / 100
    return abs(count - REQUESTS * share) <= DEVIATIONS * sqrt(REQUESTS * share * (1 - share))

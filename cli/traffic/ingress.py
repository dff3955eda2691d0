"""Requests through the load balancer: its address, and which gateways get them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from cli.errors import MeshError
from cli.sources.cluster_objects import condition
from cli.sources.front_end import FrontEnd, front_ends
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import read_endpoints
from cli.traffic.client import TrafficClient
from cli.traffic.counts import ResponseCounts
from cli.traffic.target import Target
from config import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

GATEWAY_SELECTOR = f"app={GATEWAY_NAME}"

Counters = Mapping[tuple[str, str, str, int], int]
"""Successes that a gateway's proxy counts, by region, pod, and address and port of the endpoint."""


def check_ingress(environment: Environment, target: Target) -> None:
    """Check that users reach a service through the load balancer.

    Raises:
        MeshError: They don't.
    """
    if not environment.ingress.enabled:
        raise MeshError("the ingress is disabled: ingress.enabled is false", "set ingress.enabled: true, and deploy")
    if target.grpc:
        text = f"{target.name} is a gRPC service: the load balancer sends HTTP/1.1 to the gateways"
        raise MeshError(text, f"mesh verify locality --service {target.name}")
    if not any(route.redirect is None for route in target.service.routes):
        text = f"{target.name} has no route: the load balancer sends no requests to it"
        raise MeshError(text, f"add a route to services.{target.name}.routes, and deploy")


@dataclass(frozen=True)
class PublicEndpoint:
    """How clients reach a service through a load balancer.

    Attributes:
        name: The load balancer's, for messages.
        url: Where requests go.
        connect: By region of the client: the address that they go to; empty for that of the URL's host.
    """

    name: str
    url: str
    connect: Mapping[str, str]


def public_endpoints(
    environment: Environment, config_cluster: ClusterClient | None, target: Target
) -> list[PublicEndpoint]:
    """Return how clients reach a service through each load balancer, the one that users reach by default first.

    The host is that of the first route, or the first domain, or else the address. Where a domain can lead to one load
    balancer only, the others get their requests by their address.

    Args:
        environment: The environment.
        config_cluster: The client of the config cluster, which has the addresses.
        target: The service.

    Raises:
        MeshError: A load balancer has no address yet.
    """
    found, ingress = front_ends(environment), environment.ingress
    hosts = [route.host for route in target.service.routes if route.host and route.redirect is None]
    host = next(iter((*hosts, *ingress.domains)), "") if ingress.domains else ""
    if host and len(found) == 1 and not found[0].is_internal:
        return [PublicEndpoint(found[0].title, f"https://{host}{target.path}", {})]
    return [_endpoint(one, environment, _addresses(one, environment, config_cluster), host, target) for one in found]


def _addresses(front_end: FrontEnd, environment: Environment, config_cluster: ClusterClient | None) -> list[str]:
    """Return the addresses of a load balancer.

    Raises:
        MeshError: It has none yet.
    """
    try:
        one = None if config_cluster is None else config_cluster.find(*front_end.arguments)
    except KubectlError as error:
        raise MeshError(
            f"can't read the address in {environment.ingress.config_cluster}: {error}", "mesh status"
        ) from None
    if addresses := front_end.addresses(one):
        return addresses
    raise MeshError(f"{front_end.title} has no address yet", "mesh status")


def _endpoint(
    front_end: FrontEnd, environment: Environment, addresses: Sequence[str], host: str, target: Target
) -> PublicEndpoint:
    """Return how clients reach a service by the addresses of a load balancer.

    Args:
        front_end: The load balancer.
        environment: The environment.
        addresses: Its addresses.
        host: That it serves; empty for all.
        target: The service.
    """
    regions = [one for one in environment.resolved_regions() if not one.retired]
    connect = {one.key: front_end.address_for(one, addresses) or addresses[0] for one in regions}
    # The internal load balancer has no certificate.
    scheme = "https" if host and not front_end.is_internal else "http"
    url = f"{scheme}://{host or addresses[0]}{target.path}"
    return PublicEndpoint(front_end.title, url, connect if host or front_end.is_internal else {})


@dataclass(frozen=True)
class GatewayCounters:
    """Reads what the gateways have sent to a service.

    Attributes:
        clusters: By region.
        target: The service.
    """

    clusters: Mapping[str, ClusterClient]
    target: Target

    def read(self) -> Counters:
        """Return the counters of all gateways.

        Raises:
            MeshError: A gateway can't be read.
        """
        with ThreadPoolExecutor(max(len(self.clusters), 1)) as pool:
            found = pool.map(self._read, self.clusters.values())
            return {key: number for one in found for key, number in one.items()}

    def clients(self) -> dict[str, TrafficClient]:
        """Return a gateway of each region that has one: the client of the service."""
        found = {}
        for key, cluster in self.clusters.items():
            with suppress(KubectlError):
                for pod in self._pods(cluster)[:1]:
                    found[key] = TrafficClient(cluster, GATEWAY_NAMESPACE, pod, GATEWAY_NAME)
        return found

    @staticmethod
    def _pods(cluster: ClusterClient) -> list[str]:
        """Return the gateways that get requests: one that has just been added may not respond yet."""
        where = ("--namespace", GATEWAY_NAMESPACE, "--selector", GATEWAY_SELECTOR)
        pods = cluster.get("pods", *where)["items"]
        return [pod["metadata"]["name"] for pod in pods if condition(pod, "Ready") == "True"]

    def _read(self, cluster: ClusterClient) -> dict[tuple[str, str, str, int], int]:
        found: Counter[tuple[str, str, str, int]] = Counter()
        try:
            for name in self._pods(cluster):
                for one in read_endpoints(cluster, GATEWAY_NAMESPACE, name):
                    copies = self.target.mirror and one.subset == self.target.mirror
                    if one.outbound and one.host == self.target.host and not copies:
                        found[cluster.region, name, one.address, one.port] += one.succeeded
        except KubectlError as error:
            raise MeshError(f"can't read the gateways in {cluster.region}: {error}", "mesh status") from None
        return dict(found)


def requests_by_gateway(before: Counters, after: Counters) -> Counter[str]:
    """Return how many requests the gateways of each region have sent to a service between two readings."""
    found: Counter[str] = Counter()
    for key, number in after.items():
        earlier = before.get(key, 0)
        found[key[0]] += number - (earlier if earlier <= number else 0)
    return +found


def by_gateway(counts: ResponseCounts, gateways: Mapping[str, int]) -> ResponseCounts:
    """Return the counts of one region's requests, by the region of the gateways that got them.

    Other users send requests to the gateways, too. What the client had is certain if only the gateways of one region
    got any, or if the gateways got as many as the client had responses. Else it is unknown.

    Args:
        counts: Of its responses.
        gateways: How many requests the gateways of each region got meanwhile.
    """
    succeeded = counts.sent - counts.failed
    if len(gateways) == 1 and sum(gateways.values()) >= succeeded:
        return replace(counts, regions=dict.fromkeys(gateways, succeeded) if succeeded else {}, unknown=0)
    if sum(gateways.values()) == succeeded:
        return replace(counts, regions=dict(gateways), unknown=0)
    return replace(counts, regions={}, unknown=succeeded)

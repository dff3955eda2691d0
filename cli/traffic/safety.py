"""What has to hold before a service may fail in a region: its proxies can send requests to another one."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cli.errors import MeshError
from cli.sources.cluster_objects import condition
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import ProxyEndpoint, read_endpoints
from cli.traffic.attribution import FindRegion
from cli.traffic.client import TrafficClient
from cli.traffic.target import Target
from config import Environment
from config.naming import GATEWAY_NAMESPACE, subset_name
from config.plural import counted
from config.services.outlier_detection import OutlierDetection

LONGEST_EJECTION_SECONDS = 300
"""Default of Envoy's max_ejection_time.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto
"""


@dataclass(frozen=True)
class ServiceProxy:
    """A proxy in the region of a drill, from which requests to the service come.

    Attributes:
        name: In messages.
        endpoints: Of the service, as the proxy knows them.
    """

    name: str
    endpoints: Sequence[ProxyEndpoint]

    def regions(self, find_region: FindRegion) -> set[str]:
        """Return the keys of the regions in which it knows healthy endpoints, of each version that gets requests."""
        subsets = {one.subset for one in self.endpoints}
        healthy = [one for one in self.endpoints if one.healthy]
        found = [{find_region(one.address, one.region) for one in healthy if one.subset == name} for name in subsets]
        return set.intersection(*found) if found else set()

    @property
    def ejected(self) -> int:
        return sum(one.ejected for one in self.endpoints)


def read_proxies(environment: Environment, target: Target, client: TrafficClient) -> list[ServiceProxy]:
    """Return the proxies of the client and, if they serve the service, of the gateways in the client's region.

    Raises:
        MeshError: One can't be read.
    """
    cluster = client.cluster
    try:
        pods = [("the client", client.namespace, client.pod)]
        if target.service.routes and environment.ingress.enabled:
            pods += [(f"gateway {pod}", GATEWAY_NAMESPACE, pod) for pod in _ready_gateways(cluster)]
        with ThreadPoolExecutor(len(pods)) as pool:
            found = list(pool.map(lambda one: read_endpoints(cluster, *one[1:]), pods))
    except KubectlError as error:
        text = f"can't read which endpoints of {target.name} the proxies in {cluster.region} know: {error}"
        raise MeshError(text, "mesh status") from None
    return [
        ServiceProxy(name, [one for one in endpoints if _is_of(one, target)])
        for (name, _, _), endpoints in zip(pods, found, strict=True)
    ]


def check_endpoints_elsewhere(
    target: Target, region: str, proxies: Sequence[ServiceProxy], find_region: FindRegion
) -> None:
    """Check that each proxy in a region knows healthy endpoints in every other region of a service.

    Raises:
        MeshError: One does not, so that a fault would be an outage, or a failover to fewer regions than configured.
    """
    others = [key for key in target.regions if key != region]
    for proxy in proxies:
        known = proxy.regions(find_region)
        if missing := [key for key in others if key not in known]:
            text = f"{proxy.name} in {region} knows no healthy endpoint of {target.name} in {', '.join(missing)}"
            effect = "a drill would be an outage" if missing == others else "requests would not fail over to it"
            raise MeshError(f"{text}: {effect}", f"mesh explain {target.name} --from {region}")


def describe_ejections(proxies: Sequence[ServiceProxy], detection: OutlierDetection) -> Iterator[str]:
    """Yield what the proxies have ejected, and how long that may last.

    Args:
        proxies: The proxies.
        detection: Of the service.
    """
    for one in proxies:
        if one.ejected:
            yield (
                f"{one.name} has ejected {counted(one.ejected, 'endpoint')} before: an ejection lasts "
                f"{detection.ejection_seconds:g} s, longer by that each time, and at most {LONGEST_EJECTION_SECONDS} s"
            )


def check_pods(target: Target, region: str, ready: Mapping[str, int]) -> None:
    """Check that a service has ready pods in all of its regions.

    Args:
        target: The service.
        region: Key of the region in which it is to fail.
        ready: The number of ready pods by region.

    Raises:
        MeshError: It has none in one of them.
    """
    for key in target.regions:
        if not ready[key]:
            effect = "there is nothing to drill" if key == region else f"a drill of {region} could be an outage"
            raise MeshError(
                f"no pod of {target.name} is ready in {key}: {effect}", f"mesh explain {target.name} --from {key}"
            )


def _ready_gateways(cluster: ClusterClient) -> list[str]:
    pods = cluster.get("pods", "--namespace", GATEWAY_NAMESPACE)["items"]
    return [one["metadata"]["name"] for one in pods if condition(one, "Ready") == "True"]


def _is_of(endpoint: ProxyEndpoint, target: Target) -> bool:
    """Return whether an endpoint gets requests of the service: those of several versions are in subsets."""
    weights = target.service.weights
    subsets = {subset_name(version) for version, weight in weights.items() if weight} if weights else {""}
    of_port = endpoint.outbound and (endpoint.host, endpoint.service_port) == (target.host, target.service.port)
    return of_port and endpoint.subset in subsets

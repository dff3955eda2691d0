"""Whether requests still go to a region, by what the proxies know and count.

An endpoint's counters are Envoy's own, in every control plane mode. A gateway counts a request at the endpoint that
it chooses; a service's pod counts it where its proxy passes it on to the application. Probes, and the health checks
of the load balancer, take neither way. https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from cli.sources.addresses import is_in
from cli.sources.cluster_objects import Object, identity
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import ProxyEndpoint, has_proxy, read_endpoints
from cli.status.mesh import namespaces_of
from config import Environment, ResolvedRegion
from config.naming import GATEWAY_NAMESPACE, service_host

PASSTHROUGH = "PassthroughCluster"
"""End of the names of the clusters for addresses that are no service's."""


@dataclass(frozen=True)
class PodTraffic:
    """What a pod's proxy knows and counts.

    Attributes:
        region: Key of its region.
        namespace: Of the pod.
        pod: Its name.
        endpoints: That its proxy knows.
        problem: Why nothing is known of it; empty if that is not so.
    """

    region: str
    namespace: str
    pod: str
    endpoints: Sequence[ProxyEndpoint] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.pod}"

    @property
    def is_gateway(self) -> bool:
        return self.namespace == GATEWAY_NAMESPACE

    @property
    def served(self) -> list[ProxyEndpoint]:
        """The endpoints at which it counts the requests that reach its region."""
        return [one for one in self.endpoints if (one.outbound if self.is_gateway else one.inbound)]

    @property
    def active(self) -> int:
        """The number of requests, or TCP connections, that it serves and that have not ended."""
        return sum(one.active for one in self.served)

    def started_since(self, before: "PodTraffic") -> int:
        """Return how many requests it has got since an earlier reading. An endpoint that was away counts from 0."""
        old = {(one.cluster, one.address, one.port): one.started for one in before.served}
        risen = 0
        for one in self.served:
            count = old.get((one.cluster, one.address, one.port), 0)
            risen += one.started - (count if count <= one.started else 0)
        return risen


@dataclass(frozen=True)
class Reading:
    """All proxies at one time.

    Attributes:
        at: The time, of the monotonic clock.
        pods: With a proxy, by region and name.
        unlisted: Why nothing is known of the pods of a region, by its key.
    """

    at: float
    pods: Mapping[tuple[str, str], PodTraffic] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> list[PodTraffic]:
        """Return the pods whose proxies could be read."""
        return [one for one in self.pods.values() if not one.problem]


def read_traffic(environment: Environment, clusters: Mapping[str, ClusterClient], pool: Executor) -> Reading:
    """Read the proxies of the environment's services and gateways, in all clusters.

    Args:
        environment: The environment.
        clusters: By region.
        pool: Runs the calls.
    """
    found = dict(zip(clusters, pool.map(lambda one: _pods(environment, one), clusters.values()), strict=True))
    unlisted = {key: each for key, each in found.items() if isinstance(each, str)}
    pods = [(key, clusters[key], one) for key, each in found.items() if not isinstance(each, str) for one in each]
    at = time.monotonic()
    return Reading(at, {(one.region, one.name): one for one in pool.map(lambda one: _read(*one), pods)}, unlisted)


def _pods(environment: Environment, cluster: ClusterClient) -> list[Object] | str:
    """Return the running pods of a cluster that have a proxy, or why they can't be listed."""
    try:
        items = cluster.get("pods", "--all-namespaces")["items"]
    except KubectlError as error:  # the next reading may succeed
        return str(error)
    namespaces = namespaces_of(environment)
    return [
        one
        for one in items
        if one["metadata"]["namespace"] in namespaces
        and has_proxy(one)
        and one.get("status", {}).get("phase") == "Running"
    ]


def _read(key: str, cluster: ClusterClient, pod: Object) -> PodTraffic:
    namespace, name = identity(pod)
    try:
        return PodTraffic(key, namespace, name, read_endpoints(cluster, namespace, name))
    except KubectlError as error:
        return PodTraffic(key, namespace, name, problem=str(error))


def endpoints_in(pod: PodTraffic, region: ResolvedRegion, hosts: Mapping[str, str]) -> Iterator[ProxyEndpoint]:
    """Yield the endpoints of services in a region that a pod's proxy knows.

    Args:
        pod: The pod.
        region: The region.
        hosts: The services' names by host. A control plane that names clusters otherwise has no host in the name.
    """
    for one in pod.endpoints:
        mine = one.host in hosts if one.host else not one.cluster.endswith(PASSTHROUGH)
        if mine and not one.inbound and is_in(one.address, region.ranges.pods):
            yield one


def hosts_of(environment: Environment) -> dict[str, str]:
    """Return the environment's services by the names that the mesh has for them."""
    return {service_host(name, service.namespace): name for name, service in environment.all_services().items()}

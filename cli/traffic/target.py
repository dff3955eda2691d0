"""The service that `mesh verify` and `mesh drill` send requests to, and the caller that may send them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from cli.errors import MeshError
from cli.sources.cluster_objects import condition
from cli.sources.endpoint_slices import SERVICE_LABEL, ready_endpoints
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.traffic.client import Requests
from config import Environment
from config.authorization import WHOLE_NAMESPACE, Caller, authorized_callers, namespace_callers
from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import DEMO_SERVICE
from config.naming import GATEWAY_NAMESPACE, service_host, subset_name
from config.services.pods import RegionalDeployment
from config.services.service import Service

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""The method that a gRPC server implements for probes: https://github.com/grpc/grpc/blob/master/doc/health-checking.md"""

DEFAULT_ACCOUNT = "default"
"""The service account that Kubernetes creates in every namespace."""

ONLY_VERSION = ""
"""In place of the version of a service that has one in each region."""

T = TypeVar("T")

ENDPOINT_SLICES = "endpointslices.discovery.k8s.io"


@dataclass(frozen=True)
class Target:
    """A service, as configured.

    Attributes:
        name: Of the service.
        service: Its configuration.
        deployments: What runs in each region that has pods of it, and serves.
        path: Of the requests.
    """

    name: str
    service: Service
    deployments: Mapping[str, Sequence[RegionalDeployment]]
    path: str

    @classmethod
    def of(cls, environment: Environment, name: str | None = None, path: str | None = None) -> "Target":
        """Return a service of an environment.

        Args:
            environment: The environment.
            name: Of the service; without one, the demo where it is enabled, or else the only service.
            path: Of the requests; without one, the first path that is routed to the service, or the method of gRPC's
                health check.

        Raises:
            MeshError: There is no such service, or its requests can't be counted.
        """
        services = environment.all_services()
        if name is None:
            name = _default(environment)
        elif name not in services:
            found = ", ".join(services) or "none"
            raise MeshError(f"there is no service {name} in the configuration", f"name one of them: {found}")
        service = services[name]
        if service.protocol == "tcp":
            text = f"the protocol of {name} is tcp: the mesh does not count requests in it"
            raise MeshError(text, "name a service whose protocol is http, http2 or grpc: --service NAME")
        return cls(name, service, environment.serving_deployments(service), path or _default_path(service))

    @property
    def namespace(self) -> str:
        return str(self.service.namespace)

    @property
    def grpc(self) -> bool:
        return self.service.protocol == "grpc"

    @property
    def host(self) -> str:
        """The name by which proxies know the service."""
        return service_host(self.name, self.namespace)

    @property
    def url(self) -> str:
        """Where a client in a cluster sends requests."""
        return f"http://{self.name}.{self.namespace}:{self.service.port}{self.path}"

    @property
    def mirror(self) -> str:
        """The subset that gets copies of the requests; empty if there is none."""
        mirror = self.service.mirror
        return "" if mirror is None or mirror.version is None else subset_name(mirror.version)

    @property
    def requests(self) -> Requests:
        """What a client in a cluster sends."""
        return Requests(self.url, self.grpc, self.host, self.service.port, self.mirror)

    @property
    def regions(self) -> list[str]:
        """The keys of the regions that are to have pods of it, and serve."""
        return [key for key, some in self.deployments.items() if any(map(self.service.scaling_in, some))]

    def caller(self, environment: Environment) -> Caller | None:
        """Return pods of a namespace of the mesh that are authorized to call the service; None if there are none.

        Those whose service account this project creates come first, as that account exists in every cluster.
        """
        namespaces = environment.namespaces()
        callers = [
            one
            for one in (*authorized_callers(environment, self.name), *namespace_callers(environment, self.namespace))
            if one.namespace in namespaces and (not one.ports or self.service.port in one.ports)
        ]
        if not callers and not environment.mesh.default_deny:
            callers = [Caller(self.namespace, WHOLE_NAMESPACE)]
        own = {(service.namespace, name) for name, service in environment.all_services().items()}
        own |= {(DEMO_NAMESPACE, CLIENT_APP)} if environment.demo.enabled else set()
        callers.sort(key=lambda one: (not _is_own(one, own), one.account != WHOLE_NAMESPACE))
        return next(iter(callers), None)

    def client_account(self, environment: Environment, *, authorized: bool = True) -> tuple[str, str]:
        """Return namespace and service account of a client in the mesh.

        Args:
            environment: The environment.
            authorized: Whether it has to be authorized to call the service.

        Raises:
            MeshError: No pod but the gateways' is authorized to call the service.
        """
        caller = self.caller(environment)
        if caller is None and authorized:
            text = f"no client in the mesh is authorized to call {self.name}"
            if any(one.namespace == GATEWAY_NAMESPACE for one in authorized_callers(environment, self.name)):
                raise MeshError(f"{text}, only the gateways are", f"mesh verify ingress --service {self.name}")
            raise MeshError(text, f"add a caller to services.{self.name}.allow_from, and deploy")
        if caller is None:
            return self.namespace, DEFAULT_ACCOUNT
        return caller.namespace, DEFAULT_ACCOUNT if caller.account == WHOLE_NAMESPACE else caller.account

    def ready_pods(self, clusters: Mapping[str, ClusterClient]) -> dict[str, int]:
        """Return the number of ready pods in each cluster, by region, as the EndpointSlices there have them.

        Raises:
            MeshError: A cluster can't be read.
        """

        def count(cluster: ClusterClient) -> int:
            selector = f"{SERVICE_LABEL}={self.name}"
            try:
                slices = cluster.get(ENDPOINT_SLICES, "--namespace", self.namespace, "--selector", selector)["items"]
            except KubectlError as error:
                raise MeshError(
                    f"can't read the endpoints of {self.name} in {cluster.region}: {error}", "mesh status"
                ) from None
            return ready_endpoints(slices, self.namespace, self.name)

        return _of_each(clusters, count)

    def ready_versions(self, clusters: Mapping[str, ClusterClient]) -> dict[str, dict[str, int]]:
        """Return the number of ready pods in each cluster, by region and by version.

        All pods of a service with one version in each region are of `ONLY_VERSION`.

        Raises:
            MeshError: A cluster can't be read.
        """
        if not self.service.versions:
            return {key: {ONLY_VERSION: number} for key, number in self.ready_pods(clusters).items()}

        def count(cluster: ClusterClient) -> dict[str, int]:
            try:
                pods = cluster.get("pods", "--namespace", self.namespace, "--selector", f"app={self.name}")["items"]
            except KubectlError as error:
                raise MeshError(
                    f"can't read the pods of {self.name} in {cluster.region}: {error}", "mesh status"
                ) from None
            ready = (one["metadata"]["labels"] for one in pods if condition(one, "Ready") == "True")
            return Counter(labels.get("version", "") for labels in ready)

        return _of_each(clusters, count)


def _of_each(clusters: Mapping[str, ClusterClient], read: Callable[[ClusterClient], T]) -> dict[str, T]:
    """Read something of all clusters at the same time, and return it by region."""
    with ThreadPoolExecutor(max(len(clusters), 1)) as pool:
        return dict(zip(clusters, pool.map(read, clusters.values()), strict=True))


def _default(environment: Environment) -> str:
    services = environment.all_services()
    if environment.demo.enabled:
        return DEMO_SERVICE
    names = list(services)
    if len(names) == 1:
        return names[0]
    if not names:
        raise MeshError(
            "the configuration has no service, and demo.enabled is false", "add a service, or set demo.enabled: true"
        )
    raise MeshError("there are several services", f"name one of them: --service {' | '.join(names)}")


def _default_path(service: Service) -> str:
    if service.protocol == "grpc":
        return HEALTH_CHECK
    return next(_paths(service), "/")


def _paths(service: Service) -> Iterator[str]:
    """Yield the paths of routes that reach the main port as they are."""
    for route in service.routes:
        if route.redirect is None and route.rewrite is None and service.routed_port(route).port == service.port:
            yield from route.path


def _is_own(caller: Caller, own: set[tuple[str, str]]) -> bool:
    return (caller.namespace, caller.account) in own

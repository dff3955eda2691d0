"""What is known of a request and of the clusters, before any proxy is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.explain.callee import Callee
from cli.explain.client import ClientPod
from cli.explain.routes import Request
from cli.explain.workloads import Workloads
from cli.sources.cluster_objects import Object
from cli.sources.kubernetes import ClusterClient
from config import Environment


@dataclass(frozen=True)
class RequestContext:
    """A request to a service, and where it comes from.

    Attributes:
        callee: The service.
        workloads: What there is of the service's and the client's namespaces, by region; without those that did not
            respond.
        request: The request.
        region: Key of the client's region.
        pod: The client.
    """

    callee: Callee
    workloads: Mapping[str, Workloads]
    request: Request
    region: str
    pod: Object

    @property
    def environment(self) -> Environment:
        return self.callee.environment

    @property
    def client(self) -> ClientPod:
        return ClientPod.of(self.pod)

    @property
    def authorized(self) -> bool:
        """Whether the configuration authorizes the client."""
        return self.callee.allows(self.client.namespace, self.client.account)

    @property
    def cluster(self) -> ClusterClient:
        """The client's cluster."""
        return self.workloads[self.region].cluster

    def object_in(self, region: str) -> Object | None:
        """Return the Service in a region's cluster."""
        return self.workloads[region].service(self.callee.namespace, self.callee.name)

    def region_at(self, location: str) -> str:
        """Return the key of a Google Cloud region, or else its name."""
        regions = self.environment.resolved_regions()
        return next((one.key for one in regions if one.location == location), location)

    def pod_at(self, address: str) -> tuple[str, Object] | None:
        """Return the pod that has an address, after the key of its region; None if it is in none that responds."""
        for key, one in self.workloads.items():
            if (pod := one.pod_at(address)) is not None:
                return key, pod
        return None

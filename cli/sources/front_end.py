"""The load balancers in front of the gateways: for each, the object of the config cluster that reports its state.

Google's controllers build them: Multi Cluster Ingress from a MultiClusterIngress, multi-cluster Gateway from a Gateway
for each exposure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.sources.addresses import is_in
from cli.sources.cluster_objects import ClusterObjects, Object, find_object
from config import Environment, ResolvedRegion
from config.ingress import INTERNAL
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

MULTI_CLUSTER_INGRESS = "Multi Cluster Ingress"
MULTI_CLUSTER_GATEWAY = "Multi-cluster Gateway"

_BACKEND_SERVICES = "networking.gke.io/backend-services"
"""Annotation of a Gateway with the paths of its backend services."""

_UNMATCHED = "gw-serve404"
"""In the name of the backend service for requests that no route matches, which has no endpoints."""


@dataclass(frozen=True)
class FrontEnd:
    """A load balancer.

    Attributes:
        api: `MULTI_CLUSTER_INGRESS` or `MULTI_CLUSTER_GATEWAY`.
        kind: Kind of the object.
        resource: The kind for kubectl, in full: Istio, too, has a kind Gateway.
        name: Name of the object.
    """

    api: str
    kind: str
    resource: str
    name: str

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.api if self.api == MULTI_CLUSTER_INGRESS else f"{self.api} {self.name}"

    @property
    def is_internal(self) -> bool:
        """Whether only clients in the VPC reach it, at an address in each region."""
        return self.api == MULTI_CLUSTER_GATEWAY and self.name == INTERNAL

    @property
    def reference(self) -> str:
        """The object in messages."""
        return f"{self.kind} {GATEWAY_NAMESPACE}/{self.name}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Kind, name and namespace for kubectl."""
        return (self.resource, self.name, "--namespace", GATEWAY_NAMESPACE)

    def describe(self, kubectl: str) -> str:
        """Return the command that shows the object's state and events.

        Args:
            kubectl: The start of the command.
        """
        return f"{kubectl} --namespace {GATEWAY_NAMESPACE} describe {self.resource} {self.name}"

    def find(self, objects: ClusterObjects) -> Object | None:
        """Return the object; None if it does not exist."""
        items = objects.ingresses if self.api == MULTI_CLUSTER_INGRESS else objects.gateways
        return find_object(items, GATEWAY_NAMESPACE, self.name)

    def addresses(self, one: Object | None) -> list[str]:
        """Return the addresses that the controller reports in the object."""
        status = (one or {}).get("status") or {}
        if self.api == MULTI_CLUSTER_INGRESS:
            return [str(status["VIP"])] if status.get("VIP") else []
        return [str(each["value"]) for each in status.get("addresses") or () if each.get("value")]

    def backend_services(self, one: Object | None) -> list[str]:
        """Return the names of the backend services that the controller reports in the object."""
        if self.api == MULTI_CLUSTER_INGRESS:
            return [*((one or {}).get("status") or {}).get("CloudResources", {}).get("BackendServices", ())]
        paths = (one or {}).get("metadata", {}).get("annotations", {}).get(_BACKEND_SERVICES, "")
        names = [path.strip().rpartition("/")[2] for path in paths.split(",") if path.strip()]
        return [name for name in names if _UNMATCHED not in name]

    def address_for(self, region: ResolvedRegion, addresses: Sequence[str]) -> str:
        """Return the address that clients in a region use; empty if there is none.

        Args:
            region: The region.
            addresses: All addresses.
        """
        if not self.is_internal:
            return addresses[0] if addresses else ""
        return next((one for one in addresses if is_in(one, region.ranges.nodes)), "")  # from the region's subnet


def front_ends(environment: Environment) -> list[FrontEnd]:
    """Return the load balancers of the configuration; of the one that users reach by default first."""
    ingress = environment.ingress
    found = []
    if ingress.uses_mci:
        resource = "multiclusteringresses.networking.gke.io"
        found.append(FrontEnd(MULTI_CLUSTER_INGRESS, "MultiClusterIngress", resource, GATEWAY_NAME))
    found += [
        FrontEnd(MULTI_CLUSTER_GATEWAY, "Gateway", "gateways.gateway.networking.k8s.io", exposure)
        for exposure in ingress.exposures
    ]
    return found

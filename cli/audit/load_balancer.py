"""The parts of the environment's own load balancers, among those of other teams in the project.

Multi Cluster Ingress calls each part ``mci-HASH-…``, for every team alike. What tells them apart is what a part leads
to: forwarding rule → target proxy → URL map → backend service → endpoint groups, which are on a network, and health
checks, which backend services use.

Multi-cluster Gateway calls them ``gkemcg1-NAMESPACE-NAME-HASH``, and multi-cluster services, which is behind it,
``gkemcs-NAMESPACE-NAME-…``. A forwarding rule's description has the Gateway, and its cluster. What serves unmatched
requests is shared by the whole project.
Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops,
https://cloud.google.com/kubernetes-engine/docs/how-to/deploying-multi-cluster-gateways
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.sources.google import ApiError
from cli.sources.resources import (
    ENDPOINT_GROUPS,
    FORWARDING_RULES,
    LOAD_BALANCER,
    CloudResource,
    ProjectResources,
    path_in,
)
from config.ingress import EXTERNAL, INTERNAL
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

_GROUPS = f"/{ENDPOINT_GROUPS.collection}/"


@dataclass(frozen=True)
class Controller:
    """What creates parts of load balancers.

    Attributes:
        prefix: What their names begin with.
        kind: The kind of objects that they are for.
        backend: The kind of objects that endpoint groups are for.
    """

    prefix: str
    kind: str
    backend: str


MULTI_CLUSTER_INGRESS = Controller("mci-", "MultiClusterIngress", "MultiClusterService")
MULTI_CLUSTER_GATEWAY = Controller("gkemcg1-", "Gateway", "ServiceExport")
MULTI_CLUSTER_SERVICES = Controller("gkemcs-", "ServiceExport", "ServiceExport")
CONTROLLERS = (MULTI_CLUSTER_INGRESS, MULTI_CLUSTER_GATEWAY, MULTI_CLUSTER_SERVICES)

MCI_IN_GROUP = "-mci-"
"""In an endpoint group's name: the Services that the fleet derives are called ``mci-NAME-svc-HASH``."""

_OWN_NAMES = tuple(f"{GATEWAY_NAMESPACE}-{name}-" for name in (EXTERNAL, INTERNAL, GATEWAY_NAME))
"""How the names of the parts for our Gateways and for the exported Service go on after the prefix.

What multi-cluster services has for a whole network has its project and its name.
"""

_OWN_GATEWAYS = tuple(f"/namespaces/{GATEWAY_NAMESPACE}/gateways/{name}" for name in (EXTERNAL, INTERNAL))

_UNMATCHED = ("kube-system-gw-serve404", "default-404")
"""How the names of what serves unmatched requests go on after the prefix."""


def controller_of(resource: CloudResource) -> Controller | None:
    """Return the controller whose names begin like that of a resource; None if there is none."""
    return next((one for one in CONTROLLERS if resource.name.startswith(one.prefix)), None)


def backend_controller(group: CloudResource) -> Controller | None:
    """Return the controller of whose backend an endpoint group is; None if it is of another Service."""
    if MCI_IN_GROUP in group.name:
        return MULTI_CLUSTER_INGRESS
    content = described(group)
    exported = (content.get("namespace"), content.get("service-name")) == (GATEWAY_NAMESPACE, GATEWAY_NAME)
    return MULTI_CLUSTER_GATEWAY if exported else None


def described(resource: CloudResource) -> Mapping[str, Any]:
    """Return what a controller has written into a resource's description; empty if it is no JSON."""
    try:
        content = json.loads(resource.content.get("description") or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


class LoadBalancerParts:
    """Which parts of load balancers serve the environment's network."""

    def __init__(
        self,
        resources: ProjectResources,
        network: str,
        addresses: Collection[str],
        rules: Collection[str],
        clusters: Collection[str] = (),
    ) -> None:
        """Find the parts.

        Args:
            resources: All resources of the project.
            network: Path of the network.
            addresses: The reserved addresses of the ingress.
            rules: Names of the firewall rules on the network.
            clusters: Paths of the configured clusters.
        """
        lists = [resources[kind] for kind in (*LOAD_BALANCER, ENDPOINT_GROUPS)]
        self._complete = not any(isinstance(one, ApiError) for one in lists)
        self._clusters = clusters
        self._own_names = (*_OWN_NAMES, "-".join(network.split("/")[1::3]))
        parts = [part for one in lists if not isinstance(one, ApiError) for part in one]
        graph = {part.path: set(_references(part)) for part in parts}
        self._reached = {part.path: _reachable(part.path, graph) for part in parts}
        self._groups: dict[str, set[str]] = {}
        """By part: the endpoint groups that it, or a part that uses it, leads to."""
        for reached in self._reached.values():
            for path in reached:
                self._groups.setdefault(path, set()).update(one for one in reached if _GROUPS in one)
        self._own_groups = {part.path for part in parts if part.kind is ENDPOINT_GROUPS and part.is_on(network)}
        starts = [
            part for part in parts if part.kind is FORWARDING_RULES and self._starts_here(part, network, addresses)
        ]
        self._from_own_rules = {path for start in starts for path in self._reached[start.path]}
        named = [part for part in parts if part.kind in LOAD_BALANCER and controller_of(part)]
        own = {_hash(part.name) for part in named if self._leads_here(part.path)}
        self._hashes = own | {_hash(rule) for rule in rules if rule.startswith(MULTI_CLUSTER_INGRESS.prefix)}
        elsewhere = [part for part in named if self._leads_elsewhere(part.path)]
        self._shared = {_hash(part.name) for part in elsewhere}
        self._of_others = {controller_of(part) for part in elsewhere}

    def serves(self, part: CloudResource) -> bool:
        """Return whether a part serves the network; where `unknown` returns a reason, it may."""
        controller = controller_of(part)
        if controller is None:
            return False
        if _is_unmatched(part, controller):
            return self._complete and controller not in self._of_others
        if self._leads_here(part.path) or self._leads_elsewhere(part.path):
            return self._leads_here(part.path)
        if controller is MULTI_CLUSTER_INGRESS:
            return not self._complete or _hash(part.name) in self._hashes
        if cluster := described(part).get("k8sCluster"):
            return cluster.lstrip("/") in self._clusters
        return part.name.removeprefix(controller.prefix).startswith(self._own_names)

    def unknown(self, part: CloudResource) -> str:
        """Return why it is not known whether a part serves the network; empty if it is known.

        What is left of a load balancer may lead nowhere. It is identified by its hash, which it shares with other parts
        and with the firewall rule on the network, or, of multi-cluster Gateway, by the objects that its name has.
        """
        if not self.serves(part) or self._leads_here(part.path):
            return ""
        if not self._complete:
            return "the parts of load balancers, or endpoint groups, can't all be listed"
        if controller_of(part) is MULTI_CLUSTER_INGRESS and _hash(part.name) in self._shared:
            return "it has no endpoint group, and load balancers on several networks have the same name prefix"
        return ""

    def _starts_here(self, rule: CloudResource, network: str, addresses: Collection[str]) -> bool:
        """Return whether a forwarding rule is of the environment: by its address, its network or its Gateway."""
        if rule.content.get("IPAddress") in addresses or (rule.content.get("network") and rule.is_on(network)):
            return True
        content = described(rule)
        of_cluster = str(content.get("k8sCluster", "")).lstrip("/") in self._clusters
        return of_cluster and content.get("k8sResource") in _OWN_GATEWAYS

    def _leads_here(self, path: str) -> bool:
        return path in self._from_own_rules or bool(self._groups.get(path, set()) & self._own_groups)

    def _leads_elsewhere(self, path: str) -> bool:
        return not self._leads_here(path) and bool(self._groups.get(path))


def _is_unmatched(part: CloudResource, controller: Controller) -> bool:
    return part.name.removeprefix(controller.prefix).startswith(_UNMATCHED)


def _hash(name: str) -> str:
    return name.removeprefix(MULTI_CLUSTER_INGRESS.prefix).partition("-")[0]


def _references(part: CloudResource) -> Iterator[str]:
    """Yield the paths of the resources that a part refers to."""
    project = part.path.split("/")[1]
    for link in _texts({key: value for key, value in part.content.items() if key != "selfLink"}):
        if "projects/" in link and link.count("/") > 3:
            yield path_in(link, project)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Return a path and all that it leads to."""
    found, remaining = {start}, [start]
    while remaining:
        new = graph.get(remaining.pop(), set()) - found
        found |= new
        remaining += new
    return found

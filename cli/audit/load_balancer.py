"""The parts of the environment's own load balancer, among those of other teams in the project.

Multi Cluster Ingress calls each part ``mci-HASH-…``, for every team alike. What tells them apart is what a part leads
to: forwarding rule → target proxy → URL map → backend service → endpoint groups, which are on a network, and health
checks, which backend services use.
Source: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.sources.google import ApiError
from cli.sources.resources import ENDPOINT_GROUPS, LOAD_BALANCER, CloudResource, ProjectResources, path_in

PREFIX = "mci-"
_GROUPS = f"/{ENDPOINT_GROUPS.collection}/"


class LoadBalancerParts:
    """Which parts of load balancers serve the environment's network."""

    def __init__(self, resources: ProjectResources, network: str, address: str, rules: set[str]) -> None:
        """Find the parts.

        Args:
            resources: All resources of the project.
            network: Path of the network.
            address: The reserved address of the ingress; empty if there is none.
            rules: Names of the firewall rules on the network.
        """
        lists = [resources[kind] for kind in (*LOAD_BALANCER, ENDPOINT_GROUPS)]
        self._complete = not any(isinstance(one, ApiError) for one in lists)
        parts = [part for one in lists if not isinstance(one, ApiError) for part in one]
        graph = {part.path: set(_references(part)) for part in parts}
        self._groups: dict[str, set[str]] = {}
        """By part: the endpoint groups that it, or a part that uses it, leads to."""
        for part in parts:
            reached = _reachable(part.path, graph)
            for path in reached:
                self._groups.setdefault(path, set()).update(one for one in reached if _GROUPS in one)
        self._own_groups = {part.path for part in parts if part.kind is ENDPOINT_GROUPS and part.is_on(network)}
        at_address = [part.path for part in parts if address and part.content.get("IPAddress") == address]
        self._at_address = {path for start in at_address for path in _reachable(start, graph)}
        named = [part for part in parts if part.kind in LOAD_BALANCER and part.name.startswith(PREFIX)]
        own = {_hash(part.name) for part in named if self._leads_here(part.path)}
        self._hashes = own | {_hash(rule) for rule in rules if rule.startswith(PREFIX)}
        self._shared = {_hash(part.name) for part in named if self._leads_elsewhere(part.path)}

    def serves(self, part: CloudResource) -> bool:
        """Return whether a part serves the network; where `unknown` returns a reason, it may."""
        if not part.name.startswith(PREFIX):
            return False
        return self._leads_here(part.path) or (
            not self._leads_elsewhere(part.path) and (not self._complete or _hash(part.name) in self._hashes)
        )

    def unknown(self, part: CloudResource) -> str:
        """Return why it is not known whether a part serves the network; empty if it is known.

        What is left of a load balancer may lead nowhere. It is identified by its hash, which it shares with other parts
        and with the firewall rule on the network.
        """
        if not self.serves(part) or self._leads_here(part.path):
            return ""
        if not self._complete:
            return "the parts of load balancers, or endpoint groups, can't all be listed"
        if _hash(part.name) in self._shared:
            return "it has no endpoint group, and load balancers on several networks have the same name prefix"
        return ""

    def _leads_here(self, path: str) -> bool:
        return path in self._at_address or bool(self._groups.get(path, set()) & self._own_groups)

    def _leads_elsewhere(self, path: str) -> bool:
        return not self._leads_here(path) and bool(self._groups.get(path))


def _hash(name: str) -> str:
    return name.removeprefix(PREFIX).partition("-")[0]


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

"""Less secure values that a configuration may choose, and the rules that then do not hold.

What a file chooses is its owner's decision: the policy reports it and does not fail. The configuration decides, and
not the JSON that is checked, so that the same weakness without its key still fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from config.environment import Environment
from config.services.service import Service
from policy.environment import Entity
from policy.rule import PolicyResult, Rule


@dataclass(frozen=True)
class Override:
    """A choice of the configuration.

    Attributes:
        key: where the configuration makes it, for messages.
        chosen: whether it does.
        by: the services that it is about, by name; None if it is about everything that the rule applies to.
    """

    key: str
    chosen: Callable[[Environment], bool]
    by: Callable[[Environment], frozenset[str]] | None = None

    def explains(self, environment: Environment, entity: Entity) -> bool:
        """Return whether an entity fails its rule because of the configuration."""
        if not self.chosen(environment):
            return False
        return self.by is None or _app(entity) in self.by(environment)


def _app(entity: Entity) -> str:
    """Return the label ``app`` of an object, the name of its service; an empty text if it has none."""
    metadata = (entity.manifest or {}).get("metadata", {})
    return str(metadata.get("labels", {}).get("app", ""))


def _of_services(key: str, has: Callable[[Service], bool]) -> Override:
    def by(environment: Environment) -> frozenset[str]:
        return frozenset(name for name, service in environment.services.items() if has(service))

    return Override(key, lambda environment: bool(by(environment)), by)


_PERMISSIVE = Override("mesh.mtls", lambda one: one.mesh.mtls == "permissive")
_NO_DEFAULT_DENY = Override("mesh.default_deny", lambda one: not one.mesh.default_deny)

OVERRIDES: Mapping[str, Override] = {
    "MESH_DEPLOYER": Override(
        "project.impersonate_service_account", lambda one: one.project.impersonate_service_account is None
    ),
    "MESH_PRIVATE_ENDPOINT": Override("cluster.endpoint", lambda one: one.cluster.endpoint == "public"),
    "MESH_DATAPLANE_V2": Override("cluster.dataplane", lambda one: one.cluster.dataplane == "legacy"),
    "MESH_INTRANODE_VISIBILITY": Override(
        "cluster.intranode_visibility", lambda one: not one.cluster.intranode_visibility
    ),
    "MESH_SHIELDED_NODES": Override(
        "cluster.secure_boot", lambda one: not all(region.nodes.secure_boot for region in one.resolved_regions())
    ),
    "MESH_BINARY_AUTHORIZATION": Override(
        "cluster.binary_authorization", lambda one: not one.cluster.binary_authorization
    ),
    "MESH_CLUSTER_LOGS": Override("cluster.logs", lambda one: not {"workloads", "api_server"} <= set(one.cluster.logs)),
    "MESH_CLUSTER_METRICS": Override("cluster.managed_prometheus", lambda one: not one.cluster.managed_prometheus),
    "MESH_MAINTENANCE_WINDOW": Override("cluster.maintenance_windows", lambda one: not one.cluster.maintenance_windows),
    "MESH_DELETION_PROTECTION": Override(
        "cluster.deletion_protection",
        lambda one: not one.cluster.deletion_protection or any(region.retired for region in one.resolved_regions()),
    ),
    "MESH_RELEASE_CHANNEL": Override("cluster.release_channel", lambda one: one.cluster.release_channel == "rapid"),
    "MESH_AUTHORIZED_NETWORKS_NARROW": Override(
        "cluster.authorized_networks",
        lambda one: any(network.cidr.prefixlen < 16 for network in one.cluster.authorized_networks),
    ),
    "MESH_SECRETS_ENCRYPTED": Override(
        "regions.*.secrets_key", lambda one: not all(region.secrets_key for region in one.resolved_regions())
    ),
    "MESH_FIREWALL_PROTOCOLS": Override("network.pod_protocols", lambda one: one.network.pod_protocols != ("tcp",)),
    "MESH_FLOW_LOGS": Override("network.flow_logs", lambda one: not one.network.flow_logs),
    "MESH_FIREWALL_LOGS": Override("network.firewall_logs", lambda one: not one.network.firewall_logs),
    "MESH_NAT_LOGS": Override("network.nat_log_filter", lambda one: one.network.nat_log_filter != "ALL"),
    "MESH_STRICT_MTLS": _PERMISSIVE,
    "MESH_NO_PLAIN_TEXT": _PERMISSIVE,
    "MESH_DEFAULT_DENY": _NO_DEFAULT_DENY,
    "MESH_GATEWAY_CALLERS": _NO_DEFAULT_DENY,
    "MESH_HTTPS_ONLY": Override("ingress.plain_http", lambda one: one.ingress.plain_http),
    "MESH_CLOUD_ARMOR": Override("ingress.security_policy", lambda one: one.ingress.security_policy is None),
    "MESH_GATEWAY_COUNT": Override("ingress.single_replica", lambda one: one.ingress.single_replica),
    "MESH_NOT_ROOT": _of_services("services.*.root", lambda service: service.root),
    "MESH_READ_ONLY_ROOT": _of_services("services.*.writable_root", lambda service: service.writable_root),
}
"""By the id of the rule."""


def split(result: PolicyResult, environment: Environment) -> tuple[list[tuple[Rule, Entity]], dict[str, str]]:
    """Return the failures that the configuration did not choose, and by rule the keys that chose the others."""
    failed, chosen = [], {}
    for rule, entity in result.failed:
        override = OVERRIDES.get(rule.id)
        if override is not None and override.explains(environment, entity):
            chosen[rule.id] = override.key
        else:
            failed.append((rule, entity))
    return failed, chosen

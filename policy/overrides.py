"""Less secure values that a configuration may choose, and the rules that allow them then.

What a file chooses is its owner's decision: the policy reports it and does not fail. Credentials in the file do fail.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from config.environment import Environment
from config.services.service import Service

CREDENTIALS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bya29\.[\w-]"  # a Google access token
    r"|\beyJ[\w-]+\.eyJ[\w-]+"  # a signed token, such as of a Kubernetes service account
    r"|\bAIza[\w-]{30}"  # a Google API key
    r"|\bgh[pousr]_\w{30}"  # a GitHub token
)
NAMES = re.compile(r"(password|passwd|token|api_?key|private_?key|client_?secret|credentials?)$", re.IGNORECASE)
"""Names of variables that are credentials."""


@dataclass(frozen=True)
class Override:
    """A choice of the configuration.

    Attributes:
        rule: id of the rule that allows it.
        key: where the configuration makes it, for messages.
        chosen: whether it does.
    """

    rule: str
    key: str
    chosen: Callable[[Environment], bool]


def _any_service(has: Callable[[Service], bool]) -> Callable[[Environment], bool]:
    return lambda one: any(map(has, one.services.values()))


OVERRIDES = (
    Override(
        "MESH_DEPLOYER",
        "project.impersonate_service_account",
        lambda one: one.project.impersonate_service_account is None,
    ),
    Override("MESH_PRIVATE_ENDPOINT", "cluster.endpoint", lambda one: one.cluster.endpoint == "public"),
    Override(
        "MESH_AUTHORIZED_NETWORKS",
        "cluster.authorized_networks",
        lambda one: any(network.cidr.prefixlen < 16 for network in one.cluster.authorized_networks),
    ),
    Override("MESH_DATAPLANE_V2", "cluster.dataplane", lambda one: one.cluster.dataplane == "legacy"),
    Override(
        "MESH_INTRANODE_VISIBILITY", "cluster.intranode_visibility", lambda one: not one.cluster.intranode_visibility
    ),
    Override(
        "MESH_SHIELDED_NODES",
        "cluster.secure_boot",
        lambda one: not all(region.nodes.secure_boot for region in one.resolved_regions()),
    ),
    Override(
        "MESH_BINARY_AUTHORIZATION", "cluster.binary_authorization", lambda one: not one.cluster.binary_authorization
    ),
    Override("MESH_CLUSTER_LOGS", "cluster.logs", lambda one: not {"workloads", "api_server"} <= set(one.cluster.logs)),
    Override("MESH_CLUSTER_METRICS", "cluster.managed_prometheus", lambda one: not one.cluster.managed_prometheus),
    Override("MESH_MAINTENANCE_WINDOW", "cluster.maintenance_windows", lambda one: not one.cluster.maintenance_windows),
    Override(
        "MESH_DELETION_PROTECTION",
        "cluster.deletion_protection",
        lambda one: not one.cluster.deletion_protection or any(region.retired for region in one.regions.values()),
    ),
    Override("MESH_RELEASE_CHANNEL", "cluster.release_channel", lambda one: one.cluster.release_channel == "rapid"),
    Override(
        "MESH_SECRETS_ENCRYPTED",
        "regions.*.secrets_key",
        lambda one: not all(region.secrets_key for region in one.regions.values()),
    ),
    Override("MESH_FIREWALL_PROTOCOLS", "network.pod_protocols", lambda one: one.network.pod_protocols != ("tcp",)),
    Override("MESH_FLOW_LOGS", "network.flow_logs", lambda one: not one.network.flow_logs),
    Override("MESH_FIREWALL_LOGS", "network.firewall_logs", lambda one: not one.network.firewall_logs),
    Override("MESH_NAT_LOGS", "network.nat_log_filter", lambda one: one.network.nat_log_filter != "ALL"),
    Override("MESH_STRICT_MTLS", "mesh.mtls", lambda one: one.mesh.mtls == "permissive"),
    Override("MESH_DEFAULT_DENY", "mesh.default_deny", lambda one: not one.mesh.default_deny),
    Override("MESH_HTTPS_ONLY", "ingress.plain_http", lambda one: one.ingress.plain_http),
    Override("MESH_GATEWAY_LISTENERS", "ingress.exposure", lambda one: "internal" in one.ingress.exposures),
    Override("MESH_CLOUD_ARMOR", "ingress.security_policy", lambda one: one.ingress.security_policy is None),
    Override("MESH_GATEWAY_COUNT", "ingress.single_replica", lambda one: one.ingress.single_replica),
    Override("MESH_NOT_ROOT", "services.*.root", _any_service(lambda service: service.root)),
    Override("MESH_READ_ONLY_ROOT", "services.*.writable_root", _any_service(lambda service: service.writable_root)),
)


def chosen(environment: Environment) -> list[Override]:
    """Return the less secure choices of a configuration."""
    return [one for one in OVERRIDES if one.chosen(environment)]


def credentials(environment: Environment) -> list[str]:
    """Return what in a configuration is a credential: it would be in states, plans and manifests."""
    return [
        f"{key} contains a credential: use a reference to a Secret, or `secret_manager`"
        for key, name, text in _texts("", "", environment.model_dump(mode="json"))
        if CREDENTIALS.search(text) or (text and NAMES.search(name) and key.endswith(f".env.{name}"))
    ]


def _texts(key: str, name: str, value: object) -> Iterator[tuple[str, str, str]]:
    """Yield every text in a value: its key, the last part of the key, and the text."""
    if isinstance(value, str):
        yield key.removeprefix("."), name, value
    elif isinstance(value, dict):
        for inner, one in value.items():
            yield from _texts(f"{key}.{inner}", str(inner), one)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(f"{key}[{index}]", name, one)

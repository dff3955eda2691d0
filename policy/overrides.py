"""Less secure values that a configuration may choose, and the rules that allow them then.

What a file chooses is its owner's decision: the policy reports it and does not fail. Credentials in the file do fail.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import not_
from typing import Any

from config.cluster import AuthorizedNetwork
from config.environment import Environment

CREDENTIALS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bya29\.[\w-]"  # a Google access token
    r"|\beyJ[\w-]+\.eyJ[\w-]+"  # a signed token, such as of a Kubernetes service account
    r"|\bAIza[\w-]{30}"  # a Google API key
    r"|\b(gh[pousr]|github_pat|glpat|xox[abp]|npm|sk_live|GOCSPX)[_-][\w-]{16}"  # tokens of GitHub, Slack and others
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"  # an access key of AWS
    r"|://[^/\s:@]+:[^/\s@$]+@"  # a URL with a password
)
_NAME = "(^|_)(pass|pwd|secret)|password|passwd|passphrase|token|(api|access|private|secret|signing)_?key|credentials?"
NAMES = re.compile(f"({_NAME})$", re.IGNORECASE)
"""Names of variables that are credentials."""


@dataclass(frozen=True)
class Override:
    """A choice of the configuration.

    Attributes:
        rule: id of the rule that allows it.
        key: where the configuration makes it; a star is each of several.
        less_secure: whether a value is the less secure one.
    """

    rule: str
    key: str
    less_secure: Callable[[Any], bool]

    def is_chosen(self, environment: Environment) -> bool:
        """Return whether the configuration makes the choice anywhere."""
        values: list[Any] = [environment]
        for step in self.key.split("."):
            values = [one for value in values for one in (value.values() if step == "*" else [getattr(value, step)])]
        return any(map(self.less_secure, values))


def _has_large_range(networks: tuple[AuthorizedNetwork, ...]) -> bool:
    return any(one.cidr.prefixlen < 16 for one in networks)


OVERRIDES = (
    Override("MESH_DEPLOYER", "project.impersonate_service_account", not_),
    Override("MESH_PRIVATE_ENDPOINT", "cluster.endpoint", lambda endpoint: endpoint == "public"),
    Override("MESH_AUTHORIZED_NETWORKS", "cluster.authorized_networks", _has_large_range),
    Override("MESH_DATAPLANE_V2", "cluster.dataplane", lambda dataplane: dataplane == "legacy"),
    Override("MESH_INTRANODE_VISIBILITY", "cluster.intranode_visibility", not_),
    Override("MESH_SHIELDED_NODES", "cluster.secure_boot", not_),
    Override("MESH_SHIELDED_NODES", "regions.*.cluster.secure_boot", lambda own: own is False),
    Override("MESH_BINARY_AUTHORIZATION", "cluster.binary_authorization", not_),
    Override("MESH_CLUSTER_LOGS", "cluster.logs", lambda logs: not {"workloads", "api_server"} <= set(logs)),
    Override("MESH_CLUSTER_METRICS", "cluster.managed_prometheus", not_),
    Override("MESH_MAINTENANCE_WINDOW", "cluster.maintenance_windows", not_),
    Override("MESH_DELETION_PROTECTION", "cluster.deletion_protection", not_),
    Override("MESH_DELETION_PROTECTION", "regions.*.retired", bool),
    Override("MESH_RELEASE_CHANNEL", "cluster.release_channel", lambda channel: channel == "rapid"),
    Override("MESH_SECRETS_ENCRYPTED", "regions.*.secrets_key", not_),
    Override("MESH_FIREWALL_PROTOCOLS", "network.pod_protocols", lambda protocols: protocols != ("tcp",)),
    Override("MESH_FLOW_LOGS", "network.flow_logs", not_),
    Override("MESH_FIREWALL_LOGS", "network.firewall_logs", not_),
    Override("MESH_NAT_LOGS", "network.nat_log_filter", lambda events: events != "ALL"),
    Override("MESH_STRICT_MTLS", "mesh.mtls", lambda mode: mode == "permissive"),
    Override("MESH_DEFAULT_DENY", "mesh.default_deny", not_),
    Override("MESH_HTTPS_ONLY", "ingress.plain_http", bool),
    Override("MESH_GATEWAY_LISTENERS", "ingress.exposure", lambda exposure: exposure != "external"),
    Override("MESH_CLOUD_ARMOR", "ingress.security_policy", not_),
    Override("MESH_GATEWAY_COUNT", "ingress.single_replica", bool),
    Override("MESH_NOT_ROOT", "services.*.root", bool),
    Override("MESH_READ_ONLY_ROOT", "services.*.writable_root", bool),
)


def chosen(environment: Environment) -> list[Override]:
    """Return the less secure choices of a configuration."""
    return [one for one in OVERRIDES if one.is_chosen(environment)]


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

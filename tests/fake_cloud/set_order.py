"""Lists that an API treats as sets: it returns them in an order of its own, whatever the order of the request."""

from collections.abc import Mapping
from typing import Any

COMPONENTS = (
    "SYSTEM_COMPONENTS",
    "WORKLOADS",
    "APISERVER",
    "SCHEDULER",
    "CONTROLLER_MANAGER",
    "STORAGE",
    "HPA",
    "POD",
    "DAEMONSET",
    "DEPLOYMENT",
    "STATEFULSET",
)
"""The sources of logs and metrics in the order of GKE's enums, in which it returns them.

Sources: the enums in container.v1's discovery document; the orders that were seen, in
terraform-google-kubernetes-engine's issue 2584 and cluster-toolkit's issue 6331. terraform-provider-google's issue
28688 calls the order arbitrary.
"""

SETS = frozenset(
    {
        *("allowed", "cidrBlocks", "locations", "members", "oauthScopes", "protocols", "secondaryIpRanges"),
        *("sourceRanges", "targetTags"),
    }
)
"""Names of other fields with sets. Their order is not documented; here it is the reverse one.

That of a subnet's secondary ranges was seen reversed: terraform-provider-google's issues 1770, 3477 and 16026.
"""


def in_set_order(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message with its sets in the order in which the API returns them."""
    return {key: _ordered(key, value) for key, value in message.items()}


def _ordered(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return in_set_order(value)
    if not isinstance(value, list):
        return value
    if key == "enableComponents":
        return sorted(value, key=COMPONENTS.index)
    values = [_ordered("", one) for one in value]
    return values[::-1] if key in SETS else values

"""Names of a namespace's labels: those of Kubernetes, without those that another layer sets.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
PATTERN = rf"({_DOMAIN}/)?{_NAME}"
LONGEST = 253 + 1 + 63

_INJECTION = "selects the sidecars of the namespace, which follows from mesh.control_plane; leave it out"
_OWNERS = {
    "istio.io": "belongs to the mesh, and would change its injection or its network; leave it out",
    "kubernetes.io": "belongs to Kubernetes, which sets it itself; leave it out",
    "k8s.io": "belongs to Kubernetes, which sets it itself; leave it out",
    "multi-region-mesh": "belongs to this project; choose another prefix",
}
"""Prefixes of labels, and why there is none of that prefix.

Below kubernetes.io there are labels for users, such as pod-security.kubernetes.io/enforce; below istio.io are none.
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
https://istio.io/latest/docs/reference/config/labels/
"""


def problem(name: str) -> str | None:
    """Return what is wrong with the name of a label; None if nothing is."""
    prefix, slash, _ = name.rpartition("/")
    if not re.fullmatch(PATTERN, name) or len(prefix) > 253:
        return (
            "must be a label's name, such as team or example.com/team: up to 63 letters, digits, hyphens, underscores "
            "and dots, after a domain and a slash if it has one"
        )
    if name == "istio-injection":
        return _INJECTION
    if not slash:
        return None
    return _OWNERS.get("istio.io" if prefix.endswith(".istio.io") else prefix)

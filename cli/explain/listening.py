"""The ports on which a pod listens, without a request to it.

All containers of a pod have one network, so that the sidecar sees the application's sockets. Source: proc_net_tcp(5).
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import PROXY_CONTAINER

FILES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENS = "0A"

_LINE = re.compile(r"\s*\d+: (?P<address>[0-9A-F]+):(?P<port>[0-9A-F]{4}) \S+ (?P<state>[0-9A-F]{2}) ")


def listening_ports(cluster: ClusterClient, namespace: str, pod: str) -> dict[int, bool] | None:
    """Return the ports on which a pod listens, and whether other hosts can reach them; None if that is not known.

    An image without `cat` can't tell, such as a distroless one.
    """
    try:
        return parse_sockets(cluster.execute(namespace, pod, PROXY_CONTAINER, "cat", *FILES))
    except KubectlError:
        return None


def parse_sockets(text: str) -> dict[int, bool]:
    """Return the ports in `FILES`, and whether one listens on more than the loopback address."""
    found: dict[int, bool] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None and match["state"] == LISTENS:
            port = int(match["port"], 16)
            found[port] = found.get(port, False) or not _is_loopback(match["address"])
    return found


def _is_loopback(text: str) -> bool:
    """Return whether an address is the host's own: each group of four bytes is in the order of the machine."""
    groups = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ip_address(b"".join(groups))
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def shown_ports(ports: Collection[int]) -> str:
    """Return ports for a person, without those of Istio's own: https://istio.io/latest/docs/ops/deployment/."""
    own = [str(one) for one in sorted(ports) if not 15000 <= one < 15100]
    return ", ".join(own) or "none"

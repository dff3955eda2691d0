"""Which connections of a pod its sidecar captures.

Source: https://istio.io/latest/docs/reference/config/annotations/
"""

from ipaddress import ip_address, ip_network

from cli.sources.cluster_objects import Object

PREFIX = "traffic.sidecar.istio.io/"
ALL = "*"


def outbound_exception(pod: Object, address: str, port: int) -> str:
    """Return the annotation by which a pod's connection to an address bypasses its proxy; empty without one."""
    found = _annotations(pod)
    if str(port) in found.get("excludeOutboundPorts", []):
        return f"{PREFIX}excludeOutboundPorts"
    if _contains(found.get("excludeOutboundIPRanges", []), address):
        return f"{PREFIX}excludeOutboundIPRanges"
    included = found.get("includeOutboundIPRanges", [ALL])
    ports = found.get("includeOutboundPorts", [])
    if not _contains(included, address) and not {ALL, str(port)} & set(ports):
        return f"{PREFIX}includeOutboundIPRanges"
    return ""


def inbound_exception(pod: Object, port: int) -> str:
    """Return the annotation by which connections to a pod bypass its proxy; empty without one."""
    found = _annotations(pod)
    if str(port) in found.get("excludeInboundPorts", []):
        return f"{PREFIX}excludeInboundPorts"
    if not {ALL, str(port)} & set(found.get("includeInboundPorts", [ALL])):
        return f"{PREFIX}includeInboundPorts"
    return ""


def _annotations(pod: Object) -> dict[str, list[str]]:
    """Return the values of the annotations of capture, by name."""
    annotations = pod["metadata"].get("annotations", {})
    return {
        name.removeprefix(PREFIX): [one.strip() for one in value.split(",") if one.strip()]
        for name, value in annotations.items()
        if name.startswith(PREFIX)
    }


def _contains(ranges: list[str], address: str) -> bool:
    if ALL in ranges:
        return True
    try:
        return any(ip_address(address) in ip_network(one, strict=False) for one in ranges)
    except ValueError:  # a Service without an address, such as a headless one
        return False

"""The limits of Google Cloud and Kubernetes, independent of `config`, which the tests compare with them.

Sources: the naming rules of Compute Engine (63 characters, a letter first), GKE
(clusters and node pools: 40), IAM (service accounts: 6 to 30), Kubernetes (labels
and subdomains of RFC 1123); the ranges that VPC and GKE document.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from config.environment import Environment
from config.naming import ProjectNames, RegionNames

_COMPUTE = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_GKE = r"[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?"
_ACCOUNT = r"[a-z][-a-z0-9]{4,28}[a-z0-9]"
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*"
_LABEL_VALUE = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

NAMES: dict[type, dict[str, str]] = {
    ProjectNames: dict.fromkeys(
        (
            *("vpc", "subnet", "proxy_subnet", "pods_firewall", "internal_load_balancer_firewall"),
            *("ingress_address", "gateway_address", "ssl_policy", "certificate_map"),
        ),
        _COMPUTE,
    ),
    RegionNames: dict.fromkeys(("router", "nat", "node_tag", "webhook_firewall"), _COMPUTE)
    | {"cluster": _GKE, "node_pool": _GKE, "node_service_account": _ACCOUNT},
}

# Addresses that no range may contain: first, last.
_FORBIDDEN = [
    (0x00000000, 0x00FFFFFF),  # 0/8
    (0x7F000000, 0x7FFFFFFF),  # 127/8
    (0xA9FE0000, 0xA9FEFFFF),  # 169.254/16
    (0x23BF0000, 0x23BFFFFF),  # 35.191/16, of health checks
    (0x23C7C000, 0x23C7DFFF),  # 35.199.192/19, of Cloud DNS
    (0x23EBF000, 0x23EBFFFF),  # 35.235.240/20, of Identity-Aware Proxy
    (0x82D30000, 0x82D303FF),  # 130.211.0/22, of health checks
    (0xC7249904, 0xC724990B),  # 199.36.153.4 to .11, of Private Google Access
    (0xE0000000, 0xEFFFFFFF),  # 224/4
    (0xFFFFFFFF, 0xFFFFFFFF),
]
_SIZES = {"nodes": (4, 29), "pods": (9, 24), "services": (16, 27), "control_plane": (28, 28)}


def violations(environment: Environment, data: dict[str, Any]) -> Iterator[str]:
    """Yield the violated limits of an accepted environment.

    Args:
        environment: the environment.
        data: its configuration file's data.
    """
    yield from _check_names(environment)
    yield from _check_ranges(environment, data)
    yield from _check_services(environment)


def _check_names(environment: Environment) -> Iterator[str]:
    for names in (environment.names, *(region.names for region in environment.resolved_regions())):
        for kind, pattern in NAMES[type(names)].items():
            if not re.fullmatch(pattern, getattr(names, kind)):
                yield f"{kind} {getattr(names, kind)!r}"
    for kind in NAMES[RegionNames]:
        found = [getattr(region.names, kind) for region in environment.resolved_regions()]
        if len(set(found)) < len(found):
            yield f"duplicate names: {kind} {found}"
    for region in environment.resolved_regions():
        if len(region.remote_name) > 63:
            yield f"remote name {region.remote_name!r}"


def _octets(text: str) -> int:
    first, second, third, fourth = map(int, text.split("."))
    return ((first * 256 + second) * 256 + third) * 256 + fourth


def _check_ranges(environment: Environment, data: dict[str, Any]) -> Iterator[str]:
    placed = []
    for region in environment.resolved_regions():
        for kind, (least, most) in _SIZES.items():
            given = data["regions"][region.key].get(kind)
            network = getattr(region.ranges, kind)
            name = f"{region.key}.{kind} {network}"
            address, _, prefix = str(given or network).partition("/")
            start, size = _octets(address), 1 << (32 - int(prefix))
            if given and str(network) != given:
                yield f"{name} is not {given}"
            if not least <= int(prefix) <= most:
                yield f"{name} is of an invalid size"
            if start % size:
                yield f"{name} has host bits"
            if any(start <= last and first < start + size for first, last in _FORBIDDEN):
                yield f"{name} is forbidden"
            placed.append((start, start + size, name))
    placed.sort()
    for (_, end, first), (start, _, second) in pairwise(placed):
        if start < end:
            yield f"{first} overlaps {second}"


def _check_services(environment: Environment) -> Iterator[str]:
    deployments: set[tuple[str, str, str]] = set()
    for name, service in environment.all_services().items():
        placed = [(key, one) for key, some in environment.deployments(service).items() for one in some]
        for key, runs in placed:
            deployment = f"{name}-{runs.version}"
            if not re.fullmatch(_SUBDOMAIN, deployment):
                yield f"Deployment {deployment!r}"
            if not re.fullmatch(_LABEL_VALUE, runs.version):
                yield f"label {runs.version!r}"
            if (key, service.namespace, deployment) in deployments:
                yield f"duplicate Deployment {deployment!r} in {key}"
            deployments.add((key, service.namespace, deployment))
        if not re.fullmatch(_LABEL, name) or not re.fullmatch(_LABEL, service.namespace):
            yield f"Service {name!r} in {service.namespace!r}"
        if 15000 <= service.port <= 15090 or service.user == 1337:
            yield f"Service {name!r} has a port or a user of the sidecar"

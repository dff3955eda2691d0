"""Redirects a pod's traffic to its sidecar, as Istio's init container does.

Traffic to a Service's address and traffic from outside the pod go to the sidecar. (Istio's
own rules redirect everything that the sidecar's user does not send. Without root there is
one user only; and a sidecar sends nothing to a Service's address.)
"""

import struct
from ipaddress import IPv4Network
from typing import Any

from pyroute2.netlink.nfnetlink.nftsocket import Meta
from pyroute2.nftables.expressions import genex, verdict
from pyroute2.nftables.main import NFTables

from tests.local_mesh.namespace import Namespace

OUTBOUND = 15001
INBOUND = 15006
NOT_CAPTURED = (15008, 15020, 15021, 15090)
"""The sidecar's own ports. Source: https://istio.io/latest/docs/ops/deployment/application-requirements/"""

_IPV4 = 2  # NFPROTO_IPV4
_ACCEPT = 1  # NF_ACCEPT
_NAT_BEFORE = -100  # priority dstnat
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2  # NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER
_EQUAL = 0  # NFT_CMP_EQ
_TCP = 6

Expressions = list[Any]


def capture(namespace: Namespace, services: IPv4Network) -> None:
    """Set a pod's rules.

    Args:
        namespace: of the pod.
        services: the range of the Services' addresses in its cluster.
    """
    namespace.run(lambda: _set_rules(services))


def _set_rules(services: IPv4Network) -> None:
    with NFTables(nfgen_family=_IPV4) as rules:
        rules.begin()
        rules.table("add", name="sidecar")
        for chain in ("output", "prerouting"):
            rules.chain(
                "add", table="sidecar", name=chain, hook=chain, type="nat", priority=_NAT_BEFORE, policy=_ACCEPT
            )
        _add(rules, "output", _to_network(services), _is_tcp(), _redirect(OUTBOUND))
        for port in NOT_CAPTURED:
            _add(rules, "prerouting", _is_tcp(), _to_port(port), verdict(_ACCEPT))
        _add(rules, "prerouting", _is_tcp(), _redirect(INBOUND))
        rules.commit()


def _add(rules: NFTables, chain: str, *expressions: Expressions) -> None:
    rules.rule("add", table="sidecar", chain=chain, expressions=tuple(tuple(part) for part in expressions))


def _is_tcp() -> Expressions:
    return [genex("meta", {"key": Meta.NFT_META_L4PROTO, "dreg": 1}), _compare(struct.pack("B", _TCP))]


def _to_network(network: IPv4Network) -> Expressions:
    # Not the library's ipv4addr: its mask is right only where the prefix ends at a byte.
    load = genex("payload", {"dreg": 1, "base": _NETWORK_HEADER, "offset": 16, "len": 4})
    cut = {
        "sreg": 1,
        "dreg": 1,
        "len": 4,
        "mask": {"attrs": [("NFTA_DATA_VALUE", network.netmask.packed)]},
        "xor": {"attrs": [("NFTA_DATA_VALUE", bytes(4))]},
    }
    return [load, genex("bitwise", cut), _compare(network.network_address.packed)]


def _to_port(port: int) -> Expressions:
    load = genex("payload", {"dreg": 1, "base": _TRANSPORT_HEADER, "offset": 2, "len": 2})
    return [load, _compare(struct.pack("!H", port))]


def _redirect(port: int) -> Expressions:
    data = {"attrs": [("NFTA_DATA_VALUE", struct.pack("!H", port))]}
    return [genex("immediate", {"dreg": 1, "data": data}), genex("redir", {"reg_proto_min": 1})]


def _compare(value: bytes) -> Any:
    return genex("cmp", {"sreg": 1, "op": _EQUAL, "data": {"attrs": [("NFTA_DATA_VALUE", value)]}})

"""Authorized networks from whose addresses no connection comes."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from config.environment import Environment
from config.problems import Problem

NO_SOURCES = {
    IPv4Network("0.0.0.0/8"): "this network",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("255.255.255.255/32"): "broadcast",
}
"""Ranges that no router forwards. https://www.iana.org/assignments/iana-ipv4-special-registry/"""


def authorized_networks(environment: Environment) -> list[tuple[str, IPv4Network]]:
    """Return the networks that the file authorizes, each with its path in it."""
    entries = [
        (f"cluster.authorized_networks[{index}].cidr", entry.cidr)
        for index, entry in enumerate(environment.cluster.authorized_networks)
    ]
    if environment.cluster.operator_address is not None:
        entries.append(("cluster.operator_address", environment.cluster.operator_address))
    return entries


def check_source_addresses(environment: Environment) -> Iterator[Problem]:
    for path, cidr in authorized_networks(environment):
        for network, kind in NO_SOURCES.items():
            if cidr.subnet_of(network):
                rule = (
                    f"is of {network} ({kind}), from which no connection comes; name the network that you connect from"
                )
                yield Problem(path, rule, str(cidr))

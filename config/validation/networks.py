"""Authorized networks of the GKE control planes, protocols between pods, and logs."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, collapse_addresses

from config.environment import Environment
from config.problems import Problem

HALF_OF_ALL = 1 << 31
"""Half of all IPv4 addresses: authorizing as many, in any number of ranges, authorizes everyone."""


def check_authorized_networks(environment: Environment) -> Iterator[Problem]:
    entries = [
        (f"cluster.authorized_networks[{index}].cidr", entry.cidr)
        for index, entry in enumerate(environment.cluster.authorized_networks)
    ]
    if environment.cluster.operator_address is not None:
        entries.append(("cluster.operator_address", environment.cluster.operator_address))
    narrow = []
    for path, cidr in entries:
        if cidr.prefixlen == 0:
            yield Problem(path, "is everybody; name the networks of the people and machines that deploy", str(cidr))
        else:
            narrow.append((path, cidr))
    if sum(network.num_addresses for network in collapse_addresses(cidr for _, cidr in narrow)) >= HALF_OF_ALL:
        widest = min(narrow, key=lambda entry: entry[1].prefixlen)
        rule = "with the other authorized networks is half of the internet or more; name the networks that you mean"
        yield Problem(widest[0], rule, str(widest[1]))
    if not entries and environment.cluster.endpoint == "public":
        rule = "is empty, so that nobody could deploy by the public endpoint; name your network, or another endpoint"
        yield Problem("cluster.authorized_networks", rule)
    seen: dict[IPv4Network, str] = {}
    for path, cidr in narrow:
        if cidr in seen:
            yield Problem(path, f"stands at {seen[cidr]} already", str(cidr))
        seen.setdefault(cidr, path)


def check_pod_protocols(environment: Environment) -> Iterator[Problem]:
    protocols = environment.network.pod_protocols
    if "tcp" not in protocols:
        yield Problem("network.pod_protocols", "has no tcp, which is all that the mesh sends", ", ".join(protocols))
    yield from _check_duplicates("network.pod_protocols", protocols)


def check_logs(environment: Environment) -> Iterator[Problem]:
    yield from _check_duplicates("cluster.logs", environment.cluster.logs)


def _check_duplicates(path: str, values: Sequence[str]) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Problem(f"{path}[{index}]", "stands there twice", value)

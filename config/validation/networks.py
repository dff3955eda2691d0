"""Authorized networks of the GKE control planes, protocols between pods, and logs."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, collapse_addresses

from config.environment import Environment
from config.problems import Problem
from config.validation.duplicates import check_duplicates
from config.validation.source_addresses import NO_SOURCES, authorized_networks

HALF_OF_ALL = 1 << 31
"""Half of all IPv4 addresses: authorizing as many, in any number of ranges, authorizes everyone."""

MOST_AUTHORIZED_NETWORKS = 100
"""Of a cluster. https://cloud.google.com/kubernetes-engine/docs/how-to/authorized-networks#limitations"""

RESERVED = tuple(
    IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
    )
)
"""Ranges that are not public. Destinations in them see a pod's own address; every other one sees its node's.

https://cloud.google.com/vpc/docs/subnets#valid-ranges
https://cloud.google.com/kubernetes-engine/docs/concepts/ip-masquerade-agent#default-non-masq-dests
"""


def is_reserved(network: IPv4Network) -> bool:
    """Return whether a range is none of the public internet's."""
    return any(network.subnet_of(known) for known in RESERVED)


def check_authorized_networks(environment: Environment) -> Iterator[Problem]:
    entries = authorized_networks(environment)
    if len(entries) > MOST_AUTHORIZED_NETWORKS:
        rule = f"are more than the {MOST_AUTHORIZED_NETWORKS} that GKE takes; name fewer, wider networks"
        yield Problem("cluster.authorized_networks", rule, f"{len(entries)} networks")
        return
    narrow = []
    for path, cidr in entries:
        if cidr.prefixlen == 0:
            yield Problem(path, "is every address; name the networks of the people and machines that deploy", str(cidr))
        else:
            narrow.append((path, cidr))
    if sum(network.num_addresses for network in collapse_addresses(cidr for _, cidr in narrow)) >= HALF_OF_ALL:
        widest = min(narrow, key=lambda entry: entry[1].prefixlen)
        rule = "with the other authorized networks is half of the internet or more; name the networks that you mean"
        yield Problem(widest[0], rule, str(widest[1]))
    if environment.cluster.endpoint != "public":
        yield from _check_reserved(environment.cluster.endpoint, narrow)
    if not entries and environment.cluster.endpoint == "public":
        rule = "is empty, so that no deploy can reach the public endpoint; add your network, or choose another endpoint"
        yield Problem("cluster.authorized_networks", rule)
    seen: dict[IPv4Network, str] = {}
    for path, cidr in narrow:
        if cidr in seen:
            yield Problem(path, f"is the same as {seen[cidr]}", str(cidr))
        seen.setdefault(cidr, path)


def _check_reserved(endpoint: str, entries: Sequence[tuple[str, IPv4Network]]) -> Iterator[Problem]:
    """Check that no public range is authorized where the control planes have a private address only.

    GKE's own words: "is not a reserved network, which is required for private endpoints".
    """
    for path, cidr in entries:
        if not is_reserved(cidr) and not any(cidr.subnet_of(network) for network in NO_SOURCES):
            rule = (
                f"is public, which GKE refuses with cluster.endpoint: {endpoint}, as there is a private address only; "
                "leave it out (the DNS endpoint needs no authorized network), or set cluster.endpoint: public"
            )
            yield Problem(path, rule, str(cidr))


def check_pod_protocols(environment: Environment) -> Iterator[Problem]:
    protocols = environment.network.pod_protocols
    if "tcp" not in protocols:
        yield Problem("network.pod_protocols", "must include tcp, the protocol of the mesh", ", ".join(protocols))
    yield from check_duplicates("network.pod_protocols", protocols)


def check_logs(environment: Environment) -> Iterator[Problem]:
    yield from check_duplicates("cluster.logs", environment.cluster.logs)

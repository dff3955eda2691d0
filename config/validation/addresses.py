"""Address ranges: what a VPC and GKE accept, room for the nodes, no overlaps."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import combinations, pairwise

from config.environment import Environment
from config.grammar.reserved import GOOGLE_PUBLIC, GOOGLE_RANGES
from config.ingress import INTERNAL
from config.problems import Problem
from config.validation.nodes import zone_count

RANGE_KINDS = ("nodes", "pods", "services", "control_plane")
"""Of every environment."""

PROXIES = "proxies"
"""The kind that an environment with an internal load balancer has, too."""

SMALLEST_PROXIES = 26
"""Longest prefix of a proxy-only subnet. https://cloud.google.com/load-balancing/docs/proxy-only-subnets"""

SURGE_NODES = 1
"""Nodes beyond the pool's size that an upgrade adds for a while (GKE's default, max_surge 1)."""

PROHIBITED = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
    )
)
"""Ranges that a VPC can't have, besides Google's own. https://cloud.google.com/vpc/docs/subnets#prohibited-ipv4"""


@dataclass(frozen=True)
class _PlacedRange:
    region: str
    kind: str
    network: IPv4Network

    @property
    def path(self) -> str:
        return f"regions.{self.region}.{self.kind}"


def range_kinds(environment: Environment) -> tuple[str, ...]:
    """Return the kinds of ranges that each region has."""
    return (*RANGE_KINDS, PROXIES) if INTERNAL in environment.ingress.exposures else RANGE_KINDS


def check_ranges(environment: Environment) -> Iterator[Problem]:
    plan = list(_check_address_plan(environment))
    if plan:
        yield from plan
        return  # every range that follows from it would be wrong too
    placed: list[_PlacedRange] = []
    for key in environment.regions:
        taken = _place(environment, key)
        if isinstance(taken, Problem):
            yield taken
            continue
        for one in taken:
            unfit = list(_check_size(environment, one))
            yield from unfit
            if not unfit:
                placed.append(one)
    ordered = sorted(one.network for one in placed)
    if not any(first.overlaps(second) for first, second in pairwise(ordered)):
        return  # of any ranges that overlap, two are neighbours in this order
    for first, second in combinations(placed, 2):
        if first.region != second.region and _same_number(environment, first.region, second.region):
            continue  # check_regions reports the number
        if first.network.overlaps(second.network):
            rule = f"overlaps {first.path} ({first.network})"
            yield Problem(second.path, rule, str(second.network))


def _same_number(environment: Environment, first: str, second: str) -> bool:
    number = environment.regions[first].number
    return number is not None and number == environment.regions[second].number


def _check_address_plan(environment: Environment) -> Iterator[Problem]:
    for kind in range_kinds(environment):
        pool = getattr(environment.network.address_plan, kind)
        path = f"network.address_plan.{kind}"
        if pool.capacity == 0:
            yield Problem(f"{path}.block", f"is larger than the pool, {pool.pool}", pool.block)
        elif pool.size is not None and pool.size < pool.block:
            yield Problem(f"{path}.size", f"is larger than its block, /{pool.block}", pool.size)


def _place(environment: Environment, key: str) -> list[_PlacedRange] | Problem:
    """Return a region's ranges, or why it doesn't have them."""
    region = environment.regions[key]
    kinds = range_kinds(environment)
    missing = [kind for kind in kinds if getattr(region, kind) is None]
    if missing and region.number is None:
        return Problem(f"regions.{key}", f"has no address ranges; set its number, or its own {', '.join(missing)}")
    try:
        return [_PlacedRange(key, kind, environment.range_of(key, kind)) for kind in kinds]
    except ValueError as error:
        return Problem(f"regions.{key}.number", f"has no address range: {error}", region.number)


def _check_size(environment: Environment, one: _PlacedRange) -> Iterator[Problem]:
    network, shown = one.network, str(one.network)
    if rule := _prohibited(network):
        yield Problem(one.path, rule, shown)
        return
    if one.kind == "control_plane" and network.prefixlen != 28:
        yield Problem(one.path, "must be a /28, the only size that GKE accepts", shown)
    if one.kind == PROXIES and network.prefixlen > SMALLEST_PROXIES:
        yield Problem(one.path, "must be a /26 or larger, the sizes of a proxy-only subnet", shown)
    if one.kind == "services" and not 16 <= network.prefixlen <= 27:
        yield Problem(one.path, "must be from /16 to /27, the sizes that GKE accepts for services", shown)
    if one.kind == "pods" and not 9 <= network.prefixlen <= 24:
        yield Problem(one.path, "must be from /9 to /24, the sizes that GKE accepts for pods", shown)
        return
    if one.kind not in ("nodes", "pods"):
        return
    region = environment.regions[one.region]
    shape = environment.cluster.node_pool(region.cluster)
    nodes = zone_count(region) * shape.max_nodes + SURGE_NODES
    if one.kind == "nodes":
        room = network.num_addresses - 4  # a subnet reserves four
    else:
        room = network.num_addresses // pod_addresses_per_node(environment.cluster.max_pods_per_node)
    if room < nodes:
        rule = f"has room for {max(room, 0)} nodes, and the pool can grow to {nodes}, with the extra one of an upgrade"
        yield Problem(one.path, rule, shown)


def _prohibited(network: IPv4Network) -> str | None:
    """Return why a VPC can't have a range, if it can't."""
    for prohibited in PROHIBITED:
        if network.overlaps(prohibited):
            return f"overlaps {prohibited}, which a VPC can't have"
    for prohibited, purpose in GOOGLE_RANGES.items():
        if network.overlaps(prohibited):
            return f"overlaps {prohibited}, which a VPC can't have: it is for {purpose}; choose a private range"
    for prohibited in GOOGLE_PUBLIC:
        if network.overlaps(prohibited):
            return (
                f"overlaps {prohibited}, which a VPC can't have: it is a public range of Google's; choose a private one"
            )
    return None


def pod_addresses_per_node(max_pods: int) -> int:
    """Return how many pod addresses GKE sets aside for a node: twice its pods, as a power of two.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr
    """
    return 1 << (2 * max_pods - 1).bit_length()

"""How much of Google's quotas this configuration takes, beyond what it has already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.sources.expected_resources import ADDRESS, CERTIFICATE, FIREWALL, NETWORK, ROUTER, SUBNET, Inventory, clusters
from config import Environment, ResolvedRegion
from config.cluster import vcpus
from config.validation.addresses import SURGE_NODES
from config.validation.nodes import ZONES_OF_A_REGION

FIRST_POOL_FAMILY, FIRST_POOL_VCPUS, FIRST_POOL_GB = "e2", 2, 100
"""Of a node, one a zone, in the pool that GKE makes with a cluster, and that terraform has it remove at once.

GKE's defaults: e2-medium with 100 GB. Source: https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/NodeConfig
"""

GKE_FIREWALLS = 5
"""Rules that GKE makes with a cluster: its table has up to five for a private one.

Source: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules (from memory: it could not be read here)
"""

LOAD_BALANCER = ("FORWARDING_RULES", "TARGET_HTTP_PROXIES", "URL_MAPS", "BACKEND_SERVICES", "HEALTH_CHECKS")
"""Of each of these Multi Cluster Ingress makes one at least, and a firewall rule."""

COUNTED = {NETWORK: "NETWORKS", SUBNET: "SUBNETWORKS", ROUTER: "ROUTERS", FIREWALL: "FIREWALLS"}
"""By kind of thing: the project's quota that it counts against."""


@dataclass(frozen=True)
class Need:
    """What is to be made and counts against a quota.

    Attributes:
        quotas: the metrics it may count against. Machines of some families have a quota of
            their own in some projects and not in others.
        place: a region's location; empty for the project's quotas.
        least: what the next deploy makes.
        most: with as many nodes as the autoscaler may add.
        of: what it is, in words.
        cpus: whether it is vCPUs of the nodes, which count against the quota of all regions too.
    """

    quotas: Sequence[str]
    place: str
    least: float
    most: float
    of: str
    cpus: bool = False


@dataclass(frozen=True)
class _Pool:
    """What a region's nodes take, or have taken.

    Attributes:
        machine: their type.
    """

    machine: str
    nodes: int
    cpus: int
    disk: int


def needs_of(environment: Environment, inventory: Inventory) -> Iterator[Need]:
    """Yield what is still to be made, first by region, then of the whole project.

    External addresses are not among it: nodes have none, and the NATs' are reserved by
    Google itself.
    """
    there = clusters(inventory)
    least = most = 0.0
    for region in environment.resolved_regions():
        answer = there.get(region.key)
        for need in _nodes(region, answer if isinstance(answer, dict) else None):
            yield need
            if need.cpus:
                least += need.least
                most += need.most
        if environment.ingress.enabled and not region.retired:
            groups = 0 if _in_use(inventory) else _zones(region)
            yield Need(("NETWORK_ENDPOINT_GROUPS",), region.location, groups, groups, "the gateways, one a zone")
    yield Need(("CPUS_ALL_REGIONS",), "", least, most, "of all regions")
    yield from _of_the_project(environment, inventory)


def cpu_quotas(family: str) -> tuple[str, ...]:
    """Return the quotas that a family's vCPUs may count against.

    Most have one of their own. E2 has one in some projects; elsewhere it counts, as N1
    does everywhere, against CPUS. Of the newest families Compute Engine's API shows none.
    Source: https://cloud.google.com/compute/resource-usage#cpu_quota
    """
    own = f"{family.upper()}_CPUS"
    match family:
        case "n1" | "f1" | "g1" | "custom":
            return ("CPUS",)
        case "e2":
            return (own, "CPUS")
        case _:
            return (own,)


def _nodes(region: ResolvedRegion, cluster: Mapping[str, Any] | None) -> Iterator[Need]:
    """Yield what the nodes of a region take beyond those that are there."""
    shape, zones = region.nodes, _zones(region)
    least, most = zones * shape.min_nodes, zones * shape.max_nodes + SURGE_NODES
    family, each = shape.machine_type.partition("-")[0], vcpus(shape.machine_type)
    has = _existing(region, cluster, least)
    first = zones if cluster is None else 0  # nodes of the pool that GKE makes first
    of = f"{least} to {most} {shape.machine_type}"
    if has.nodes:
        of += f", {has.nodes} {'of them' if has.machine == shape.machine_type else has.machine} there"
    if each is not None:
        own = has.cpus if has.machine.partition("-")[0] == family else 0
        first_cpus = first * FIRST_POOL_VCPUS if family == FIRST_POOL_FAMILY else 0
        least_cpus, most_cpus = max(first_cpus, each * least - own, 0), max(first_cpus, each * most - own, 0)
        yield Need(cpu_quotas(family), region.location, least_cpus, most_cpus, of, cpus=True)
    if first and family != FIRST_POOL_FAMILY:
        cpus = first * FIRST_POOL_VCPUS
        yield Need(cpu_quotas(FIRST_POOL_FAMILY), region.location, cpus, cpus, "the pool that GKE makes first")
    least_disk, most_disk = shape.disk_size_gb * least - has.disk, shape.disk_size_gb * most - has.disk
    disk = first * FIRST_POOL_GB
    # Balanced disks count as SSD ones: https://cloud.google.com/kubernetes-engine/docs/how-to/custom-boot-disks
    yield Need(("SSD_TOTAL_GB",), region.location, max(disk, least_disk, 0), max(disk, most_disk, 0), of)
    yield Need(("INSTANCES",), region.location, max(least - has.nodes, 0), max(most - has.nodes, 0), of)


def _existing(region: ResolvedRegion, cluster: Mapping[str, Any] | None, least: int) -> _Pool:
    """Return what the region's nodes have taken: they are in the usage that Google shows."""
    if cluster is None:
        return _Pool("", 0, 0, 0)
    pools = cluster.get("nodePools", [])
    if not pools:
        return _Pool("", 0, 0, 0)
    config = next((one for one in pools if one.get("name") == region.names.node_pool), pools[0]).get("config", {})
    machine = config.get("machineType", region.nodes.machine_type)
    # Deprecated, and there: who counts in the cluster itself needs to reach it.
    nodes = int(cluster.get("currentNodeCount", least))
    disk = nodes * int(config.get("diskSizeGb", region.nodes.disk_size_gb))
    return _Pool(machine, nodes, nodes * (vcpus(machine) or 0), disk)


def _of_the_project(environment: Environment, inventory: Inventory) -> Iterator[Need]:
    missing = {kind: 0 for kind in (*COUNTED, ADDRESS, CERTIFICATE)}
    for thing, answer in inventory.items():
        if thing.kind in missing and not isinstance(answer, dict):
            missing[thing.kind] += 1
    new_clusters = sum(not isinstance(answer, dict) for answer in clusters(inventory).values())
    missing[FIREWALL] += GKE_FIREWALLS * new_clusters
    with_load_balancer = environment.ingress.enabled and not _in_use(inventory)
    missing[FIREWALL] += with_load_balancer
    for kind, quota in COUNTED.items():
        of = "GKE's and the ingress' too" if kind == FIREWALL else ""
        yield Need((quota,), "", missing[kind], missing[kind], of)
    if environment.ingress.enabled:
        yield Need(("STATIC_ADDRESSES",), "", missing[ADDRESS], missing[ADDRESS], "the ingress' address")
        if domains := len(environment.ingress.domains):
            needed = missing[CERTIFICATE]
            yield Need(("SSL_CERTIFICATES",), "", needed, needed, f"the certificates of {domains} domains")
            proxies = int(with_load_balancer)
            yield Need(("TARGET_HTTPS_PROXIES",), "", proxies, proxies, "the ingress' load balancer")
        for quota in LOAD_BALANCER:
            yield Need((quota,), "", int(with_load_balancer), int(with_load_balancer), "the ingress' load balancer")


def _in_use(inventory: Inventory) -> bool:
    """Return whether the load balancer is there: it then has the address."""
    return any(
        thing.kind == ADDRESS and isinstance(answer, dict) and answer.get("status") == "IN_USE"
        for thing, answer in inventory.items()
    )


def _zones(region: ResolvedRegion) -> int:
    return len(region.zones) or ZONES_OF_A_REGION

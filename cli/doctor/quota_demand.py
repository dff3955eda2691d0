"""How much of Google's quotas the resources take that are still to be created."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.sources.resources import (
    ADDRESSES,
    CERTIFICATES,
    CLUSTERS,
    FIREWALL_RULES,
    NETWORKS,
    ROUTERS,
    SUBNETS,
    ExpectedResources,
    clusters_by_region,
)
from config import Environment, ResolvedRegion
from config.cluster import vcpus
from config.ingress import EXTERNAL, INTERNAL
from config.plural import counted
from config.validation.addresses import SURGE_NODES
from config.validation.nodes import ZONES_OF_A_REGION

FIRST_POOL_FAMILY, FIRST_POOL_VCPUS, FIRST_POOL_GB = "e2", 2, 100
"""Of a node, one in each zone, in the pool that GKE creates with a cluster, and that terraform removes at once.

GKE's defaults: e2-medium with 100 GB. Source: https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/NodeConfig
"""

GKE_FIREWALLS = 5
"""Rules that GKE creates with a cluster: up to five for a private one.

Source: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules (from memory: it could not be read here)
"""

LOAD_BALANCER: tuple[str, ...] = (
    "FORWARDING_RULES",
    "TARGET_HTTP_PROXIES",
    "URL_MAPS",
    "BACKEND_SERVICES",
    "HEALTH_CHECKS",
)
"""The controller of a load balancer creates at least one of each, and a firewall rule."""

QUOTAS = {NETWORKS: "NETWORKS", SUBNETS: "SUBNETWORKS", ROUTERS: "ROUTERS", FIREWALL_RULES: "FIREWALLS"}
"""By kind of resource: the project's quota that it counts against."""


@dataclass(frozen=True)
class QuotaDemand:
    """The demand on a quota.

    Attributes:
        quotas: The metrics that it may count against. Machines of some families have a quota of
            their own in some projects and not in others.
        place: A region's location; empty for the project's quotas.
        least: What the next deploy creates.
        most: The same with as many nodes as the autoscaler may add.
        of: What demands it, for messages.
        cpus: Whether it is vCPUs of the nodes, which count against the quota of all regions too.
    """

    quotas: Sequence[str]
    place: str
    least: float
    most: float
    of: str
    cpus: bool = False


@dataclass(frozen=True)
class _Pool:
    """The existing nodes of a region.

    Attributes:
        machine: Their machine type.
        nodes: Their number.
        cpus: Their vCPUs.
        disk: Their disks, in GB.
    """

    machine: str
    nodes: int
    cpus: int
    disk: int


def quota_demand(environment: Environment, resources: ExpectedResources) -> Iterator[QuotaDemand]:
    """Yield the demand by region, then that of the whole project.

    It includes no external addresses: nodes have none, and Google reserves those of the NATs itself.
    """
    clusters = clusters_by_region(resources)
    least = most = 0.0
    for region in environment.resolved_regions():
        cluster = clusters.get(region.key)
        for demand in _of_nodes(region, cluster if isinstance(cluster, dict) else None):
            yield demand
            if demand.cpus:
                least += demand.least
                most += demand.most
        if environment.ingress.enabled and not region.retired:
            groups = 0 if _has_load_balancer(resources) else _zones(region)
            yield QuotaDemand(
                ("NETWORK_ENDPOINT_GROUPS",),
                region.location,
                groups,
                groups,
                "endpoint groups of the gateways, one per zone",
            )
    yield QuotaDemand(("CPUS_ALL_REGIONS",), "", least, most, "nodes of all regions")
    yield from _of_project(environment, resources)


def cpu_quotas(family: str) -> tuple[str, ...]:
    """Return the quotas that a family's vCPUs may count against.

    Most have one of their own. E2 has one in some projects; in others it counts against CPUS, as N1
    does everywhere. Compute Engine's API shows none of the newest families' quotas.
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


def _of_nodes(region: ResolvedRegion, cluster: Mapping[str, Any] | None) -> Iterator[QuotaDemand]:
    """Yield the demand of a region's nodes beyond those that exist."""
    shape, zones = region.nodes, _zones(region)
    least, most = zones * shape.min_nodes, zones * shape.max_nodes + SURGE_NODES
    family, each = shape.machine_type.partition("-")[0], vcpus(shape.machine_type)
    has = _existing(region, cluster, least)
    first = zones if cluster is None else 0  # nodes of the pool that GKE creates first
    of = f"{least} to {most} {shape.machine_type}"
    if has.nodes:
        of += f", {has.nodes} {'' if has.machine == shape.machine_type else f'{has.machine} '}exist"
    if each is not None:
        own = has.cpus if has.machine.partition("-")[0] == family else 0
        first_cpus = first * FIRST_POOL_VCPUS if family == FIRST_POOL_FAMILY else 0
        least_cpus, most_cpus = max(first_cpus, each * least - own, 0), max(first_cpus, each * most - own, 0)
        yield QuotaDemand(cpu_quotas(family), region.location, least_cpus, most_cpus, of, cpus=True)
    if first and family != FIRST_POOL_FAMILY:
        cpus = first * FIRST_POOL_VCPUS
        yield QuotaDemand(
            cpu_quotas(FIRST_POOL_FAMILY),
            region.location,
            cpus,
            cpus,
            "GKE's default node pool, which is removed at once",
        )
    least_disk, most_disk = shape.disk_size_gb * least - has.disk, shape.disk_size_gb * most - has.disk
    disk = first * FIRST_POOL_GB
    # Balanced disks count as SSD ones: https://cloud.google.com/kubernetes-engine/docs/how-to/custom-boot-disks
    yield QuotaDemand(("SSD_TOTAL_GB",), region.location, max(disk, least_disk, 0), max(disk, most_disk, 0), of)
    yield QuotaDemand(("INSTANCES",), region.location, max(least - has.nodes, 0), max(most - has.nodes, 0), of)


def _existing(region: ResolvedRegion, cluster: Mapping[str, Any] | None, least: int) -> _Pool:
    """Return the existing nodes, which are part of the usage that Google shows."""
    pools = (cluster or {}).get("nodePools", [])
    if cluster is None or not pools:
        return _Pool("", 0, 0, 0)
    config = next((one for one in pools if one.get("name") == region.names.node_pool), pools[0]).get("config", {})
    machine = config.get("machineType", region.nodes.machine_type)
    # Deprecated, and still there: counting in the cluster itself needs a connection to it.
    nodes = int(cluster.get("currentNodeCount", least))
    disk = nodes * int(config.get("diskSizeGb", region.nodes.disk_size_gb))
    return _Pool(machine, nodes, nodes * (vcpus(machine) or 0), disk)


def _of_project(environment: Environment, resources: ExpectedResources) -> Iterator[QuotaDemand]:
    missing = Counter(one.kind for one, found in resources.items() if not isinstance(found, dict))
    balancers = _missing_load_balancers(environment, resources)
    missing[FIREWALL_RULES] += GKE_FIREWALLS * missing[CLUSTERS] + balancers

    def of_quota(quota: str, count: int, of: str = "") -> QuotaDemand:
        return QuotaDemand((quota,), "", count, count, of)

    for kind, quota in QUOTAS.items():
        yield of_quota(
            quota, missing[kind], "including those of GKE and the load balancer" if kind is FIREWALL_RULES else ""
        )
    if environment.ingress.enabled:
        yield of_quota("STATIC_ADDRESSES", missing[ADDRESSES], "the address of the load balancer")
        quotas, domains = LOAD_BALANCER, len(environment.ingress.domains)
        if domains and environment.ingress.uses_mci:
            yield of_quota("SSL_CERTIFICATES", missing[CERTIFICATES], f"certificates of {counted(domains, 'domain')}")
        if domains:
            quotas = ("TARGET_HTTPS_PROXIES", *LOAD_BALANCER)
        for quota in quotas:
            yield of_quota(quota, balancers, "the load balancer")


def _missing_load_balancers(environment: Environment, resources: ExpectedResources) -> int:
    """Return how many load balancers are still to be created; one with an address exists if that is in use."""
    names, found = environment.names, {one.name: each for one, each in resources.items() if isinstance(each, dict)}
    addresses = [names.gateway_address] if EXTERNAL in environment.ingress.exposures else []
    addresses += [names.ingress_address] if environment.ingress.uses_mci else []
    missing = [name for name in addresses if found.get(name, {}).get("status") != "IN_USE"]
    # An internal one has no address of its own; what it needs is created before it.
    internal = INTERNAL in environment.ingress.exposures and names.proxy_subnet not in found
    return len(missing) + int(internal)


def _has_load_balancer(resources: ExpectedResources) -> bool:
    """Whether the load balancer exists, which then uses the address."""
    addresses = (found for one, found in resources.items() if one.kind is ADDRESSES)
    return any(isinstance(found, dict) and found.get("status") == "IN_USE" for found in addresses)


def _zones(region: ResolvedRegion) -> int:
    return len(region.zones) or ZONES_OF_A_REGION

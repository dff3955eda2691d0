"""Node pools: sizes, and the vCPUs that the mesh requires."""

from collections.abc import Iterator

from config.cluster import MESH_VCPUS_A_NODE, MESH_VCPUS_A_POOL, vcpus
from config.environment import Environment
from config.problems import Problem
from config.region import Region

ZONES_OF_A_REGION = 3
"""Zones that GKE spreads a regional cluster over when none are named."""


def zone_count(region: Region) -> int:
    return len(region.zones) or ZONES_OF_A_REGION


def check_node_pools(environment: Environment) -> Iterator[Problem]:
    reported: set[tuple[str, str]] = set()
    for key, region in environment.regions.items():
        shape = environment.cluster.node_pool(region.cluster)

        def at(name: str, region_key: str = key) -> str:
            own = getattr(environment.regions[region_key].cluster, name) is not None
            return f"regions.{region_key}.cluster.{name}" if own else f"cluster.{name}"

        found: list[Problem] = []
        if shape.min_nodes > shape.max_nodes:
            found.append(
                Problem(
                    at("min_nodes"),
                    f"is more than max_nodes, {shape.max_nodes}; lower it, or raise max_nodes",
                    shape.min_nodes,
                )
            )
        count = vcpus(shape.machine_type)
        if count is not None and count < MESH_VCPUS_A_NODE:
            rule = f"has {count} vCPUs, and the mesh requires {MESH_VCPUS_A_NODE} in each node; choose a larger type"
            found.append(Problem(at("machine_type"), rule, shape.machine_type))
        elif count is not None and (pool := count * shape.max_nodes * zone_count(region)) < MESH_VCPUS_A_POOL:
            rule = f"makes a pool of {pool} vCPUs at most, and the mesh requires {MESH_VCPUS_A_POOL}; raise it"
            found.append(Problem(at("max_nodes"), rule, shape.max_nodes))
        for problem in found:
            if (problem.path, problem.rule) not in reported:
                reported.add((problem.path, problem.rule))
                yield problem

"""`mesh.control_plane`: values that can't work with the chosen mode."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from config.environment import Environment
from config.problems import Problem

MOST_AUTHORIZED_NETWORKS = 100
"""Of a cluster. https://cloud.google.com/kubernetes-engine/docs/how-to/authorized-networks#limitations"""

UNMASQUERADED_DESTINATIONS = tuple(
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
"""Destinations that see a pod's own address; every other one sees its node's.

https://cloud.google.com/kubernetes-engine/docs/concepts/ip-masquerade-agent#default-non-masq-dests
"""


def check_control_plane(environment: Environment) -> Iterator[Problem]:
    """Check that each GKE control plane can authorize the istiods of the other clusters, where those are pods.

    Runs on an environment whose parts are each right.
    """
    if not environment.control_plane.runs_on_nodes:
        return
    mode = environment.mesh.control_plane
    regions = [one for one in environment.resolved_regions() if not one.retired]
    if len(regions) > 1:
        for one in regions:
            network = one.ranges.control_plane
            if not any(network.subnet_of(known) for known in UNMASQUERADED_DESTINATIONS):
                rule = (
                    f"with mesh.control_plane: {mode}, is where pods are seen by their nodes' addresses, which this "
                    "control plane does not admit; choose a private range, or mesh.control_plane: fleet"
                )
                yield Problem(f"regions.{one.key}.control_plane", rule, str(network))
    given = len(environment.cluster.authorized_networks) + (environment.cluster.operator_address is not None)
    others = len(regions) - 1
    if given + others > MOST_AUTHORIZED_NETWORKS:
        rule = (
            f"with mesh.control_plane: {mode}, with the pods of {others} other clusters, which {mode} has to admit, "
            f"there are {given + others}; GKE takes {MOST_AUTHORIZED_NETWORKS}. Name fewer, wider networks"
        )
        yield Problem("cluster.authorized_networks", rule, f"{given} networks")

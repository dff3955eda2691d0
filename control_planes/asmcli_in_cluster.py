"""asmcli-in-cluster: asmcli installs an istiod of a pinned revision on the nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from control_planes.contract import Conflict, ControlPlane, MeshParts

if TYPE_CHECKING:
    from config.environment import Environment
    from constructs import Construct

MOST_AUTHORIZED_NETWORKS = 100
"""Of a cluster. https://cloud.google.com/kubernetes-engine/docs/how-to/authorized-networks#limitations"""

UNCHANGED_DESTINATIONS = tuple(
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
"""Where pods are seen by their own addresses; elsewhere they are seen by their node's.

https://cloud.google.com/kubernetes-engine/docs/concepts/ip-masquerade-agent#default-non-masq-dests
"""


class AsmcliInCluster(ControlPlane):
    """``asmcli apply`` without ``--managed``: istiod runs on the nodes, and is the operator's to upgrade."""

    made_by = "asmcli: istiod runs on your nodes, in the pinned version, and is yours to upgrade"
    needs_tools = True
    remote_secrets = True
    webhook_ports = ("15017",)
    watches_from_pods = True
    # The package that asmcli installs switches it off for the mesh (its istio-operator.yaml).
    locality_setting = True

    def revision(self, environment: Environment) -> str:
        """Return what asmcli calls this version by itself: asm-1285-12 for 1.28.5-asm.12 (its function init)."""
        major, minor, point, rev = re.findall(r"\d+", environment.mesh.asmcli.version)[:4]
        return f"asm-{major}{minor}{point}-{rev}"

    def conflicts(self, environment: Environment) -> Iterator[Conflict]:
        regions = [one for one in environment.resolved_regions() if not one.retired]
        if len(regions) > 1:
            for one in regions:
                network = one.ranges.control_plane
                if not any(network.subnet_of(known) for known in UNCHANGED_DESTINATIONS):
                    yield Conflict(
                        f"regions.{one.key}.control_plane",
                        "is where pods are seen by their nodes' addresses, which this control plane does not admit; "
                        "choose a private range, or mesh.control_plane: fleet",
                        str(network),
                    )
        given = len(environment.cluster.authorized_networks) + (environment.cluster.operator_address is not None)
        others = len(regions) - 1
        if given + others > MOST_AUTHORIZED_NETWORKS:
            yield Conflict(
                "cluster.authorized_networks",
                f"with the pods of {others} other clusters, which asmcli-in-cluster has to admit, there are "
                f"{given + others}; GKE takes {MOST_AUTHORIZED_NETWORKS}. Name fewer, wider networks",
                f"{given} networks",
            )

    def build(self, stack: Construct, parts: MeshParts) -> None:
        from constructs.asmcli_mesh import asmcli_mesh  # noqa: PLC0415

        asmcli_mesh(stack, parts, mode="in-cluster")


WAY = AsmcliInCluster()

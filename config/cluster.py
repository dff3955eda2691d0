"""`cluster`: the shape that all clusters share; a region can override what differs."""

import re
from typing import Literal

from pydantic import Field

from config.fields import Cidr, Label, MachineType, Model

NodeCount = int
Channel = Literal["rapid", "regular", "stable"]

MESH_VCPUS_A_NODE = 4
"""Least vCPUs of a machine (asmcli's own check, validate_node_pool)."""

MESH_VCPUS_A_POOL = 8
"""Least vCPUs of a node pool at its largest (asmcli's own check, validate_node_pool)."""


def vcpus(machine_type: str) -> int | None:
    """Return the vCPUs of a machine type, or None where its name doesn't tell (GPU machines).

    Source: https://cloud.google.com/compute/docs/machine-resource
    """
    if re.search(r"-(micro|small|medium)$", machine_type):
        return 2  # shared-core machines have 2 at most
    custom = re.search(r"custom-(\d+)-\d+", machine_type)
    standard = re.search(r"-(?:standard|highmem|highcpu|megamem|ultramem)-(\d+)", machine_type)
    found = custom or standard
    return int(found[1]) if found else None


class AuthorizedNetwork(Model):
    """A range from which the control planes' addresses may be reached."""

    name: Label = Field(description="Whose range it is; shown in the console.")
    cidr: Cidr = Field(description="The range.")


class NodePoolShape(Model):
    """What a region may have of its own."""

    machine_type: MachineType = Field(
        default="e2-standard-4", description="Machine type of the nodes: 4 vCPUs or more."
    )
    min_nodes: NodeCount = Field(default=1, ge=1, le=1000, description="Fewest nodes in a zone.")
    max_nodes: NodeCount = Field(default=3, ge=1, le=1000, description="Most nodes in a zone.")
    disk_size_gb: int = Field(default=100, ge=10, le=65536, description="Boot disk of a node, in GB.")


class NodePoolOverride(Model):
    """A region's own values; what is absent is as in ``cluster``."""

    machine_type: MachineType | None = Field(default=None, description="As cluster.machine_type.")
    min_nodes: NodeCount | None = Field(default=None, ge=1, le=1000, description="As cluster.min_nodes.")
    max_nodes: NodeCount | None = Field(default=None, ge=1, le=1000, description="As cluster.max_nodes.")
    disk_size_gb: int | None = Field(default=None, ge=10, le=65536, description="As cluster.disk_size_gb.")


class Cluster(NodePoolShape):
    """The shape of every cluster."""

    release_channel: Channel = Field(
        default="stable",
        description="GKE release channel, which the mesh requires; its managed control plane follows it.",
    )
    max_pods_per_node: int = Field(
        default=110, ge=8, le=256, description="Most pods on a node; decides how many addresses a node takes."
    )
    endpoint: Literal["public", "private", "dns"] = Field(
        default="public",
        description="How terraform and the scripts reach the control planes: the public address (authorized "
        "networks only), the private address (from inside the VPC), or the DNS endpoint (IAM decides).",
    )
    authorized_networks: tuple[AuthorizedNetwork, ...] = Field(
        default=(), strict=False, description="Who may reach the control planes' addresses."
    )
    operator_address: Cidr | None = Field(
        default=None,
        description="The operator's own address, such as 203.0.113.7/32, as one more authorized network. "
        "The environment variable MESH_OPERATOR_ADDRESS sets it without a change of the file.",
    )
    deletion_protection: bool = Field(
        default=True, description="Refuse to delete clusters. Set false, deploy, and only then destroy."
    )

    def node_pool(self, override: NodePoolOverride) -> NodePoolShape:
        """Return the shape with a region's own values in it."""
        own = override.model_dump(exclude_none=True)
        return NodePoolShape(**{name: own.get(name, getattr(self, name)) for name in NodePoolShape.model_fields})

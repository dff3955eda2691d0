"""`cluster`: the shape that all clusters share; a region can override what differs."""

import hashlib
import re
from typing import Literal

from pydantic import Field

from config.effects import IN_PLACE, NOTHING, REFUSED, REPLACES_CLUSTER, REPLACES_NODES
from config.fields import Cidr, Label, MachineType, Model, WeekHour

NodeCount = int
Channel = Literal["rapid", "regular", "stable"]
LogSource = Literal["workloads", "api_server", "scheduler", "controller_manager"]

LOG_COMPONENTS: dict[LogSource, str] = {
    "workloads": "WORKLOADS",
    "api_server": "APISERVER",
    "scheduler": "SCHEDULER",
    "controller_manager": "CONTROLLER_MANAGER",
}
"""GKE's name of each source of logs, in the order of GKE's own enum (LoggingComponentConfig)."""

MESH_VCPUS_A_NODE = 4
"""Least vCPUs of a machine (asmcli's own check, validate_node_pool)."""

MESH_VCPUS_A_POOL = 8
"""Least vCPUs of a node pool at its largest (asmcli's own check, validate_node_pool)."""


def vcpus(machine_type: str) -> int | None:
    """Return the vCPUs of a machine type, or None if its name doesn't contain them (GPU machines).

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

    name: Label = Field(description="Whose range it is; shown in the console.", json_schema_extra=IN_PLACE)
    cidr: Cidr = Field(description="The range.", json_schema_extra=IN_PLACE)


class NodePoolShape(Model):
    """What a region may have of its own."""

    machine_type: MachineType = Field(
        default="e2-standard-4",
        description="Machine type of the nodes: 4 vCPUs or more.",
        json_schema_extra=REPLACES_NODES,
    )
    min_nodes: NodeCount = Field(
        default=1, ge=1, le=1000, description="Fewest nodes in a zone.", json_schema_extra=IN_PLACE
    )
    max_nodes: NodeCount = Field(
        default=3, ge=1, le=1000, description="Most nodes in a zone.", json_schema_extra=IN_PLACE
    )
    disk_size_gb: int = Field(
        default=100, ge=10, le=65536, description="Boot disk of a node, in GB.", json_schema_extra=REPLACES_NODES
    )
    secure_boot: bool = Field(
        default=True,
        description="Nodes start with signed boot code and kernel modules only.",
        json_schema_extra=REPLACES_NODES,
    )

    @property
    def replaced_by(self) -> str:
        """A digest of what an existing pool can't change to: with another one, the pool is replaced.

        Of the file's keys, that is secure_boot; GKE changes the others in place, node by node (ForceNew in
        node_config.go of provider 6.50.0).
        """
        return hashlib.sha256(f"secure_boot={self.secure_boot}".encode()).hexdigest()[:4]


class NodePoolOverride(Model):
    """A region's own values; what is absent is as in ``cluster``."""

    machine_type: MachineType | None = Field(
        default=None, description="As cluster.machine_type.", json_schema_extra=REPLACES_NODES
    )
    min_nodes: NodeCount | None = Field(
        default=None, ge=1, le=1000, description="As cluster.min_nodes.", json_schema_extra=IN_PLACE
    )
    max_nodes: NodeCount | None = Field(
        default=None, ge=1, le=1000, description="As cluster.max_nodes.", json_schema_extra=IN_PLACE
    )
    disk_size_gb: int | None = Field(
        default=None, ge=10, le=65536, description="As cluster.disk_size_gb.", json_schema_extra=REPLACES_NODES
    )
    secure_boot: bool | None = Field(
        default=None, description="As cluster.secure_boot.", json_schema_extra=REPLACES_NODES
    )


class Cluster(NodePoolShape):
    """The shape of every cluster."""

    release_channel: Channel = Field(
        default="stable",
        description="GKE release channel, which the mesh requires; its managed control plane follows it.",
        json_schema_extra=REFUSED,
    )
    node_pool_rollout: Literal["together", "one_by_one"] = Field(
        default="together",
        description="How a change reaches the regions' node pools: `together`, where GKE replaces each pool's nodes "
        "one by one; or `one_by_one`, one region after the other. What replaces a pool (secure_boot) is refused with "
        "`together`. With `one_by_one`, the new pools are created one after the other, and after that the old ones are "
        "deleted one after the other. Leave it out of the first deploy, which creates all pools at once; once it has "
        "replaced pools, it stays.",
        json_schema_extra=REPLACES_NODES,
    )
    max_pods_per_node: int = Field(
        default=110,
        ge=8,
        le=256,
        description="Most pods on a node; decides how many addresses a node takes.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    endpoint: Literal["public", "private", "dns"] = Field(
        default="dns",
        description="How terraform and the scripts reach the control planes: the DNS endpoint (IAM decides), the "
        "private address (from inside the VPC), or the public address (authorized networks only; without this word "
        "there is none).",
        json_schema_extra=IN_PLACE,
    )
    authorized_networks: tuple[AuthorizedNetwork, ...] = Field(
        default=(),
        strict=False,
        description="Networks that reach the control planes' addresses, the private one included. Public ranges need "
        "endpoint: public.",
        json_schema_extra=IN_PLACE,
    )
    operator_address: Cidr | None = Field(
        default=None,
        description="The operator's own address, such as 203.0.113.7/32, as one more authorized network. "
        "The environment variable MESH_OPERATOR_ADDRESS sets it without a change of the file.",
        json_schema_extra=IN_PLACE,
    )
    dataplane: Literal["v2", "legacy"] = Field(
        default="v2",
        description="GKE Dataplane V2, which enforces and logs network policies; or, with legacy, what GKE chooses "
        "itself. Another dataplane is another cluster.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    intranode_visibility: bool = Field(
        default=True,
        description="Show what pods of one node send each other to flow logs and firewall rules.",
        json_schema_extra=IN_PLACE,
    )
    binary_authorization: bool = Field(
        default=True,
        description="Pods are admitted by the project's Binary Authorization policy, which admits all images until you "
        "change it.",
        json_schema_extra=IN_PLACE,
    )
    logs: tuple[LogSource, ...] = Field(
        default=("workloads", "api_server"),
        strict=False,
        description="Whose logs are kept, besides the system's: workloads, api_server, scheduler, controller_manager.",
        json_schema_extra=IN_PLACE,
    )
    managed_prometheus: bool = Field(
        default=True, description="Google's collectors for Prometheus metrics run.", json_schema_extra=IN_PLACE
    )
    maintenance_windows: bool = Field(
        default=True,
        description="GKE upgrades a cluster in 12 hours of the week that no other region has (14 regions at most); "
        "false: whenever it likes, several at once.",
        json_schema_extra=IN_PLACE,
    )
    maintenance_start: WeekHour = Field(
        default="monday 00:00",
        description="When the window of region number 0 begins, in UTC; each next number's begins 12 hours later.",
        json_schema_extra=IN_PLACE,
    )
    deletion_protection: bool = Field(
        default=True,
        description="Refuse to delete clusters. Set false, deploy, and only then destroy.",
        json_schema_extra=NOTHING,
    )

    def node_pool(self, override: NodePoolOverride) -> NodePoolShape:
        """Return the shape with a region's own values in it."""
        own = override.model_dump(exclude_none=True)
        return NodePoolShape(**{name: own.get(name, getattr(self, name)) for name in NodePoolShape.model_fields})

"""`cluster`: the shape that all clusters share; a region can override what differs."""

import hashlib
import re
from typing import Literal

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, NOTHING, REFUSED, REPLACES_CLUSTER, REPLACES_NODES
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
    if re.search(r"-(micro|small|medium)($|-\d)", machine_type):
        return 2  # shared-core machines have 2 at most
    custom = re.search(r"custom-(\d+)-\d+", machine_type)
    standard = re.search(r"-(?:standard|highmem|highcpu|megamem|ultramem)-(\d+)", machine_type)
    found = custom or standard
    return int(found[1]) if found else None


GIB_A_VCPU = {"standard": 4, "highmem": 8, "highcpu": 2}
"""Most memory of a vCPU, in GiB, in any series.

Source: https://cloud.google.com/compute/docs/machine-resource
"""


def memory_bytes(machine_type: str) -> int | None:
    """Return the memory of a machine type at most, or None if its name doesn't tell."""
    if custom := re.search(r"custom-(?:\d+|micro|small|medium)-(\d+)", machine_type):
        return int(custom[1]) << 20
    shape = re.search(r"-(standard|highmem|highcpu)-(\d+)", machine_type)
    return int(shape[2]) * GIB_A_VCPU[shape[1]] << 30 if shape else None


class AuthorizedNetwork(Model):
    """A range whose addresses can reach the GKE control planes."""

    name: Label = Field(description="Name of the range in the Google Cloud console.", json_schema_extra=IN_PLACE)
    cidr: Cidr = Field(description="The range.", json_schema_extra=IN_PLACE)


class NodePoolShape(Model):
    """The node pool settings that a region can override."""

    machine_type: MachineType = Field(
        default="e2-standard-4",
        description="Machine type of the nodes, with 4 vCPUs or more.",
        json_schema_extra=REPLACES_NODES,
    )
    min_nodes: NodeCount = Field(
        default=1, ge=1, le=1000, description="Minimum number of nodes per zone.", json_schema_extra=IN_PLACE
    )
    max_nodes: NodeCount = Field(
        default=3, ge=1, le=1000, description="Maximum number of nodes per zone.", json_schema_extra=IN_PLACE
    )
    disk_size_gb: int = Field(
        default=100, ge=10, le=65536, description="Size of a node's boot disk in GB.", json_schema_extra=REPLACES_NODES
    )
    secure_boot: bool = Field(
        default=True,
        description="Nodes load only signed boot code and kernel modules. With `false`, root on a node can load "
        "kernel modules that persist over a restart.",
        json_schema_extra=REPLACES_NODES,
    )

    @property
    def replaced_by(self) -> str:
        """A digest of what an existing pool can't change to: with another one, the pool is replaced.

        Of the file's keys, that is secure_boot; GKE changes the others in place, node by node (ForceNew in
        node_config.go of provider 6.50.0).
        """
        return hashlib.sha256(f"secure_boot={self.secure_boot}".encode()).hexdigest()[:4]

    @property
    def capacity(self) -> dict[str, int | None]:
        """What a node has at most by resource, in the units of `config.grammar.quantity.AMOUNTS`; None if unknown.

        Some of it is for the node itself. Machines with local SSDs have more storage than their boot disk.
        """
        count = vcpus(self.machine_type)
        has_ssds = "lssd" in self.machine_type
        return {
            "cpu": None if count is None else count * 1000,
            "memory": memory_bytes(self.machine_type),
            "ephemeral_storage": None if has_ssds else self.disk_size_gb << 30,
        }


class NodePoolOverride(Model):
    """A region's own values; unset keys are as in ``cluster``."""

    machine_type: MachineType | None = Field(
        default=None, description="Overrides `cluster.machine_type`.", json_schema_extra=REPLACES_NODES
    )
    min_nodes: NodeCount | None = Field(
        default=None, ge=1, le=1000, description="Overrides `cluster.min_nodes`.", json_schema_extra=IN_PLACE
    )
    max_nodes: NodeCount | None = Field(
        default=None, ge=1, le=1000, description="Overrides `cluster.max_nodes`.", json_schema_extra=IN_PLACE
    )
    disk_size_gb: int | None = Field(
        default=None, ge=10, le=65536, description="Overrides `cluster.disk_size_gb`.", json_schema_extra=REPLACES_NODES
    )
    secure_boot: bool | None = Field(
        default=None, description="Overrides `cluster.secure_boot`.", json_schema_extra=REPLACES_NODES
    )


class Cluster(NodePoolShape):
    """The settings that are common to all clusters."""

    release_channel: Channel = Field(
        default="stable",
        description="GKE release channel. A managed mesh control plane follows it.",
        json_schema_extra=REFUSED,
    )
    node_pool_rollout: Literal["together", "one_by_one"] = Field(
        default="together",
        description="Order in which a change reaches the regions. With `together`, all regions change at the same "
        "time; GKE replaces the nodes of each pool one by one, and a change that replaces whole pools "
        "(`secure_boot`) is refused. With `one_by_one`, the deploy creates the new pools one region after the other, "
        "then deletes the old pools one region after the other. Leave the key out of the first deploy, which creates "
        "all pools at once, and keep it once it has replaced pools.",
        json_schema_extra=REPLACES_NODES,
    )
    max_pods_per_node: int = Field(
        default=110,
        ge=8,
        le=256,
        description="Maximum number of pods on a node. It determines the number of pod addresses per node.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    endpoint: Literal["public", "private", "dns"] = Field(
        default="dns",
        description="Endpoint of the GKE control planes that terraform and the scripts use. `dns`: the DNS endpoint, "
        "with access by IAM only. `private`: the private address, which requires a machine inside the VPC. `public`: "
        "a public address, open to the authorized networks; the other two values leave the control planes without "
        "one.",
        json_schema_extra=IN_PLACE,
    )
    authorized_networks: tuple[AuthorizedNetwork, ...] = Field(
        default=(),
        strict=False,
        description="Networks that can reach the public and private addresses of the GKE control planes. A public "
        "range requires `endpoint: public`.",
        json_schema_extra=IN_PLACE,
    )
    operator_address: Cidr | None = Field(
        default=None,
        description="The operator's address, such as `203.0.113.7/32`, as an additional authorized network. The "
        "environment variable `MESH_OPERATOR_ADDRESS` sets it without a change of the file.",
        json_schema_extra=IN_PLACE,
    )
    dataplane: Literal["v2", "legacy"] = Field(
        default="v2",
        description="`v2`: GKE Dataplane V2, which enforces and logs network policies. `legacy`: GKE's default "
        "dataplane, which enforces none.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    intranode_visibility: bool = Field(
        default=True,
        description="Makes traffic between pods of the same node visible to flow logs and firewall rules.",
        json_schema_extra=IN_PLACE,
    )
    binary_authorization: bool = Field(
        default=True,
        description="Admits pods by the project's Binary Authorization policy. Until you change that policy, it "
        "admits every image. With `false`, everyone who can create a pod can run any image.",
        json_schema_extra=IN_PLACE,
    )
    logs: tuple[LogSource, ...] = Field(
        default=("workloads", "api_server"),
        strict=False,
        max_length=len(LOG_COMPONENTS),
        description="Log sources in addition to the system components: `workloads`, `api_server`, `scheduler`, "
        "`controller_manager`. Without `api_server`, there is no record of requests to the GKE control plane.",
        json_schema_extra=IN_PLACE,
    )
    managed_prometheus: bool = Field(
        default=True,
        description="Runs Google Cloud Managed Service for Prometheus, which collects metrics.",
        json_schema_extra=IN_PLACE,
    )
    maintenance_windows: bool = Field(
        default=True,
        description="Gives each region a weekly 12-hour window of its own for GKE's upgrades, for up to 14 regions. "
        "With `false`, GKE upgrades at any time, and possibly several regions at once.",
        json_schema_extra=IN_PLACE,
    )
    maintenance_start: WeekHour = Field(
        default="monday 00:00",
        description="Start of the window of region number 0, in UTC. The window of each next number starts 12 hours "
        "later.",
        json_schema_extra=IN_PLACE,
    )
    secret_manager: bool | None = Field(
        default=None,
        description="GKE's Secret Manager add-on, which mounts secrets of Secret Manager as files in pods. To turn it "
        "off again, set `false`: GKE rejects the update of a cluster that has it on when the key is left out.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    deletion_protection: bool = Field(
        default=True,
        description="Prevents terraform from deleting clusters. Before a destroy, set `false` and deploy.",
        json_schema_extra=NOTHING,
    )

    def node_pool(self, override: NodePoolOverride) -> NodePoolShape:
        """Return the shape with a region's own values in it."""
        own = override.model_dump(exclude_none=True)
        return NodePoolShape(**{name: own.get(name, getattr(self, name)) for name in NodePoolShape.model_fields})

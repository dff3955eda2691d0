"""`regions`: what is particular to one region."""

from pydantic import Field

from config.cluster import NodePoolOverride
from config.effects import ADDS_OR_DELETES, IN_PLACE, REPLACES_CLUSTER, REPLACES_NODES
from config.fields import Cidr, KmsKey, Model, RegionName, WeekHour, Zone


class Region(Model):
    """One region: a subnet, a NAT, a cluster."""

    region: RegionName = Field(
        description="Google Cloud region, such as asia-northeast1.", json_schema_extra=REPLACES_CLUSTER
    )
    number: int | None = Field(
        default=None,
        ge=0,
        le=4095,
        description="Decides the ranges that are not given, by network.address_plan. Never change it, never reuse it.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    nodes: Cidr | None = Field(
        default=None, description="Range of the subnet, for nodes.", json_schema_extra=REPLACES_CLUSTER
    )
    pods: Cidr | None = Field(default=None, description="Range of the pods.", json_schema_extra=REPLACES_CLUSTER)
    services: Cidr | None = Field(
        default=None, description="Range of the services' addresses.", json_schema_extra=REPLACES_CLUSTER
    )
    control_plane: Cidr | None = Field(
        default=None, description="Range of the control plane, a /28.", json_schema_extra=REPLACES_CLUSTER
    )
    zones: tuple[Zone, ...] = Field(
        default=(),
        strict=False,
        max_length=10,
        description="Zones of the nodes; GKE chooses three if empty.",
        json_schema_extra=REPLACES_NODES,
    )
    cluster: NodePoolOverride = Field(
        default=NodePoolOverride(), description="What differs from the shape that all clusters share."
    )
    secrets_key: KmsKey | None = Field(
        default=None,
        description="Key of Cloud KMS in this region that the cluster encrypts its Secrets with; without one, Google's "
        "own encryption at rest is all there is. If one region has a key, all have.",
        json_schema_extra=IN_PLACE,
    )
    maintenance_start: WeekHour | None = Field(
        default=None,
        description="When the 12 hours of the week begin in which GKE upgrades the cluster, in UTC, such as saturday "
        "15:00; from the number if not given.",
        json_schema_extra=IN_PLACE,
    )
    retired: bool = Field(
        default=False,
        description="First step of taking a region away: its cluster leaves the mesh and the ingress, and its "
        "deletion protection goes off. The second step is to delete its key.",
        json_schema_extra=ADDS_OR_DELETES,
    )

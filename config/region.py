"""`regions`: what is particular to one region."""

from pydantic import Field

from config.cluster import NodePoolOverride
from config.effects import ADDS_OR_DELETES, IN_PLACE, REPLACES_CLUSTER, REPLACES_NODES
from config.fields import Cidr, KmsKey, Model, RegionName, WeekHour, Zone


class Region(Model):
    """One region: a subnet, Cloud NAT and a cluster."""

    region: RegionName = Field(
        description="Google Cloud region, such as `asia-northeast1`.", json_schema_extra=REPLACES_CLUSTER
    )
    number: int | None = Field(
        default=None,
        ge=0,
        le=4095,
        description="Selects the region's block in each pool of `network.address_plan`: 0 to 15 with the default "
        "pools. Required, unless the region sets all its ranges. Never change a number, and never reuse the number of "
        "a deleted region.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    nodes: Cidr | None = Field(
        default=None,
        description="Subnet range for the nodes. If unset, `number` determines it.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    pods: Cidr | None = Field(
        default=None,
        description="Range for the pods. If unset, `number` determines it.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    services: Cidr | None = Field(
        default=None,
        description="Range for the cluster IP addresses of Services. If unset, `number` determines it.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    control_plane: Cidr | None = Field(
        default=None,
        description="Range for the GKE control plane, a /28. If unset, `number` determines it.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    proxies: Cidr | None = Field(
        default=None,
        description="Range for the proxies of the internal load balancer, a /26 or larger, where `ingress.exposure` "
        "has one. If unset, `number` determines it. A subnet in use can't be replaced: change it only while there is "
        "no internal load balancer.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    zones: tuple[Zone, ...] = Field(
        default=(),
        strict=False,
        max_length=10,
        description="Zones of the nodes. If empty, GKE selects three.",
        json_schema_extra=REPLACES_NODES,
    )
    cluster: NodePoolOverride = Field(
        default=NodePoolOverride(), description="Node pool settings of this region, where they differ from `cluster`."
    )
    secrets_key: KmsKey | None = Field(
        default=None,
        description="Cloud KMS key in the same region that encrypts the Secrets of the cluster. Set it for all "
        "regions or for none. Without it, Secrets have Google's encryption at rest only.",
        json_schema_extra=IN_PLACE,
    )
    maintenance_start: WeekHour | None = Field(
        default=None,
        description="Start of the region's 12-hour maintenance window in UTC, such as `saturday 15:00`. If unset, "
        "`number` determines it.",
        json_schema_extra=IN_PLACE,
    )
    drained: bool = Field(
        default=False,
        description="Takes the region out of service for maintenance: the load balancer and other regions send it no "
        "requests, and other regions serve its own callers. Its pods stay ready, so that `false` puts it back into "
        "service immediately.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    retired: bool = Field(
        default=False,
        description="First of two steps that remove a region: its cluster leaves the mesh and the ingress, and its "
        "deletion protection is turned off. In the second step, delete the region's key.",
        json_schema_extra=ADDS_OR_DELETES,
    )

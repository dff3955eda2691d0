"""`network`: one VPC, and the plan by which regions get their ranges."""

from ipaddress import IPv4Network
from typing import Literal, get_args

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, REPLACES_CLUSTER
from config.fields import Cidr, Model

PodProtocol = Literal["tcp", "udp", "icmp", "esp", "ah", "sctp"]

FIREWALL_PRIORITY = 900
"""Priority of the mesh's firewall rules: before rules with Compute Engine's default, 1000."""


class RangePool(Model):
    """A range that is divided into equal blocks, one for each region number."""

    pool: Cidr = Field(description="Range that is divided into blocks.", json_schema_extra=REPLACES_CLUSTER)
    block: int = Field(
        ge=8,
        le=29,
        description="Prefix length of a block. Each region number has one block.",
        json_schema_extra=REPLACES_CLUSTER,
    )
    size: int | None = Field(
        default=None,
        ge=8,
        le=29,
        description="Prefix length of the region's range, which starts at the start of its block. If unset, the "
        "range is the whole block.",
        json_schema_extra=REPLACES_CLUSTER,
    )

    @property
    def capacity(self) -> int:
        """How many region numbers there are, from 0; 0 if a block is larger than the pool."""
        return 1 << (self.block - self.pool.prefixlen) if self.block >= self.pool.prefixlen else 0

    def range_of(self, number: int) -> IPv4Network:
        """Return the range of a region number.

        Raises:
            ValueError: the pool has no such block, or the range is larger than a block.
        """
        if not 0 <= number < self.capacity:
            raise ValueError(f"{self.pool} has {self.capacity} blocks of /{self.block}, and no number {number}")
        size = self.block if self.size is None else self.size
        if size < self.block:
            raise ValueError(f"a range of /{size} is larger than its block of /{self.block}")
        start = int(self.pool.network_address) + number * (1 << (32 - self.block))
        return IPv4Network((start, size))


class ProxyPool(RangePool):
    """A pool for proxy-only subnets, which have nothing to do with the clusters.

    Google recommends a /23 and requires a /26 for each subnet.
    Source: https://cloud.google.com/load-balancing/docs/proxy-only-subnets
    """

    pool: Cidr = Field(description="Range that is divided into blocks.", json_schema_extra=ADDS_OR_DELETES)
    block: int = Field(
        ge=8,
        le=26,
        description="Prefix length of a block. Each region number has one block.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    size: int | None = Field(
        default=None,
        ge=8,
        le=26,
        description="Prefix length of the region's range, which starts at the start of its block. If unset, the "
        "range is the whole block.",
        json_schema_extra=ADDS_OR_DELETES,
    )


class AddressPlan(Model):
    """How a region's ranges follow from its number: 0 and 8 give the ranges of the sample environment."""

    nodes: RangePool = RangePool(pool=IPv4Network("172.16.0.0/12"), block=16)
    pods: RangePool = RangePool(pool=IPv4Network("10.0.0.0/10"), block=14)
    services: RangePool = RangePool(pool=IPv4Network("10.64.0.0/16"), block=20)
    control_plane: RangePool = RangePool(pool=IPv4Network("192.168.0.0/16"), block=24, size=28)
    proxies: ProxyPool = ProxyPool(pool=IPv4Network("10.65.0.0/16"), block=23)


class Network(Model):
    """The VPC, and the settings that are common to all its regions."""

    address_plan: AddressPlan = Field(
        default=AddressPlan(), description="Address pools. The `number` of a region selects its block in each pool."
    )
    pod_protocols: tuple[PodProtocol, ...] = Field(
        default=("tcp",),
        strict=False,
        max_length=len(get_args(PodProtocol)),
        description="IP protocols that pods of one cluster can use to reach pods of another. The mesh uses TCP only. "
        "Other protocols bypass the sidecars.",
        json_schema_extra=IN_PLACE,
    )
    flow_logs: bool = Field(
        default=True,
        description="VPC flow logs of every subnet. Without them, there is no record of traffic in the VPC.",
        json_schema_extra=IN_PLACE,
    )
    firewall_logs: bool = Field(
        default=True,
        description="Logs the connections that the firewall rules of this environment allow.",
        json_schema_extra=IN_PLACE,
    )
    nat_log_filter: Literal["ALL", "ERRORS_ONLY", "TRANSLATIONS_ONLY"] = Field(
        default="ALL", description="Events that Cloud NAT logs.", json_schema_extra=IN_PLACE
    )

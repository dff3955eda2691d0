"""A region's subnet, its router and its NAT."""

from config.environment import ResolvedRegion
from constructs import Construct
from constructs.bindings import (
    ComputeRouter,
    ComputeRouterNat,
    ComputeRouterNatLogConfig,
    ComputeRouterNatSubnetwork,
    ComputeSubnetwork,
    ComputeSubnetworkLogConfig,
    ComputeSubnetworkSecondaryIpRange,
    ITerraformDependable,
)

PODS = "pods"
SERVICES = "services"


class RegionalSubnet(Construct):
    """A subnet with secondary ranges for pods and services, a Cloud Router and a Cloud NAT.

    Nodes have no external addresses: they reach Google's APIs by private Google
    access, and everything else through the NAT.

    Attributes:
        created: dependency of everything that must be deleted before the subnet.
        self_link: the subnet, for the region's cluster.
        pods_range_name, services_range_name: names of the secondary ranges.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        region: ResolvedRegion,
        vpc: str,
        flow_logs: bool,
        nat_log_filter: str,
    ) -> None:
        super().__init__(scope, id_)
        subnet = ComputeSubnetwork(
            self,
            "subnet",
            name=name,
            description=f"Nodes, pods and services of {region.names.cluster}.",
            region=region.location,
            network=vpc,
            ip_cidr_range=str(region.ranges.nodes),
            private_ip_google_access=True,
            secondary_ip_range=[
                ComputeSubnetworkSecondaryIpRange(range_name=PODS, ip_cidr_range=str(region.ranges.pods)),
                ComputeSubnetworkSecondaryIpRange(range_name=SERVICES, ip_cidr_range=str(region.ranges.services)),
            ],
            log_config=_FLOW_LOGS if flow_logs else None,
        )
        router = ComputeRouter(self, "router", name=region.names.router, region=region.location, network=vpc)
        ComputeRouterNat(
            self,
            "nat",
            name=region.names.nat,
            region=region.location,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            # All ranges of this subnet; other subnets in the region get no NAT from it.
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetwork=[
                ComputeRouterNatSubnetwork(name=subnet.self_link, source_ip_ranges_to_nat=["ALL_IP_RANGES"]),
            ],
            log_config=ComputeRouterNatLogConfig(enable=True, filter=nat_log_filter),
        )
        self.created: ITerraformDependable = subnet
        self.self_link: str = subnet.self_link
        self.pods_range_name = PODS
        self.services_range_name = SERVICES


# Half of the flows, in steps of ten minutes: what Google's cost guidance starts from.
_FLOW_LOGS = ComputeSubnetworkLogConfig(
    aggregation_interval="INTERVAL_10_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
)

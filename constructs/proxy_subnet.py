"""A region's addresses for the proxies of the internal load balancer."""

from ipaddress import IPv4Network

from constructs import Construct
from constructs.bindings import ComputeSubnetwork


class ProxySubnet(Construct):
    """A proxy-only subnet: Google's proxies send requests to the gateways from its range.

    Source: https://cloud.google.com/load-balancing/docs/proxy-only-subnets
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, location: str, proxies: IPv4Network, vpc: str) -> None:
        super().__init__(scope, id_)
        ComputeSubnetwork(
            self,
            "Default",
            name=name,
            description="Proxies of the multi-region mesh's internal load balancer.",
            region=location,
            network=vpc,
            ip_cidr_range=str(proxies),
            purpose="GLOBAL_MANAGED_PROXY",
            role="ACTIVE",
        )

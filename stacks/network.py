"""Stack `network`: the APIs, the VPC, and each region's subnet, router and NAT."""

from config.environment import Environment
from constructs import Construct
from constructs.bindings import DataGoogleProject, NullProvider
from constructs.enabled_apis import EnabledApis
from constructs.fixed_control_plane import kept_mode
from constructs.mesh_firewall import MeshFirewall
from constructs.mesh_networking_cleanup import MeshNetworkingCleanup
from constructs.proxy_subnet import ProxySubnet
from constructs.regional_subnet import RegionalSubnet
from constructs.vpc import Vpc
from stacks.base import MeshStack, StateLocation


class NetworkStack(MeshStack):
    """One VPC for all regions.

    Attributes:
        project_number: part of the mesh id and of the names of Google's service agents.
        vpc: the network.
        subnets: by region key, the retired regions too.
    """

    def __init__(self, scope: Construct, *, environment: Environment, state: StateLocation) -> None:
        super().__init__(scope, "network", environment=environment, state=state)
        regions = environment.resolved_regions()
        network = environment.network

        if environment.control_plane.runs_local_scripts:
            NullProvider(self, "null")
        apis = EnabledApis(
            self, "apis", project=environment.project.id, names=environment.apis, depends_on=self.check_tools()
        )
        project = DataGoogleProject(self, "project", project_id=environment.project.id, depends_on=apis.all)
        self.project_number: str = project.number

        state_of_mesh = state.local_path(self, "mesh")
        self.vpc = Vpc(
            self,
            "vpc",
            name=environment.names.vpc,
            kept_mode=kept_mode(state_of_mesh, environment.mesh.control_plane) if state_of_mesh else None,
            depends_on=apis.all,
        )
        self.subnets = {
            region.key: RegionalSubnet(
                self.region_scope(region.key),
                "Default",
                name=environment.names.subnet,
                region=region,
                vpc=self.vpc.self_link,
                flow_logs=network.flow_logs,
                nat_log_filter=network.nat_log_filter,
            )
            for region in regions
        }
        for region in regions:
            if region.proxies is not None:
                ProxySubnet(
                    self.region_scope(region.key),
                    "proxies",
                    name=environment.names.proxy_subnet,
                    location=region.location,
                    proxies=region.proxies,
                    vpc=self.vpc.self_link,
                )
        if environment.control_plane.runs_local_scripts:
            MeshNetworkingCleanup(
                self,
                "mesh-cleanup",
                scripts=self.scripts,
                context=self.script_context,
                vpc=environment.names.vpc,
                regions=regions,
                depends_on=[subnet.created for subnet in self.subnets.values()],
            )
        MeshFirewall(
            self,
            "firewall",
            pods_rule_name=environment.names.pods_firewall,
            proxies_rule_name=environment.names.internal_load_balancer_firewall,
            regions=regions,
            vpc=self.vpc.self_link,
            logs=network.firewall_logs,
            pod_protocols=network.pod_protocols,
            webhook_ports=environment.control_plane.webhook_ports,
        )

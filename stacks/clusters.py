"""Stack `clusters`: a private cluster in each region, all in one fleet."""

from config.environment import Environment
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.node_pool import NodePool
from constructs.node_service_account import NodeServiceAccount
from constructs.private_cluster import PrivateCluster
from stacks.base import MeshStack, StateLocation
from stacks.network import NetworkStack


class ClustersStack(MeshStack):
    """The clusters.

    Attributes:
        clusters: by region key, the retired regions too.
    """

    def __init__(
        self, scope: Construct, *, environment: Environment, state: StateLocation, network: NetworkStack
    ) -> None:
        super().__init__(scope, "clusters", environment=environment, state=state)
        project = environment.project.id
        self.clusters: dict[str, PrivateCluster] = {}
        follows: ITerraformDependable | None = None
        for region in environment.resolved_regions():
            scope_of_region = self.region_scope(region.key)
            account = NodeServiceAccount(
                scope_of_region,
                "node-account",
                project=project,
                account_id=region.names.node_service_account,
                cluster=region.names.cluster,
            )
            cluster = PrivateCluster(
                scope_of_region,
                "cluster",
                project=project,
                project_number=network.project_number,
                region=region,
                shape=environment.cluster,
                vpc=network.vpc.self_link,
                subnet=network.subnets[region.key],
                node_service_account=account.email,
                node_grants=account.grants,
                peer_api_clients=environment.peer_api_clients(region.key),
                gateway_api=environment.gateway_api,
                channel_is_fixed=not environment.control_plane.runs_on_nodes,
            )
            follows = NodePool(
                scope_of_region,
                "nodes",
                project=project,
                region=region,
                cluster=cluster.name,
                service_account=account.email,
                follows=follows,
                one_by_one=environment.cluster.node_pool_rollout == "one_by_one",
                depends_on=account.grants,
            ).pool
            self.clusters[region.key] = cluster

"""Stack `mesh`: one service mesh over all clusters that are not retired."""

from functools import cache

from config.environment import Environment
from constructs import Construct
from constructs.bindings import NullProvider
from constructs.fixed_control_plane import FixedControlPlane
from constructs.fleet_features import MultiClusterIngressFeature, ServiceMeshFeature
from constructs.mesh_member import MeshMember
from constructs.needed_tools import NeededTools
from constructs.script_folder import ScriptFolder
from control_planes import MeshParts
from stacks.base import MeshStack, StateLocation
from stacks.cluster_access import add_cluster_access
from stacks.clusters import ClustersStack
from stacks.network import NetworkStack


class MeshControlStack(MeshStack):
    """The fleet's features, and a mesh of control planes, made the way that the configuration chooses.

    Ends only when the kinds that `ingress` uses are served.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        state: StateLocation,
        network: NetworkStack,
        clusters: ClustersStack,
    ) -> None:
        super().__init__(scope, "mesh", environment=environment, state=state)
        NullProvider(self, "null")
        project = environment.project.id
        config_cluster = environment.ingress.config_cluster
        members = [
            MeshMember(
                key=region.key,
                cluster=region.names.cluster,
                location=region.location,
                remote_name=region.remote_name,
                private_endpoint=clusters.clusters[region.key].private_endpoint,
                host=clusters.clusters[region.key].host,
                ca_certificate=clusters.clusters[region.key].ca_certificate,
                identity=clusters.clusters[region.key].identity,
                membership_id=clusters.clusters[region.key].membership_id,
                membership_location=clusters.clusters[region.key].membership_location,
            )
            for region in environment.resolved_regions()
            if not region.retired
        ]

        scripts = cache(lambda: ScriptFolder(self, "scripts"))
        before = []
        if environment.control_plane.needs_tools:
            tools = NeededTools(
                self, "tools", scripts=scripts(), reach=self.reach, control_plane=environment.mesh.control_plane
            )
            before = [tools.found]
        # For every way: what another one has made can't be planned without its provider, nor the refusal be read.
        access = add_cluster_access(self, environment, clusters)
        # After the tools: who then chooses another way has not been here yet.
        FixedControlPlane(self, "fixed", name=environment.mesh.control_plane, depends_on=before)
        service_mesh = ServiceMeshFeature(self, "service-mesh", project=project, depends_on=before)
        ingress = MultiClusterIngressFeature(
            self,
            "multi-cluster-ingress",
            project=project,
            project_number=network.project_number,
            config_membership=clusters.clusters[config_cluster].membership,
            depends_on=before,
        )
        environment.control_plane.build(
            self,
            MeshParts(
                environment=environment,
                members=members,
                reach=self.reach,
                scripts=scripts,
                access=access,
                features=service_mesh.enabled,
                ingress=ingress.enabled,
            ),
        )
        self.add_dependency(clusters)

"""Stack `mesh`: one service mesh over all clusters that are not retired."""

from bindings import NullProvider
from config.environment import Environment
from constructs import Construct
from constructs.asmcli_control_plane import AsmcliControlPlane
from constructs.fleet_features import MultiClusterIngressFeature, ServiceMeshFeature
from constructs.mesh_member import MeshMember
from constructs.mesh_trust import MeshTrust
from constructs.script_folder import ScriptFolder
from constructs.served_crds import ServedCrds
from stacks.base import MeshStack, StateLocation
from stacks.clusters import ClustersStack
from stacks.network import NetworkStack


class MeshControlStack(MeshStack):
    """The fleet's features, a control plane in every cluster, and trust between all of them.

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
                identity=clusters.clusters[region.key].identity,
            )
            for region in environment.resolved_regions()
            if not region.retired
        ]
        scripts = ScriptFolder(self, "scripts")
        reach = self.reach

        service_mesh = ServiceMeshFeature(self, "service-mesh", project=project)
        ingress = MultiClusterIngressFeature(
            self,
            "multi-cluster-ingress",
            project=project,
            project_number=network.project_number,
            config_membership=clusters.clusters[config_cluster].membership,
        )
        control_plane = AsmcliControlPlane(
            self,
            "control-plane",
            scripts=scripts,
            reach=reach,
            members=members,
            asmcli=environment.mesh.asmcli,
            channel=environment.channel,
            depends_on=[service_mesh.enabled],
        )
        trust = MeshTrust(
            self,
            "trust",
            scripts=scripts,
            reach=reach,
            members=members,
            installed=control_plane.installed,
            before_removal=control_plane.before_removal,
        )
        ServedCrds(
            self,
            "crds",
            scripts=scripts,
            reach=reach,
            members=members,
            config_cluster=config_cluster,
            revision=environment.revision,
            installed_by=control_plane.installed_by,
            granted_by=trust.granted_by,
            depends_on=[control_plane.installed, trust.established, ingress.enabled],
        )
        self.add_dependency(clusters)

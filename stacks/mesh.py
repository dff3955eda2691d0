"""Stack `mesh`: one service mesh over all clusters that are not retired."""

from typing import assert_never

from config.crds import required_crds
from config.environment import Environment
from constructs import Construct
from constructs.asmcli_mesh import AsmcliMesh
from constructs.bindings import DataGoogleProject, ITerraformDependable, NullProvider
from constructs.fixed_control_plane import RECORD, FixedControlPlane
from constructs.fleet_features import (
    GatewayController,
    MultiClusterIngressFeature,
    MultiClusterServicesFeature,
    ServiceMeshFeature,
)
from constructs.fleet_mesh import FleetMesh
from constructs.mesh_member import MeshMember
from stacks.base import MeshStack, StateLocation
from stacks.cluster_access import add_cluster_access
from stacks.clusters import ClustersStack


class MeshControlStack(MeshStack):
    """The fleet's features, and a mesh of control planes, installed as the configured mode says.

    Ends only when the CRDs that `ingress` uses are served.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        state: StateLocation,
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

        tools = self.check_tools()
        # In every mode: objects of another mode can't be planned without their provider, and the
        # refusal below would not be read.
        access = add_cluster_access(self, environment, clusters)
        # After the tools: without them nothing is installed yet, and another mode can still be chosen.
        FixedControlPlane(self, RECORD, name=environment.mesh.control_plane, depends_on=tools)
        service_mesh = ServiceMeshFeature(self, "service-mesh", project=project, depends_on=tools)
        number, services = "", list(tools)
        if environment.ingress.uses_gateway:
            number = DataGoogleProject(self, "project", project_id=project).number
            services += MultiClusterServicesFeature(
                self, "multi-cluster-services", project=project, project_number=number, depends_on=tools
            ).enabled
        feature = MultiClusterIngressFeature(
            self,
            "multi-cluster-ingress",
            project=project,
            config_membership=clusters.clusters[config_cluster].membership,
            depends_on=services,
        ).enabled
        ingress: list[ITerraformDependable] = [feature]
        if environment.ingress.uses_gateway:
            controller = GatewayController(
                self, "gateway-controller", project=project, project_number=number, feature=feature
            )
            ingress.append(controller.authorized)
        installer = environment.control_plane.installer
        match installer:
            case "asmcli":
                AsmcliMesh(
                    self,
                    "Default",
                    environment=environment,
                    members=members,
                    scripts=self.scripts,
                    context=self.script_context,
                    service_mesh=service_mesh.enabled,
                    ingress=ingress,
                )
            case "fleet-api":
                FleetMesh(
                    self,
                    "fleet-mesh",
                    project=project,
                    members=members,
                    access=access,
                    crds={member.key: required_crds(environment, member.key) for member in members},
                    revision=environment.revision,
                    injection_labels=environment.injection_labels,
                    kubectl_image=environment.mesh.kubectl_image,
                    depends_on=[service_mesh.enabled, *ingress],
                )
            case _:
                assert_never(installer)
        self.objects.write()
        self.add_dependency(clusters)

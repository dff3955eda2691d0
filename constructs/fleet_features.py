"""The features that the fleet has to have enabled."""

from collections.abc import Sequence

from config.controller_roles import gateway_controller_role, importer_role
from constructs import Construct
from constructs.bindings import (
    GkeHubFeature,
    GkeHubFeatureSpec,
    GkeHubFeatureSpecMulticlusteringress,
    ITerraformDependable,
    ProjectIamMember,
)


class ServiceMeshFeature(Construct):
    """The fleet's service mesh feature.

    asmcli would enable it itself; as a resource, it is also deleted with the stack.

    Attributes:
        enabled: dependency of everything that needs the feature.
    """

    def __init__(
        self, scope: Construct, id_: str, *, project: str, depends_on: Sequence[ITerraformDependable] = ()
    ) -> None:
        super().__init__(scope, id_)
        self.enabled: ITerraformDependable = GkeHubFeature(
            self, "Default", project=project, name="servicemesh", location="global", depends_on=list(depends_on) or None
        )


class MultiClusterServicesFeature(Construct):
    """The fleet's multi-cluster services, which multi-cluster Gateway routes to.

    In each cluster, an importer watches the endpoints of the others; its role is by its Kubernetes service account.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services

    Attributes:
        enabled: dependency of everything that needs the feature.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        project_number: str,
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        feature = GkeHubFeature(
            self,
            "Default",
            project=project,
            name="multiclusterservicediscovery",
            location="global",
            depends_on=list(depends_on) or None,
        )
        role, member = importer_role(project, project_number)
        importer = ProjectIamMember(self, "importer", project=project, role=role, member=member, depends_on=[feature])
        self.enabled: list[ITerraformDependable] = [feature, importer]


class MultiClusterIngressFeature(Construct):
    """The fleet's controller of load balancers, with the cluster that holds its objects.

    Multi Cluster Ingress and multi-cluster Gateway have the same one.

    Attributes:
        enabled: dependency of everything that needs the controller and its CRDs.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        config_membership: str,
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        # Its agent gets the role that it needs by itself, roles/multiclusteringress.serviceAgent.
        # https://cloud.google.com/iam/docs/service-agents
        self.enabled: ITerraformDependable = GkeHubFeature(
            self,
            "Default",
            project=project,
            name="multiclusteringress",
            location="global",
            spec=GkeHubFeatureSpec(
                multiclusteringress=GkeHubFeatureSpecMulticlusteringress(config_membership=config_membership)
            ),
            depends_on=list(depends_on) or None,
        )


class GatewayController(Construct):
    """The role with which the controller of multi-cluster Gateway reads and writes objects in the clusters.

    Its agent does not exist before the feature is enabled, and a role for an account that does not exist is refused.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways

    Attributes:
        authorized: dependency of everything that needs the controller.
    """

    def __init__(
        self, scope: Construct, id_: str, *, project: str, project_number: str, feature: ITerraformDependable
    ) -> None:
        super().__init__(scope, id_)
        role, member = gateway_controller_role(project_number)
        self.authorized: ITerraformDependable = ProjectIamMember(
            self, "Default", project=project, role=role, member=member, depends_on=[feature]
        )

"""The features that the fleet has to have enabled."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import (
    GkeHubFeature,
    GkeHubFeatureSpec,
    GkeHubFeatureSpecMulticlusteringress,
    ITerraformDependable,
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


class MultiClusterIngressFeature(Construct):
    """The fleet's Multi Cluster Ingress, with the cluster that holds its objects.

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

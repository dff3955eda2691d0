"""A cluster's gateways, as a backend of multi-cluster Gateway."""

from config.naming import DRAINED_SELECTOR, GATEWAY_LABELS, GATEWAY_NAME
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class ExportedGateway(ObjectGroup):
    """The Service of a cluster's gateways, and its export to the fleet.

    Attributes:
        exported: dependency of what routes to the ServiceImport.
    """

    def __init__(
        self, scope: Scope, id_: str, *, namespace: MeshNamespace, drained: bool, access: ClusterAccess
    ) -> None:
        """Add the objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            namespace: the namespace of the gateways, applied.
            drained: no request goes to the region. The Service selects no pod, so that the cluster has no endpoint
                for the load balancer, and its export stays.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)
        names = {"name": GATEWAY_NAME, "namespace": namespace.name}
        selector = GATEWAY_LABELS | (DRAINED_SELECTOR if drained else {})
        service = ManifestFile(
            self,
            "service",
            manifest=render("ingress/gateway-service.yaml", {**names, "selector": selector}),
            access=access,
            depends_on=[namespace.applied],
        )
        self.exported: ITerraformDependable = ManifestFile(
            self,
            "export",
            manifest=render("ingress/service-export.yaml", names),
            access=access,
            depends_on=[service.applied],
        ).applied

"""The one entry in front of all gateways."""

from bindings import ITerraformDependable
from config.naming import GATEWAY_NAME
from constructs import Construct
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class MultiClusterIngress(Construct):
    """Multi Cluster Ingress and its service, in the config cluster only.

    The controller adds a finalizer, which goes when the load balancer is gone:
    deleting can take many minutes.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        namespace: MeshNamespace,
        address: str,
        cleanup_ready: ITerraformDependable,
        access: ClusterAccess,
    ) -> None:
        super().__init__(scope, id_)
        names = {"name": GATEWAY_NAME, "namespace": namespace.name}
        backend = ManifestFile(
            self,
            "backend-config",
            manifest=render("ingress/backend-config.yaml", {"namespace": namespace.name}),
            access=access,
            depends_on=[namespace.applied, cleanup_ready],
        )
        service = ManifestFile(
            self,
            "service",
            manifest=render("ingress/multi-cluster-service.yaml", names),
            access=access,
            depends_on=[backend.applied],
            delete_timeout="20m",
            controller_writes_metadata=True,
        )
        ManifestFile(
            self,
            "ingress",
            manifest=render("ingress/multi-cluster-ingress.yaml", {**names, "address": address}),
            access=access,
            depends_on=[service.applied],
            delete_timeout="20m",
            controller_writes_metadata=True,
        )

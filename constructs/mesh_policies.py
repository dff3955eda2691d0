"""Policies for all pods of the mesh in one cluster."""

from collections.abc import Sequence

from config.mesh import Mesh
from config.naming import MESH_NAMESPACE
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render


class MeshPolicies(ObjectGroup):
    """Mutual TLS and default deny.

    They are in the mesh's root namespace, which the mesh's own installation creates.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        mesh: Mesh,
        allow_policies: Sequence[ITerraformDependable],
        access: ClusterAccess,
    ) -> None:
        """Add the policies.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            mesh: the mesh's configuration.
            allow_policies: every policy that allows something. Default deny is applied after all of them, and
                deleted before the first.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)
        ManifestFile(
            self,
            "peer-authentication",
            manifest=render("mesh/peer-authentication.yaml", {"namespace": MESH_NAMESPACE, "mode": mesh.mtls.upper()}),
            access=access,
        )
        if mesh.default_deny:
            ManifestFile(
                self,
                "default-deny",
                manifest=render("mesh/default-deny.yaml", {"namespace": MESH_NAMESPACE}),
                access=access,
                depends_on=allow_policies,
            )

"""What holds for all pods of the mesh in one cluster."""

from collections.abc import Sequence

from config.mesh import Mesh
from config.naming import MESH_NAMESPACE
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render


class MeshPolicies(Construct):
    """Mutual TLS for everybody, and the refusal of what nobody has allowed.

    In the mesh's root namespace, which the mesh's own installation makes.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        mesh: Mesh,
        allow_policies: Sequence[ITerraformDependable],
        access: ClusterAccess,
    ) -> None:
        """
        Args:
            allow_policies: the policies that allow: refused is only when all of them are
                there, and no longer when the first of them goes.
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

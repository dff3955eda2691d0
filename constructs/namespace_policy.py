"""Which callers are authorized to call all pods of a namespace, in one cluster."""

from collections.abc import Sequence

from config.authorization import Caller
from config.naming import NAMESPACE_POLICY
from constructs.authorization_sources import authorization_sources
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class NamespacePolicy(ObjectGroup):
    """An AuthorizationPolicy without a selector.

    Attributes:
        applied: for default deny, which is applied after it.
    """

    def __init__(
        self, scope: Scope, id_: str, *, namespace: MeshNamespace, callers: Sequence[Caller], access: ClusterAccess
    ) -> None:
        super().__init__(scope, id_)
        values = {"name": NAMESPACE_POLICY, "namespace": namespace.name, "sources": authorization_sources(callers)}
        self.applied: ITerraformDependable = ManifestFile(
            self,
            "Default",
            manifest=render("mesh/namespace-policy.yaml", values),
            access=access,
            depends_on=[namespace.applied],
        ).applied

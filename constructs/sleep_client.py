"""The demo's client."""

from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class SleepClient(ObjectGroup):
    """A pod that does nothing and has curl: requests are sent from inside it."""

    def __init__(self, scope: Scope, id_: str, *, image: str, namespace: MeshNamespace, access: ClusterAccess) -> None:
        super().__init__(scope, id_)
        account = ManifestFile(
            self,
            "service-account",
            manifest=render("sleep/service-account.yaml", {"namespace": namespace.name}),
            access=access,
            depends_on=[namespace.applied],
        )
        ManifestFile(
            self,
            "deployment",
            manifest=render("sleep/deployment.yaml", {"namespace": namespace.name, "image": image}),
            access=access,
            depends_on=[account.applied],
        )

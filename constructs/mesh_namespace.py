"""A namespace whose pods get sidecars."""

from constructs import Construct
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render


class MeshNamespace(Construct):
    """A namespace with the revision label, which chooses the control plane that injects.

    Attributes:
        name: for the objects in it.
        applied: for the objects in it to wait for.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, revision: str, access: ClusterAccess) -> None:
        super().__init__(scope, id_)
        self.name = name
        self.applied = ManifestFile(
            self,
            "Default",
            manifest=render("namespace.yaml", {"name": name, "revision": revision}),
            access=access,
        ).applied

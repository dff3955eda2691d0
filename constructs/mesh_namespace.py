"""A namespace whose pods get sidecars."""

from constructs import Construct
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render


class MeshNamespace(Construct):
    """A namespace with the revision label, which selects the control plane that injects sidecars.

    Attributes:
        name: the namespace's name.
        applied: dependency of every object in it.
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

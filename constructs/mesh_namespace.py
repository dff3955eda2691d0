"""A namespace whose pods get sidecars."""

from collections.abc import Mapping

from config.naming import FIELD_MANAGER
from constructs import Construct
from constructs.bindings import Labels, LabelsMetadata
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render


class MeshNamespace(Construct):
    """A namespace with the labels that select the control plane that injects sidecars.

    The manifest creates the namespace with them, so that no pod comes before them, and a
    resource of its own takes them back at every deploy: somebody may have changed them by
    hand, which switches injection off. Other labels stay.

    Attributes:
        name: the namespace's name.
        applied: dependency of every object in it.
    """

    def __init__(
        self, scope: Construct, id_: str, *, name: str, labels: Mapping[str, str], access: ClusterAccess
    ) -> None:
        super().__init__(scope, id_)
        self.name = name
        namespace = ManifestFile(
            self,
            "Default",
            manifest=render("namespace.yaml", {"name": name, "labels": labels}),
            access=access,
        )
        self.applied = Labels(
            self,
            "labels",
            api_version="v1",
            kind="Namespace",
            metadata=LabelsMetadata(name=name),
            labels=labels,
            field_manager=FIELD_MANAGER,
            force=True,
            provider=access.provider,
            depends_on=[namespace.applied],
        )

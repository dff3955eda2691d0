"""The end of the mesh stack: the CRDs that later stacks use are established."""

from collections.abc import Callable, Mapping, Sequence

from config.terraform_text import Expression
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import LocalScript, ScriptContext
from constructs.mesh_member import MeshMember
from constructs.script_folder import ScriptFolder


class ServedCrds(Construct):
    """Waits until Istio's CRDs are established in every cluster, and the load balancer's in the config cluster.

    A kubernetes_manifest needs its CRD when it is *planned*, so this has to be true
    before the plan of the ingress stack, not just before its apply.

    Terraform may count an installation as complete that was interrupted with it. So
    the script also reads back the completion marker, a checksum of the installation's
    inputs, and names the resource to replace if it differs. As the marker is an input
    here, each change of it runs the check again.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        context: ScriptContext,
        members: Sequence[MeshMember],
        kubeconfigs: Mapping[str, str],
        crds: Mapping[str, Sequence[str]],
        revision: str,
        installed_by: str,
        completion_marker: Callable[[str], Expression],
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        """Add the wait.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            scripts: the stack's copy of the scripts.
            context: how scripts reach the clusters.
            members: the clusters of the mesh; retired ones are not among them.
            kubeconfigs: kubeconfigs as JSON, by region key.
            crds: names of the CRDs, by region key.
            revision: the mesh's revision label.
            installed_by: address of the resource that installs the control planes.
            completion_marker: returns the expected completion marker of a region.
            depends_on: what has to be applied before.
        """
        super().__init__(scope, id_)
        LocalScript(
            self,
            "wait",
            scripts=scripts,
            script="wait-for-crds.sh",
            context=context,
            instances={
                member.key: {
                    "cluster": member.cluster,
                    "location": member.location,
                    "identity": member.identity,
                    "revision": revision,
                    "installed_by": f'{installed_by}["{member.key}"]',
                    "marker": completion_marker(member.key),
                    "crds": " ".join(crds[member.key]),
                }
                for member in members
            },
            access={member.key: {"cluster_kubeconfig": kubeconfigs[member.key]} for member in members},
            depends_on=depends_on,
        )

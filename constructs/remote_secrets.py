"""Remote secrets: each mesh control plane watches every other cluster."""

from collections.abc import Mapping, Sequence
from itertools import permutations

from config.naming import remote_secret_name
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.local_script import CleanupScript, LocalScript, ScriptContext
from constructs.mesh_member import MeshMember
from constructs.script_folder import ScriptFolder


class RemoteSecrets(Construct):
    """A remote secret in every cluster for every other one, naming its private endpoint.

    The instances are ordered pairs, ``holder/remote``: deleting a pair deletes its
    secret, and adding one does not touch the others.

    Terraform may count a script as complete that was interrupted with it. So the check
    reads back each secret's annotation, a checksum of the inputs that it was created
    from, and names the resource to replace if it differs.

    Attributes:
        ready: dependency of everything that needs endpoint discovery between all clusters.
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
        installed: ITerraformDependable,
        before_removal: ITerraformDependable,
    ) -> None:
        """Add the scripts.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            scripts: the stack's copy of the scripts.
            context: how scripts reach the clusters.
            members: the clusters of the mesh; retired ones are not among them.
            kubeconfigs: kubeconfigs as JSON, by region key.
            installed: the control planes, installed.
            before_removal: the removal of the control planes, which has to run after the secrets' deletion.
        """
        super().__init__(scope, id_)
        pairs = {f"{holder.key}/{remote.key}": (holder, remote) for holder, remote in permutations(members, 2)}
        withdrawal = CleanupScript(
            self,
            "withdrawal",
            scripts=scripts,
            script="delete-remote-secret.sh",
            context=context,
            inputs=("holder_cluster", "holder_location", "secret_name"),
            instances={
                key: {
                    "holder_cluster": holder.cluster,
                    "holder_location": holder.location,
                    "secret_name": remote_secret_name(remote.remote_name),
                }
                for key, (holder, remote) in pairs.items()
            },
            depends_on=[before_removal],
        )
        grant = LocalScript(
            self,
            "grant",
            scripts=scripts,
            script="create-remote-secret.sh",
            context=context,
            instances={
                key: {
                    "holder_cluster": holder.cluster,
                    "holder_location": holder.location,
                    "holder_identity": holder.identity,
                    "remote_cluster": remote.cluster,
                    "remote_location": remote.location,
                    "remote_identity": remote.identity,
                    "remote_name": remote.remote_name,
                    "remote_server": f"https://{remote.private_endpoint}",
                }
                for key, (holder, remote) in pairs.items()
            },
            access={
                key: {"holder_kubeconfig": kubeconfigs[holder.key], "remote_kubeconfig": kubeconfigs[remote.key]}
                for key, (holder, remote) in pairs.items()
            },
            depends_on=[installed, withdrawal.ready],
        )
        check = LocalScript(
            self,
            "check",
            scripts=scripts,
            script="check-remote-secret.sh",
            context=context,
            instances={
                key: {
                    "holder_cluster": holder.cluster,
                    "secret_name": remote_secret_name(remote.remote_name),
                    "marker": grant.inputs_of(key),
                    "granted_by": f'{grant.address}["{key}"]',
                }
                for key, (holder, remote) in pairs.items()
            },
            access={key: {"holder_kubeconfig": kubeconfigs[holder.key]} for key, (holder, _) in pairs.items()},
            depends_on=[grant.done],
        )
        self.ready = check.done

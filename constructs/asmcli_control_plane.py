"""The mesh control plane of every cluster, installed by asmcli."""

from collections.abc import Sequence
from typing import Literal

from config.mesh import Asmcli
from constructs import Construct
from constructs.bindings import ITerraformDependable, Precondition, TerraformAsset
from constructs.local_script import CleanupScript, LocalScript, ScriptContext
from constructs.mesh_member import MeshMember
from constructs.script_folder import ScriptFolder

Mode = Literal["managed", "in-cluster"]


class AsmcliControlPlane(Construct):
    """Runs ``asmcli apply`` for every cluster: the control plane is managed by Google, or runs on the nodes.

    Attributes:
        installed: dependency of everything that needs the mesh in every cluster.
        installed_by: address of the installing resource, which has an instance for each region.
        completion_marker: returns, by region key, what the installation writes into the cluster when it is complete.
        before_removal: dependency of everything that must be deleted before a control plane is removed.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        context: ScriptContext,
        members: Sequence[MeshMember],
        asmcli: Asmcli,
        mode: Mode,
        channel: str,
        revision: str,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        file = ""
        if asmcli.file is not None:
            file = TerraformAsset(self, "asmcli", path=asmcli.file).path
        removal = CleanupScript(
            self,
            "removal",
            scripts=scripts,
            script="remove-mesh.sh",
            context=context,
            inputs=("cluster", "location"),
            instances={member.key: {"cluster": member.cluster, "location": member.location} for member in members},
            depends_on=depends_on,
        )
        install = LocalScript(
            self,
            "install",
            scripts=scripts,
            script="install-mesh.sh",
            context=context,
            instances={
                member.key: {
                    "cluster": member.cluster,
                    "location": member.location,
                    "identity": member.identity,
                    "mode": mode,
                    "channel": channel,
                    "revision": revision,
                    "asmcli_url": asmcli.url,
                    "asmcli_file": file,
                    "asmcli_sha256": asmcli.sha256 or "",
                }
                for member in members
            },
            depends_on=[removal.ready],
            preconditions=[_CHECKSUM_GIVEN],
        )
        self.installed = install.done
        self.installed_by = install.address
        self.completion_marker = install.inputs_of
        self.before_removal = removal.ready


# Evaluated in the plan, before anything is created.
_CHECKSUM_GIVEN = Precondition(
    condition='${each.value.asmcli_sha256 != "" || each.value.asmcli_file != ""}',
    error_message="mesh.asmcli.sha256 is not set, so the installer can't be verified. Set it to the checksum that this "
    "command prints: curl -fsSL ${each.value.asmcli_url} | sha256sum; Google publishes the expected one: "
    "curl -fsSL ${each.value.asmcli_url}.sha256",
)

"""The mesh's control plane, installed by asmcli."""

from typing import Sequence

from constructs import Construct

from bindings import ITerraformDependable, Precondition, TerraformAsset
from config.mesh import Mesh
from constructs.local_script import CleanupScript, LocalScript
from constructs.mesh_member import MeshMember
from constructs.script_folder import ScriptFolder
from terraform_text import literal

DOWNLOADS = "https://storage.googleapis.com/csm-artifacts/asm"
"""Where Google publishes asmcli; the file's name is the version with - in place of +."""


class AsmcliControlPlane(Construct):
    """A managed control plane in every cluster, by ``asmcli apply --managed``.

    Attributes:
        installed: for what needs the mesh in every cluster.
        before_removal: what must be gone before a control plane is removed depends on this.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        project: str,
        members: Sequence[MeshMember],
        mesh: Mesh,
        endpoint: str,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        url = f"{DOWNLOADS}/asmcli_{mesh.asmcli.version.replace('+', '-')}"
        file = ""
        if mesh.asmcli.file is not None:
            file = TerraformAsset(self, "asmcli", path=mesh.asmcli.file).path
        removal = CleanupScript(
            self,
            "removal",
            scripts=scripts,
            script="remove-mesh.sh",
            inputs=("project", "cluster", "location", "endpoint", "revision"),
            instances={
                member.key: {
                    "project": project,
                    "cluster": member.cluster,
                    "location": member.location,
                    "endpoint": endpoint,
                    "revision": mesh.revision,
                }
                for member in members
            },
            depends_on=depends_on,
        )
        install = LocalScript(
            self,
            "install",
            scripts=scripts,
            script="install-mesh.sh",
            instances={
                member.key: {
                    "project": project,
                    "cluster": member.cluster,
                    "location": member.location,
                    "endpoint": endpoint,
                    "identity": member.identity,
                    "channel": mesh.channel,
                    "revision": mesh.revision,
                    "asmcli_url": url,
                    "asmcli_file": file,
                    "asmcli_sha256": mesh.asmcli.sha256 or "",
                }
                for member in members
            },
            depends_on=[removal.ready],
            preconditions=_preconditions(mesh, url),
        )
        self.installed = install.done
        self.before_removal = removal.ready


def missing_checksum(mesh: Mesh) -> str | None:
    """Return what to do about an installer that nothing vouches for, if that is so."""
    if mesh.asmcli.file is not None or mesh.asmcli.sha256 is not None:
        return None
    url = f"{DOWNLOADS}/asmcli_{mesh.asmcli.version.replace('+', '-')}"
    return (
        "mesh.asmcli.sha256 is not set, so the mesh stack will not deploy: nothing would vouch for the installer. "
        f"Set it to what this prints: curl -fsSL {url} | sha256sum; compare with: curl -fsSL {url}.sha256"
    )


def _preconditions(mesh: Mesh, url: str) -> list[Precondition]:
    missing = missing_checksum(mesh)
    return [Precondition(condition="${false}", error_message=literal(missing))] if missing else []

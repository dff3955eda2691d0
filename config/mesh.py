"""`mesh`: which control plane, from which release."""

from typing import Literal

from pydantic import Field

from config.fields import AsmcliVersion, FilePath, Model, Sha256

REVISIONS = {"rapid": "asm-managed-rapid", "regular": "asm-managed", "stable": "asm-managed-stable"}
"""Revision label of a managed control plane, by channel.

Source: https://cloud.google.com/service-mesh/docs/managed/select-a-release-channel
"""

DOWNLOADS = "https://storage.googleapis.com/csm-artifacts/asm"
"""Where Google publishes asmcli, and beside each its checksum, the same name with .sha256."""


class Asmcli(Model):
    """The installer, pinned."""

    version: AsmcliVersion = Field(
        default="1.28.5-asm.12+config1",
        description="Version that is downloaded; the list: "
        "https://storage.googleapis.com/csm-artifacts/asm/ASMCLI_VERSIONS",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Checksum of the installer. There is no default, as none could be checked against a published "
        "one here; without it the mesh stack stops in its plan and prints the command that shows it.",
    )
    file: FilePath | None = Field(
        default=None, description="A local copy of the installer, used in place of the download."
    )

    @property
    def file_name(self) -> str:
        """The download's name: the version with - in place of +."""
        return f"asmcli_{self.version.replace('+', '-')}"

    @property
    def url(self) -> str:
        return f"{DOWNLOADS}/{self.file_name}"


class Mesh(Model):
    """One service mesh over all clusters."""

    control_plane: Literal["asmcli-managed"] = Field(
        default="asmcli-managed", description="Who runs the control plane, and who installs it."
    )
    asmcli: Asmcli = Field(default=Asmcli(), description="The installer.")

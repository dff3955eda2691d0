"""`mesh`: which control plane, from which release."""

from typing import Literal

from pydantic import Field

from config.control_plane import MODES, ControlPlaneMode, control_plane
from config.effects import ADDS_OR_DELETES, IN_PLACE, REFUSED
from config.fields import AsmcliVersion, FilePath, Image, Model, Sha256

DOWNLOADS = "https://storage.googleapis.com/csm-artifacts/asm"
"""Where Google publishes asmcli, and beside each its checksum, the same name with .sha256."""

DEFAULT_VERSION = "1.31.3-asm.9+config1"
"""The newest on 2026-11-28; Google supports a minor version and the two before it.

Source: https://cloud.google.com/service-mesh/versions
"""
PREVIOUS_DEFAULT_VERSION = "1.28.5-asm.12+config1"
"""Installed from files without a version until 2026-11-28."""


class Asmcli(Model):
    """The installer, pinned."""

    version: AsmcliVersion = Field(
        default=DEFAULT_VERSION,
        description="Version that is downloaded; the list: "
        "https://storage.googleapis.com/csm-artifacts/asm/ASMCLI_VERSIONS. With `asmcli-in-cluster` it has to be "
        "given, as it decides the revision.",
        json_schema_extra=IN_PLACE,
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Checksum of the installer. There is no default, as none could be checked against a published "
        "one here; without it the mesh stack stops in its plan and prints the command that shows it.",
        json_schema_extra=IN_PLACE,
    )
    file: FilePath | None = Field(
        default=None,
        description="A local copy of the installer, used in place of the download.",
        json_schema_extra=IN_PLACE,
    )

    @property
    def file_name(self) -> str:
        """The download's name: the version with - in place of +."""
        return f"asmcli_{self.version.replace('+', '-')}"

    @property
    def url(self) -> str:
        return f"{DOWNLOADS}/{self.file_name}"


def _describe(mode: ControlPlaneMode) -> str:
    """Return a mode's summary, with the dates of its end."""
    plan = control_plane(mode)
    return plan.summary if plan.end is None else f"{plan.summary}. {plan.end.describe()}"


class Mesh(Model):
    """One service mesh over all clusters."""

    control_plane: ControlPlaneMode = Field(
        default="fleet",
        description="How the mesh control planes are installed, and where they run. "
        + "".join(f"`{mode}`: {_describe(mode)}. " for mode in MODES)
        + "See docs/control-plane-modes.md. It can't be changed while the mesh exists; there is no migration.",
        json_schema_extra=REFUSED,
    )
    asmcli: Asmcli = Field(default=Asmcli(), description="The installer; without a meaning for `fleet`.")
    kubectl_image: Image = Field(
        default="registry.k8s.io/kubectl:v1.34.2",
        description="Image with kubectl 1.31 or later as its entrypoint: with `fleet`, a Job in every cluster waits "
        "for the mesh by it. Without a meaning for the other control planes.",
        json_schema_extra=IN_PLACE,
    )
    mtls: Literal["strict", "permissive"] = Field(
        default="strict",
        description="Whether sidecars take connections without a certificate of the mesh: strict refuses them, "
        "permissive takes them in plain text.",
        json_schema_extra=IN_PLACE,
    )
    default_deny: bool = Field(
        default=True,
        description="Refuse what no policy allows: the load balancer may ask the gateways, and a service is asked by "
        "the gateways if it has a route, and by those in its allow_from. Without it everybody in the mesh may ask "
        "everybody.",
        json_schema_extra=ADDS_OR_DELETES,
    )

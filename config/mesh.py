"""`mesh`: which control plane, from which release, and what holds for all pods."""

from typing import Literal

from pydantic import Field

from config.control_plane import MODES, ControlPlaneMode, control_plane
from config.effects import ADDS_OR_DELETES, IN_PLACE, REFUSED
from config.fields import AsmcliVersion, FilePath, Image, Model, NamespaceName, Sha256
from config.namespace import Namespace

DOWNLOADS = "https://storage.googleapis.com/csm-artifacts/asm"
"""Where Google publishes asmcli, and beside each its checksum, the same name with .sha256."""

DEFAULT_VERSION = "1.31.3-asm.9+config1"
"""The newest on 2026-11-28; Google supports a minor version and the two before it.

Source: https://cloud.google.com/service-mesh/versions
"""
PREVIOUS_DEFAULT_VERSION = "1.28.5-asm.12+config1"
"""Installed from files without a version until 2026-11-28."""


class Asmcli(Model):
    """The pinned installer."""

    version: AsmcliVersion = Field(
        default=DEFAULT_VERSION,
        description="Version to download. Published versions: "
        "https://storage.googleapis.com/csm-artifacts/asm/ASMCLI_VERSIONS. Required with `asmcli-in-cluster`, where "
        "it determines the revision.",
        json_schema_extra=IN_PLACE,
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 checksum of the installer. Required with `asmcli-managed` and `asmcli-in-cluster`: "
        "without it, the plan of the mesh stack fails and prints the command that shows the checksum.",
        json_schema_extra=IN_PLACE,
    )
    file: FilePath | None = Field(
        default=None,
        description="Local copy of the installer, used instead of the download.",
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
    """One service mesh across all clusters."""

    control_plane: ControlPlaneMode = Field(
        default="fleet",
        description="How the mesh control planes are installed, and where they run. "
        + "".join(f"`{mode}`: {_describe(mode)}. " for mode in MODES)
        + "See docs/control-plane-modes.md. It can't be changed while the mesh exists; there is no migration.",
        json_schema_extra=REFUSED,
    )
    asmcli: Asmcli = Field(default=Asmcli(), description="The installer of the asmcli modes. Ignored with `fleet`.")
    kubectl_image: Image = Field(
        default="registry.k8s.io/kubectl:v1.34.2",
        description="Image with kubectl 1.31 or later as its entrypoint. With `fleet`, a Job in every cluster uses "
        "it to wait for the mesh. Ignored with the other modes.",
        json_schema_extra=IN_PLACE,
    )
    mtls: Literal["strict", "permissive"] = Field(
        default="strict",
        description="`strict`: sidecars reject connections without mutual TLS. `permissive`: sidecars also accept "
        "plain text, from clients without an identity.",
        json_schema_extra=IN_PLACE,
    )
    default_deny: bool = Field(
        default=True,
        description="Rejects every request that no AuthorizationPolicy allows. Policies allow the load balancer to "
        "call the gateways, the gateways to call services with `routes`, and the callers in `allow_from`. With "
        "`false`, every client in the mesh is authorized to call every service.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    namespaces: dict[NamespaceName, Namespace] = Field(
        default={},
        max_length=200,
        description="Namespaces in the mesh, by name, besides those of `services`: for workloads that another pipeline "
        "deploys (docs/workloads.md). Removing one deletes everything in it.",
        json_schema_extra=ADDS_OR_DELETES,
    )

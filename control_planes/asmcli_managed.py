"""asmcli-managed, the reference: asmcli asks Google for a control plane that Google runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from control_planes.contract import MANAGED_REVISIONS, ControlPlane, MeshParts

if TYPE_CHECKING:
    from config.environment import Environment
    from constructs import Construct


class AsmcliManaged(ControlPlane):
    """``asmcli apply --managed``. Deprecated since 2024-08-22 (asmcli's own help); it still works."""

    made_by = "asmcli --managed: Google runs it. The reference; deprecated by Google, and new fleets may refuse it"
    needs_tools = True
    remote_secrets = True
    # Google's webhook is not on the nodes. The reference opens the port all the same.
    webhook_ports = ("15017",)

    def revision(self, environment: Environment) -> str:
        return MANAGED_REVISIONS[environment.channel]

    def build(self, stack: Construct, parts: MeshParts) -> None:
        from constructs.asmcli_mesh import asmcli_mesh  # noqa: PLC0415

        asmcli_mesh(stack, parts, mode="managed")


WAY = AsmcliManaged()

"""fleet: the fleet's API asks Google for a mesh; terraform needs no tool for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from control_planes.contract import MANAGED_REVISIONS, ControlPlane, MeshParts

if TYPE_CHECKING:
    from config.environment import Environment
    from constructs import Construct


class Fleet(ControlPlane):
    """Automatic management of the fleet's service mesh: what Google gives to new fleets."""

    made_by = "the fleet's API: Google makes and runs it, and terraform needs no tool for that"
    needs_tools = False
    remote_secrets = False

    def revision(self, environment: Environment) -> str:
        return MANAGED_REVISIONS[environment.channel]

    def build(self, stack: Construct, parts: MeshParts) -> None:
        from constructs.fleet_mesh import FleetMesh  # noqa: PLC0415

        environment = parts.environment
        FleetMesh(
            stack,
            "fleet-mesh",
            project=environment.project.id,
            members=parts.members,
            access=parts.access,
            config_cluster=environment.ingress.config_cluster,
            revision=self.revision(environment),
            kubectl_image=environment.mesh.kubectl_image,
            depends_on=[parts.features, parts.ingress],
        )


WAY = Fleet()

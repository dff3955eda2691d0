"""What is in a cluster of the ways to a mesh, and what of it the configured way does not have.

There is no migration from one way to another, but a mesh may have been taken down and
another one made, or half of one may have stayed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.sources.cluster_objects import COMPLETION_MARKER
from cli.sources.kubernetes import ClusterClient
from cli.sources.remediation import kubectl_command
from config import Environment
from config.crds import CONTROL_PLANE_CRD
from config.naming import MESH_NAMESPACE

READINESS_JOB_PREFIX = "mesh-readiness-"
"""How the names of the Jobs begin that wait for the mesh (constructs/fleet_mesh.py)."""

ISTIOD, REVISION, JOB, CONFIG_MAP = "deployment", "controlplanerevision", "job", "configmap"


@dataclass(frozen=True)
class MeshComponent:
    """Something in the mesh's namespace.

    Attributes:
        kind: one of the words above.
    """

    kind: str
    name: str

    def remove(self, cluster: ClusterClient) -> str:
        """Return the command that takes it away."""
        if self.kind == ISTIOD:  # it has roles, webhooks and more outside its namespace
            return uninstall_command(cluster.command, self.name)
        return kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", self.kind, self.name)


def uninstall_command(kubectl: str, deployment: str) -> str:
    """Return the command that takes a control plane off the nodes.

    Args:
        kubectl: how a person reaches the cluster.
    """
    revision = deployment.removeprefix("istiod").removeprefix("-") or "default"
    return f"istioctl {kubectl.removeprefix('kubectl ')} uninstall --revision {revision}"


def read_components(cluster: ClusterClient) -> list[MeshComponent]:
    """Return what is there.

    Raises:
        KubectlError: kubectl failed.
    """
    in_mesh = ("--namespace", MESH_NAMESPACE)
    found = (
        (ISTIOD, cluster.get("deployments.apps", *in_mesh, "--selector", "app=istiod")["items"]),
        (REVISION, (cluster.find(CONTROL_PLANE_CRD, *in_mesh) or {}).get("items", [])),
        (JOB, cluster.get("jobs.batch", *in_mesh)["items"]),
        (CONFIG_MAP, [one for one in (cluster.find("configmaps", COMPLETION_MARKER, *in_mesh),) if one is not None]),
    )
    parts = [MeshComponent(kind, one["metadata"]["name"]) for kind, items in found for one in items]
    return [one for one in parts if one.kind != JOB or one.name.startswith(READINESS_JOB_PREFIX)]


def orphaned_components(
    environment: Environment, parts: Sequence[MeshComponent]
) -> Iterator[tuple[MeshComponent, str]]:
    """Yield what the configured way to a mesh does not have, and why."""
    way = environment.control_plane
    reasons = {
        ISTIOD: "" if way.runs_on_nodes else "the configured control plane is not on the nodes",
        REVISION: "the configured control plane is on the nodes, and not Google's" if way.runs_on_nodes else "",
        JOB: "" if way.installer == "fleet-api" else "no Job waits for the mesh, as it is configured",
        CONFIG_MAP: "" if way.installer == "asmcli" else "no script installs the mesh, as it is configured",
    }
    for part in parts:
        if reasons[part.kind]:
            yield part, reasons[part.kind]

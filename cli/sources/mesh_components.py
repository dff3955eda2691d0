"""What a control plane mode leaves in a cluster, and what of it the configured mode does not have.

There is no migration from one mode to another, but a mesh may have been replaced by another one, or only half removed.
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
"""Prefix of the names of the Jobs that wait for the mesh (constructs/fleet_mesh.py)."""

ISTIOD, REVISION, JOB, CONFIG_MAP = "deployment", "controlplanerevision", "job", "configmap"


@dataclass(frozen=True)
class MeshComponent:
    """An object of a mesh in its namespace.

    Attributes:
        kind: One of the kinds above.
        name: Its name.
    """

    kind: str
    name: str

    def delete_command(self, cluster: ClusterClient) -> str:
        """Return the command that deletes it."""
        if self.kind == ISTIOD:  # it has roles, webhooks and more outside its namespace
            return uninstall_command(cluster.command, self.name)
        return kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", self.kind, self.name)


def uninstall_command(kubectl: str, deployment: str) -> str:
    """Return the command that uninstalls an istiod.

    Args:
        kubectl: The start of a kubectl command for the cluster.
        deployment: The name of the istiod's deployment.
    """
    revision = deployment.removeprefix("istiod").removeprefix("-") or "default"
    return f"istioctl {kubectl.removeprefix('kubectl ')} uninstall --revision {revision}"


def read_components(cluster: ClusterClient) -> list[MeshComponent]:
    """Return the components in a cluster, of any mode.

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
    components = [MeshComponent(kind, one["metadata"]["name"]) for kind, items in found for one in items]
    return [one for one in components if one.kind != JOB or one.name.startswith(READINESS_JOB_PREFIX)]


def orphaned_components(
    environment: Environment, components: Sequence[MeshComponent]
) -> Iterator[tuple[MeshComponent, str]]:
    """Yield the components that the configured mode does not have, and why."""
    mode = environment.control_plane
    reasons = {
        ISTIOD: "" if mode.runs_on_nodes else "the configured mode does not run istiod on the nodes",
        REVISION: "the configured mode runs istiod on the nodes" if mode.runs_on_nodes else "",
        JOB: "" if mode.installer == "fleet-api" else "the configured mode has no such Job",
        CONFIG_MAP: "" if mode.installer == "asmcli" else "the configured mode is not installed by a script",
    }
    for component in components:
        if reasons[component.kind]:
            yield component, reasons[component.kind]

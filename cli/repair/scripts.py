"""Scripts that the state has as done, and that have not left their completion marker in the cluster."""

from collections.abc import Iterator

from cli.repair.step import RepairStep, taint_step
from cli.sources.cluster_objects import COMPLETION_MARKER
from cli.sources.completion import INPUTS_ANNOTATION, installation_in, installed_inputs, remote_secret_in
from cli.sources.kubernetes import ClusterClient
from cli.sources.state import TerraformStates
from cli.sources.terraform import StackFolder
from config import Environment, ResolvedRegion
from config.naming import MESH_NAMESPACE, remote_secret_name

_IN_MESH = ("--namespace", MESH_NAMESPACE)


def find_half_done(
    environment: Environment,
    region: ResolvedRegion,
    cluster: ClusterClient,
    states: TerraformStates,
    folder: StackFolder,
) -> Iterator[RepairStep]:
    """Yield a step for each script of a cluster that is not complete there.

    Args:
        environment: The environment.
        region: The cluster's region.
        cluster: The cluster.
        states: Of terraform.
        folder: Of the stack mesh.

    Raises:
        KubectlError: kubectl failed.
    """
    installation = installation_in(states, region.names.cluster)
    if installation is not None and not installation.tainted:
        done = installed_inputs(cluster.find("configmaps", COMPLETION_MARKER, *_IN_MESH))
        if done != installation.checksum:
            cause = "complete in the state, but its completion marker in the cluster is missing or of other inputs"
            yield taint_step(f"{region.key}: installation of the mesh", cause, folder, installation.address)
    for remote in environment.resolved_regions():
        grant = remote_secret_in(states, f"{region.key}/{remote.key}")
        if grant is None or grant.tainted:
            continue
        if _inputs_of_secret(cluster, remote_secret_name(remote.remote_name)) != grant.checksum:
            cause = "complete in the state, but the secret in the cluster is missing or of other inputs"
            yield taint_step(f"{region.key}: remote secret for {remote.key}", cause, folder, grant.address)


def _inputs_of_secret(cluster: ClusterClient, name: str) -> str:
    """Return the checksum in a secret's annotation, without its content; empty without a secret."""
    path = f"jsonpath={{.metadata.annotations['{INPUTS_ANNOTATION}']}}"
    return cluster.run("get", "secret", name, *_IN_MESH, "--ignore-not-found", "--output", path)

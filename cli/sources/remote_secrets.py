"""Remote secrets in a cluster: those that the stacks put there, and those of somebody else."""

from cli.sources.cluster_objects import REMOTE_SECRETS
from cli.sources.kubernetes import ClusterClient
from config import Environment
from config.naming import MESH_NAMESPACE, remote_secret_name


def ours(environment: Environment, holder: str) -> frozenset[str]:
    """Return the names of the secrets that one region's cluster may hold, for every other region.

    None, where the control plane knows no remote secrets.
    """
    if not environment.control_plane.uses_remote_secrets:
        return frozenset()
    regions = environment.resolved_regions()
    return frozenset(remote_secret_name(region.remote_name) for region in regions if region.key != holder)


def read_names(cluster: ClusterClient) -> list[str]:
    """Return the names of all remote secrets; what is in them is not asked for.

    kubectl has the server make a table of names, unless it is told of another format.

    Raises:
        KubectlError: the cluster does not answer.
    """
    selector = ("--selector", REMOTE_SECRETS)
    table = cluster.run("get", "secrets", "--namespace", MESH_NAMESPACE, *selector, "--no-headers")
    return [line.split()[0] for line in table.splitlines() if line.strip()]


def unexpected_names(environment: Environment, holder: str, cluster: ClusterClient) -> list[str]:
    """Return the names of those that are not the stacks'.

    Raises:
        KubectlError: kubectl failed.
    """
    return [name for name in read_names(cluster) if name not in ours(environment, holder)]

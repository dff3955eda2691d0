"""Remote secrets in a cluster: the expected ones, and others."""

from cli.sources.cluster_objects import REMOTE_SECRET_SELECTOR
from cli.sources.kubernetes import ClusterClient
from config import Environment
from config.naming import MESH_NAMESPACE, remote_secret_name


def expected_names(environment: Environment, host: str) -> frozenset[str]:
    """Return the names of the remote secrets that the stacks create in the cluster of a region, for all others.

    Args:
        environment: The environment.
        host: Key of the region whose cluster holds the secrets.
    """
    if not environment.control_plane.uses_remote_secrets:
        return frozenset()
    regions = environment.resolved_regions()
    return frozenset(remote_secret_name(region.remote_name) for region in regions if region.key != host)


def read_names(cluster: ClusterClient) -> list[str]:
    """Return the names of all remote secrets, without reading their content.

    kubectl has the server make a table of names, unless another format is given.

    Raises:
        KubectlError: The cluster does not answer.
    """
    selector = ("--selector", REMOTE_SECRET_SELECTOR)
    table = cluster.run("get", "secrets", "--namespace", MESH_NAMESPACE, *selector, "--no-headers")
    return [line.split()[0] for line in table.splitlines() if line.strip()]


def unexpected_names(environment: Environment, cluster: ClusterClient) -> list[str]:
    """Return the names of the remote secrets that the stacks do not create.

    Raises:
        KubectlError: The cluster does not answer.
    """
    expected = expected_names(environment, cluster.region)
    return [name for name in read_names(cluster) if name not in expected]

"""The cause of failed requests, for the commands that have sent them."""

from collections.abc import Mapping

from cli.explain.callee import Callee
from cli.explain.client import ClientPod
from cli.explain.explanation import explain, read_clusters
from cli.report.findings import Finding, FindingState
from cli.sources.kubernetes import ClusterClient
from config import Environment


def first_cause(
    environment: Environment,
    clusters: Mapping[str, ClusterClient],
    service: str,
    region: str,
    client: ClientPod | None = None,
) -> Finding | None:
    """Return the first thing on the path of a request that explains why it fails; None if the path is right.

    Args:
        environment: The environment.
        clusters: Clients of the clusters, by region.
        service: The service's name in the configuration.
        region: Key of the region from which requests fail.
        client: The pod that sends them, which has a sidecar or is a gateway; without one, a pod that the service's
            policy allows.

    Raises:
        MeshError: The configuration has no such service.
    """
    callee = Callee.of(environment, service)
    found = read_clusters(clusters, [*callee.namespaces, *([client.namespace] if client else [])])
    problems = [one for one in explain(callee, found, region, client) if one.is_problem]
    return next((one for one in problems if one.state is FindingState.FAILURE), next(iter(problems), None))

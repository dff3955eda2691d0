"""Why requests fail: a failure ends with what `mesh explain` finds first."""

from collections.abc import Mapping
from dataclasses import replace

from cli.errors import MeshError
from cli.explain.client import ClientPod
from cli.explain.finding import first_cause
from cli.report.findings import Finding, FindingState
from cli.sources.kubernetes import ClusterClient
from cli.traffic.client import TrafficClient
from cli.traffic.target import Target
from config import Environment


def with_cause(
    finding: Finding,
    environment: Environment,
    clusters: Mapping[str, ClusterClient],
    target: Target,
    client: TrafficClient | MeshError | None,
) -> Finding:
    """Return a failure with the first thing on the path of its requests that explains it, and what corrects that.

    Args:
        finding: Of a region's requests; only a failure is changed.
        environment: The environment.
        clusters: By region.
        target: The service.
        client: That has sent the requests, or why there is none.
    """
    if finding.state is not FindingState.FAILURE or not isinstance(client, TrafficClient):
        return finding
    cause = find_cause(environment, clusters, target.name, client)
    if cause is None:
        text = f"{finding.text}. Nothing on the path explains it: read what the pods log"
        logs = ("logs", "--namespace", target.namespace, "--selector", f"app={target.name}", "--all-containers")
        return replace(finding, text=text, fix=f"{client.cluster.command} {' '.join(logs)}")
    return replace(finding, text=f"{finding.text}. {cause.name}: {cause.text}", fix=cause.fix or finding.fix)


def find_cause(
    environment: Environment, clusters: Mapping[str, ClusterClient], service: str, client: TrafficClient
) -> Finding | None:
    """Return the first thing on the path of a client's requests that explains why they fail.

    Args:
        environment: The environment.
        clusters: By region.
        service: Name of the service.
        client: That sends the requests.
    """
    pod = ClientPod(client.namespace, client.pod, client.account)
    return first_cause(environment, clusters, service, client.cluster.region, pod)

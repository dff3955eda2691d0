"""`mesh explain`: the path of a request to a service, from each region."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cli.explain.callee import Callee
from cli.explain.client import ClientPod, choose_client, gateways_in, is_running
from cli.explain.explanation import ClusterWorkloads, explain, main_request, read_clusters
from cli.explain.options import ExplainOptions
from cli.explain.routes import Request
from cli.explain.workloads import Workloads
from cli.report.findings import Finding, FindingState, Report
from cli.report.output import Output
from cli.sources.cluster_objects import Object
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, connected_clusters, served_by_proxies
from config import Environment
from config.plural import counted


def run_explain(environment: Environment, kubeconfig: Path | None, options: ExplainOptions, output: Output) -> Report:
    """Follow a request from each client, hop by hop.

    Args:
        environment: The environment.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        options: Of the command line.
        output: Where progress is shown.

    Returns:
        A section for each client, with a finding for each hop.

    Raises:
        MeshError: There is no such service or region, or no connection.
    """
    callee, regions = Callee.of(environment, options.service), options.regions(environment)
    report = Report("explain")
    with (
        connected_clusters(environment, GoogleClient.of(environment), kubeconfig) as connected,
        served_by_proxies(connected) as served,
        output.spinner(f"reading the proxies of {counted(len(connected), 'cluster')}"),
        ThreadPoolExecutor(8) as pool,
    ):
        clusters = {key: one for key, one in served.items() if isinstance(one, ClusterClient)}
        found = read_clusters(clusters, [*callee.namespaces, *(namespace for namespace, _ in options.clients)])
        request = main_request(callee, found, options.port, options.path)
        wanted = [(key, client) for key in regions for client in _clients(callee, found, key, options)]
        if not wanted:  # the clients of the command line run nowhere
            wanted = [(key, ClientPod(*one, account="")) for key in regions for one in options.clients]
        explained = list(pool.map(lambda one: explain(callee, found, one[0], one[1], request), wanted))
    for (key, client), findings in zip(wanted, explained, strict=True):
        title = f"{key}: {client or 'no client'} → {callee}:{request.port}{request.path}"
        report.section(title, region=key).findings += findings
    report.data = _data(callee, request, wanted, [one.findings for one in report.sections])
    return report


def _clients(
    callee: Callee, found: ClusterWorkloads, region: str, options: ExplainOptions
) -> Iterator[ClientPod | None]:
    """Yield the clients in a region: those of the command line that run there, or else one in the mesh and a gateway.

    None stands for a client that is not known, as of a cluster that does not respond.
    """
    own = found[region]
    if not isinstance(own, Workloads):
        yield None
        return
    pods = list(own.pods())
    if options.clients:
        found_pods = [pod for one in options.clients if (pod := _named(pods, *one)) is not None]
    else:
        found_pods = [pod for pod in (choose_client(callee, pods), *gateways_in(pods)[:1]) if pod is not None]
    yield from dict.fromkeys(ClientPod.of(pod) for pod in found_pods)
    if not found_pods and not options.clients:
        yield None


def _named(pods: list[Object], namespace: str, name: str) -> Object | None:
    """Return a running pod by its name, its service account, or its label ``app``."""
    own = [one for one in pods if one["metadata"]["namespace"] == namespace and is_running(one)]
    for names in (
        lambda one: one["metadata"]["name"],
        lambda one: ClientPod.of(one).account,
        lambda one: one["metadata"].get("labels", {}).get("app"),
    ):
        for one in own:
            if names(one) == name:
                return one
    return None


def _data(
    callee: Callee, request: Request, clients: list[tuple[str, ClientPod | None]], findings: list[list[Finding]]
) -> dict[str, Any]:
    """Return what was found for programs: the first cause of each client."""
    causes = []
    for (key, client), hops in zip(clients, findings, strict=True):
        cause = next((one for one in hops if one.state is FindingState.FAILURE), None)
        causes.append(
            {
                "region": key,
                "client": None if client is None else str(client),
                "cause": None if cause is None else {"name": cause.name, "text": cause.text, "fix": cause.fix},
                "objects": [] if cause is None else sorted(cause.objects),
            }
        )
    return {"service": str(callee), "port": request.port, "path": request.path, "clients": causes}

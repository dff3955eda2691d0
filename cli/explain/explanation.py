"""The explanation of a request from one region: what is read of the clusters, the client, and the hops."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from cli.explain.callee import Callee
from cli.explain.client import ClientPod, choose_client
from cli.explain.context import RequestContext
from cli.explain.path import walk
from cli.explain.routes import Request
from cli.explain.workloads import Workloads, read_workloads
from cli.report.findings import Finding, failure
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.remediation import unreachable_fix

ClusterWorkloads = Mapping[str, Workloads | Finding]
"""What there is in the clusters, by region; the failure of one that does not respond."""


def read_clusters(clusters: Mapping[str, ClusterClient], namespaces: Iterable[str]) -> ClusterWorkloads:
    """Read what there is of some namespaces in all clusters, at the same time."""
    names = list(dict.fromkeys(namespaces))
    with ThreadPoolExecutor(max(len(clusters), 1)) as pool:
        return dict(zip(clusters, pool.map(lambda one: _read(one, names), clusters.values()), strict=True))


def _read(cluster: ClusterClient, namespaces: Sequence[str]) -> Workloads | Finding:
    try:
        return read_workloads(cluster, namespaces)
    except KubectlError as error:
        return failure("API server", str(error), unreachable_fix(str(error), cluster))


def explain(
    callee: Callee,
    found: ClusterWorkloads,
    region: str,
    client: ClientPod | None = None,
    request: Request | None = None,
) -> list[Finding]:
    """Return what each hop of a request does, in order; the first failure is the last.

    Args:
        callee: The service.
        found: What `read_clusters` has returned for the namespaces of the service and of the client.
        region: Key of the client's region.
        client: A pod; without one, a pod that may call the service.
        request: The request; without one, to the service's main port.
    """
    own = found.get(region)
    if own is None:
        return [failure("client", f"the cluster of {region} was not read", f"mesh status --region {region}")]
    if isinstance(own, Finding):
        return [own]
    pod = choose_client(callee, own.pods()) if client is None else own.pod(client.namespace, client.pod)
    if pod is None:
        which = f"pod {client}" if client else f"pod that may call {callee}, and no gateway,"
        fix = f"{own.cluster.command} get pods --all-namespaces"
        return [failure("client", f"no {which} runs in {region}", fix)]
    workloads = {key: one for key, one in found.items() if isinstance(one, Workloads)}
    wanted = request or main_request(callee, found)
    if ClientPod.of(pod).is_gateway:
        wanted = replace(wanted, host=callee.public_host)
    hops = []
    try:
        for one in walk(RequestContext(callee, workloads, wanted, region, pod)):
            hops.append(one)
    except KubectlError as error:
        hops.append(failure("API server", str(error), unreachable_fix(str(error), own.cluster)))
    return hops


def main_request(callee: Callee, found: ClusterWorkloads, port: int | None = None, path: str | None = None) -> Request:
    """Return a request to a service.

    Args:
        callee: The service.
        found: What there is in the clusters.
        port: Of the Service; None for its main one, which is the first where the configuration does not have it.
        path: Of the URL; None for one that the service serves.
    """
    services = (one.service(callee.namespace, callee.name) for one in found.values() if isinstance(one, Workloads))
    ports = (each["port"] for one in services if one is not None for each in one["spec"].get("ports", ()))
    main = callee.configured.port if callee.configured else next(ports, 80)
    return Request(callee.host, port or main, path or callee.path)

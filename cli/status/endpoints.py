"""`mesh status`, of the endpoints of each service in one cluster, as the mesh gets them: EndpointSlices.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from collections.abc import Iterator, Sequence

from cli.report.findings import Finding, failure, ok
from cli.sources.cluster_objects import Object, condition
from cli.sources.endpoint_slices import SERVICE_LABEL, ready_endpoints
from cli.sources.member import ObservedCluster, failure_or_ok
from config.plural import counted
from config.services.service import Service


def check_endpoints(member: ObservedCluster) -> Iterator[Finding]:
    """Yield how many endpoints each service has in a cluster whose pods are available: a Service may select none."""
    environment = member.environment
    for name, service in environment.all_services().items():
        configured = environment.deployments(service).get(member.key, ())
        found = _service(member, service.namespace, name)
        if not configured or found is None:
            continue
        if member.region.drained:
            yield _check_drained(member, name, service)
            continue
        title, ready = f"endpoints of {name}", ready_endpoints(member.live.slices, service.namespace, name)
        available = _available(member, name, service, [one.version for one in configured])
        if ready or not available:  # pods that are not available are another finding
            yield ok(title, counted(ready, "ready endpoint")).about(service=name)
            continue
        selector = ",".join(f"{label}={value}" for label, value in found["spec"].get("selector", {}).items())
        text = f"none: of {counted(available, 'available pod')}, the Service selects none by {selector or 'no label'}"
        fix = f"{member.kubectl} --namespace {service.namespace} get pods --show-labels"
        yield failure(title, text, fix).about(f"Service {service.namespace}/{name}", service=name)


def _check_drained(member: ObservedCluster, name: str, service: Service) -> Finding:
    """Return whether a service has no endpoint in a drained region."""
    title, ready = f"endpoints of {name}", ready_endpoints(member.live.slices, service.namespace, name)
    wrong = [f"{counted(ready, 'ready endpoint')}, but the region is drained: requests go to them"] if ready else []
    fix = f"{member.kubectl} --namespace {service.namespace} describe endpointslices --selector {SERVICE_LABEL}={name}"
    finding = failure_or_ok(title, wrong, "none, as the region is drained", fix)
    return finding.about(f"Service {service.namespace}/{name}", service=name)


def _available(member: ObservedCluster, name: str, service: Service, versions: Sequence[str]) -> int:
    """Return how many pods of a service are available; of pods of another pipeline, those with its label."""
    if service.image:
        deployments = [member.live.deployment(service.namespace, f"{name}-{version}") or {} for version in versions]
        return sum(int(one.get("status", {}).get("availableReplicas", 0)) for one in deployments)
    pods = (one for one in member.live.pods if one["metadata"]["namespace"] == service.namespace)
    own = (one for one in pods if one["metadata"].get("labels", {}).get("app") == name)
    return sum(condition(one, "Ready") == "True" for one in own)


def _service(member: ObservedCluster, namespace: str, name: str) -> Object | None:
    services = (one for one in member.live.applied if one["kind"] == "Service")
    return next(
        (one for one in services if (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, name)), None
    )

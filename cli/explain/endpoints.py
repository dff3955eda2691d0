"""The endpoints that a client's proxy has of a service: which of them get requests, and why none may be there.

Source: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
"""

from collections.abc import Iterator, Sequence

from cli.explain.context import RequestContext
from cli.explain.repair import repair_object
from cli.explain.workloads import Workloads, is_ready, why_not_ready
from cli.report.findings import Finding, failure
from cli.sources.cluster_objects import Object
from cli.sources.proxies import ProxyEndpoint
from cli.sources.remediation import DEPLOY, kubectl_command
from config.naming import MESH_NAMESPACE
from config.plural import counted

OVERPROVISIONING = 1.4
"""Factor by which Envoy multiplies the healthy share of a priority."""

NAME = "endpoints"


def shown_endpoints(context: RequestContext, endpoints: Sequence[ProxyEndpoint]) -> str:
    """Return the endpoints by priority and region, for a person."""
    words = []
    for priority in sorted({one.priority for one in endpoints}):
        group = [one for one in endpoints if one.priority == priority]
        regions = dict.fromkeys(one.region for one in group)
        by_region = [(context.region_at(name), [one for one in group if one.region == name]) for name in regions]
        texts = [f"{sum(one.healthy for one in own)} of {len(own)} healthy in {key}" for key, own in by_region]
        words.append(f"priority {priority}: {', '.join(texts)}")
    words += [f"{key} is drained" for key in context.callee.drained]
    return "; ".join(words)


def check_drained(context: RequestContext, endpoints: Sequence[ProxyEndpoint]) -> Iterator[Finding]:
    """Yield a failure if a client's proxy has endpoints in drained regions."""
    there = dict.fromkeys(context.region_at(one.region) for one in endpoints)
    if wrong := [key for key in there if key in context.callee.drained]:
        text = f"endpoints in {', '.join(wrong)}, which the configuration drains: the Service there selects pods"
        yield failure(NAME, text, DEPLOY).about(*_about(context), service=context.callee.name)


def used_endpoints(endpoints: Sequence[ProxyEndpoint]) -> list[ProxyEndpoint]:
    """Return the healthy endpoints that get requests: those of further priorities do as health is missing before."""
    found: list[ProxyEndpoint] = []
    share = 0.0
    for priority in sorted({one.priority for one in endpoints}):
        group = [one for one in endpoints if one.priority == priority]
        healthy = [one for one in group if one.healthy]
        found += healthy
        share += OVERPROVISIONING * len(healthy) / len(group)
        if share >= 1:
            break
    return found


def check_no_endpoints(context: RequestContext) -> Finding:
    """Return why a client's proxy has no endpoint of the service."""
    reasons = list(_reasons(context))
    text = "503 UH: the client's proxy has no endpoint of the service"
    if not reasons:
        fix = kubectl_command(context.cluster, "--namespace", MESH_NAMESPACE, "get", "pods")
        text += f", though {counted(_ready(context), 'pod')} of it are ready: the mesh control plane does not send it"
        return failure(NAME, text, fix)
    first = next((one for one in reasons if one[0] == context.region), reasons[0])
    texts = [f"in {key} {why}" for key, why, _ in reasons]
    return failure(NAME, f"{text}: {'; '.join(texts)}", first[2]).about(*_about(context), service=context.callee.name)


def _about(context: RequestContext) -> tuple[str, ...]:
    return (f"Service {context.callee}",)


def _ready(context: RequestContext) -> int:
    count = 0
    for one in context.workloads.values():
        service = one.service(context.callee.namespace, context.callee.name)
        count += 0 if service is None else sum(is_ready(pod) for pod in one.selected(service))
    return count


def _reasons(context: RequestContext) -> Iterator[tuple[str, str, str]]:
    """Yield region, reason and next step of each cluster that should have endpoints of the service, and has none."""
    for key in context.callee.regions:
        if (own := context.workloads.get(key)) is not None and (found := why_none_ready(context, own)) is not None:
            yield key, *found


def why_none_ready(context: RequestContext, own: Workloads) -> tuple[str, str] | None:
    """Return why a cluster has no ready endpoint of the service, and what to do; None if it has one."""
    service = own.service(context.callee.namespace, context.callee.name)
    if service is None:
        return "there is no Service", DEPLOY
    pods = own.selected(service)
    if any(is_ready(one) for one in pods):
        return None
    if pods:
        first = pods[0]["metadata"]["name"]
        fix = kubectl_command(own.cluster, "--namespace", context.callee.namespace, "describe", "pod", first)
        return f"no pod is ready ({first}: {why_not_ready(pods[0])})", fix
    return _why_none_selected(context, own, service)


def _why_none_selected(context: RequestContext, own: Workloads, service: Object) -> tuple[str, str]:
    for one in own.of("Deployment", context.callee.namespace):
        labels = one["spec"]["template"]["metadata"].get("labels", {})
        if labels.get("app") == context.callee.name and one["spec"].get("replicas") == 0:
            repair = repair_object(own.cluster, one, "spec.replicas")
            scale = kubectl_command(
                *(own.cluster, "--namespace", context.callee.namespace, "scale", "deployment", one["metadata"]["name"]),
                "--replicas=1",
            )
            return f"the Deployment {one['metadata']['name']} has 0 replicas", repair.command or scale
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    repair = repair_object(own.cluster, service, "spec.selector")
    fix = kubectl_command(own.cluster, "--namespace", context.callee.namespace, "get", "pods", "--show-labels")
    return f"the Service's spec.selector ({selector or 'empty'}) selects no pod{repair.how}", repair.command or fix

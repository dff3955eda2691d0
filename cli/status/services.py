"""`mesh status`, of what runs in one cluster: services as the configuration has them, and the gateway."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, chained
from config.demo import CLIENT_APP
from config.environment import DEMO_SERVICE
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.service import Service


def look_at_services(member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether each service runs as configured: other numbers than the file's are somebody's drill, or drift."""
    environment = member.environment
    for name, service in environment.all_services().items():
        yield _deployments(member, name, service)
        yield _failover(member, name, service)
    if environment.demo.enabled:
        namespace = environment.all_services()[DEMO_SERVICE].namespace
        wrong, fix = _wrong_with(member, namespace, CLIENT_APP, 1)
        yield failure_or_ok(f"client {CLIENT_APP}", wrong, "1 of 1 available", fix)


def look_at_gateway(member: ObservedCluster) -> Finding:
    """Return whether the gateway can answer."""
    assert member.objects is not None
    ingress = member.environment.ingress
    found = member.objects.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME)
    scaler = member.objects.autoscaler(GATEWAY_NAMESPACE, GATEWAY_NAME)
    if not ingress.enabled:
        wrong = [] if found is None else ["there is one, and ingress.enabled is false"]
        return failure_or_ok("gateway", wrong, "none, as configured", DEPLOY)
    if found is None or scaler is None:
        return failure("gateway", "there is none" if found is None else "it has no autoscaler", DEPLOY)
    limits = (scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"])
    if limits != (ingress.min_replicas, ingress.max_replicas):
        said = f"the configuration says {ingress.min_replicas} to {ingress.max_replicas}"
        return failure("gateway", f"{limits[0]} to {limits[1]} pods, and {said}", DEPLOY)
    ready = found.get("status", {}).get("readyReplicas", 0)
    look = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe pods"
    if ready < limits[0]:
        return failure("gateway", f"{ready} of {limits[0]} pods are ready", look)
    if ready == limits[1] > limits[0]:
        fix = "raise ingress.max_replicas if that lasts, and deploy"
        return warning("gateway", f"{ready} pods are ready, the most that there may be", fix)
    return ok("gateway", f"{ready} pods are ready, of {limits[0]} to {limits[1]}")


def _deployments(member: ObservedCluster, name: str, service: Service) -> Finding:
    """What runs of a service here, and what of it runs here that should not."""
    assert member.objects is not None
    wanted = member.environment.deployments(service).get(member.key)
    found = [
        one
        for one in member.objects.deployments
        if one["metadata"].get("namespace") == service.namespace
        and one["metadata"].get("labels", {}).get("app") == name
    ]
    own = "" if wanted is None else f"{name}-{wanted.version}"
    others = [one["metadata"]["name"] for one in found if one["metadata"]["name"] != own]
    wrong = [f"{other} runs here, and not in the configuration" for other in others]
    fixes = [f"{member.kubectl} --namespace {service.namespace} delete deployment {other}" for other in others]
    text = "not in this region, as configured"
    if wanted is not None:
        replicas = service.replicas if wanted.replicas is None else wanted.replicas
        more, fix = _wrong_with(member, service.namespace, own, replicas)
        wrong, fixes = [*more, *wrong], [*([fix] if more else []), *fixes]
        text = f"{own}: {replicas} of {replicas} available"
    return failure_or_ok(f"service {name}", wrong, text, chained(fixes))


def _wrong_with(member: ObservedCluster, namespace: str, name: str, replicas: int) -> tuple[list[str], str]:
    """Return what is wrong with a Deployment, and what to do about that."""
    assert member.objects is not None
    found = member.objects.deployment(namespace, name)
    if found is None:
        return [f"there is no {name}"], DEPLOY
    there = found["spec"].get("replicas", 1)
    kubectl = f"{member.kubectl} --namespace {namespace}"
    if there != replicas:
        drill = "; was a drill cut short?" if there == 0 else ""
        text = f"{name} is scaled to {there}, and the configuration says {replicas}{drill}"
        return [text], f"{kubectl} scale deployment {name} --replicas {replicas}"
    available = found.get("status", {}).get("availableReplicas", 0)
    if available < replicas:
        return [f"{name}: {available} of {replicas} available"], f"{kubectl} describe pods"
    return [], ""


def _failover(member: ObservedCluster, name: str, service: Service) -> Finding:
    """Whether the rule that switches locality on is there if, and only if, it should be."""
    assert member.objects is not None
    title = f"failover of {name}"
    found = any(_is(one, service.namespace, name) for one in member.objects.rules)
    words = {True: "on", False: "off"}
    rule = {True: "there is a DestinationRule", False: "there is no DestinationRule"}[found]
    wrong = [] if found == service.failover else [f"{rule}, and failover is {words[service.failover]}"]
    return failure_or_ok(title, wrong, words[found], DEPLOY)


def _is(thing: Object, namespace: str, name: str) -> bool:
    return (thing["metadata"]["namespace"], thing["metadata"]["name"]) == (namespace, name)

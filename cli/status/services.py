"""`mesh status`, of what runs in one cluster: services as the configuration has them, and the gateway."""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import identity
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, chained
from cli.status.comparison import differs, on_off
from config.demo import CLIENT_APP
from config.environment import DEMO_SERVICE
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.service import Service


def check_services(member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether each service runs as configured; other numbers of replicas are drift, or an unfinished drill."""
    environment = member.environment
    for name, service in environment.all_services().items():
        yield _check_deployments(member, name, service)
        yield _check_failover(member, name, service)
    if environment.demo.enabled:
        namespace = environment.all_services()[DEMO_SERVICE].namespace
        wrong, fix = _deployment_problems(member, namespace, CLIENT_APP, 1)
        yield failure_or_ok(f"client {CLIENT_APP}", wrong, "1 of 1 available", fix)


def check_gateway(member: ObservedCluster) -> Finding:
    """Return whether the gateway serves."""
    ingress = member.environment.ingress
    found = member.live.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME)
    scaler = member.live.autoscaler(GATEWAY_NAMESPACE, GATEWAY_NAME)
    if not ingress.enabled:
        wrong = [] if found is None else ["there is one, and ingress.enabled is false"]
        return failure_or_ok("gateway", wrong, "none, as configured", DEPLOY)
    if found is None or scaler is None:
        return failure("gateway", "there is none" if found is None else "it has no autoscaler", DEPLOY)
    least, most = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
    limits = f"{least} to {most}"
    if wrong := differs(limits, f"{ingress.min_replicas} to {ingress.max_replicas}", f"{limits} pods"):
        return failure("gateway", wrong[0], DEPLOY)
    ready = found.get("status", {}).get("readyReplicas", 0)
    look = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe pods"
    if ready < least:
        return failure("gateway", f"{ready} of {least} pods are ready", look)
    if ready == most > least:
        fix = "raise ingress.max_replicas if that lasts, and deploy"
        return warning("gateway", f"{ready} pods are ready, the most that there may be", fix)
    return ok("gateway", f"{ready} pods are ready, of {limits}")


def _check_deployments(member: ObservedCluster, name: str, service: Service) -> Finding:
    """Check a service's Deployments in one region, and find those that should not run there."""
    wanted = member.environment.deployments(service).get(member.key)
    deployed = (one["metadata"] for one in member.live.deployments)
    found = (one for one in deployed if one.get("namespace") == service.namespace)
    own = "" if wanted is None else f"{name}-{wanted.version}"
    others = [one["name"] for one in found if one.get("labels", {}).get("app") == name and one["name"] != own]
    wrong = [f"{other} runs here, and not in the configuration" for other in others]
    fixes = [f"{member.kubectl} --namespace {service.namespace} delete deployment {other}" for other in others]
    text = "not in this region, as configured"
    if wanted is not None:
        replicas = service.replicas if wanted.replicas is None else wanted.replicas
        more, fix = _deployment_problems(member, service.namespace, own, replicas)
        wrong, fixes = [*more, *wrong], [*([fix] if more else []), *fixes]
        text = f"{own}: {replicas} of {replicas} available"
    return failure_or_ok(f"service {name}", wrong, text, chained(fixes))


def _deployment_problems(member: ObservedCluster, namespace: str, name: str, replicas: int) -> tuple[list[str], str]:
    """Return what is wrong with a Deployment, and what to do about that."""
    found = member.live.deployment(namespace, name)
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


def _check_failover(member: ObservedCluster, name: str, service: Service) -> Finding:
    """Check that the DestinationRule for locality exists if, and only if, failover is on."""
    found = any(identity(one) == (service.namespace, name) for one in member.live.rules)
    rule = "a" if found else "no"
    wrong = [f"there is {rule} DestinationRule, and failover is {on_off(service.failover)}"]
    return failure_or_ok(f"failover of {name}", wrong if found != service.failover else [], on_off(found), DEPLOY)

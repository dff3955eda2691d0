"""`mesh status`, of what runs in one cluster: services as the configuration has them, and the gateway."""

from collections.abc import Iterator

from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.cluster_objects import Object, condition, identity
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, chained
from cli.status.comparison import differs, on_off
from config.demo import CLIENT_APP
from config.environment import DEMO_SERVICE
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.plural import counted
from config.services.pods import RegionalDeployment
from config.services.service import Service


def check_services(member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether each service runs as configured; other numbers of replicas are drift, or an unfinished drill."""
    environment = member.environment
    for name, service in environment.all_services().items():
        yield from (_check_deployments if service.image else _check_pods_of_another_pipeline)(member, name, service)
        yield _check_failover(member, name, service)
    if environment.demo.enabled:
        namespace = environment.all_services()[DEMO_SERVICE].namespace
        wrong, fix, about = _deployment_problems(member, namespace, CLIENT_APP, 1)
        yield failure_or_ok(f"client {CLIENT_APP}", wrong, "1 of 1 available", fix).about(*about)


def check_gateway(member: ObservedCluster) -> Finding:
    """Return whether the gateway serves."""
    ingress = member.environment.ingress
    found = member.live.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME)
    scaler = member.live.autoscaler(GATEWAY_NAMESPACE, GATEWAY_NAME)
    if not ingress.enabled:
        wrong = [] if found is None else ["it exists, but ingress.enabled is false"]
        return failure_or_ok("gateway", wrong, "none, as configured", DEPLOY)
    if found is None or scaler is None:
        kind = "Deployment" if found is None else "HorizontalPodAutoscaler"
        text = "it does not exist" if found is None else f"its {kind} is missing"
        return failure("gateway", text, DEPLOY).about(f"{kind} {GATEWAY_NAMESPACE}/{GATEWAY_NAME}")
    limits = (ingress.min_replicas, ingress.max_replicas)
    return _check_autoscaled(member, ("gateway", "ingress.max_replicas"), found, scaler, limits)


def _check_autoscaled(
    member: ObservedCluster, names: tuple[str, str], found: Object, scaler: Object, limits: tuple[int, int]
) -> Finding:
    """Check a Deployment whose replicas its HorizontalPodAutoscaler sets.

    Args:
        member: The cluster.
        names: Of the finding, and of the key that has the maximum.
        found: The Deployment.
        scaler: The HorizontalPodAutoscaler.
        limits: The configured minimum and maximum.
    """
    (title, key), (fewest, most) = names, limits
    live = f"{scaler['spec'].get('minReplicas', 1)} to {scaler['spec']['maxReplicas']}"
    if wrong := differs(live, f"{fewest} to {most}", f"autoscaling is {live} pods"):
        return failure(title, wrong[0], DEPLOY).about(f"HorizontalPodAutoscaler {'/'.join(identity(scaler))}")
    namespace, name = identity(found)
    kubectl = f"{member.kubectl} --namespace {namespace}"
    status = found.get("status", {})
    ready = status.get("readyReplicas", 0)
    if found["spec"].get("replicas", 1) == 0:
        text = f"{name} has 0 replicas, at which its HorizontalPodAutoscaler does nothing"
        return failure(title, text, f"{kubectl} scale deployment {name} --replicas {fewest}")
    if ready < fewest:
        text = "; ".join([f"{ready} of {counted(fewest, 'pod')} ready", *unready_pods(member, found)])
        return failure(title, text, f"{kubectl} describe pods")
    if status.get("unavailableReplicas", 0):  # a rollout that fails, or the autoscaler has just added a pod
        text = "; ".join([f"{counted(ready, 'pod')} ready, others are not", *unready_pods(member, found)])
        return warning(title, text, f"if that persists: {kubectl} describe pods")
    if ready == most > fewest:
        return warning(
            title,
            f"{counted(ready, 'pod')} ready, the configured maximum",
            f"if that persists, raise {key}, and deploy",
        )
    return ok(title, f"{counted(ready, 'pod')} ready, autoscaling {live}")


def _check_deployments(member: ObservedCluster, name: str, service: Service) -> Iterator[Finding]:
    """Check a service's Deployments in one region, and find those that should not run there."""
    wanted = member.environment.deployments(service).get(member.key, ())
    deployed = (one["metadata"] for one in member.live.deployments)
    found = (one for one in deployed if one.get("namespace") == service.namespace)
    own = {f"{name}-{one.version}" for one in wanted}
    others = [one["name"] for one in found if one.get("labels", {}).get("app") == name and one["name"] not in own]
    first, *further = [_check_deployment(member, name, service, one) for one in wanted] or [
        ok(f"service {name}", "not in this region, as configured")
    ]
    if others:
        failed = first.state is FindingState.FAILURE
        wrong = [*([first.text] if failed else []), *(f"{one} is not configured in this region" for one in others)]
        kubectl = f"{member.kubectl} --namespace {service.namespace}"
        fixes = [*([first.fix] if failed else []), *(f"{kubectl} delete deployment {one}" for one in others)]
        first = failure(first.name, "; ".join(wrong), chained(fixes))
    yield from (one.about(service=name) for one in (first, *further))


def _check_deployment(member: ObservedCluster, name: str, service: Service, deployment: RegionalDeployment) -> Finding:
    """Check a Deployment of a service that runs in a region."""
    version = f", version {deployment.version}" if service.versions else ""
    title, namespace, own = f"service {name}{version}", service.namespace, f"{name}-{deployment.version}"
    scaling = service.scaling_in(deployment)
    scaler = member.live.autoscaler(namespace, own)
    if isinstance(scaling, int):
        if scaler is not None:
            text = f"the HorizontalPodAutoscaler {own} exists, but autoscaling is not configured"
            return failure(title, text, f"{member.kubectl} --namespace {namespace} delete hpa {own}")
        wrong, fix, about = _deployment_problems(member, namespace, own, scaling)
        return failure_or_ok(title, wrong, f"{own}: {scaling} of {scaling} available", fix).about(*about)
    found = member.live.deployment(namespace, own)
    if found is None:
        return failure(title, f"the Deployment {own} does not exist", DEPLOY).about(f"Deployment {namespace}/{own}")
    if scaler is None:
        text = f"the HorizontalPodAutoscaler {own} does not exist"
        return failure(title, text, DEPLOY).about(f"HorizontalPodAutoscaler {namespace}/{own}")
    names = (title, f"services.{name}.autoscaling.max_replicas")
    return _check_autoscaled(member, names, found, scaler, (scaling.min_replicas, scaling.max_replicas))


def _check_pods_of_another_pipeline(member: ObservedCluster, name: str, service: Service) -> Iterator[Finding]:
    """Check that a service has a ready pod in each of its regions, and none elsewhere; the rest is the pipeline's.

    Of several versions, each that gets requests has to have one.
    """
    pods = [
        one
        for one in member.live.pods
        if one["metadata"]["namespace"] == service.namespace and one["metadata"].get("labels", {}).get("app") == name
    ]
    ready = [one for one in pods if condition(one, "Ready") == "True"]
    title, look = f"service {name}", f"{member.kubectl} --namespace {service.namespace} get pods --selector app={name}"
    if member.key not in member.environment.deployments(service):
        wrong = (
            [f"{counted(len(pods), 'pod')} of it here, but services.{name}.regions has no {member.key}"] if pods else []
        )
        yield failure_or_ok(title, wrong, "not in this region, as configured", look).about(service=name)
        return
    reasons = [f"pod {one['metadata']['name']}: {_reason(one)}" for one in pods]
    wrong = [] if ready else ["; ".join([f"no pod with the label app={name} is ready", *reasons])]
    if ready:
        serving = {one["metadata"]["labels"].get("version") for one in ready}
        idle = [version for version, weight in service.weights.items() if weight and version not in serving]
        wrong = [f"no ready pod has the label version={one}, which gets requests" for one in idle]
    right = f"{len(ready)} of {counted(len(pods), 'pod')} ready, deployed by another pipeline"
    fix = f"deploy it with its own pipeline, then: {look}"
    yield failure_or_ok(title, wrong, right, fix).about(service=name)


def _deployment_problems(
    member: ObservedCluster, namespace: str, name: str, replicas: int
) -> tuple[list[str], str, frozenset[str]]:
    """Return what is wrong with a Deployment, what to do about that, and the object, if that alone is wrong."""
    found = member.live.deployment(namespace, name)
    itself = frozenset([f"Deployment {namespace}/{name}"])
    if found is None:
        return [f"the Deployment {name} does not exist"], DEPLOY, itself
    there = found["spec"].get("replicas", 1)
    kubectl = f"{member.kubectl} --namespace {namespace}"
    if there != replicas:
        drill = "; an interrupted mesh drill may be the cause" if there == 0 else ""
        text = f"{name} has {counted(there, 'replica')}, but {replicas} configured{drill}"
        return [text], f"{kubectl} scale deployment {name} --replicas {replicas}", itself
    status = found.get("status", {})
    available = status.get("availableReplicas", 0)
    # In a rollout that fails, the old pods are still available.
    if available < replicas or status.get("unavailableReplicas", 0):
        pods = [f"{name}: {available} of {replicas} available", *unready_pods(member, found)]
        return ["; ".join(pods)], f"{kubectl} describe pods", frozenset()
    return [], "", frozenset()


def unready_pods(member: ObservedCluster, deployment: Object) -> Iterator[str]:
    """Yield each pod of a Deployment that is not ready, with the reason."""
    wanted = deployment["spec"].get("selector", {}).get("matchLabels", {}).items()
    namespace = deployment["metadata"]["namespace"]
    for pod in member.live.pods:
        labels = pod["metadata"].get("labels", {}).items()
        if (
            pod["metadata"]["namespace"] == namespace
            and wanted
            and wanted <= labels
            and condition(pod, "Ready") != "True"
        ):
            yield f"pod {pod['metadata']['name']}: {_reason(pod)}"


def _reason(pod: Object) -> str:
    """Return why a pod is not ready: what a container waits for or has ended with, else what a condition says."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        for state in ("waiting", "terminated"):
            found = container.get("state", {}).get(state, {})
            if found.get("reason") not in (None, "Completed", "ContainerCreating", "PodInitializing"):
                return ": ".join(filter(None, (found["reason"], found.get("message"))))
    for one in status.get("conditions", []):
        if one["status"] == "False" and one.get("message"):
            return f"{one.get('reason', one['type'])}: {one['message']}"
    return str(status.get("phase", "not ready"))


def _check_failover(member: ObservedCluster, name: str, service: Service) -> Finding:
    """Check that the DestinationRule has outlier detection if, and only if, failover is on."""
    rules = [one for one in member.live.rules if identity(one) == (service.namespace, name)]
    found = any("outlierDetection" in one.get("spec", {}).get("trafficPolicy", {}) for one in rules)
    state = "has outlier detection" if found else "has no outlier detection" if rules else "is missing"
    wrong = [f"the DestinationRule {state}, but failover is {on_off(service.failover)}"]
    finding = failure_or_ok(f"failover of {name}", wrong if found != service.failover else [], on_off(found), DEPLOY)
    return finding.about(f"DestinationRule {service.namespace}/{name}", service=name)

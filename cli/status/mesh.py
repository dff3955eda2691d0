"""`mesh status`, of the mesh in one cluster: its control plane and kinds, and whether proxies are of its revision."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import REVISION_LABEL, TAG_LABEL, Object
from cli.sources.described import LookupResult
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, api_error_fix, chained
from cli.sources.state import TerraformStates
from cli.status.control_plane import look_at_control_plane
from config.crds import required_crds
from config.environment import Environment
from config.naming import GATEWAY_NAMESPACE

STATUS = "sidecar.istio.io/status"
"""Annotation that the injector leaves in a pod: JSON, in which ``revision`` is its own."""

INJECT = "sidecar.istio.io/inject"
PROXY = "istio-proxy"
ENDED = ("Succeeded", "Failed")


def look_at_mesh(member: ObservedCluster, feature: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield what is to be said of the mesh in a cluster.

    Args:
        feature: ``servicemesh``, of the fleet.
    """
    objects = member.objects
    assert objects is not None
    yield from look_at_control_plane(member, feature, state)
    wanted = required_crds(config_cluster=member.key == member.environment.ingress.config_cluster)
    wrong = [f"not served: {name}" for name in wanted if name not in objects.crds]
    yield failure_or_ok("kinds", wrong, f"{len(wanted)} are served", DEPLOY)
    yield _namespaces(member)
    yield _other_namespaces(member)
    yield from _proxies(member)


def proxies(member: ObservedCluster) -> tuple[list[Object], list[Object], list[Object]]:
    """Return the pods with a proxy of the configured revision, of another one, and those that should have one."""
    assert member.objects is not None
    labelled = {
        one["metadata"]["name"]
        for one in member.objects.namespaces
        if REVISION_LABEL in one["metadata"].get("labels", {})
    }
    current = _current_revisions(member)
    of_now: list[Object] = []
    of_old: list[Object] = []
    without: list[Object] = []
    for pod in member.objects.pods:
        if pod.get("status", {}).get("phase") in ENDED or "deletionTimestamp" in pod["metadata"]:
            continue
        if _has_proxy(pod):
            (of_now if revision_of(pod) in current else of_old).append(pod)
        elif pod["metadata"]["namespace"] in labelled and _wants_proxy(pod):
            without.append(pod)
    return of_now, of_old, without


def revision_of(pod: Object) -> str:
    """Return which control plane's injector a pod was made by."""
    metadata = pod["metadata"]
    try:
        status = json.loads(metadata.get("annotations", {}).get(STATUS, "{}"))
    except ValueError:
        status = {}
    return str(status.get("revision") or metadata.get("labels", {}).get(REVISION_LABEL, "?"))


def namespaces_of(environment: Environment) -> list[str]:
    """Return the namespaces that the stacks make in every cluster."""
    found = [service.namespace for service in environment.all_services().values()]
    if environment.ingress.enabled:
        found.append(GATEWAY_NAMESPACE)
    return list(dict.fromkeys(found))


def _namespaces(member: ObservedCluster) -> Finding:
    assert member.objects is not None
    wanted = member.environment.revision
    wrong = []
    for name in namespaces_of(member.environment):
        found = member.objects.namespace(name)
        label = "" if found is None else found["metadata"].get("labels", {}).get(REVISION_LABEL, "")
        if found is None:
            wrong.append(f"there is no {name}")
        elif label != wanted:
            wrong.append(f"{name} is labelled {label or 'with no revision'}, and not {wanted}")
    return failure_or_ok("namespaces", wrong, f"labelled {wanted}", DEPLOY)


def _other_namespaces(member: ObservedCluster) -> Finding:
    """Namespaces that are not ours, and that another control plane than the configured one injects."""
    assert member.objects is not None
    ours, wanted = namespaces_of(member.environment), member.environment.revision
    labels = {
        one["metadata"]["name"]: one["metadata"].get("labels", {}).get(REVISION_LABEL, wanted)
        for one in member.objects.namespaces
    }
    others = {name: label for name, label in labels.items() if name not in ours and label != wanted}
    if not others:
        return ok("other namespaces", "none is labelled otherwise")
    text = ", ".join(f"{name} is labelled {label}" for name, label in others.items())
    commands = (f"{member.kubectl} label namespace {name} {REVISION_LABEL}={wanted} --overwrite" for name in others)
    return warning("other namespaces", text, chained(commands))


def _proxies(member: ObservedCluster) -> Iterator[Finding]:
    of_now, of_old, without = proxies(member)
    wanted = member.environment.revision
    counts = [f"{_whose(pod)} is of {revision_of(pod)}" for pod in of_old]
    yield failure_or_ok("proxies", counts, f"{len(of_now)} are of {wanted}", chained(_restarts(member, of_old)))
    names = [_whose(pod) for pod in without]
    fix = chained(_restarts(member, without))
    yield failure_or_ok("sidecars", [f"none in {', '.join(names)}"] if names else [], "no pod is without", fix)


def _restarts(member: ObservedCluster, pods: Sequence[Object]) -> list[str]:
    """Return the commands that make pods anew: a proxy is put into a pod when the pod is made."""
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for pod in pods:
        owner = next((one for one in pod["metadata"].get("ownerReferences", [])), None)
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        command = f"delete pod {name}"
        if owner is not None and owner["kind"] == "ReplicaSet":
            command = f"rollout restart deployment {owner['name'].rpartition('-')[0]}"
        elif owner is not None and owner["kind"] in ("StatefulSet", "DaemonSet"):
            command = f"rollout restart {owner['kind'].lower()} {owner['name']}"
        by_namespace[namespace].append(command)
    return [
        f"{member.kubectl} --namespace {namespace} {command}"
        for namespace, commands in by_namespace.items()
        for command in dict.fromkeys(commands)
    ]


def _current_revisions(member: ObservedCluster) -> set[str]:
    """Return what a pod of the configured revision may call it: that may be a tag, which is another one's name.

    Source: https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels
    """
    assert member.objects is not None
    labels = (one["metadata"]["labels"] for one in member.objects.injectors)
    wanted = member.environment.revision
    return {wanted, *(one[REVISION_LABEL] for one in labels if one.get(TAG_LABEL) == wanted)}


def _has_proxy(pod: Object) -> bool:
    spec = pod.get("spec", {})
    # As an init container that stays, where the cluster can do that.
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    return STATUS in pod["metadata"].get("annotations", {}) or any(one["name"] == PROXY for one in containers)


def _wants_proxy(pod: Object) -> bool:
    metadata = pod["metadata"]
    said = metadata.get("labels", {}).get(INJECT) or metadata.get("annotations", {}).get(INJECT)
    return said != "false" and not pod.get("spec", {}).get("hostNetwork", False)


def _whose(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def look_at_feature(name: str, found: LookupResult, project: str) -> Finding:
    """Return whether a feature of the fleet is on."""
    title = f"feature {name}"
    commands = {"servicemesh": "mesh", "multiclusteringress": "ingress"}
    describe = f"gcloud container fleet {commands[name]} describe --project {project}"
    if isinstance(found, ApiError):
        return failure(title, f"not known: {found}", api_error_fix(found, "gkehub", project))
    if found is None:
        return failure(title, "it is off", DEPLOY)
    state = found.get("resourceState", {}).get("state", "STATE_UNSPECIFIED")
    running = found.get("state", {}).get("state", {})
    code, said = running.get("code", "OK"), running.get("description", "")
    text = f"{state}, {code}: {said}" if said else state
    if state not in ("ACTIVE", "UPDATING", "SERVICE_UPDATING") or code == "ERROR":
        return failure(title, text, describe)
    return warning(title, text, describe) if code == "WARNING" or state != "ACTIVE" else ok(title, text)

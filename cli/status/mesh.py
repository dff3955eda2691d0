"""`mesh status`, of the mesh in one cluster: its control plane, its CRDs, and the revisions of its proxies."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import TAG_LABEL, Object, identity
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.proxies import has_proxy
from cli.sources.remediation import DEPLOY, chained
from cli.sources.resources import FEATURE_GROUPS
from cli.sources.state import TerraformStates
from cli.status.comparison import unknown
from cli.status.control_plane import check_control_plane
from config.crds import required_crds
from config.environment import Environment
from config.naming import GATEWAY_NAMESPACE, INJECTION_LABEL, REVISION_LABEL

STATUS = "sidecar.istio.io/status"
"""Annotation that the injector adds to a pod: JSON with its ``revision``."""

INJECT = "sidecar.istio.io/inject"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Proxies:
    """The pods of the mesh in one cluster.

    Attributes:
        current: With a proxy of the configured revision.
        outdated: With a proxy of another revision.
        missing: Without the proxy that they should have.
    """

    current: list[Object] = field(default_factory=list)
    outdated: list[Object] = field(default_factory=list)
    missing: list[Object] = field(default_factory=list)


def check_mesh(member: ObservedCluster, feature: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield whether the mesh in a cluster is as configured.

    Args:
        member: The cluster.
        feature: ``servicemesh``, of the fleet.
        state: Of terraform.
    """
    yield from check_control_plane(member, feature, state)
    wanted = required_crds(member.environment, member.key)
    wrong = [f"{name} is not established" for name in wanted if name not in member.live.served]
    yield failure_or_ok("CRDs", wrong, f"all {len(wanted)} established", DEPLOY)
    yield _check_namespaces(member)
    yield _check_other_namespaces(member)
    yield from _check_proxies(member)


def proxies_of(member: ObservedCluster) -> Proxies:
    """Return the pods that have a proxy, or should have one."""
    namespaces = (one["metadata"] for one in member.live.namespaces)
    injected = {one["name"] for one in namespaces if _injects(one.get("labels", {}))}
    by_revision = member.environment.control_plane.selected_by_revision
    revisions = _current_revisions(member)
    found = Proxies()
    for pod in member.live.pods:
        if pod.get("status", {}).get("phase") in ENDED or "deletionTimestamp" in pod["metadata"]:
            continue
        if STATUS in pod["metadata"].get("annotations", {}) or has_proxy(pod):
            current = not by_revision or revision_of(pod) in revisions
            (found.current if current else found.outdated).append(pod)
        elif pod["metadata"]["namespace"] in injected and _wants_proxy(pod):
            found.missing.append(pod)
    return found


def revision_of(pod: Object) -> str:
    """Return the revision whose injector has added a pod's proxy."""
    metadata = pod["metadata"]
    try:
        status = json.loads(metadata.get("annotations", {}).get(STATUS, "{}"))
    except ValueError:
        status = {}
    return str(status.get("revision") or metadata.get("labels", {}).get(REVISION_LABEL, "?"))


def namespaces_of(environment: Environment) -> list[str]:
    """Return the namespaces that the stacks create in every cluster."""
    return [*environment.namespaces(), *([GATEWAY_NAMESPACE] if environment.ingress.enabled else [])]


def _check_namespaces(member: ObservedCluster) -> Finding:
    """Check that each namespace has the injection label of the control plane mode, and not that of another mode."""
    ((label, wanted),) = member.environment.injection_labels.items()
    (other,) = {REVISION_LABEL, INJECTION_LABEL} - {label}
    wrong, commands, about = [], [DEPLOY], set[str]()
    for name in namespaces_of(member.environment):
        found = member.live.namespace(name)
        labels = {} if found is None else found["metadata"].get("labels", {})
        if found is None:
            wrong.append(f"{name} does not exist")
            about.add(f"Namespace {name}")
        elif labels.get(label) != wanted:
            wrong.append(
                f"{name} has the label {label}={labels[label]}, not {wanted}"
                if label in labels
                else f"{name} has no label {label}={wanted}"
            )
            about.add(f"Namespace {name}")
        elif other in labels:
            wrong.append(f"{name} has the label {other}={labels[other]}, which {_effect(other)}")
            commands.insert(0, f"{member.kubectl} label namespace {name} {other}-")
    about = about if len(about) == len(wrong) else set()
    return failure_or_ok("namespaces", wrong, f"all have the label {label}={wanted}", chained(commands)).about(*about)


def _effect(label: str) -> str:
    """Return what a label of the other mode does: istiod's webhooks of revisions skip a namespace that has the first.

    Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    """
    return "disables injection by revision" if label == INJECTION_LABEL else "selects another injector"


def _check_other_namespaces(member: ObservedCluster) -> Finding:
    """Find namespaces outside the configuration that another revision than the configured one injects."""
    own, wanted = namespaces_of(member.environment), member.environment.revision
    labels = {
        one["metadata"]["name"]: one["metadata"].get("labels", {}).get(REVISION_LABEL, wanted)
        for one in member.live.namespaces
    }
    others = {name: label for name, label in labels.items() if name not in own and label != wanted}
    if not others:
        return ok("other namespaces", "none has the label of another revision")
    text = ", ".join(f"{name} has the label {REVISION_LABEL}={label}" for name, label in others.items())
    commands = (f"{member.kubectl} label namespace {name} {REVISION_LABEL}={wanted} --overwrite" for name in others)
    return warning("other namespaces", text, chained(commands))


def _check_proxies(member: ObservedCluster) -> Iterator[Finding]:
    found = proxies_of(member)
    wrong = [f"{'/'.join(identity(pod))} has revision {revision_of(pod)}" for pod in found.outdated]
    by_revision = member.environment.control_plane.selected_by_revision
    right = (
        f"{len(found.current)} with revision {member.environment.revision}" if by_revision else str(len(found.current))
    )
    yield failure_or_ok("proxies", wrong, right, restarts(member, found.outdated))
    names = ", ".join("/".join(identity(pod)) for pod in found.missing)
    fix = restarts(member, found.missing)
    yield failure_or_ok("sidecars", [f"missing in {names}"] if names else [], "in every pod", fix)


def restarts(member: ObservedCluster, pods: Sequence[Object]) -> str:
    """Return the commands that recreate pods, as a sidecar is only injected into a new one."""
    commands = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["namespace"])):
        owner: Object = next(iter(pod["metadata"].get("ownerReferences", [])), {})
        match owner.get("kind"):
            case "ReplicaSet":
                command = f"rollout restart deployment {owner['name'].rpartition('-')[0]}"
            case "StatefulSet" | "DaemonSet":
                command = f"rollout restart {owner['kind'].lower()} {owner['name']}"
            case _:
                command = f"delete pod {pod['metadata']['name']}"
        commands.append(f"{member.kubectl} --namespace {pod['metadata']['namespace']} {command}")
    return chained(commands)


def _current_revisions(member: ObservedCluster) -> set[str]:
    """Return the names of the configured revision: its own, and that of the revision whose tag it is.

    Source: https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels
    """
    labels = (one["metadata"]["labels"] for one in member.live.injectors)
    wanted = member.environment.revision
    return {wanted, *(one[REVISION_LABEL] for one in labels if one.get(TAG_LABEL) == wanted)}


def _injects(labels: Mapping[str, str]) -> bool:
    return REVISION_LABEL in labels or labels.get(INJECTION_LABEL) == "enabled"


def _wants_proxy(pod: Object) -> bool:
    metadata = pod["metadata"]
    inject = metadata.get("labels", {}).get(INJECT) or metadata.get("annotations", {}).get(INJECT)
    return inject != "false" and not pod.get("spec", {}).get("hostNetwork", False)


def check_feature(name: str, found: LookupResult, project: str) -> Finding:
    """Return whether a feature of the fleet is on."""
    title = f"feature {name}"
    describe = f"gcloud container fleet {FEATURE_GROUPS[name]} describe --project {project}"
    if isinstance(found, ApiError):
        return unknown(title, found, "gkehub", project)
    if found is None:
        return failure(title, "disabled", DEPLOY)
    state = found.get("resourceState", {}).get("state", "STATE_UNSPECIFIED")
    running = found.get("state", {}).get("state", {})
    code, description = running.get("code", "OK"), running.get("description", "")
    text = f"{state}, {code}: {description}" if description else state
    if state not in ("ACTIVE", "UPDATING", "SERVICE_UPDATING") or code == "ERROR":
        return failure(title, text, describe)
    return warning(title, text, describe) if code == "WARNING" or state != "ACTIVE" else ok(title, text)

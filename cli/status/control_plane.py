"""`mesh status`, of what makes a cluster part of the mesh: its control plane, and what its installation leaves.

What is looked at follows from what the configured way to a mesh says of itself
(`config.control_plane`), and never from its name.
"""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import REVISION_LABEL, TAG_LABEL, ClusterObjects, Object, condition
from cli.sources.described import AUTOMATIC, LookupResult, membership_spec, membership_state
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.mesh_components import READINESS_JOB_PREFIX, uninstall_command
from cli.sources.remediation import DEPLOY, chained, replace_command, unmanage_command
from cli.sources.state import StateResource, TerraformStates
from config.naming import MESH_NAMESPACE

PROVISIONED = "ProvisioningFinished"
"""Condition of a ControlPlaneRevision for which asmcli waits, too."""

CONNECTED = "connected"


def look_at_control_plane(member: ObservedCluster, feature: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield what is to be said of a cluster's control plane.

    Args:
        feature: ``servicemesh``, of the fleet.
    """
    way = member.environment.control_plane
    told = membership_state(feature, member.region, member.described).get("servicemesh", {})
    if way.runs_on_nodes:
        yield _istiod(member)
        yield _injector(member)
        yield _other_istiods(member)
    else:
        yield _managed(member, told)
    yield from _conditions(told)
    yield _management(member, feature)
    if not way.runs_on_nodes:
        yield _multicluster_mode(member)
    yield _marker(member, state) if way.installer == "asmcli" else _readiness(member)


def istiod_of(member: ObservedCluster) -> tuple[str, Object | None]:
    """Return the name that a control plane of the configured revision has on the nodes, and its Deployment."""
    assert member.objects is not None
    name = f"istiod-{member.environment.revision}"
    return name, member.objects.deployment(MESH_NAMESPACE, name)


def istiods_in(objects: ClusterObjects) -> list[Object]:
    """Return the control planes on a cluster's nodes, of any revision."""
    return [
        one
        for one in objects.deployments
        if one["metadata"].get("namespace") == MESH_NAMESPACE
        and one["metadata"].get("labels", {}).get("app") == "istiod"
    ]


def mode_of(member: ObservedCluster) -> str:
    """Return how a cluster finds the other ones' services, where its control plane takes no remote secrets."""
    assert member.objects is not None
    return str((member.objects.options or {}).get("data", {}).get("multicluster_mode", "not set"))


def ready_of(deployment: Object | None) -> tuple[int, int]:
    """Return how many of a Deployment's pods are ready, and how many there should be."""
    if deployment is None:
        return 0, 0
    return deployment.get("status", {}).get("readyReplicas", 0), deployment.get("spec", {}).get("replicas", 1)


def _istiod(member: ObservedCluster) -> Finding:
    title = "control plane of the mesh"
    name, found = istiod_of(member)
    if found is None:
        return failure(title, f"there is no {name}", DEPLOY)
    ready, wanted = ready_of(found)
    look = f"{member.kubectl} --namespace {MESH_NAMESPACE} describe deployment,pods --selector app=istiod"
    if ready == 0:
        return failure(title, f"{name}: 0 of {wanted} ready", look)
    if ready < wanted:
        return warning(title, f"{name}: {ready} of {wanted} ready", look)
    return ok(title, f"{name}: {ready} of {wanted} ready")


def _injector(member: ObservedCluster) -> Finding:
    """Whether pods get a sidecar of the pinned revision: without the webhook they come up without one."""
    assert member.objects is not None
    title, revision = "injection webhook", member.environment.revision
    found = [
        one
        for one in member.objects.injectors
        if one["metadata"]["labels"].get(REVISION_LABEL) == revision and TAG_LABEL not in one["metadata"]["labels"]
    ]
    if not found:
        return failure(title, f"there is none of {revision}: new pods get no sidecar", DEPLOY)
    wrong = []
    for webhook in found:
        clients = [one.get("clientConfig", {}) for one in webhook.get("webhooks", [])]
        leads = {one.get("service", {}).get("name", "elsewhere") for one in clients}
        if leads != {f"istiod-{revision}"}:
            wrong.append(f"{webhook['metadata']['name']} leads to {', '.join(sorted(leads)) or 'nothing'}")
        elif not all(one.get("caBundle") for one in clients):
            wrong.append(f"{webhook['metadata']['name']} has no CA yet, by which istiod would be trusted")
    fix = f"{member.kubectl} --namespace {MESH_NAMESPACE} logs deployment/istiod-{revision}"
    return failure_or_ok(title, wrong, f"leads to istiod-{revision}", fix)


def _other_istiods(member: ObservedCluster) -> Finding:
    """An upgrade leaves the control plane of the revision before, which serves its proxies until they are made anew."""
    assert member.objects is not None
    title, own = "other control planes", istiod_of(member)[0]
    others = [name for one in istiods_in(member.objects) if (name := one["metadata"]["name"]) != own]
    if not others:
        return ok(title, "none")
    text = f"{', '.join(others)}; when no proxy is of it any more, it can go"
    return warning(title, text, chained(uninstall_command(member.kubectl, one) for one in others))


def _managed(member: ObservedCluster, told: Object) -> Finding:
    """
    Args:
        told: by the mesh's feature, of this cluster; a control plane that a script has asked for need not be in it.
    """
    assert member.objects is not None
    name = "control plane of the mesh"
    management = told.get("controlPlaneManagement", {})
    lifecycle, kind = management.get("state", ""), management.get("implementation", "")
    details = "; ".join(
        f"{one.get('code', '')} {one.get('details', '')}".strip() for one in management.get("details", [])
    )
    wrong = []
    if lifecycle not in ("", "ACTIVE"):
        wrong.append(f"{lifecycle} ({details})" if details else lifecycle)
    revisions = [one["metadata"]["name"] for one in member.objects.revisions if condition(one, PROVISIONED) == "True"]
    waiting = [one["metadata"]["name"] for one in member.objects.revisions if condition(one, PROVISIONED) != "True"]
    if waiting and not revisions:
        wrong.append(f"{', '.join(waiting)} is not provisioned")
    elif not revisions and lifecycle != "ACTIVE":
        wrong.append("there is none")
    said = [word for word in (", ".join(revisions), lifecycle, kind, details) if word]
    fix = f"gcloud container fleet mesh describe --project {member.environment.project.id}"
    return failure_or_ok(name, wrong, ", ".join(said), fix if member.objects.revisions else DEPLOY)


def _conditions(told: Object) -> Iterator[Finding]:
    """What Google has to say of a cluster's mesh, each with its own page."""
    for one in told.get("conditions", []):
        name, text = f"condition {one.get('code', '?')}", one.get("details", "")
        link = one.get("documentationLink") or "gcloud container fleet mesh describe"
        match one.get("severity"):
            case "ERROR":
                yield failure(name, text, link)
            case "WARNING":
                yield warning(name, text, link)
            case _:
                yield ok(name, text)


def _management(member: ObservedCluster, feature: LookupResult) -> Finding:
    """Whether the fleet manages the mesh if, and only if, that is the way that was chosen."""
    title = "fleet's management"
    if isinstance(feature, ApiError):  # not another failure: the fleet's own section has it
        return warning(title, "not known", "see Fleet")
    found = membership_spec(feature, member.region, member.described).get("mesh", {})
    management = found.get("management", "not set")
    if member.environment.control_plane.installer == "fleet-api":
        wrong = [] if management == AUTOMATIC else [f"{management}, and not {AUTOMATIC}: Google makes no mesh here"]
        return failure_or_ok(title, wrong, management, DEPLOY)
    if management != AUTOMATIC:
        return ok(title, "none, as configured")
    text = f"{AUTOMATIC}: Google makes a control plane of its own here, too, and it is not in the configuration"
    return warning(title, text, let_go(member))


def let_go(member: ObservedCluster) -> str:
    """Return the command by which the fleet lets go of a cluster's mesh."""
    found = member.membership if isinstance(member.membership, dict) else {}
    parts = found.get("name", "").split("/")
    place, name = (parts[3], parts[5]) if len(parts) > 5 else (member.region.location, member.region.names.cluster)
    return unmanage_command(name, place, member.environment.project.id)


def _multicluster_mode(member: ObservedCluster) -> Finding:
    assert member.objects is not None
    mode = mode_of(member)
    newer = (
        "with a control plane of Google's newer kind, " if member.environment.control_plane.uses_remote_secrets else ""
    )
    wrong = [] if mode == CONNECTED else [f"{mode}: {newer}no other cluster is seen"]
    patch = """patch configmap asm-options --type merge --patch '{"data": {"multicluster_mode": "connected"}}'"""
    fix = f"{member.kubectl} --namespace {MESH_NAMESPACE} {patch}"
    return failure_or_ok("multicluster mode", wrong, mode, fix if member.objects.options else DEPLOY)


def _marker(member: ObservedCluster, state: TerraformStates) -> Finding:
    """Whether the installation came to its end: it marks the cluster when it has, with a checksum of its inputs.

    What was under way when terraform was killed may count as done.
    """
    assert member.objects is not None
    title = "installation"
    by = installed_by(member, state)
    there = (member.objects.marker or {}).get("data", {}).get("installed", "")
    fix = replace_command(by.address, "that of control-plane_install") if by is not None else DEPLOY
    if not there:
        return failure(title, "it has left no mark: it has not come to its end", fix)
    if by is None:
        return ok(title, "whole; whether by the inputs of now, terraform's state knows, which is not here")
    wrong = [] if there == by.checksum else ["it is of other inputs than terraform's state has"]
    return failure_or_ok(title, wrong, "whole, and of the inputs of now", fix)


def installed_by(member: ObservedCluster, state: TerraformStates) -> StateResource | None:
    """Return the resource that has installed the mesh in a cluster; None if it is not known."""
    for one in state.get("mesh") or ():
        if "asmcli_url" in one.inputs and one.inputs.get("cluster") == member.region.names.cluster:
            return one
    return None


def _readiness(member: ObservedCluster) -> Finding:
    """The Job by which a deploy waits for the mesh."""
    assert member.objects is not None
    title = "readiness"
    jobs = [one for one in member.objects.jobs if one["metadata"]["name"].startswith(READINESS_JOB_PREFIX)]
    if not jobs:
        return failure(title, "no Job has waited for the mesh here", DEPLOY)
    job = max(jobs, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    name, status = job["metadata"]["name"], job.get("status", {})
    kubectl = f"{member.kubectl} --namespace {MESH_NAMESPACE}"
    logs = f"{kubectl} logs job/{name} --all-containers --prefix"
    if condition(job, "Failed") == "True":
        said = next(one for one in status["conditions"] if one["type"] == "Failed")
        why = ": ".join(said[word] for word in ("reason", "message") if said.get(word))
        return failure(title, f"{name} has failed: {why or 'it does not say why'}", _all_in_turn(logs, kubectl, name))
    if status.get("succeeded", 0):
        return ok(title, f"{name} is done")
    return failure(title, f"{name} still waits for the mesh", logs)


def _all_in_turn(logs: str, kubectl: str, job: str) -> str:
    """Terraform takes a Job that is there for its own, and would wait for it again."""
    return chained((logs, f"{kubectl} delete job {job}", DEPLOY))

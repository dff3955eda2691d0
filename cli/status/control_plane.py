"""`mesh status`, of the mesh control plane in one cluster and of its installation.

Which checks apply follows from what the control plane mode implies (`config.control_plane`),
and never from its name.
"""

from collections.abc import Iterator

from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.cluster_objects import TAG_LABEL, ClusterObjects, Object, condition
from cli.sources.completion import installation_in, installed_inputs
from cli.sources.described import AUTOMATIC, membership_spec, membership_state
from cli.sources.google import ApiError, LookupResult
from cli.sources.implementation import check_implementation
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.mesh_components import READINESS_JOB_PREFIX, uninstall_command
from cli.sources.remediation import DEPLOY, chained, replace_command, unmanage_command
from cli.sources.state import TerraformStates
from cli.status.comparison import GOOGLE_APIS
from config.naming import MESH_NAMESPACE, REVISION_LABEL

PROVISIONED = "ProvisioningFinished"
"""Condition of a ControlPlaneRevision that asmcli waits for, too."""

CONTROL_PLANE = "mesh control plane"
"""Name of a finding, and what findings are about that it explains."""

CONNECTED = "connected"
SEVERITIES = {"ERROR": FindingState.FAILURE, "WARNING": FindingState.WARNING}


def check_control_plane(member: ObservedCluster, feature: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield whether a cluster's mesh control plane runs, complete and as configured.

    Args:
        member: The cluster.
        feature: ``servicemesh``, of the fleet.
        state: Of terraform, in which the installation is.
    """
    if isinstance(feature, ApiError) and feature.no_response and not _is_service_mesh(member):
        yield _check_any_istio(member).about(CONTROL_PLANE)
        return
    mode = member.environment.control_plane
    reported = membership_state(feature, member.region, member.described).get("servicemesh", {})
    if mode.runs_on_nodes:
        yield _check_istiod(member).about(CONTROL_PLANE)
        yield _check_injector(member)
        yield _check_other_istiods(member)
    else:
        yield _check_managed(member, reported).about(CONTROL_PLANE)
        if not isinstance(feature, ApiError):
            yield check_implementation(member.environment, reported)
    yield from _check_conditions(reported)
    yield _check_management(member, feature)
    if not mode.runs_on_nodes:
        yield _check_multicluster_mode(member)
    yield _check_marker(member, state) if mode.installer == "asmcli" else _check_readiness(member)


def pinned_istiod(member: ObservedCluster) -> tuple[str, Object | None]:
    """Return the name of the istiod of the configured revision, and its Deployment."""
    name = f"istiod-{member.environment.revision}"
    return name, member.live.deployment(MESH_NAMESPACE, name)


def istiods(objects: ClusterObjects) -> list[Object]:
    """Return a cluster's istiods, of any revision."""
    found = (one for one in objects.deployments if one["metadata"].get("namespace") == MESH_NAMESPACE)
    return [one for one in found if one["metadata"].get("labels", {}).get("app") == "istiod"]


def multicluster_mode(member: ObservedCluster) -> str:
    """Return how a cluster discovers the others' endpoints where it does so without remote secrets."""
    return str((member.live.options or {}).get("data", {}).get("multicluster_mode", "not set"))


def ready_replicas(deployment: Object | None) -> tuple[int, int]:
    """Return how many of a Deployment's pods are ready, and how many there should be."""
    if deployment is None:
        return 0, 0
    return deployment.get("status", {}).get("readyReplicas", 0), deployment.get("spec", {}).get("replicas", 1)


def _is_service_mesh(member: ObservedCluster) -> bool:
    """Return whether there is anything in the cluster that an installation of Cloud Service Mesh leaves."""
    live = member.live
    return bool(live.revisions or live.options or live.marker or live.mesh_jobs)


def _check_any_istio(member: ObservedCluster) -> Finding:
    """Check an Istio that is none of the control plane modes: as far as that can be told, by its webhooks."""
    revisions = sorted({one["metadata"]["labels"][REVISION_LABEL] for one in member.live.injectors})
    wrong = [] if revisions else ["no webhook injects sidecars"]
    text = f"an Istio without Cloud Service Mesh, whose webhooks inject {', '.join(revisions)}"
    return failure_or_ok(CONTROL_PLANE, wrong, text, DEPLOY)


def _check_istiod(member: ObservedCluster) -> Finding:
    title = CONTROL_PLANE
    name, found = pinned_istiod(member)
    if found is None:
        return failure(title, f"{name} does not exist", DEPLOY)
    ready, wanted = ready_replicas(found)
    look = f"{member.kubectl} --namespace {MESH_NAMESPACE} describe deployment,pods --selector app=istiod"
    text = f"{name}: {ready} of {wanted} ready"
    if ready >= wanted > 0:
        return ok(title, text)
    return warning(title, text, look) if ready else failure(title, text, look)


def _check_injector(member: ObservedCluster) -> Finding:
    """Check the webhook that injects sidecars of the pinned revision: without it pods start without one."""
    title, revision = "injection webhook", member.environment.revision
    found = [
        one
        for one in member.live.injectors
        if one["metadata"]["labels"].get(REVISION_LABEL) == revision and TAG_LABEL not in one["metadata"]["labels"]
    ]
    if not found:
        return failure(title, f"there is none for {revision}: new pods start without a sidecar", DEPLOY)
    wrong = []
    for webhook in found:
        clients = [one.get("clientConfig", {}) for one in webhook.get("webhooks", [])]
        services = {one.get("service", {}).get("name", "a URL") for one in clients}
        if services != {f"istiod-{revision}"}:
            wrong.append(f"{webhook['metadata']['name']} calls {', '.join(sorted(services)) or 'nothing'}")
        elif not all(one.get("caBundle") for one in clients):
            wrong.append(f"{webhook['metadata']['name']} has no CA bundle yet")
    fix = f"{member.kubectl} --namespace {MESH_NAMESPACE} logs deployment/istiod-{revision}"
    return failure_or_ok(title, wrong, f"calls istiod-{revision}", fix)


def _check_other_istiods(member: ObservedCluster) -> Finding:
    """Find istiods of other revisions: an upgrade leaves the old one for its proxies, until they restart."""
    title, own = "other mesh control planes", pinned_istiod(member)[0]
    others = [name for one in istiods(member.live) if (name := one["metadata"]["name"]) != own]
    if not others:
        return ok(title, "none")
    text = f"{', '.join(others)}; uninstall when no proxy uses it any more"
    return warning(title, text, chained(uninstall_command(member.kubectl, one) for one in others))


def _check_managed(member: ObservedCluster, reported: Object) -> Finding:
    """Check the control plane that Google runs.

    Args:
        member: The cluster.
        reported: Its state in the fleet's mesh feature, which need not have one that asmcli requested.
    """
    name = CONTROL_PLANE
    management = reported.get("controlPlaneManagement", {})
    lifecycle, kind = management.get("state", ""), management.get("implementation", "")
    details = "; ".join(
        f"{one.get('code', '')} {one.get('details', '')}".strip() for one in management.get("details", [])
    )
    wrong = []
    if lifecycle not in ("", "ACTIVE"):
        wrong.append(f"{lifecycle} ({details})" if details else lifecycle)
    data_plane = reported.get("dataPlaneManagement", {}).get("state", "")
    if data_plane not in ("", "ACTIVE"):
        wrong.append(f"the data plane is {data_plane}")
    revisions = [one["metadata"]["name"] for one in member.live.revisions if condition(one, PROVISIONED) == "True"]
    waiting = [one["metadata"]["name"] for one in member.live.revisions if condition(one, PROVISIONED) != "True"]
    if waiting and not revisions:
        wrong.append(f"{', '.join(waiting)} is not provisioned")
    elif not revisions and lifecycle != "ACTIVE":
        wrong.append("none is installed")
    parts = [word for word in (", ".join(revisions), lifecycle, kind, details) if word]
    fix = f"gcloud container fleet mesh describe --project {member.project}"
    return failure_or_ok(name, wrong, ", ".join(parts), fix if member.live.revisions else DEPLOY)


def _check_conditions(reported: Object) -> Iterator[Finding]:
    """Yield the conditions that Google reports of a cluster's mesh."""
    for one in reported.get("conditions", []):
        name, text = f"condition {one.get('code', '?')}", one.get("details", "")
        link = one.get("documentationLink") or "gcloud container fleet mesh describe"
        state = SEVERITIES.get(one.get("severity"), FindingState.OK)
        yield Finding(name, state, text, "" if state is FindingState.OK else link)


def _check_management(member: ObservedCluster, feature: LookupResult) -> Finding:
    """Check that the fleet manages the mesh if, and only if, the control plane mode says so."""
    title = "fleet management"
    if isinstance(feature, ApiError):  # not another failure: the fleet's own section has it
        finding = warning(title, "unknown", "see the section Fleet")
        return finding.about(GOOGLE_APIS) if feature.no_response else finding
    found = membership_spec(feature, member.region, member.described).get("mesh", {})
    management = found.get("management", "not set")
    if member.environment.control_plane.installer == "fleet-api":
        wrong = (
            []
            if management == AUTOMATIC
            else [f"{management}, not {AUTOMATIC}: this cluster has no mesh control plane"]
        )
        return failure_or_ok(title, wrong, management, DEPLOY)
    if management != AUTOMATIC:
        return ok(title, "off, as configured")
    text = f"{AUTOMATIC}, but not configured: Google runs another mesh control plane for this cluster"
    return warning(title, text, unmanage(member))


def unmanage(member: ObservedCluster) -> str:
    """Return the command that has the fleet no longer manage a cluster's mesh."""
    parts = member.fleet.get("name", "").split("/")
    place, name = (parts[3], parts[5]) if len(parts) > 5 else (member.region.location, member.region.names.cluster)
    return unmanage_command(name, place, member.project)


def _check_multicluster_mode(member: ObservedCluster) -> Finding:
    mode = multicluster_mode(member)
    secrets = member.environment.control_plane.uses_remote_secrets
    prefix = "with TRAFFIC_DIRECTOR, " if secrets else ""
    wrong = (
        [] if mode == CONNECTED else [f"{mode}, not {CONNECTED}: {prefix}no endpoints of other clusters are discovered"]
    )
    patch = """patch configmap asm-options --type merge --patch '{"data": {"multicluster_mode": "connected"}}'"""
    fix = f"{member.kubectl} --namespace {MESH_NAMESPACE} {patch}"
    return failure_or_ok("multicluster mode", wrong, mode, fix if member.live.options else DEPLOY)


def _check_marker(member: ObservedCluster, state: TerraformStates) -> Finding:
    """Check the completion marker, with a checksum of the inputs, that a complete installation leaves.

    Terraform's state may have an interrupted installation as done.
    """
    title = "installation"
    installation = installation_in(state, member.region.names.cluster)
    there = installed_inputs(member.live.marker)
    fix = replace_command(installation, "control-plane_install") if installation is not None else DEPLOY
    if not there:
        return failure(title, "incomplete: its completion marker is missing", fix)
    if installation is None:
        return ok(title, "complete; not compared with its inputs, as the state is not on this machine")
    wrong = [] if there == installation.checksum else ["installed with other inputs than those in the state"]
    return failure_or_ok(title, wrong, "complete", fix)


def _check_readiness(member: ObservedCluster) -> Finding:
    """Check the Job with which a deploy waits for the mesh."""
    title = "readiness"
    jobs = [one for one in member.live.mesh_jobs if one["metadata"]["name"].startswith(READINESS_JOB_PREFIX)]
    if not jobs:
        return failure(title, "the Job that waits for the mesh does not exist", DEPLOY)
    job = max(jobs, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    name, status = job["metadata"]["name"], job.get("status", {})
    kubectl = f"{member.kubectl} --namespace {MESH_NAMESPACE}"
    logs = f"{kubectl} logs job/{name} --all-containers --prefix"
    if condition(job, "Failed") == "True":
        failed = next(one for one in status["conditions"] if one["type"] == "Failed")
        why = ": ".join(failed[word] for word in ("reason", "message") if failed.get(word))
        # Terraform takes a Job that exists for its own, and would wait for it again.
        retry = chained((logs, f"{kubectl} delete job {name}", DEPLOY))
        return failure(title, f"{name} failed: {why or 'no reason reported'}", retry)
    if status.get("succeeded", 0):
        return ok(title, f"{name} is complete")
    return failure(title, f"{name} is still waiting for the mesh", logs)

"""`mesh status`, of multi-cluster services: which clusters export the gateways, and which endpoints get requests.

Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services,
https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways
"""

from collections.abc import Iterator, Mapping, Sequence

from cli.report.findings import Finding, failure, warning
from cli.sources.cluster_objects import Object, find_object
from cli.sources.described import membership_state
from cli.sources.endpoint_slices import ready_endpoints
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, as_deployer
from cli.sources.resources import FEATURE_GROUPS, MULTI_CLUSTER_SERVICES
from cli.status.comparison import unknown
from cli.status.load_balancer import check_served_regions
from config.controller_roles import gateway_controller_role, importer_role
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

IMPORT = f"ServiceImport {GATEWAY_NAMESPACE}/{GATEWAY_NAME}"
RESOURCES = "serviceexports.net.gke.io,serviceimports.net.gke.io"
DERIVED = "net.gke.io/derived-service"
"""Annotation of a ServiceImport: the Service in its cluster that has the endpoints of all clusters."""

FEATURES = (MULTI_CLUSTER_SERVICES, "multiclusteringress")
"""The features of the fleet that have to be ready in every cluster."""


def check_memberships(
    members: Sequence[ObservedCluster], features: Mapping[str, LookupResult], project: str
) -> Iterator[Finding]:
    """Yield a finding for each cluster in which a feature reports that it is not ready.

    Args:
        members: All clusters.
        features: The fleet's features.
        project: The project's id.
    """
    for name in FEATURES:
        for member in members:
            if member.region.retired:
                continue
            state = membership_state(features.get(name), member.region, member.described).get("state", {})
            code, text = state.get("code", "OK"), state.get("description", "")
            if code != "OK":
                reported = f"{code}: {text}" if text else code
                fix = f"gcloud container fleet {FEATURE_GROUPS[name]} describe --project {project}"
                yield (warning if code == "WARNING" else failure)(f"feature {name} in {member.key}", reported, fix)


def check_import(member: ObservedCluster, members: Sequence[ObservedCluster]) -> Iterator[Finding]:
    """Yield whether the load balancer's backend has every cluster, and endpoints in those that serve.

    Args:
        member: The config cluster, which has responded.
        members: All clusters.
    """
    show = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} get {RESOURCES} --output yaml"
    found = find_object(member.live.imports, GATEWAY_NAMESPACE, GATEWAY_NAME)
    if found is None:
        text = "missing: multi-cluster services has not imported the exported gateways, which takes up to 20 minutes"
        yield failure(IMPORT, text, show)
        return
    exporting = {one.key for one in members if _exports(one, found)}
    present = [one for one in members if not one.region.retired]
    missing = [one.key for one in present if one.key not in exporting]
    wrong = [f"without the cluster of {', '.join(missing)}"] if missing else []
    if DERIVED not in found["metadata"].get("annotations", {}):
        wrong.append("it has no derived Service yet")
    if foreign := _foreign(found, present):
        wrong.append(f"other clusters export it, too, and get requests: {', '.join(foreign)}")
    yield failure_or_ok(IMPORT, wrong, f"exported by {', '.join(sorted(exporting))}", show)
    slices = (
        f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} get endpointslices.discovery.k8s.io "
        f"--selector kubernetes.io/service-name={GATEWAY_NAME}"
    )
    having = {one.key for one in present if one.key in exporting and _has_endpoints(one)}
    yield check_served_regions(members, having, "", slices)


def check_bindings(policy: LookupResult, project: LookupResult, member: ObservedCluster) -> Iterator[Finding]:
    """Yield whether the controllers have the roles without which they find no endpoints, and configure no cluster.

    Args:
        policy: The project's IAM policy.
        project: The project, of Resource Manager.
        member: Any cluster.
    """
    if not isinstance(project, dict):
        return  # another finding reports it
    number = str(project["projectNumber"])
    wanted = {
        "IAM of the importer": importer_role(member.project, number),
        "IAM of the Gateway controller": gateway_controller_role(number),
    }
    for name, (role, account) in wanted.items():
        if isinstance(policy, ApiError):
            yield unknown(name, policy, "projects", member.project)
            continue
        bindings = (policy or {}).get("bindings", ())
        has = any(one["role"] == role and account in one["members"] for one in bindings)
        add = f"gcloud projects add-iam-policy-binding {member.project} --role={role} --member={account}"
        fix = f"{DEPLOY}, or at once: {as_deployer(add, member.environment)} --condition=None"
        yield failure_or_ok(name, [] if has else [f"{account} lacks {role}"], role, fix)


def _clusters(one: Object) -> list[str]:
    return [str(each["cluster"]) for each in one.get("status", {}).get("clusters") or ()]


def _exports(member: ObservedCluster, one: Object) -> bool:
    """Return whether a ServiceImport has a cluster."""
    return any(_is_cluster(name, member) for name in _clusters(one))


def _is_cluster(name: str, member: ObservedCluster) -> bool:
    """Return whether a name in a ServiceImport is that of a cluster: its membership is called like it."""
    return name.rpartition("/")[2] == member.region.names.cluster


def _foreign(one: Object, members: Sequence[ObservedCluster]) -> list[str]:
    return [name for name in _clusters(one) if not any(_is_cluster(name, member) for member in members)]


def _has_endpoints(member: ObservedCluster) -> bool:
    """Return whether the exported Service has ready endpoints; of a cluster that can't be read, what is configured."""
    if member.objects is None:
        return member.region.serves
    return ready_endpoints(member.objects.slices, GATEWAY_NAMESPACE, GATEWAY_NAME) > 0

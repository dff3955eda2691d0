"""`mesh status`: the clusters, the mesh and the ingress as they are, against the configuration.

An API that does not respond is a failure, with what to do about it, and stops nothing else. A cause is told once: what
follows from an object that is missing, changed or foreign is left out (`Finding.objects`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.report.findings import Finding, FindingState, Report, failure, warning
from cli.report.output import Output
from cli.signals import stop_on_signals
from cli.sources.applied import AppliedObjects, applied_objects
from cli.sources.cluster_objects import condition, read_objects
from cli.sources.described import (
    NOT_ASKED,
    DescribedEnvironment,
    describe_environment,
    membership_state,
    undescribed_environment,
)
from cli.sources.front_end import MULTI_CLUSTER_GATEWAY, MULTI_CLUSTER_INGRESS, front_ends
from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import (
    ClusterClient,
    KubectlError,
    NoResponseError,
    accepts_connections,
    reachable_clusters,
    served_by_proxies,
)
from cli.sources.member import ObservedCluster
from cli.sources.provider_credentials import LOGIN
from cli.sources.remediation import api_error_fix, unreachable_fix
from cli.sources.resources import fleet_features
from cli.sources.state import TerraformStates, read_states
from cli.sources.worker_pool import worker_pool
from cli.status.backend_health import check_backend_health
from cli.status.certificate_map import check_certificate, check_certificate_map
from cli.status.clusters import check_gke, check_membership, check_nodes
from cli.status.comparison import GOOGLE_APIS
from cli.status.control_plane import multicluster_mode, pinned_istiod, ready_replicas
from cli.status.data_path import check_data_path, read_proxies
from cli.status.endpoint_discovery import (
    REMOTE_SECRET,
    accepted_tokens,
    check_other_remote_secrets,
    check_remote_secret,
    expected_secrets,
)
from cli.status.endpoints import check_endpoints
from cli.status.firewall import check_firewall
from cli.status.gateway import KINDS as GATEWAY_KINDS
from cli.status.gateway import check_gateway
from cli.status.gateway import check_policies as check_gateway_policies
from cli.status.ingress import check_ingress
from cli.status.load_balancer import check_config_cluster, check_events
from cli.status.mesh import check_feature, check_mesh, proxies_of
from cli.status.multi_cluster_services import check_bindings, check_import, check_memberships
from cli.status.objects import check_objects
from cli.status.policies import check_policies
from cli.status.retired import check_retired
from cli.status.services import check_gateway as check_gateway_pods
from cli.status.services import check_services
from cli.status.webhooks import check_webhooks
from config import Environment, ResolvedRegion
from config.ingress import EXTERNAL
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.plural import counted

COLUMNS = (
    "Region",
    "Cluster",
    "GKE control plane",
    "Ready nodes",
    "Membership",
    "Mesh control plane",
    "Current proxies",
    "Endpoint discovery",
    "Ready gateways",
)
UNKNOWN = "unknown"


def run_status(environment: Environment, config: Path, kubeconfig: Path | None, output: Output) -> Report:
    """Compare what Google's APIs and every cluster report with the configuration.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        output: Where progress is shown.

    Returns:
        The findings; what can't be read is one.

    Raises:
        MeshError: There are neither credentials nor a kubeconfig, a tool is missing, or a state can't be read.
    """
    stop_on_signals()
    state = read_states(environment, config)
    applied = applied_objects(config, state)
    google = GoogleClient.of(environment)
    with output.spinner("reading clusters and fleet from the Google Cloud APIs"):
        found = _describe(environment, google, kubeconfig)
    report = Report("status")
    overview = report.section("Overview", columns=COLUMNS)
    causes: dict[str, frozenset[str]] = {}
    with (
        reachable_clusters(environment, _existing_clusters(environment, found, kubeconfig), kubeconfig) as reachable,
        served_by_proxies(reachable) as clusters,
        worker_pool(16) as pool,
    ):
        with output.spinner(f"reading {counted(len(clusters), 'cluster')}"):
            regions = environment.resolved_regions()
            members = list(pool.map(lambda region: _observe(environment, region, found, clusters, applied), regions))
            proxies = read_proxies(members, pool)
            accepted = pool.map(lambda one: accepted_tokens(one, members), members)
            tokens = {member.key: found for member, found in zip(members, accepted, strict=True)}
            secrets = [list(_check_remote_secrets(one, members, state, tokens)) for one in members]
        for member, discovery, observed in zip(members, secrets, proxies, strict=True):
            title = f"{member.key}: {member.region.names.cluster}"
            if member.region.retired:
                section = report.section(f"{title}, retired", region=member.key)
                section.findings += check_retired(member, found.features["servicemesh"])
                section.findings += [member.trouble] if member.trouble else []
            else:
                deployed = [] if member.objects is None else check_deployed(member)
                causes[member.key] = causes_of(deployed)
                findings = without_consequences(_check_cluster(member, found, state), causes[member.key])
                told = causes[member.key] | causes_of(findings)
                paths = check_data_path(member, members, observed, told, _undiscovered(discovery))
                findings += [*deployed, *discovery, *without_consequences(paths, told)]
                if member.region.drained:
                    title += ", drained"
                    findings.insert(0, _drained(member.key))
                report.section(title, region=member.key).findings += findings
                overview.rows.append(_row(member, found, discovery))
    report.section("Network").findings += check_firewall(environment, found.firewall_rules)
    report.section("Fleet").findings += [
        check_feature(name, found.features[name], google.project) for name in fleet_features(environment)
    ]
    if environment.ingress.enabled:
        told = causes.get(environment.ingress.config_cluster, frozenset())
        with output.spinner("reading the health of the load balancers' endpoints"):
            load_balancers = _check_load_balancers(members, found, google)
        for title, findings in load_balancers.items():
            report.section(title).findings += without_consequences(findings, told)
    if errors := found.without_response():
        for section in report.sections:
            section.findings = without_consequences(section.findings, frozenset([GOOGLE_APIS]))
        report.section("Google Cloud").findings.append(_check_apis(errors, google.project))
    report.sections = [one for one in report.sections if one.findings or one.columns]
    report.data = _data(members, found)
    return report


def _describe(environment: Environment, google: GoogleClient, kubeconfig: Path | None) -> DescribedEnvironment:
    """Look everything up; nothing where there is a kubeconfig, and no credentials.

    Raises:
        MeshError: There are neither credentials nor a kubeconfig.
    """
    try:
        return describe_environment(environment, google)
    except MeshError as error:
        if kubeconfig is None:
            raise
        return undescribed_environment(environment, str(error))


def _existing_clusters(
    environment: Environment, found: DescribedEnvironment, kubeconfig: Path | None
) -> dict[str, Mapping[str, Any]]:
    """Return the clusters that exist, by region; with a kubeconfig, those too that the GKE API does not tell."""
    unknown: dict[str, Mapping[str, Any]] = {
        region.key: {}
        for region in environment.resolved_regions()
        if kubeconfig is not None and not region.retired and isinstance(found.clusters[region.key], ApiError)
    }
    return {**unknown, **found.existing_clusters()}


def _check_apis(errors: Iterable[ApiError], project: str) -> Finding:
    """Return why Google's APIs have told nothing, and what is not checked for that."""
    text = "; ".join(dict.fromkeys(map(str, errors)))
    first = next(iter(errors))
    if first.reason == NOT_ASKED:
        google = "GKE clusters, node pools, firewall rules, the fleet, the mesh as Google manages it"
        text = f"not asked, as {text}. Not checked: {google}, address and certificates"
        return warning(GOOGLE_APIS, text, LOGIN)
    return failure(GOOGLE_APIS, text, api_error_fix(first, "", project))


def _observe(
    environment: Environment,
    region: ResolvedRegion,
    found: DescribedEnvironment,
    clusters: Mapping[str, ClusterClient | MeshError],
    applied: AppliedObjects | None,
) -> ObservedCluster:
    """Read one cluster's objects."""
    cluster = clusters.get(region.key)
    own = None if applied is None else applied.get(region.key, ())
    described, membership = found.clusters[region.key], found.memberships[region.key]
    observed = ObservedCluster(environment, region, described, membership, applied=own)
    match cluster:
        case None:
            return observed
        case MeshError():
            return replace(observed, trouble=failure("API server", str(cluster), cluster.fix or "mesh doctor"))
    try:
        return replace(observed, cluster=cluster, objects=read_objects(cluster, {one.key[:2] for one in own or ()}))
    except KubectlError as error:
        if isinstance(error, NoResponseError) and accepts_connections(cluster):
            text = f"it accepts connections, and hangs: {error}"
            fix = f"gcloud container operations list --location {region.location} --project {observed.project}"
            return replace(observed, cluster=cluster, trouble=failure("API server", text, fix))
        trouble = failure("API server", str(error), unreachable_fix(str(error), cluster))
        return replace(observed, cluster=cluster, trouble=trouble)


def _check_remote_secrets(
    member: ObservedCluster,
    members: Iterable[ObservedCluster],
    state: TerraformStates,
    tokens: Mapping[str, Mapping[str, bool]],
) -> Iterator[Finding]:
    """Yield whether a cluster discovers the endpoints of all others, which have to accept its tokens."""
    if member.objects is None or member.region.retired:
        return
    wanted = set(expected_secrets(member.environment, member.key).values())
    yield from (check_remote_secret(member, one, state, tokens[one.key]) for one in members if one.key in wanted)
    yield check_other_remote_secrets(member)


def _drained(region: str) -> Finding:
    """Return that a region is out of service, which may have been forgotten."""
    text = "no requests go to the region, as configured; other regions serve its callers"
    return warning("drained", text, f"when the work on it is done: mesh undrain {region}")


def _undiscovered(discovery: Iterable[Finding]) -> frozenset[str]:
    """Return the keys of the regions with whose remote secret something is wrong."""
    names = (one.name for one in discovery if one.is_problem)
    return frozenset(name.removeprefix(REMOTE_SECRET) for name in names if name.startswith(REMOTE_SECRET))


def _check_cluster(member: ObservedCluster, found: DescribedEnvironment, state: TerraformStates) -> Iterator[Finding]:
    yield from check_gke(member, found.project, state)
    if isinstance(member.described, dict):
        yield check_membership(member)
    if member.trouble is not None:
        yield member.trouble
    if member.objects is not None:
        yield check_nodes(member)
        yield from check_mesh(member, found.features["servicemesh"], state)


def check_deployed(member: ObservedCluster) -> list[Finding]:
    """Return what is wrong with the objects of the stacks and what these run; a cause is told once."""
    objects = list(check_objects(member))
    findings = [*check_policies(member), *check_services(member), *check_endpoints(member), check_gateway_pods(member)]
    findings += check_webhooks(member)
    return [*without_consequences(findings, causes_of(objects)), *objects]


def causes_of(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the objects with which something is wrong."""
    return frozenset(one for finding in findings if finding.is_problem for one in finding.objects)


def without_consequences(findings: Iterable[Finding], causes: frozenset[str]) -> list[Finding]:
    """Leave out the problems that are about nothing but objects whose own findings are told.

    Args:
        findings: What was found.
        causes: The objects that have findings.
    """
    return [one for one in findings if not (one.is_problem and one.objects and one.objects <= causes)]


def _check_load_balancers(
    members: list[ObservedCluster], found: DescribedEnvironment, google: GoogleClient
) -> dict[str, list[Finding]]:
    """Return what is found of the load balancers in front of the gateways, by API.

    Args:
        members: All clusters.
        found: The described environment.
        google: The APIs, which are not called again if one has not responded.
    """
    member = _config_member(members)
    sections: dict[str, list[Finding]] = {}
    for front_end in front_ends(member.environment):
        if not sections:
            feature = found.features["multiclusteringress"]
            sections[front_end.api] = [check_config_cluster(members, feature)]
        section = sections.setdefault(front_end.api, [])
        if member.objects is None:
            continue  # the cluster's own section says why
        if front_end.api == MULTI_CLUSTER_INGRESS:
            section += check_ingress(front_end, member, members, found.address, found.certificates)
        else:
            section += check_gateway(front_end, member, found.gateway_address)
        if not found.without_response():
            section += check_backend_health(front_end, member, members, google)
    if member.environment.ingress.uses_gateway:
        sections[MULTI_CLUSTER_GATEWAY] += _check_behind_gateways(members, member, found)
    return sections


def _check_behind_gateways(
    members: list[ObservedCluster], member: ObservedCluster, found: DescribedEnvironment
) -> Iterator[Finding]:
    """Yield what is found of all that the Gateways share: their backend, its policies, the certificates, and IAM.

    Args:
        members: All clusters.
        member: The config cluster.
        found: The described environment.
    """
    yield from check_memberships(members, found.features, member.project)
    yield from check_bindings(found.policy, found.project, member)
    for domain, certificate in found.map_certificates.items():
        yield check_certificate(domain, certificate, member.project)
    if member.objects is None:
        return
    if found.map_certificates:
        external = next(one for one in front_ends(member.environment) if one.name == EXTERNAL)
        yield from check_certificate_map(member, external.find(member.live))
    yield from check_gateway_policies(member)
    yield from check_import(member, members)
    show = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} get events"
    yield check_events(member.live.events, GATEWAY_KINDS, show)


def _config_member(members: Iterable[ObservedCluster]) -> ObservedCluster:
    return next(one for one in members if one.key == one.environment.ingress.config_cluster)


def _row(member: ObservedCluster, found: DescribedEnvironment, discovery: list[Finding]) -> tuple[str, ...]:
    """Return a line of the overview."""
    nodes = proxies = discovered = gateways = UNKNOWN
    if member.objects is not None:
        ready = sum(condition(one, "Ready") == "True" for one in member.objects.nodes)
        nodes = f"{ready} of {len(member.objects.nodes)}"
        pods = proxies_of(member)
        proxies = f"{len(pods.current)} of {len(pods.current) + len(pods.outdated) + len(pods.missing)}"
        discovered = _discovery_cell(member, discovery)
        gateway = member.objects.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME)
        gateways = str(ready_replicas(gateway)[0])
    status = str(member.gke.get("status", UNKNOWN))
    membership = str(member.fleet.get("state", {}).get("code", UNKNOWN))
    mesh = _mesh_cell(member, found)
    return (
        *(member.key, member.region.names.cluster, status, nodes, membership, mesh),
        *(proxies, discovered, gateways),
    )


def _discovery_cell(member: ObservedCluster, findings: list[Finding]) -> str:
    """Return the number of the other clusters that a cluster discovers, or how it does."""
    if not member.environment.control_plane.uses_remote_secrets:
        return multicluster_mode(member)
    pairs = [one for one in findings if one.name.startswith(REMOTE_SECRET)]
    return f"{sum(one.state is FindingState.OK for one in pairs)} of {len(pairs)}"


def _management(member: ObservedCluster, found: DescribedEnvironment) -> Mapping[str, Any]:
    """Return the state of a control plane that Google runs, as the fleet reports it."""
    state = membership_state(found.features["servicemesh"], member.region, member.described)
    management: Mapping[str, Any] = state.get("servicemesh", {}).get("controlPlaneManagement", {})
    return management


def _mesh_cell(member: ObservedCluster, found: DescribedEnvironment) -> str:
    if lifecycle := _management(member, found).get("state"):
        return str(lifecycle)
    if member.objects is None:
        return UNKNOWN
    if member.environment.control_plane.runs_on_nodes:
        ready, wanted = ready_replicas(pinned_istiod(member)[1])
        return f"{ready} of {wanted}"
    names = [one["metadata"]["name"] for one in member.objects.revisions]
    return names[0] if names else "none"


def _data(members: list[ObservedCluster], found: DescribedEnvironment) -> dict[str, Any]:
    """Return the figures for programs."""
    clusters: dict[str, Any] = {}
    for member in members:
        clusters[member.key] = {
            "cluster": member.region.names.cluster,
            "location": member.region.location,
            "drained": member.region.drained,
            "retired": member.region.retired,
            "status": member.gke.get("status"),
            "version": member.gke.get("currentMasterVersion"),
            "mesh": _management(member, found),
        }
        if member.objects is not None and not member.region.retired:
            pods = proxies_of(member)
            clusters[member.key] |= {
                "nodes": len(member.objects.nodes),
                "proxies": {"current": len(pods.current), "outdated": len(pods.outdated), "missing": len(pods.missing)},
            }
    addresses = _addresses(_config_member(members))
    return {
        "revision": members[0].environment.revision,
        "clusters": clusters,
        "vip": next(iter(addresses.values()), None),
        "addresses": addresses,
    }


def _addresses(member: ObservedCluster) -> dict[str, str]:
    """Return the addresses that the load balancers in front of the gateways report, each after its name."""
    if member.objects is None:
        return {}
    found = {one.title: one.addresses(one.find(member.objects)) for one in front_ends(member.environment)}
    return {title: ", ".join(addresses) for title, addresses in found.items() if addresses}

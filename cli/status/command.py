"""`mesh status`: the clusters, the mesh and the ingress as they are, against the configuration.

What can't be asked is a failure, with what to do about it, and stops nothing else.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.report.findings import Finding, FindingState, Report, failure, warning
from cli.report.output import Output
from cli.sources.cluster_objects import ClusterObjects, condition, read_objects
from cli.sources.described import FEATURES, DescribedEnvironment, describe_environment, membership_state
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, reachable_clusters
from cli.sources.member import ObservedCluster
from cli.sources.remediation import unreachable_fix
from cli.sources.state import TerraformStates, read_states
from cli.status.clusters import look_at_gke, look_at_membership, look_at_nodes
from cli.status.control_plane import istiod_of, mode_of, ready_of
from cli.status.endpoint_discovery import expected, look_at_others, look_at_pair
from cli.status.ingress import look_at_config_cluster, look_at_ingress, vip
from cli.status.mesh import look_at_feature, look_at_mesh, proxies
from cli.status.policies import look_at_policies
from cli.status.retired import look_at_retired
from cli.status.services import look_at_gateway, look_at_services
from config import Environment, ResolvedRegion
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

COLUMNS = ("region", "cluster", "control plane", "nodes", "membership", "mesh", "proxies", "trust", "gateway")
UNKNOWN = "?"


def look(environment: Environment, config: Path, kubeconfig: Path | None, output: Output) -> Report:
    """Ask Google and every cluster, and return what they say.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        kubeconfig: as for `cli.sources.kubernetes.connected_clusters`.
        output: Where progress is shown.

    Raises:
        MeshError: no credentials, a tool is missing, or a state can't be read.
    """
    state = read_states(environment, config)
    google = GoogleClient(environment.project.id, environment.project.impersonate_service_account)
    with output.spinner("asking Google for the clusters and the fleet"):
        found = describe_environment(environment, google)
    report = Report("status")
    overview = report.section("Overview", columns=COLUMNS)
    with reachable_clusters(environment, found.described(), kubeconfig) as clusters, ThreadPoolExecutor(16) as pool:
        with output.spinner(f"asking {len(clusters)} clusters"):
            members = list(
                pool.map(lambda region: _member(environment, region, found, clusters), environment.resolved_regions())
            )
            trust = dict(
                zip(environment.regions, pool.map(lambda one: _trust(one, members, state), members), strict=True)
            )
        for member in members:
            title = f"{member.key}: {member.region.names.cluster}"
            if member.region.retired:
                findings = [*look_at_retired(member, found.features["servicemesh"])]
                findings += [member.trouble] if member.trouble else []
                report.section(f"{title}, retired").findings += findings
            else:
                report.section(title).findings += [*_of_cluster(member, found, state), *trust[member.key]]
    report.section("Fleet").findings += [
        look_at_feature(name, found.features[name], google.project) for name in FEATURES
    ]
    if environment.ingress.enabled:
        report.section("Multi Cluster Ingress").findings += _of_ingress(members, found)
    overview.rows += [_row(member, found, trust[member.key]) for member in members if not member.region.retired]
    report.data = _data(members, found)
    return report


def _member(
    environment: Environment,
    region: ResolvedRegion,
    found: DescribedEnvironment,
    clusters: Mapping[str, ClusterClient | MeshError],
) -> ObservedCluster:
    """Ask one cluster."""
    described, membership = found.clusters[region.key], found.memberships[region.key]
    cluster = clusters.get(region.key)
    objects: ClusterObjects | None = None
    trouble: Finding | None = None
    name = "API server"
    match cluster:
        case MeshError():
            trouble = failure(name, str(cluster), cluster.fix or "mesh doctor")
        case ClusterClient():
            try:
                objects = read_objects(cluster)
            except KubectlError as error:
                trouble = failure(name, str(error), unreachable_fix(str(error), cluster))
    handle = cluster if isinstance(cluster, ClusterClient) else None
    return ObservedCluster(environment, region, described, membership, handle, objects, trouble)


def _trust(member: ObservedCluster, members: Iterable[ObservedCluster], state: TerraformStates) -> list[Finding]:
    """Ask whether a cluster sees all others, which are asked too."""
    if member.objects is None or member.region.retired:
        return []
    wanted = set(expected(member.environment, member.key).values())
    found = [look_at_pair(member, other, state) for other in members if other.key in wanted]
    return [*found, look_at_others(member)]


def _of_cluster(member: ObservedCluster, found: DescribedEnvironment, state: TerraformStates) -> list[Finding]:
    findings = list(look_at_gke(member, found.project, state))
    if isinstance(member.described, dict):
        findings.append(look_at_membership(member))
    if member.trouble is not None:
        findings.append(member.trouble)
    if member.objects is not None:
        findings.append(look_at_nodes(member))
        findings += look_at_mesh(member, found.features["servicemesh"], state)
        findings += look_at_policies(member)
        findings += look_at_services(member)
        findings.append(look_at_gateway(member))
    return findings


def _of_ingress(members: list[ObservedCluster], found: DescribedEnvironment) -> list[Finding]:
    findings = [look_at_config_cluster(members, found.features["multiclusteringress"])]
    member = _config_member(members)
    if member.objects is None:
        return [*findings, warning("objects", f"not known: {member.key} does not say", f"see {member.key}")]
    return [*findings, *look_at_ingress(member, members, found.address, found.certificates)]


def _config_member(members: Iterable[ObservedCluster]) -> ObservedCluster:
    return next(one for one in members if one.key == one.environment.ingress.config_cluster)


def _row(member: ObservedCluster, found: DescribedEnvironment, trust: list[Finding]) -> tuple[str, ...]:
    """Return a line of the overview."""
    described = member.described if isinstance(member.described, dict) else {}
    membership = member.membership if isinstance(member.membership, dict) else {}
    cells = [
        member.key,
        member.region.names.cluster,
        str(described.get("status", UNKNOWN)),
        UNKNOWN,
        str(membership.get("state", {}).get("code", UNKNOWN)),
        _mesh(member, found),
        *[UNKNOWN] * 3,
    ]
    objects = member.objects
    if objects is not None:
        ready = sum(condition(one, "Ready") == "True" for one in objects.nodes)
        of_now, of_old, without = proxies(member)
        gateway = objects.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME) or {}
        cells[3] = f"{ready} of {len(objects.nodes)}"
        cells[6] = f"{len(of_now)} of {len(of_now) + len(of_old) + len(without)}"
        cells[7] = _trusts(member, trust)
        cells[8] = f"{gateway.get('status', {}).get('readyReplicas', 0)} ready"
    return tuple(cells)


def _trusts(member: ObservedCluster, findings: list[Finding]) -> str:
    """Return how many others a cluster sees, or by what it sees them."""
    if not member.environment.control_plane.uses_remote_secrets:
        return mode_of(member)
    pairs = [one for one in findings if one.name.startswith("remote secret of")]
    return f"{sum(one.state is FindingState.OK for one in pairs)} of {len(pairs)}"


def _mesh(member: ObservedCluster, found: DescribedEnvironment) -> str:
    state = membership_state(found.features["servicemesh"], member.region, member.described).get("servicemesh", {})
    if lifecycle := state.get("controlPlaneManagement", {}).get("state"):
        return str(lifecycle)
    if member.objects is None:
        return UNKNOWN
    if member.environment.control_plane.runs_on_nodes:
        ready, wanted = ready_of(istiod_of(member)[1])
        return f"{ready} of {wanted}"
    names = [one["metadata"]["name"] for one in member.objects.revisions]
    return names[0] if names else "none"


def _data(members: list[ObservedCluster], found: DescribedEnvironment) -> dict[str, Any]:
    """Return the figures for machines."""
    clusters: dict[str, Any] = {}
    for member in members:
        described = member.described if isinstance(member.described, dict) else {}
        state = membership_state(found.features["servicemesh"], member.region, member.described).get("servicemesh", {})
        clusters[member.key] = {
            "cluster": member.region.names.cluster,
            "location": member.region.location,
            "retired": member.region.retired,
            "status": described.get("status"),
            "version": described.get("currentMasterVersion"),
            "mesh": state.get("controlPlaneManagement", {}),
        }
        if member.objects is not None and not member.region.retired:
            of_now, of_old, without = proxies(member)
            clusters[member.key] |= {
                "nodes": len(member.objects.nodes),
                "proxies": {"current": len(of_now), "old": len(of_old), "missing": len(without)},
            }
    return {
        "revision": members[0].environment.revision,
        "clusters": clusters,
        "vip": vip(_config_member(members)) or None,
    }

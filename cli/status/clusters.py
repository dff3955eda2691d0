"""`mesh status`, of a cluster itself: its control plane, its nodes, its membership of the fleet."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import condition
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.sources.state import TerraformStates
from cli.status.comparison import differs, gke_status, on_off, unknown
from cli.status.hardening import check_hardening
from config.cluster import AuthorizedNetwork
from config.plural import counted

OPERATOR = "operator"
"""Name of the authorized network that MESH_OPERATOR_ADDRESS adds."""


def check_gke(member: ObservedCluster, project: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield how a cluster in the GKE API compares with the configuration."""
    found = member.described
    if not isinstance(found, dict):
        yield _check_existence(member, found)
        return
    shape = member.environment.cluster
    yield _check_control_plane(member, found)
    channel = found.get("releaseChannel", {}).get("channel", "UNSPECIFIED").lower()
    yield failure_or_ok("release channel", differs(channel, shape.release_channel), channel, DEPLOY)
    yield _check_mesh_label(member, found, project)
    yield _check_private_nodes(found)
    yield _check_authorized_networks(member, found)
    yield from check_hardening(member, found)
    yield _check_deletion_protection(member, state)
    yield from _check_node_pools(member, found)


def check_nodes(member: ObservedCluster) -> Finding:
    """Return whether the nodes are ready, and not fewer than the configured minimum."""
    nodes = member.live.nodes
    unready = [one["metadata"]["name"] for one in nodes if condition(one, "Ready") != "True"]
    ready = len(nodes) - len(unready)
    least = member.region.nodes.min_nodes * max(1, len(_zones(member)))
    wrong = []
    if unready:
        wrong.append(f"not ready: {', '.join(unready)}")
    if ready < least:
        wrong.append(f"{ready} of {least} ready")
    return failure_or_ok("nodes", wrong, f"{ready} ready", f"{member.kubectl} describe nodes")


def check_membership(member: ObservedCluster) -> Finding:
    """Return whether the cluster is a member of the fleet."""
    found = member.membership
    if isinstance(found, ApiError):
        return unknown("membership", found, "gkehub", member.project)
    if found is None:
        return failure("membership", "the cluster is not registered in a fleet", DEPLOY)
    state = found.get("state", {}).get("code", "CODE_UNSPECIFIED")
    parts = found["name"].split("/")
    name = f"{parts[-1]} --location {parts[3]} --project {member.project}"
    wrong = [] if state == "READY" else [f"{state}, not READY"]
    return failure_or_ok("membership", wrong, state, f"gcloud container fleet memberships describe {name}")


def _check_existence(member: ObservedCluster, found: ApiError | None) -> Finding:
    name = "GKE control plane"
    if found is None:
        text = f"the cluster {member.region.names.cluster} does not exist in {member.region.location}"
        return failure(name, text, DEPLOY)
    return unknown(name, found, "container", member.project)


def _check_control_plane(member: ObservedCluster, found: Mapping[str, Any]) -> Finding:
    status, version = found.get("status", "STATUS_UNSPECIFIED"), found.get("currentMasterVersion", "?")
    text = f"{status}, {version}"
    if reported := "; ".join(one.get("message", "") for one in found.get("conditions", [])):
        text = f"{text}: {reported}"
    return gke_status("GKE control plane", status, text, f"gcloud container clusters describe {member.gcloud}")


def _check_mesh_label(member: ObservedCluster, found: Mapping[str, Any], project: LookupResult) -> Finding:
    """Check the label by which Cloud Service Mesh knows which clusters are one mesh."""
    name = "mesh label"
    label = found.get("resourceLabels", {}).get("mesh_id", "")
    if isinstance(project, ApiError):
        return unknown(name, project, "projects", member.project)
    if project is None:
        text = "unknown, as its number can't be read: the project does not exist"
        return failure(name, text, f"gcloud projects describe {member.project}")
    wanted = f"proj-{project['projectNumber']}"
    return failure_or_ok(
        name, [] if label == wanted else [f"mesh_id is {label or 'not set'}, but must be {wanted}"], label, DEPLOY
    )


def _check_private_nodes(found: Mapping[str, Any]) -> Finding:
    private = found.get("privateClusterConfig", {}).get("enablePrivateNodes", False)
    private = found.get("networkConfig", {}).get("defaultEnablePrivateNodes", private)
    wrong = [] if private else ["new nodes have external addresses"]
    wrong += [
        f"nodes of {pool['name']} have external addresses"
        for pool in found.get("nodePools", [])
        if not pool.get("networkConfig", {}).get("enablePrivateNodes", private)
    ]
    return failure_or_ok("private nodes", wrong, "no node has an external address", DEPLOY)


def _check_authorized_networks(member: ObservedCluster, found: Mapping[str, Any]) -> Finding:
    """Compare both ways: missing networks, and networks that are not configured.

    Where istiod runs on nodes, the other clusters' pods have to be authorized: their istiods connect from there.
    """
    shape, peers = member.environment.cluster, member.environment.peer_api_clients(member.key)
    name = "authorized networks"
    endpoints = found.get("controlPlaneEndpointsConfig", {}).get("ipEndpointsConfig", {})
    config = found.get("masterAuthorizedNetworksConfig") or endpoints.get("authorizedNetworksConfig", {})
    if not config.get("enabled", False):
        return failure(name, "disabled: the control plane accepts connections from every address", DEPLOY)
    wanted = [*shape.authorized_networks, *peers]
    if shape.operator_address is not None:
        wanted.append(AuthorizedNetwork(name=OPERATOR, cidr=shape.operator_address))
    there = {one["cidrBlock"]: one.get("displayName", "") for one in config.get("cidrBlocks", [])}
    missing = [
        f"{one.name} ({one.cidr}) is {'required for endpoint discovery' if one in peers else 'configured'}, but missing"
        for one in wanted
        if str(one.cidr) not in there
    ]
    others = {cidr: label for cidr, label in there.items() if cidr not in [str(one.cidr) for one in wanted]}
    foreign = [f"{label or 'unnamed'} ({cidr}) is authorized, but not configured" for cidr, label in others.items()]
    if config.get("gcpPublicCidrsAccessEnabled", False):
        foreign.append("all public addresses of Google Cloud are authorized")
    if not missing and foreign and set(others.values()) == {OPERATOR} and len(others) == len(foreign):
        return warning(
            name,
            "; ".join(foreign),
            "the next deploy removes it; if the address is yours, export MESH_OPERATOR_ADDRESS before",
        )
    return failure_or_ok(name, missing + foreign, f"{len(there)}, as configured", DEPLOY)


def _check_deletion_protection(member: ObservedCluster, state: TerraformStates) -> Finding:
    """Look into terraform's state: the GKE API has no deletion protection."""
    name = "deletion protection"
    wanted = member.environment.cluster.deletion_protection
    clusters = (one for one in state.get("clusters") or () if one.type == "google_container_cluster")
    kept = next((one for one in clusters if one.attributes.get("name") == member.region.names.cluster), None)
    if kept is None:
        return ok(name, "unknown: only the state has it, which is not on this machine")
    found = on_off(kept.attributes.get("deletion_protection", False))
    return failure_or_ok(name, differs(found, on_off(wanted)), found, DEPLOY)


def _check_node_pools(member: ObservedCluster, found: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = member.region.nodes
    pools = {pool["name"]: pool for pool in found.get("nodePools", [])}
    pool = pools.pop(member.region.names.node_pool, None)
    if pool is None:
        yield failure("node pool", f"{member.region.names.node_pool} does not exist", DEPLOY)
    else:
        yield _check_node_pool(member, pool)
        scaling = pool.get("autoscaling", {})
        limits = f"{scaling.get('minNodeCount', 0)} to {scaling.get('maxNodeCount', 0)}"
        machine = pool.get("config", {}).get("machineType", "?")
        zones = pool.get("locations", [])
        wrong = differs(machine, wanted.machine_type, f"the machine type is {machine}")
        if not scaling.get("enabled", False):
            wrong.append("autoscaling is disabled")
        else:
            wrong += differs(limits, f"{wanted.min_nodes} to {wanted.max_nodes}", f"{limits} nodes per zone")
        if member.region.zones and set(zones) != set(member.region.zones):
            wrong += differs(zones, ", ".join(member.region.zones), f"the zones are {', '.join(zones)}")
        text = f"{machine}, {limits} nodes per zone in {counted(len(zones), 'zone')}"
        yield failure_or_ok("node pool configuration", wrong, text, DEPLOY)
    if pools:
        fix = f"gcloud container node-pools list --cluster {member.gcloud}"
        yield warning("other node pools", f"not configured: {', '.join(pools)}", fix)


def _check_node_pool(member: ObservedCluster, pool: Mapping[str, Any]) -> Finding:
    status = pool.get("status", "STATUS_UNSPECIFIED")
    reported = "; ".join(one.get("message", "") for one in pool.get("conditions", [])) or pool.get("statusMessage", "")
    text = f"{status}: {reported}" if reported else f"{status}, {pool.get('version', '?')}"
    fix = f"gcloud container node-pools describe {pool['name']} --cluster {member.gcloud}"
    return gke_status("node pool", status, text, fix)


def _zones(member: ObservedCluster) -> list[str]:
    """Return the zones that the nodes are in."""
    own = [pool for pool in member.gke.get("nodePools", []) if pool["name"] == member.region.names.node_pool]
    return list(own[0].get("locations", [])) if own else []

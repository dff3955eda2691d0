"""`mesh status`, of a cluster itself: its control plane, its nodes, its membership of the fleet."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import condition
from cli.sources.described import LookupResult
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, api_error_fix
from cli.sources.state import TerraformStates
from cli.status.hardening import look_at_hardening
from config.cluster import AuthorizedNetwork

OPERATOR = "operator"
"""What the authorized network is called that each operator sets for himself."""


def look_at_gke(member: ObservedCluster, project: LookupResult, state: TerraformStates) -> Iterator[Finding]:
    """Yield what the GKE API says of a cluster, against the configuration."""
    found = member.described
    if not isinstance(found, dict):
        yield _missing(member, found)
        return
    shape = member.environment.cluster
    yield _control_plane(member, found)
    channel = found.get("releaseChannel", {}).get("channel", "UNSPECIFIED").lower()
    wrong = (
        [] if channel == shape.release_channel else [f"{channel}, and the configuration says {shape.release_channel}"]
    )
    yield failure_or_ok("release channel", wrong, channel, DEPLOY)
    yield _mesh_label(member, found, project)
    yield _private_nodes(found)
    yield _authorized_networks(member, found)
    yield from look_at_hardening(member, found)
    yield _deletion_protection(member, state)
    yield from _node_pools(member, found)


def look_at_nodes(member: ObservedCluster) -> Finding:
    """Return whether the nodes are ready, and as many as there should be at least."""
    assert member.objects is not None
    nodes = member.objects.nodes
    unready = [one["metadata"]["name"] for one in nodes if condition(one, "Ready") != "True"]
    ready = len(nodes) - len(unready)
    least = member.region.nodes.min_nodes * max(1, len(_zones(member)))
    wrong = []
    if unready:
        wrong.append(f"not ready: {', '.join(unready)}")
    if ready < least:
        wrong.append(f"{ready} of {least} are ready")
    return failure_or_ok("nodes", wrong, f"{ready} ready", f"{member.kubectl} describe nodes")


def look_at_membership(member: ObservedCluster) -> Finding:
    """Return whether the fleet has the cluster."""
    found = member.membership
    if isinstance(found, ApiError):
        return failure(
            "membership", f"not known: {found}", api_error_fix(found, "gkehub", member.environment.project.id)
        )
    if found is None:
        return failure("membership", "the cluster is in no fleet", DEPLOY)
    state = found.get("state", {}).get("code", "CODE_UNSPECIFIED")
    parts = found["name"].split("/")
    name = f"{parts[-1]} --location {parts[3]} --project {member.environment.project.id}"
    wrong = [] if state == "READY" else [f"{state} and not READY"]
    return failure_or_ok("membership", wrong, state, f"gcloud container fleet memberships describe {name}")


def _missing(member: ObservedCluster, found: ApiError | None) -> Finding:
    name = "control plane"
    if found is None:
        text = f"there is no cluster {member.region.names.cluster} in {member.region.location}"
        return failure(name, text, DEPLOY)
    return failure(name, f"not known: {found}", api_error_fix(found, "container", member.environment.project.id))


def _control_plane(member: ObservedCluster, found: Mapping[str, Any]) -> Finding:
    status, version = found.get("status", "STATUS_UNSPECIFIED"), found.get("currentMasterVersion", "?")
    text = f"{status}, {version}"
    if said := "; ".join(one.get("message", "") for one in found.get("conditions", [])):
        text = f"{text}: {said}"
    if status == "RUNNING":
        return ok("control plane", text)
    fix = f"gcloud container clusters describe {member.gcloud}"
    # It serves meanwhile; an upgrade is such work.
    return warning("control plane", text, fix) if status == "RECONCILING" else failure("control plane", text, fix)


def _mesh_label(member: ObservedCluster, found: Mapping[str, Any], project: LookupResult) -> Finding:
    """The label by which Cloud Service Mesh knows which clusters are one mesh."""
    name = "mesh label"
    label = found.get("resourceLabels", {}).get("mesh_id", "")
    if not isinstance(project, dict):
        why = project or "Resource Manager does not know the project"
        fix = f"gcloud projects describe {member.environment.project.id}"
        if isinstance(project, ApiError):
            fix = api_error_fix(project, "projects", member.environment.project.id)
        return failure(name, f"the project's number is not known: {why}", fix)
    wanted = f"proj-{project['projectNumber']}"
    return failure_or_ok(
        name, [] if label == wanted else [f"mesh_id is {label or 'not set'}, and not {wanted}"], label, DEPLOY
    )


def _private_nodes(found: Mapping[str, Any]) -> Finding:
    private = found.get("privateClusterConfig", {}).get("enablePrivateNodes", False)
    private = found.get("networkConfig", {}).get("defaultEnablePrivateNodes", private)
    wrong = [] if private else ["new nodes get external addresses"]
    wrong += [
        f"those of {pool['name']} have external addresses"
        for pool in found.get("nodePools", [])
        if not pool.get("networkConfig", {}).get("enablePrivateNodes", private)
    ]
    return failure_or_ok("private nodes", wrong, "no node has an external address", DEPLOY)


def _authorized_networks(member: ObservedCluster, found: Mapping[str, Any]) -> Finding:
    """Both ways: who may reach the control plane and should not, and who should and may not.

    Among those who should are the pods of other clusters, where it is they who watch it.
    """
    shape, watchers = member.environment.cluster, member.environment.peer_api_clients(member.key)
    name = "authorized networks"
    endpoints = found.get("controlPlaneEndpointsConfig", {}).get("ipEndpointsConfig", {})
    config = found.get("masterAuthorizedNetworksConfig") or endpoints.get("authorizedNetworksConfig", {})
    if not config.get("enabled", False):
        return failure(name, "off: everybody reaches the control plane's addresses", DEPLOY)
    wanted = [*shape.authorized_networks, *watchers]
    if shape.operator_address is not None:
        wanted.append(AuthorizedNetwork(name=OPERATOR, cidr=shape.operator_address))
    there = {one["cidrBlock"]: one.get("displayName", "") for one in config.get("cidrBlocks", [])}
    missing = [
        f"{one.name} ({one.cidr}) is {'to watch it' if one in watchers else 'in the configuration'}, and not let in"
        for one in wanted
        if str(one.cidr) not in there
    ]
    others = {cidr: label for cidr, label in there.items() if cidr not in [str(one.cidr) for one in wanted]}
    foreign = [
        f"{label or 'somebody'} ({cidr}) is let in, and not in the configuration" for cidr, label in others.items()
    ]
    if config.get("gcpPublicCidrsAccessEnabled", False):
        foreign.append("all of Google Cloud's public addresses are let in")
    if not missing and foreign and set(others.values()) == {OPERATOR} and len(others) == len(foreign):
        return warning(name, "; ".join(foreign), "export MESH_OPERATOR_ADDRESS, if it is yours: a deploy removes it")
    return failure_or_ok(name, missing + foreign, f"{len(there)}, as configured", DEPLOY)


def _deletion_protection(member: ObservedCluster, state: TerraformStates) -> Finding:
    """Terraform's own, and only in its state: the GKE API has no such thing."""
    name = "deletion protection"
    wanted = member.environment.cluster.deletion_protection
    kept = next(
        (
            one
            for one in state.get("clusters") or ()
            if one.type == "google_container_cluster" and one.attributes.get("name") == member.region.names.cluster
        ),
        None,
    )
    if kept is None:
        return ok(name, "not known: it is in terraform's state only, which is not here")
    words = {True: "on", False: "off"}
    found = bool(kept.attributes.get("deletion_protection", False))
    wrong = [] if found == wanted else [f"{words[found]}, and the configuration says {words[wanted]}"]
    return failure_or_ok(name, wrong, words[found], DEPLOY)


def _node_pools(member: ObservedCluster, found: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = member.region.nodes
    pools = {pool["name"]: pool for pool in found.get("nodePools", [])}
    pool = pools.pop(member.region.names.node_pool, None)
    others = ", ".join(pools)
    if pool is None:
        yield failure("node pool", f"there is no {member.region.names.node_pool}", DEPLOY)
    else:
        yield _node_pool_status(member, pool)
        scaling = pool.get("autoscaling", {})
        limits = (scaling.get("minNodeCount", 0), scaling.get("maxNodeCount", 0))
        machine = pool.get("config", {}).get("machineType", "?")
        zones = pool.get("locations", [])
        wrong = []
        if machine != wanted.machine_type:
            wrong.append(f"machines are {machine}, and the configuration says {wanted.machine_type}")
        if not scaling.get("enabled", False):
            wrong.append("autoscaling is off")
        elif limits != (wanted.min_nodes, wanted.max_nodes):
            said = f"{wanted.min_nodes} to {wanted.max_nodes}"
            wrong.append(f"{limits[0]} to {limits[1]} nodes a zone, and the configuration says {said}")
        if member.region.zones and set(zones) != set(member.region.zones):
            wrong.append(f"in {', '.join(zones)}, and the configuration says {', '.join(member.region.zones)}")
        text = f"{machine}, {limits[0]} to {limits[1]} in each of {len(zones)} zones"
        yield failure_or_ok("node pool's shape", wrong, text, DEPLOY)
    if pools:
        fix = f"gcloud container node-pools list --cluster {member.gcloud}"
        yield warning("other node pools", f"not in the configuration: {others}", fix)


def _node_pool_status(member: ObservedCluster, pool: Mapping[str, Any]) -> Finding:
    status = pool.get("status", "STATUS_UNSPECIFIED")
    said = "; ".join(one.get("message", "") for one in pool.get("conditions", [])) or pool.get("statusMessage", "")
    text = f"{status}: {said}" if said else f"{status}, {pool.get('version', '?')}"
    cluster = f"--cluster {member.gcloud}"
    fix = f"gcloud container node-pools describe {pool['name']} {cluster}"
    if status == "RUNNING":
        return ok("node pool", text)
    return warning("node pool", text, fix) if status == "RECONCILING" else failure("node pool", text, fix)


def _zones(member: ObservedCluster) -> list[str]:
    """Return the zones that the nodes are in."""
    pools = member.described.get("nodePools", []) if isinstance(member.described, dict) else []
    own = [pool for pool in pools if pool["name"] == member.region.names.node_pool]
    return list(own[0].get("locations", [])) if own else []

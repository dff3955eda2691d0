"""Existing resources at which a deploy would fail, or which it would take over."""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

from cli.doctor.untracked_objects import ObjectReference, existing, untracked_objects
from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient, LookupResult
from cli.sources.kubernetes import ClusterClient, KubectlError, reachable_clusters
from cli.sources.remediation import REPAIR, api_error_fix, kubectl_command, unreachable_fix
from cli.sources.remote_secrets import unexpected_names
from cli.sources.resources import CLUSTERS, FEATURES, MEMBERSHIPS, CloudResource, ExpectedResources, list_resources
from cli.sources.state import TerraformStates, read_states
from config import Environment, ResolvedRegion
from config.backend import LocalState, place
from config.naming import MESH_NAMESPACE

SHOW_PLANS = "for stack in network clusters mesh ingress; do cdktf diff $stack; done"
"""cdktf shows the plan of one stack."""

MESH_LABEL = "mesh_id"
"""The label by which a cluster joins the mesh of its project."""

ANOTHER_PROJECT = "set project.id to a project without another environment"


def check(
    environment: Environment,
    config: Path,
    google: GoogleClient,
    resources: ExpectedResources,
    enabled: Set[str],
    *,
    connected: Mapping[str, Mapping[str, Any]],
) -> list[Finding]:
    """Check each name, each membership, and the content of each cluster that this machine can connect to.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        google: The client.
        resources: The expected resources.
        enabled: The enabled APIs.
        connected: The clusters as the GKE API describes them, by region.

    Raises:
        MeshError: There are no credentials.
    """
    try:
        states = read_states(environment, config)
    except MeshError as error:
        return [failure("terraform's state", str(error), error.fix)]
    tracked = tracked_ids(environment, states)
    return [
        _check_mode(environment, states),
        _check_other_environments(environment, google, enabled),
        *(_check_resource(one, found, tracked, environment) for one, found in resources.items()),
        *_check_memberships(environment, google, enabled),
        *_check_clusters(environment, config, states, connected),
    ]


def _check_mode(environment: Environment, states: TerraformStates) -> Finding:
    """Check that the control plane mode is the one that was deployed: the mesh stack's plan refuses another."""
    title, wanted = "mesh.control_plane", environment.mesh.control_plane
    deployed = [name for one in states["mesh"] or () if (name := one.inputs.get("control_plane"))]
    if all(name == wanted for name in deployed):
        return ok(title, wanted)
    text = f"the deployed mesh has the mode {deployed[0]}, and a mesh can't be migrated to {wanted}"
    keep = f"to keep the mesh, set mesh.control_plane: {deployed[0]}"
    fix = f"{keep}; to replace it, first run, with that line: cdktf destroy ingress mesh; then set {wanted}, and deploy"
    return failure(title, text, fix)


def _check_other_environments(environment: Environment, google: GoogleClient, enabled: Set[str]) -> Finding:
    """Check that no cluster of another environment is in the project's mesh.

    The label mesh_id, the fleet's features and its config cluster are the project's: no data source shows another
    environment before it is too late, so that no plan can refuse it.
    Source: https://cloud.google.com/service-mesh/docs/onboarding/provision-control-plane
    """
    name = "other environments in the project"
    try:
        others = other_environments(environment, google) if "container" in enabled else []
    except ApiError as error:
        return failure(name, f"can't list clusters: {error}", api_error_fix(error, "container", google.project))
    if not others:
        return ok(name, "none")
    text = f"clusters of another environment are in the project's mesh: {', '.join(others)}"
    return failure(name, text, ANOTHER_PROJECT)


def other_environments(environment: Environment, google: GoogleClient) -> list[str]:
    """Return the clusters of other environments in the project's mesh.

    Raises:
        ApiError: The clusters can't be listed.
        MeshError: There are no credentials.
    """
    return [
        f"{one.name} in {one.location} on {network}"
        for one in list_resources(google, CLUSTERS)
        if MESH_LABEL in one.content.get("resourceLabels", {})
        and (network := str(one.content.get("network", "")).rpartition("/")[2]) != environment.names.vpc
    ]


def tracked_ids(environment: Environment, states: TerraformStates) -> frozenset[str] | None:
    """Return the ids of all resources in terraform's state; None if the state is not on this machine."""
    if not isinstance(environment.backend, LocalState):
        return None
    return frozenset(str(one.attributes.get("id", "")) for state in states.values() for one in state or ())


def _check_resource(
    resource: CloudResource,
    found: LookupResult,
    tracked: frozenset[str] | None,
    environment: Environment,
) -> Finding:
    name = f"{resource.kind.singular} {resource.name}"
    if resource.region:
        name = f"{resource.region}: {name}"
    if isinstance(found, ApiError):
        fix = api_error_fix(found, resource.kind.api, environment.project.id)
        return failure(name, f"unknown: {found}", fix)
    if found is None:
        return ok(name, "not created yet")
    if resource.parent and (tracked is None or resource.parent not in tracked):
        return ok(name, f"part of its {resource.kind.parent}")
    if tracked is None:
        text = f"exists; whether it is in the state in {place(environment.backend)} is not checked"
        return warning(name, text, SHOW_PLANS)
    if resource.terraform_id in tracked:
        return ok(name, "exists, in the state")
    if resource.kind is FEATURES:
        cluster = found.get("spec", {}).get("multiclusteringress", {}).get("configMembership", "").rpartition("/")[2]
        text = f"enabled but missing from the state{f'; its config cluster is {cluster}' if cluster else ''}"
        own = [region.names.cluster for region in environment.resolved_regions()]
        if cluster and cluster not in own:
            return failure(name, f"{text}, which belongs to another environment", ANOTHER_PROJECT)
        return failure(name, text, REPAIR)
    text = "exists but is missing from the state, so a deploy can't create it"
    if not resource.parent:
        text += "; if it is not of this environment, set another project.name_prefix"
    return failure(name, text, REPAIR)


def _check_memberships(environment: Environment, google: GoogleClient, enabled: Set[str]) -> list[Finding]:
    """Check that no membership is in the place of the one that GKE creates: under the cluster's name, in its region."""
    try:
        memberships = list_resources(google, MEMBERSHIPS) if "gkehub" in enabled else ()
    except ApiError as error:
        return [
            failure("memberships", f"can't list memberships: {error}", api_error_fix(error, "gkehub", google.project))
        ]
    return [_check_membership(region, memberships) for region in environment.resolved_regions()]


def _check_membership(region: ResolvedRegion, memberships: Sequence[CloudResource]) -> Finding:
    cluster = region.names.cluster
    name = f"{region.key}: membership {cluster}"
    for one in memberships:
        link = one.content.get("endpoint", {}).get("gkeCluster", {}).get("resourceLink", "")
        is_cluster = link.endswith(f"/locations/{region.location}/clusters/{cluster}")
        if is_cluster and (one.location, one.name) != (region.location, cluster):
            return failure(
                name,
                f"the cluster is registered in the fleet under another membership, {one.name} in {one.location}",
                one.delete_command,
            )
        if not is_cluster and one.name == cluster and one.location in (region.location, "global"):
            other = link.partition("/locations/")[2] or "another cluster"
            return failure(name, f"the name is used in {one.location} by {other}", one.delete_command)
    return ok(name, "no conflict")


def _check_clusters(
    environment: Environment, config: Path, states: TerraformStates, connected: Mapping[str, Mapping[str, Any]]
) -> list[Finding]:
    if not connected:
        return []
    untracked = untracked_objects(environment, config, states)
    findings = []
    try:
        with reachable_clusters(environment, connected, None) as clusters:
            for key, cluster in clusters.items():
                findings += [
                    _read(f"{key}: remote secrets", cluster, partial(_check_secrets, environment)),
                    _read(f"{key}: objects", cluster, partial(_check_objects, untracked)),
                ]
    except MeshError as error:  # a tool is missing, which has a finding of its own
        return [warning("clusters", f"not checked: {error}", error.fix)]
    return findings


def _read(name: str, cluster: ClusterClient | MeshError, check: Callable[[str, ClusterClient], Finding]) -> Finding:
    if isinstance(cluster, MeshError):
        return warning(name, f"not checked: {cluster}", cluster.fix)
    try:
        return check(name, cluster)
    except KubectlError as error:
        return failure(name, f"can't read them: {error}", unreachable_fix(str(error), cluster))


def _check_secrets(environment: Environment, name: str, cluster: ClusterClient) -> Finding:
    """Check that no other remote secret makes the mesh watch a cluster twice, or a foreign one."""
    found = unexpected_names(environment, cluster)
    if not found:
        return ok(name, "no unexpected ones")
    delete = kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", *found)
    if environment.control_plane.uses_remote_secrets:
        return failure(name, f"the mesh would watch clusters that are not configured: {', '.join(found)}", delete)
    return warning(
        name, f"this control plane mode does not use remote secrets, and each holds a token: {', '.join(found)}", delete
    )


def _check_objects(
    untracked: Mapping[str, Sequence[ObjectReference]] | None, name: str, cluster: ClusterClient
) -> Finding:
    """Check for objects that an interrupted terraform has created, or another tool under the same name."""
    if untracked is None:
        return ok(name, "not compared: the state is not on this machine, or not of the last synthesis")
    found = existing(cluster, untracked.get(cluster.region, ()))
    if not found:
        return ok(name, "no conflict")
    text = f"exist but are missing from the state, so the next deploy fails: {', '.join(map(str, found))}"
    return failure(name, text, REPAIR)

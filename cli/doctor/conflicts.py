"""What is in the project already, and would stop a deploy or be taken over by it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

from cli.doctor.untracked_objects import Object, there, unknown_to_terraform
from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.sources.expected_resources import FEATURE, PARTS, Inventory, Thing
from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, reachable_clusters
from cli.sources.remediation import api_error_fix, chained, kubectl_command, unreachable_fix
from cli.sources.remote_secrets import unexpected_names
from cli.sources.state import TerraformStates, read_states
from config import Environment, ResolvedRegion
from config.backend import LocalState, place
from config.naming import MESH_NAMESPACE

FEATURES = {"servicemesh": "service-mesh", "multiclusteringress": "multi-cluster-ingress"}
"""By fleet feature: what it is called in the mesh stack, where terraform would take it over."""


def check(
    environment: Environment,
    config: Path,
    google: GoogleClient,
    inventory: Inventory,
    on: Set[str],
    *,
    reached: Mapping[str, Mapping[str, Any]],
) -> list[Finding]:
    """Return a finding for each name, each membership, and what is in each cluster that was reached.

    Args:
        config: the configuration's file, beside which terraform's state is.
        on: the APIs that are on.
        reached: clusters as the GKE API describes them, by region.

    Raises:
        MeshError: there are no credentials.
    """
    try:
        state = read_states(environment, config)
    except MeshError as error:
        return [failure("terraform's state", str(error), error.fix)]
    known = known_to_terraform(environment, state)
    return [
        _made_by(environment, state),
        *(_of_thing(thing, answer, known, environment) for thing, answer in inventory.items()),
        *_memberships(environment, google, inventory, on),
        *_in_clusters(environment, config, state, reached),
    ]


def _made_by(environment: Environment, state: TerraformStates) -> Finding:
    """Another way to a mesh than the one that made it is refused in the mesh stack's plan: better to know before."""
    title, wanted = "mesh.control_plane", environment.mesh.control_plane
    kept = state["mesh"] or ()
    made = [name for one in kept if (name := one.inputs.get("control_plane"))]
    if all(name == wanted for name in made):
        return ok(title, wanted)
    text = f"{made[0]} made this mesh, and there is no migration to {wanted}"
    fix = f"set it back; or, with it set back: cdktf destroy ingress mesh, then set {wanted}, and deploy"
    return failure(title, text, fix)


def known_to_terraform(environment: Environment, state: TerraformStates) -> frozenset[str] | None:
    """Return the ids of all that terraform has made; None if its state is not on this machine."""
    if not isinstance(environment.backend, LocalState):
        return None
    kept = [one for stack in state.values() for one in stack or ()]
    return frozenset(str(one.attributes.get("id", "")) for one in kept)


def _of_thing(
    thing: Thing, answer: Mapping[str, Any] | ApiError | None, known: frozenset[str] | None, environment: Environment
) -> Finding:
    name = f"{thing.region}: {thing.kind} {thing.name}" if thing.region else f"{thing.kind} {thing.name}"
    if isinstance(answer, ApiError):
        return failure(name, f"is not known: {answer}", api_error_fix(answer, thing.api, environment.project.id))
    if answer is None:
        return ok(name, "off" if thing.kind == FEATURE else "free")
    if thing.parent and (known is None or thing.parent not in known):
        return ok(name, f"goes with its {PARTS[thing.kind][0]}")
    if known is None:
        text = f"is there already; whether terraform has made it, its state in {place(environment.backend)} knows"
        return warning(name, text, "cdktf diff network clusters mesh ingress")
    if thing.path in known:
        return ok(name, "terraform's own")
    if thing.kind == FEATURE:
        return failure(name, f"is on already, and not by terraform{_config_of(answer)}", _take_over(thing))
    text = "is there, and terraform does not know it: delete it if nobody needs it"
    if not thing.parent:
        text += ", or change project.name_prefix"
    return failure(name, text, thing.delete)


def _config_of(feature: Mapping[str, Any]) -> str:
    cluster = feature.get("spec", {}).get("multiclusteringress", {}).get("configMembership", "")
    return f"; its config cluster is {cluster.rpartition('/')[2]}" if cluster else ""


def _take_over(feature: Thing) -> str:
    """Return the command by which a feature becomes terraform's: off, it would be off for the whole fleet."""
    stack = "terraform -chdir=cdktf.out/stacks/mesh"
    address = f"google_gke_hub_feature.{FEATURES[feature.name]}"
    return f"cdktf synth && {stack} init && {stack} import {address} {feature.path}"


def _memberships(environment: Environment, google: GoogleClient, inventory: Inventory, on: Set[str]) -> list[Finding]:
    """GKE registers a cluster under its own name in its own region; another membership in its place stops that."""
    path = f"projects/{google.project}/locations/-/memberships"
    try:
        members = list(google.pages("gkehub", path, "resources")) if "gkehub" in on else []
    except ApiError as error:
        return [failure("memberships", f"are not told: {error}", api_error_fix(error, "gkehub", google.project))]
    return [_of_membership(region, members, google.project) for region in environment.resolved_regions()]


def _of_membership(region: ResolvedRegion, members: Sequence[Mapping[str, Any]], project: str) -> Finding:
    cluster = region.names.cluster
    name = f"{region.key}: membership {cluster}"
    for member in members:
        place, _, member_name = member["name"].partition("/locations/")[2].partition("/memberships/")
        link = member.get("endpoint", {}).get("gkeCluster", {}).get("resourceLink", "")
        is_cluster = link.endswith(f"/locations/{region.location}/clusters/{cluster}")
        is_named = member_name == cluster and place in (region.location, "global")
        if is_cluster and place == region.location and member_name == cluster:
            continue
        delete = f"gcloud container fleet memberships delete {member_name} --location {place} --project {project}"
        if is_cluster:
            return failure(name, f"the cluster is in the fleet as {member_name} in {place}", delete)
        if is_named:
            other = link.partition("/locations/")[2] or "another cluster"
            return failure(name, f"is taken in {place}, by {other}", delete)
    return ok(name, "nobody else's")


def _in_clusters(
    environment: Environment, config: Path, state: TerraformStates, reached: Mapping[str, Mapping[str, Any]]
) -> list[Finding]:
    if not reached:
        return []
    unknown = unknown_to_terraform(environment, config, state)
    findings = []
    try:
        with reachable_clusters(environment, reached, None) as clusters:
            for key, cluster in clusters.items():
                findings.append(_asked(f"{key}: remote secrets", cluster, partial(_secrets, environment)))
                findings.append(_asked(f"{key}: objects", cluster, partial(_objects, unknown)))
    except MeshError as error:  # a tool is missing, as its own finding says
        return [warning("clusters", f"not looked at: {error}", error.fix)]
    return findings


def _asked(name: str, cluster: ClusterClient | MeshError, look: Callable[[str, ClusterClient], Finding]) -> Finding:
    if isinstance(cluster, MeshError):
        return warning(name, f"not looked at: {cluster}", cluster.fix)
    try:
        return look(name, cluster)
    except KubectlError as error:
        return failure(name, f"not told by the cluster: {error}", unreachable_fix(str(error), cluster))


def _secrets(environment: Environment, name: str, cluster: ClusterClient) -> Finding:
    """Another secret beside ours would let the mesh of a cluster know a cluster twice, or one that is none of it."""
    found = unexpected_names(environment, cluster.region, cluster)
    if not found:
        return ok(name, "nobody else's")
    delete = kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", *found)
    if environment.control_plane.uses_remote_secrets:
        return failure(name, f"somebody else's: {', '.join(found)}", delete)
    return warning(name, f"the control plane knows none, and there are {', '.join(found)}: each holds a token", delete)


def _objects(unknown: Mapping[str, Sequence[Object]] | None, name: str, cluster: ClusterClient) -> Finding:
    """What a killed terraform has lost, or somebody else has made under one of our names."""
    if unknown is None:
        return ok(name, "not compared: terraform's state is elsewhere, or of another synthesis")
    found = there(cluster, unknown.get(cluster.region, ()))
    if not found:
        return ok(name, "terraform's own, or still to be made")
    by_namespace: defaultdict[str, list[str]] = defaultdict(list)
    for one in found:
        by_namespace[one.namespace].append(one.resource)
    delete = [
        kubectl_command(
            cluster, *(("--namespace", namespace) if namespace else ()), "delete", "--ignore-not-found", *some
        )
        for namespace, some in by_namespace.items()
    ]
    text = f"there, not in terraform's state, and the next deploy would stop at it: {', '.join(map(str, found))}"
    text += "; delete it if nobody needs it"
    if any(one.kind == "Namespace" for one in found):
        text += ", but look first: a Namespace goes with all that is in it"
    return failure(name, text, chained(reversed(delete)))

"""`mesh audit`: orphaned resources, each with the command that deletes it.

It deletes nothing itself. `cli.audit.ownership` defines what is orphaned. The commands stand in an order in which
they can be run, but a load balancer takes minutes to release its components: a deletion that is refused because the
resource is in use can be repeated.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cli.audit.interrupted import check_lock, find_on_machine, read_interrupted
from cli.audit.ownership import ClusterContent, OwnershipRules
from cli.errors import MeshError
from cli.report.findings import Finding, Report, Section, failure, ok, warning
from cli.report.output import Output
from cli.sources.applied import ObjectKey
from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, cluster_path, reachable_clusters
from cli.sources.mesh_components import orphaned_components, read_components
from cli.sources.orphaned_objects import own_objects, read_orphaned_objects
from cli.sources.remediation import api_error_fix, as_deployer, kubectl_command, unmanage_command, unreachable_fix
from cli.sources.remote_secrets import read_names
from cli.sources.resources import (
    CLUSTERS,
    FEATURES,
    LISTED,
    CloudResource,
    ProjectResources,
    ResourceKind,
    list_all,
)
from cli.sources.state import TerraformStates, read_states
from cli.sources.synthesized import Synthesized, read_last
from cli.sources.terraform import StackFolder
from config import Environment
from config.backend import LocalState, place
from config.crds import EXPORT_CRD, MCI_CRDS
from config.local_state import last_written
from config.naming import MESH_NAMESPACE, STACKS
from config.plural import counted

ALL_DEPLOYED = "configured resources are not orphaned while one configured cluster exists"

OF_LOAD_BALANCERS = (*MCI_CRDS, "gateways.gateway.networking.k8s.io", EXPORT_CRD)
"""Kinds for whose objects controllers create load balancers, and endpoint groups."""

MULTI_CLUSTER_CLASS = "-mc"
"""End of the names of the classes of multi-cluster Gateways; others have load balancers of a cluster alone."""

Clusters = Mapping[str, tuple[ClusterClient, ClusterContent] | None]
"""By region, the configured clusters that exist; None where the content is not known."""

Listed = tuple[CloudResource, ...] | ApiError
"""The project's resources of one kind."""

Orphan = tuple[str, str, str]
"""Name, reason and delete command of something in a cluster."""


def search(environment: Environment, config: Path, kubeconfig: Path | None, output: Output) -> Report:
    """Search for orphaned resources.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        output: Where progress is shown.

    Raises:
        MeshError: There are no credentials, a tool is missing, or a state can't be read.
    """
    states = read_states(environment, config)
    google = GoogleClient.of(environment)
    with output.spinner(f"listing the resources of {google.project}"):
        resources = list_all(google)
    report = Report("audit", data={"orphaned": []})
    first = report.section("Deployed environment")
    first.findings.append(_describe_states(environment, states))
    described = _configured_clusters(environment, resources)
    clusters: dict[str, tuple[ClusterClient, ClusterContent] | None] = dict.fromkeys(described)
    if described:
        with (
            output.spinner(f"reading {counted(len(described), 'cluster')}"),
            reachable_clusters(environment, described, kubeconfig) as clients,
            ThreadPoolExecutor(8) as pool,
        ):
            stacks = _synthesized(config, states)
            own = [None if stacks is None else own_objects(states, stacks, key) for key in clients]
            written = [last_written(config)] * len(clients)
            read = pool.map(_read_content, clients, clients.values(), own, written)
            for key, result in zip(clients, read, strict=True):
                clusters[key] = None if isinstance(result, Finding) else result
                first.findings.append(result if isinstance(result, Finding) else _describe_content(key, *result))
    contents = {key: one and one[1] for key, one in clusters.items()}
    rules = OwnershipRules(environment, resources, states, contents)
    if described:
        _check_secrets(report, rules, clusters)
        _check_components(report, rules, clusters)
    _check_interrupted(report, environment, config, clusters)
    for title, kinds in LISTED.items():
        section = report.section(title)
        if FEATURES in kinds:
            _check_management(report, section, resources[FEATURES], rules)
        for kind in kinds:
            _check_kind(report, section, kind, resources[kind], rules)
    return report


def _describe_states(environment: Environment, states: TerraformStates) -> Finding:
    name = "terraform's state"
    if not isinstance(environment.backend, LocalState):
        return ok(name, f"in {place(environment.backend)}, not read: {ALL_DEPLOYED}")
    missing = [stack for stack, state in states.items() if state is None]
    text = ", ".join(
        f"{stack}: {counted(len(state), 'resource')}" for stack, state in states.items() if state is not None
    )
    if not text:
        return ok(name, f"none on this machine: {ALL_DEPLOYED}")
    return ok(name, text + (f"; none on this machine: {', '.join(missing)}" if missing else ""))


def _configured_clusters(environment: Environment, resources: ProjectResources) -> dict[str, dict[str, object]]:
    """Return the configured clusters that exist, by region, as the GKE API describes them."""
    found = resources[CLUSTERS]
    if isinstance(found, ApiError):
        return {}
    existing = {one.path: dict(one.content) for one in found}
    paths = {region.key: cluster_path(environment, region) for region in environment.resolved_regions()}
    return {key: existing[path] for key, path in paths.items() if path in existing}


def _synthesized(config: Path, states: TerraformStates) -> Synthesized | None:
    """Return the stacks, if they and all states are known here: an object in none of them is orphaned."""
    try:
        return None if None in states.values() else read_last(config)
    except MeshError:
        return None  # no synthesis, or an interrupted one


def _read_content(
    key: str, cluster: ClusterClient | MeshError, own: Collection[ObjectKey] | None, written: float
) -> tuple[ClusterClient, ClusterContent] | Finding:
    """Read the content of a cluster; return a finding if it is not known."""
    name = f"cluster of {key}"
    if isinstance(cluster, MeshError):
        return failure(name, str(cluster), cluster.fix or "mesh doctor")
    try:
        uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
        objects = [
            one
            for name in OF_LOAD_BALANCERS
            for one in (cluster.find(name, "--all-namespaces") or {}).get("items", ())
            if one["kind"] != "Gateway" or one["spec"].get("gatewayClassName", "").endswith(MULTI_CLUSTER_CLASS)
        ]
        kinds = frozenset(one["kind"] for one in objects)
        interrupted = list(read_interrupted(cluster))
        content = ClusterContent(uid, read_names(cluster), read_components(cluster), kinds, interrupted)
    except KubectlError as error:
        return failure(name, f"can't read its objects: {error}", unreachable_fix(str(error), cluster))
    try:
        return cluster, replace(content, orphaned=[] if own is None else read_orphaned_objects(cluster, own, written))
    except KubectlError as error:  # such as where one of the many kinds may not be listed
        return cluster, replace(content, unread=str(error))


def _describe_content(key: str, cluster: ClusterClient, content: ClusterContent) -> Finding:
    name, error = f"cluster of {key}", content.unread
    if error:
        return warning(name, f"read, but what interrupted deploys left: {error}", unreachable_fix(error, cluster))
    return ok(name, "read")


def _check_secrets(report: Report, rules: OwnershipRules, clusters: Clusters) -> None:
    def orphans(key: str, cluster: ClusterClient, content: ClusterContent) -> Iterable[Orphan]:
        for name in content.secrets:
            if why := rules.of_secret(name).orphaned:
                delete = kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", name)
                yield f"remote secret {name} in {key}", why, delete

    _check_clusters(report, "Remote secrets", clusters, orphans, lambda one: f"{len(one.secrets)}, none orphaned")


def _check_components(report: Report, rules: OwnershipRules, clusters: Clusters) -> None:
    def orphans(key: str, cluster: ClusterClient, content: ClusterContent) -> Iterable[Orphan]:
        for one, why in orphaned_components(rules.environment, content.components):
            yield f"{one.kind} {one.name} in {key}", why, one.delete_command(cluster)

    _check_clusters(report, "Other mesh control planes", clusters, orphans, lambda _: "none")


def _check_interrupted(report: Report, environment: Environment, config: Path, clusters: Clusters) -> None:
    """Add a section with what killed commands have left in the clusters, on this machine, and in the states' locks."""

    def orphans(key: str, _: ClusterClient, content: ClusterContent) -> Iterable[Orphan]:
        for one in content.interrupted:
            yield f"{one.key} in {key}", one.cause, one.fix
        for left in content.orphaned:
            yield f"{left.key} in {key}", left.cause, left.command

    title = "Interrupted commands"
    _check_clusters(report, title, clusters, orphans, lambda _: "none")
    section = report.sections[-1] if clusters else report.section(title)
    folders = [StackFolder.of(config, stack) for stack in STACKS]
    found = list(find_on_machine(folders))
    for orphan in found:
        _add_orphan(report, section, *orphan)
    if not found:
        section.findings.append(ok("on this machine", "none"))
    if not isinstance(environment.backend, LocalState):
        section.findings += [check_lock(folder) for folder in folders]


def _check_clusters(
    report: Report,
    title: str,
    clusters: Clusters,
    orphans: Callable[[str, ClusterClient, ClusterContent], Iterable[Orphan]],
    right: Callable[[ClusterContent], str],
) -> None:
    """Add a section with what is orphaned in each cluster.

    Args:
        report: The report.
        title: Title of the section.
        clusters: The clusters.
        orphans: Returns what is orphaned in a cluster, which has the given key.
        right: Returns the text of the finding if nothing is.
    """
    section = report.section(title)
    for key, one in clusters.items():
        if one is None:
            section.findings.append(warning(f"in {key}", "unknown", f"see cluster of {key}, in Deployed environment"))
            continue
        found = list(orphans(key, *one))
        for orphan in found:
            _add_orphan(report, section, *orphan)
        if not found:
            section.findings.append(ok(f"in {key}", right(one[1])))


def _check_management(report: Report, section: Section, features: Listed, rules: OwnershipRules) -> None:
    """Check fleet management of meshes, which blocks disabling the feature and replacing the mesh."""
    if isinstance(features, ApiError):
        return  # which the features' own finding reports
    managed = [found for one in features if one.name == "servicemesh" for found in rules.of_management(one)]
    orphaned = [one for one in managed if one[2].orphaned]
    for name, location, ownership in orphaned:
        command = as_deployer(unmanage_command(name, location, rules.environment.project.id), rules.environment)
        title = f"fleet management of {name} in {location}"
        _add_orphan(report, section, title, ownership.orphaned, command)
    if not orphaned:
        text = f"{counted(len(managed), 'cluster')}, none orphaned" if managed else "none"
        section.findings.append(ok("fleet management", text))


def _check_kind(report: Report, section: Section, kind: ResourceKind, found: Listed, rules: OwnershipRules) -> None:
    if isinstance(found, ApiError):
        fix = api_error_fix(found, kind.api, rules.environment.project.id)
        section.findings.append(failure(kind.title, f"unknown: {found}", fix))
        return
    ownerships = [(one, rules.of(one)) for one in found]
    for one, ownership in ownerships:
        if ownership.orphaned:
            where = f" in {one.location}" if one.location not in ("", "global") else ""
            command = as_deployer(one.delete_command, rules.environment)
            _add_orphan(report, section, f"{kind.singular} {one.name}{where}", ownership.orphaned, command)
    unknown = [(one.name, ownership.unknown) for one, ownership in ownerships if ownership.unknown]
    if unknown:
        names = ", ".join(name for name, _ in unknown)
        fix = "correct the other failures first, and run mesh audit again"
        section.findings.append(failure(kind.title, f"may be orphaned: {names}; {unknown[0][1]}", fix))
    elif not any(ownership.orphaned for _, ownership in ownerships):
        text = f"{len(found)} in the project, none orphaned" if found else "none in the project"
        section.findings.append(ok(kind.title, text))


def _add_orphan(report: Report, section: Section, name: str, why: str, command: str) -> None:
    section.findings.append(failure(name, why, command))
    report.data["orphaned"].append({"name": name, "why": why, "command": command})

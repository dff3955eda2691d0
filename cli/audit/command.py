"""`mesh audit`: what is in the project that should not be there, each with the command that removes it.

It removes nothing itself. What belongs is defined in `cli.audit.ownership`. The commands stand
in an order in which they can be run, but a load balancer takes minutes to let go of its
parts: what is refused as being in use can be run again.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.audit.ownership import InCluster, Ownership
from cli.errors import MeshError
from cli.report.findings import Finding, Report, Section, failure, ok, warning
from cli.report.output import Output
from cli.sources.google import GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, cluster_path, reachable_clusters
from cli.sources.mesh_components import orphaned_components, read_components
from cli.sources.project_resources import (
    ACCOUNTS,
    ADDRESSES,
    CERTIFICATES,
    CLUSTERS,
    ENDPOINT_GROUPS,
    FEATURES,
    FIREWALL_RULES,
    LOAD_BALANCER,
    MEMBERSHIPS,
    NETWORKS,
    ROUTERS,
    SSL_POLICIES,
    SUBNETS,
    Kind,
    Listing,
    Unknown,
    list_all,
)
from cli.sources.remediation import kubectl_command, unmanage_command, unreachable_fix
from cli.sources.remote_secrets import read_names
from cli.sources.state import TerraformStates, read_states
from config import Environment
from config.backend import LocalState, place
from config.crds import MCI_CRDS
from config.naming import MESH_NAMESPACE

SECTIONS: dict[str, tuple[Kind, ...]] = {
    "Load balancer": (*LOAD_BALANCER, CERTIFICATES, SSL_POLICIES, ENDPOINT_GROUPS),
    "Fleet and clusters": (FEATURES, CLUSTERS, MEMBERSHIPS),
    "Network": (ADDRESSES, FIREWALL_RULES, ROUTERS, SUBNETS, NETWORKS),
    "Accounts": (ACCOUNTS,),
}
"""In the order in which things can be removed."""


def search(environment: Environment, config: Path, kubeconfig: Path | None, output: Output) -> Report:
    """List what is left over.

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
    with output.spinner(f"listing what is in {google.project}"):
        listing = list_all(google)
    report = Report("audit", data={"left": []})
    first = report.section("What is deployed")
    first.findings.append(_of_state(environment, state))
    described = _configured_clusters(environment, listing)
    inside: dict[str, InCluster | None] = dict.fromkeys(described)
    if described:
        with (
            output.spinner(f"asking {len(described)} clusters"),
            reachable_clusters(environment, described, kubeconfig) as clusters,
        ):
            with ThreadPoolExecutor(8) as pool:
                answers = dict(zip(clusters, pool.map(_ask, clusters, clusters.values()), strict=True))
            for key, answer in answers.items():
                inside[key] = answer if isinstance(answer, InCluster) else None
                first.findings.append(
                    answer if isinstance(answer, Finding) else ok(f"cluster of {key}", "has answered")
                )
            _secrets(report, Ownership(environment, listing, state, inside), clusters, inside)
            _parts(report, environment, clusters, inside)
    belonging = Ownership(environment, listing, state, inside)
    for title, kinds in SECTIONS.items():
        section = report.section(title)
        if FEATURES in kinds:
            _management(section, report, environment, listing, belonging)
        for kind in kinds:
            _of_kind(section, report, kind, listing, belonging)
    return report


def _of_state(environment: Environment, state: TerraformStates) -> Finding:
    name = "terraform's state"
    if not isinstance(environment.backend, LocalState):
        return ok(
            name,
            f"in {place(environment.backend)}: what the configuration names counts as deployed while one of its "
            "clusters is there",
        )
    missing = [stack for stack, kept in state.items() if kept is None]
    counts = {stack: len(kept) for stack, kept in state.items() if kept is not None}
    text = ", ".join(f"{stack} has {count}" for stack, count in counts.items())
    if not missing:
        return ok(name, f"{text} resources")
    if not counts:
        return ok(name, "none here: what the configuration names counts as deployed while one of its clusters is there")
    return ok(name, f"{text} resources; none here of {', '.join(missing)}")


def _configured_clusters(environment: Environment, listing: Listing) -> dict[str, dict[str, object]]:
    """Return the configured clusters that are there, by region, as the GKE API describes them."""
    found = listing[CLUSTERS]
    if isinstance(found, Unknown):
        return {}
    there = {one.path: dict(one.content) for one in found}
    paths = {region.key: cluster_path(environment, region) for region in environment.resolved_regions()}
    return {key: there[path] for key, path in paths.items() if path in there}


def _ask(key: str, cluster: ClusterClient | MeshError) -> InCluster | Finding:
    """Ask a cluster what in the cloud belongs to it."""
    name = f"cluster of {key}"
    if isinstance(cluster, MeshError):
        return failure(name, str(cluster), cluster.fix or "mesh doctor")
    try:
        uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
        there = {kind: cluster.find(kind, "--all-namespaces") or {} for kind in MCI_CRDS}
        ingress, service = (bool(there[kind].get("items")) for kind in MCI_CRDS)
        return InCluster(uid, read_names(cluster), read_components(cluster), ingress or service, service)
    except KubectlError as error:
        return failure(name, f"not known what belongs to it: {error}", unreachable_fix(str(error), cluster))


def _secrets(
    report: Report,
    belonging: Ownership,
    clusters: Mapping[str, ClusterClient | MeshError],
    inside: Mapping[str, InCluster | None],
) -> None:
    section = report.section("Remote secrets")
    for key, answer in inside.items():
        cluster = clusters[key]
        if answer is None or isinstance(cluster, MeshError):
            section.findings.append(warning(f"in {key}", "not known", f"see cluster of {key}"))
            continue
        left = [(name, verdict.left) for name in answer.secrets if (verdict := belonging.judge_secret(name)).left]
        for name, why in left:
            command = kubectl_command(cluster, "--namespace", MESH_NAMESPACE, "delete", "secret", name)
            _leave(report, section, f"remote secret {name} in {key}", why, command)
        if not left:
            section.findings.append(ok(f"in {key}", f"{len(answer.secrets)}, of clusters that are there"))


def _parts(
    report: Report,
    environment: Environment,
    clusters: Mapping[str, ClusterClient | MeshError],
    inside: Mapping[str, InCluster | None],
) -> None:
    """What another way to a mesh has left in a cluster."""
    section = report.section("Other control planes")
    for key, answer in inside.items():
        cluster = clusters[key]
        if answer is None or isinstance(cluster, MeshError):
            section.findings.append(warning(f"in {key}", "not known", f"see cluster of {key}"))
            continue
        left = list(orphaned_components(environment, answer.parts))
        for part, why in left:
            _leave(report, section, f"{part.kind} {part.name} in {key}", why, part.remove(cluster))
        if not left:
            section.findings.append(ok(f"in {key}", "nothing of another way to a mesh"))


def _management(
    section: Section, report: Report, environment: Environment, listing: Listing, belonging: Ownership
) -> None:
    """The feature can't be switched off, nor another mesh be made, while the fleet manages one."""
    features = listing[FEATURES]
    if isinstance(features, Unknown):
        return  # as is said of the features
    mesh = next((one for one in features if one.name == "servicemesh"), None)
    managed = [] if mesh is None else belonging.managed(mesh)
    left = [one for one in managed if one[2].left]
    for name, location, verdict in left:
        command = unmanage_command(name, location, environment.project.id)
        _leave(report, section, f"fleet's management of the mesh in {name} in {location}", verdict.left, command)
    if not left:
        section.findings.append(
            ok("fleet's management of meshes", f"of {len(managed)} clusters" if managed else "none")
        )


def _of_kind(section: Section, report: Report, kind: Kind, listing: Listing, belonging: Ownership) -> None:
    things = listing[kind]
    if isinstance(things, Unknown):
        section.findings.append(failure(kind.title, f"not known: {things.text}", things.fix))
        return
    verdicts = [(thing, belonging.judge(thing)) for thing in things]
    for thing, verdict in verdicts:
        if verdict.left:
            where = f" in {thing.place}" if thing.place not in ("", "global") else ""
            _leave(report, section, f"{kind.one} {thing.name}{where}", verdict.left, thing.remove)
    doubtful = [(thing.name, verdict.doubt) for thing, verdict in verdicts if verdict.doubt]
    if doubtful:
        names = ", ".join(name for name, _ in doubtful)
        fix = "put right what could not be asked, as said above and below, and run mesh audit again"
        section.findings.append(failure(kind.title, f"may be left over: {names}; {doubtful[0][1]}", fix))
    elif not any(verdict.left for _, verdict in verdicts):
        section.findings.append(ok(kind.title, _looked_at(len(things))))


def _looked_at(count: int) -> str:
    return f"{count} in the project, none left over" if count else "none in the project"


def _leave(report: Report, section: Section, name: str, why: str, command: str) -> None:
    section.findings.append(failure(name, why, command))
    left: list[object] = report.data["left"]
    left.append({"name": name, "why": why, "command": command})

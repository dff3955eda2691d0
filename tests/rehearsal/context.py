"""What every rehearsal needs: the simulated cloud, a deployment in it, and its result."""

import copy
import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

from config.environment import Environment
from config.loading.load import parse_environment
from tests.fake_cloud.conformance.disagreements import accepted_disagreements
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.server import FakeCloudServer
from tests.local_mesh.authority import Authority
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.toolchain import Toolchain
from tests.rehearsal.command_environment import ASMCLI, CommandEnvironment, create_command_environment
from tests.rehearsal.deployment import Deployment
from tests.rehearsal.fault_wrappers import FaultWrappers
from tests.rehearsal.forbidden_tools import ForbiddenTools
from tests.rehearsal.simulated_cloud import SimulatedCloud
from tests.reporting.report import Report
from tests.reporting.table import Table


@dataclass(frozen=True)
class RehearsalContext:
    """A simulated cloud, and an environment that is deployed into it.

    Attributes:
        cloud: the simulated cloud.
        deployment: the configuration and the commands on it.
        command_environment: of the project's commands.
        state: folder that is deleted with the rehearsal.
        logs: folder for the output of programs.
        more: content of the configuration with one region more than the deployment begins with.
        report: of the rehearsal.
        lab: the mesh that runs in the clusters, if pods do.
        forbidden: the programs that terraform must not call, in a mode that needs none.
        tools: programs of the local mesh.
    """

    cloud: SimulatedCloud
    deployment: Deployment
    command_environment: CommandEnvironment
    state: Path
    logs: Path
    more: dict[str, Any]
    report: Report
    lab: LocalMesh | None
    forbidden: ForbiddenTools | None
    tools: Toolchain

    @property
    def environment(self) -> Environment:
        """Return the environment that the deployment's file describes now."""
        return parse(self.deployment.content)


def create_context(
    content: dict[str, Any],
    more: dict[str, Any],
    *,
    tools: Toolchain,
    mirror: Path | None,
    state: Path,
    logs: Path,
    latencies: Latencies,
    report: Report,
    pods_run: bool = False,
    wrappers: FaultWrappers | None = None,
) -> RehearsalContext:
    """Start an empty cloud, and write the configuration of the environment that is deployed into it.

    Args:
        content: of the configuration; the checksum of asmcli is added where it is used.
        more: the same with one region more.
        tools: programs of the local mesh.
        mirror: folder of terraform providers; None for a rehearsal without terraform.
        state: folder that is deleted with the rehearsal.
        logs: folder for the output of programs.
        latencies: durations of the cloud.
        report: of the rehearsal.
        pods_run: run pods with sidecars, in a mesh that requests are sent to.
        wrappers: programs that may fail.
    """
    if parse(more).control_plane.runs_local_scripts:
        for one in (content, more):
            asmcli = one.setdefault("mesh", {}).setdefault("asmcli", {})
            asmcli["sha256"] = hashlib.sha256(ASMCLI.read_bytes()).hexdigest()
    environment = parse(more)
    authority = Authority.create()
    cloud = SimulatedCloud(
        environment.project.id,
        environment.resolved_regions(),
        revision=environment.revision,
        tools=tools,
        state=state / "cloud",
        latencies=latencies,
        authority=authority,
        account=environment.project.impersonate_service_account,
        pods_run=pods_run,
    )
    lab = None
    if pods_run:
        network, clusters = cloud.planes.network, cloud.planes.clusters
        lab = LocalMesh(
            environment,
            tools=tools,
            state=state / "lab",
            logs=logs,
            report=report.progress,
            network=network,
            clusters=clusters,
        )
        cloud.install = lab.install
        cloud.balance = lambda address: lab.balance(IPv4Address(address))
    cloud.start_apis()
    if policy := environment.ingress.security_policy:
        resource = {"kind": "compute#securityPolicy", "name": policy, "type": "CLOUD_ARMOR"}
        cloud.fake.store.add(f"projects/{cloud.fake.project}/global/securityPolicies/{policy}", resource)
    download = f"/csm-artifacts/asm/{environment.mesh.asmcli.file_name}"
    command_environment = create_command_environment(
        cloud, tools=tools, mirror=mirror, state=state, download=download, authority=authority
    )
    variables = command_environment.variables if wrappers is None else wrappers.variables(command_environment.variables)
    # Without an account to impersonate, a plugin issues the tokens for the clusters.
    needs_tools = (
        environment.control_plane.runs_local_scripts or environment.project.impersonate_service_account is None
    )
    forbidden = None if needs_tools else ForbiddenTools(state / "forbidden")
    deployment = Deployment(
        copy.deepcopy(content),
        state / "deployment",
        variables if forbidden is None else forbidden.variables(variables),
        logs / "commands.log",
        mesh_cli_variables=variables,
    )
    return RehearsalContext(cloud, deployment, command_environment, state, logs, more, report, lab, forbidden, tools)


def conformance(server: FakeCloudServer, mode: str | None) -> Table:
    """Show the disagreements between the calls and Google's API documents; ok if all are accepted.

    Args:
        server: of the fake cloud.
        mode: control plane mode whose accepted disagreements all have to have occurred; None for no such check.
    """
    columns = ["Calls", "Disagreements", "Accepted disagreements", "Accepted disagreements that did not occur"]
    table = Table("Calls to the emulated cloud, compared with Google's discovery documents", columns)
    others, accepted = server.conformance.disagreements(), server.conformance.accepted()
    expected = (
        {one.disagreement for one in accepted_disagreements() if mode in (one.modes or (mode,))} if mode else set()
    )
    gone = sorted(expected - set(accepted))
    counts = (len(others) + len(accepted), len(accepted), len(gone))
    table.add(server.conformance.calls, *counts, ok=not others and not gone)
    table.notes += [f"disagreement: {kind} ({times} times)" for kind, times in others.items()]
    table.notes += [f"accepted disagreement that did not occur: {kind}" for kind in gone]
    return table


def parse(content: dict[str, Any]) -> Environment:
    return parse_environment(yaml.safe_dump(content, sort_keys=False), "the rehearsal's configuration", {})


def conclude(context: RehearsalContext, *, complete: bool = False) -> None:
    """Add what holds for all calls to the emulated cloud.

    Args:
        context: what was rehearsed.
        complete: whether every step was run, so that every accepted disagreement with the documents has to occur.
    """
    server = context.cloud.server
    context.report.add(conformance(server, context.environment.mesh.control_plane if complete else None))
    if unknown := server.journal.unknown():
        table = Table("Calls that the emulated cloud does not know", ["Call"])
        for call in unknown:
            table.add(call, ok=False)
        context.report.add(table)
    disagreements = len(server.conformance.disagreements())
    context.report.figure(
        "Emulated cloud",
        f"{server.journal.count()} calls; {disagreements} unexpected disagreements with Google's API documents",
    )

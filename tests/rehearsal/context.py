"""What every rehearsal needs: the simulated cloud, a deployment in it, and its result."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

from config.environment import Environment
from config.loading.load import parse_environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
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
from tests.reporting.table import Table

Say = Callable[[str], None]


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
        say: prints a message.
        lab: the mesh that runs in the clusters, if pods do.
        forbidden: the programs that terraform must not call, in a mode that needs none.
    """

    cloud: SimulatedCloud
    deployment: Deployment
    command_environment: CommandEnvironment
    state: Path
    logs: Path
    more: dict[str, Any]
    say: Say
    lab: LocalMesh | None
    forbidden: ForbiddenTools | None

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
    say: Say,
    pods_run: bool = False,
    wrappers: FaultWrappers | None = None,
) -> RehearsalContext:
    """Start an empty cloud, and write the configuration of the environment that is deployed into it.

    Args:
        content: of the configuration; the checksum of asmcli is added.
        more: the same with one region more.
        tools: programs of the local mesh.
        mirror: folder of terraform providers; None for a rehearsal without terraform.
        state: folder that is deleted with the rehearsal.
        logs: folder for the output of programs.
        latencies: durations of the cloud.
        say: prints a message.
        pods_run: run pods with sidecars, in a mesh that requests are sent to.
        wrappers: programs that may fail.
    """
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
            environment, tools=tools, state=state / "lab", logs=logs, report=say, network=network, clusters=clusters
        )
        cloud.install = lab.install
        cloud.balance = lambda address: lab.balance(IPv4Address(address), GATEWAY_NAMESPACE, GATEWAY_NAME)
    cloud.start_apis()
    download = f"/csm-artifacts/asm/{environment.mesh.asmcli.file_name}"
    command_environment = create_command_environment(
        cloud, tools=tools, mirror=mirror, state=state, download=download, authority=authority
    )
    variables = command_environment.variables if wrappers is None else wrappers.variables(command_environment.variables)
    forbidden = None if environment.control_plane.runs_local_scripts else ForbiddenTools(state / "forbidden")
    deployment = Deployment(
        copy.deepcopy(content),
        state / "deployment",
        variables if forbidden is None else forbidden.variables(variables),
        logs / "commands.log",
        mesh_cli_variables=variables,
    )
    return RehearsalContext(cloud, deployment, command_environment, state, logs, more, say, lab, forbidden)


def conformance(title: str, server: FakeCloudServer, mode: str | None) -> Table:
    """Show the disagreements between the calls and Google's documents; ok if all are accepted.

    Args:
        title: of the table.
        server: of the fake cloud.
        mode: control plane mode whose accepted disagreements all have to have occurred; None for no such check.
    """
    table = Table(title, ["calls", "kinds of disagreement", "accepted", "accepted, did not occur"])
    others, accepted = server.conformance.disagreements(), server.conformance.accepted()
    expected = (
        {one.disagreement for one in accepted_disagreements() if mode in (one.modes or (mode,))} if mode else set()
    )
    gone = sorted(expected - set(accepted))
    counts = (len(others) + len(accepted), len(accepted), len(gone))
    table.add(server.conformance.calls, *counts, ok=not others and not gone)
    table.notes += [f"{kind} ({times} times)" for kind, times in others.items()]
    table.notes += [f"accepted, and did not occur: {kind}" for kind in gone]
    return table


def parse(content: dict[str, Any]) -> Environment:
    return parse_environment(yaml.safe_dump(content, sort_keys=False), "the rehearsal's configuration", {})


def conclude(context: RehearsalContext, tables: Sequence[Table], *, complete: bool = False) -> int:
    """Print the result, and return the exit status: 0 if everything is as it has to be, else 1.

    Args:
        context: what was rehearsed.
        tables: the results.
        complete: whether every step was run, so that every accepted disagreement with the documents has to occur.
    """
    mode = context.environment.mesh.control_plane if complete else None
    tables = [*tables, conformance("calls held against Google's discovery documents", context.cloud.server, mode)]
    print(f"\n{tables[-1]}")
    unknown = context.cloud.server.journal.unknown()
    for call in unknown:
        print(f"the fake cloud does not know {call}")
    context.say(f"{context.cloud.server.journal.count()} calls to the fake cloud")
    if unknown or not all(table.ok for table in tables):
        print(f"not all is as it has to be; what the commands printed: {context.logs}")
        return 1
    print("all as it has to be")
    return 0

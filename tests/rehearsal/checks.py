"""Checks after each command of a rehearsal."""

import time
from collections.abc import Sequence
from pathlib import Path

from config.naming import STACKS
from tests.fake_cloud.store import Resource
from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.context import RehearsalContext
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.expected import (
    ObjectKey,
    expected_objects,
    expected_peer_clients,
    expected_secrets,
    found_objects,
    remote_secrets,
    served_kinds,
    unready_deployments,
)
from tests.rehearsal.forbidden_tools import ForbiddenTools, local_execs
from tests.rehearsal.remote_secret_check import opens, server_and_token
from tests.rehearsal.snapshot import OPTIONS, Snapshot, differences
from tests.reporting.table import Table

MOST_LINES = 12
SECONDS_TO_BE_READY = 30


def deployed(title: str, run: CommandRun, stacks: Sequence[str] = STACKS) -> Table:
    """Show the result of a command for each stack; ok if all ended, in their order."""
    table = Table(title, ["Stack", "Duration (s)", "Added", "Changed", "Destroyed"])
    for one in run.stacks:
        table.add(one.stack, f"{one.seconds:.0f}", one.added, one.changed, one.destroyed, ok=run.ok and one.ended)
    complete = run.ok and bool(run.stacks) and [one.stack for one in run.stacks] == list(stacks)
    table.add("all", f"{run.seconds:.0f}", *run.totals(), ok=complete)
    if not complete:
        table.notes += run.errors() or run.last_lines().splitlines()
    return table


def objects(title: str, context: RehearsalContext) -> Table:
    """Compare the objects and remote secrets in each cluster with the expected ones."""
    columns = [
        *("Region", "Expected objects", "Missing objects", "Unexpected objects", "Unready Deployments"),
        *("Remote secrets", "Secrets with a private endpoint", "Accepted tokens"),
    ]
    table = Table(title, columns)
    environment = context.environment
    secrets = expected_secrets(environment)
    clusters = context.cloud.clusters()
    for region, expected in ((key, expected_objects(environment, key)) for key in secrets):
        cluster = clusters[region]
        found = _ready_objects(cluster)
        missing, besides, unready = expected - set(found), set(found) - expected, unready_deployments(found)
        held = remote_secrets(cluster)
        private = opened = 0
        for name, other in secrets[region].items():
            if name in held:
                server, certificate, token = server_and_token(held[name])
                private += server == clusters[other].server
                opened += opens(server, certificate, token)
        wanted = len(secrets[region])
        good = not (missing or besides or unready) and set(held) == set(secrets[region])
        counts = (len(expected), len(missing), len(besides), len(unready), f"{len(held)} of {wanted}")
        table.add(region, *counts, private, opened, ok=good and private == opened == wanted)
        table.notes += [f"missing in {region}: {' '.join(one)}" for one in sorted(missing)]
        table.notes += [f"unexpected in {region}: {' '.join(one)}" for one in sorted(besides)]
        table.notes += [f"not ready in {region}: Deployment {name}" for name in unready]
    return table


def peer_discovery(title: str, context: RehearsalContext) -> Table:
    """Compare the peer pod ranges that GKE control planes admit with the expected ones; check the options."""
    table = Table(title, ["Region", "Expected pod ranges", "Authorized pod ranges", "multicluster_mode"])
    environment = context.environment
    regions = {region.key: region for region in environment.resolved_regions()}
    pods = {str(region.ranges.pods) for region in regions.values()}
    clusters = context.cloud.clusters()
    in_cluster = environment.mesh.control_plane == "asmcli-in-cluster"
    for key, expected in expected_peer_clients(environment).items():
        path = (
            f"projects/{environment.project.id}/locations/{regions[key].location}/clusters/{regions[key].names.cluster}"
        )
        networks = context.cloud.fake.store.get(path).get("masterAuthorizedNetworksConfig", {}).get("cidrBlocks", [])
        admitted = {one["cidrBlock"] for one in networks} & pods
        options = clusters[key].kubectl("get", *OPTIONS, "--output", "jsonpath={.data.multicluster_mode}")
        # Managed control planes find the other clusters by it.
        table.add(
            key,
            len(expected),
            len(admitted),
            options,
            ok=admitted == expected and (in_cluster or options == "connected"),
        )
    return table


def refused(title: str, run: CommandRun, word: str, changes: Sequence[str]) -> Table:
    """Check that a command failed with a message, before any change."""
    table = Table(title, ["Exit status", "Expected message", "Changing calls", "Duration (s)"])
    found = any(word in one for one in _messages(run.output))
    table.add(
        run.status,
        "found" if found else "missing",
        len(changes),
        f"{run.seconds:.0f}",
        ok=not run.ok and found and not changes and sum(run.totals()) == 0,
    )
    table.notes += [*run.errors(), *changes[:MOST_LINES]]
    return table


def _messages(output: str) -> list[str]:
    """Return terraform's messages, each on one line, without line breaks and frames."""
    text = "\n".join(line.split("│", 1)[-1].strip() for line in output.splitlines())
    return [" ".join(one.split()) for one in text.split("Error: ")]


def without_tools(title: str, forbidden: ForbiddenTools, output: Path) -> Table:
    """Check that terraform called no forbidden tool, and that the stacks have no local-exec."""
    table = Table(title, ["Tool calls", "Stacks", "local-exec provisioners"])
    stacks, programs = local_execs(output)
    calls = forbidden.calls()
    table.add(len(calls), stacks, programs, ok=stacks == len(STACKS) and not calls and not programs)
    table.notes += calls[:MOST_LINES]
    return table


def _ready_objects(cluster: LocalCluster) -> dict[ObjectKey, Resource]:
    """Return a cluster's objects once all Deployments are ready: an autoscaler may have just added a pod."""
    deadline = time.monotonic() + SECONDS_TO_BE_READY
    while True:
        found = found_objects(cluster, served_kinds(cluster))
        if not unready_deployments(found) or time.monotonic() > deadline:
            return found
        time.sleep(1)


def nothing_changed(title: str, run: CommandRun, changes: Sequence[str]) -> Table:
    """Check that a second deploy changes no resource and makes no changing call."""
    table = Table(title, ["Changed resources", "Changing calls", "Duration (s)"])
    total = sum(run.totals())
    table.add(total, len(changes), f"{run.seconds:.0f}", ok=run.ok and total == 0 and not changes)
    table.notes += [*run.errors(), *changes[:MOST_LINES]]
    return table


def compared(
    title: str, found: Sequence[str], allowed: Sequence[str] = (), run: CommandRun | None = None, *, ok: bool = True
) -> Table:
    """Show the differences between two snapshots; ok if all begin with an allowed prefix.

    Args:
        title: of the table.
        found: the differences.
        allowed: prefixes.
        run: the command between the snapshots, if its result is shown, too.
        ok: whether that result is right.
    """
    columns = ["Differences", "Unexpected differences"]
    others = [line for line in found if not line.startswith(tuple(allowed))]
    cells: list[object] = [len(found), len(others)]
    if run is not None:
        columns += ["Added", "Changed", "Destroyed", "Duration (s)"]
        cells += [*run.totals(), f"{run.seconds:.0f}"]
    table = Table(title, columns)
    table.add(*cells, ok=ok and not others)
    table.notes += [*(run.errors() if run is not None else ()), *others[:MOST_LINES]]
    return table


def orphaned(title: str, before: Snapshot, after: Snapshot) -> Table:
    """Check that a destroy has restored the snapshot from before the first deploy."""
    found = differences(before, after)
    table = Table(title, ["Orphaned resources"])
    # APIs stay enabled, as others may use them.
    others = [line for line in found if "/services/" not in line]
    table.add(len(others), ok=not others)
    table.notes += others[:MOST_LINES]
    return table

"""What is looked at after each command."""

import time
from collections.abc import Sequence

from emulator.store import Resource
from harness.cluster import Cluster
from lab.table import Table
from rehearsal.deployment import STACKS, Run
from rehearsal.expected import (
    Identity,
    expected_objects,
    expected_secrets,
    found_objects,
    remote_secrets,
    served_kinds,
    unready_deployments,
)
from rehearsal.snapshot import Snapshot, differences
from rehearsal.stage import Stage
from rehearsal.trust_check import opens, server_and_token

MOST_LINES = 12
SECONDS_TO_BE_READY = 30


def deployed(title: str, run: Run, stacks: Sequence[str] = STACKS) -> Table:
    """Show what a command did with each stack; right if all went through, in their order."""
    table = Table(title, ["stack", "seconds", "added", "changed", "destroyed"])
    for one in run.stacks:
        table.add(one.stack, f"{one.seconds:.0f}", one.added, one.changed, one.destroyed, ok=run.ok and one.ended)
    table.notes.append(f"{run.seconds:.0f} s in all")
    if not run.ok or [one.stack for one in run.stacks] != list(stacks):
        table.add("all", "", "", "", "", ok=False)
        table.notes += run.errors() or run.last_lines().splitlines()
    return table


def objects(title: str, stage: Stage) -> Table:
    """Compare what is in each cluster with what the system's description promises."""
    columns = ["cluster of", "promised", "missing", "besides", "not ready", "secrets", "private", "open"]
    table = Table(title, columns)
    environment = stage.environment
    secrets = expected_secrets(environment)
    clusters = stage.world.clusters()
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
        table.notes += [f"{region} has no {' '.join(one)}" for one in sorted(missing)]
        table.notes += [f"{region} has {' '.join(one)} besides" for one in sorted(besides)]
        table.notes += [f"{region}: {name} is not ready" for name in unready]
    return table


def _ready_objects(cluster: Cluster) -> dict[Identity, Resource]:
    """Return a cluster's objects as soon as all Deployments are ready: an autoscaler may have just added a pod."""
    deadline = time.monotonic() + SECONDS_TO_BE_READY
    while True:
        found = found_objects(cluster, served_kinds(cluster))
        if not unready_deployments(found) or time.monotonic() > deadline:
            return found
        time.sleep(1)


def nothing_changed(title: str, run: Run, changes: Sequence[str]) -> Table:
    """A second deploy: no resource, and no call that changes something."""
    table = Table(title, ["resources", "calls that change something", "seconds"])
    total = sum(run.totals())
    table.add(total, len(changes), f"{run.seconds:.0f}", ok=run.ok and total == 0 and not changes)
    table.notes += [*run.errors(), *changes[:MOST_LINES]]
    return table


def compared(title: str, found: Sequence[str], allowed: Sequence[str] = ()) -> Table:
    """Differences between two snapshots; right if all are among the allowed ones (by their beginnings)."""
    table = Table(title, ["differences", "not expected"])
    others = [line for line in found if not line.startswith(tuple(allowed))]
    table.add(len(found), len(others), ok=not others)
    table.notes += others[:MOST_LINES]
    return table


def left_over(title: str, before: Snapshot, after: Snapshot) -> Table:
    """What a destroy has left, against what was there before anything was made."""
    found = differences(before, after)
    table = Table(title, ["left over"])
    # APIs stay on, as others may use them.
    others = [line for line in found if "/services/" not in line]
    table.add(len(others), ok=not others)
    table.notes += others[:MOST_LINES]
    return table

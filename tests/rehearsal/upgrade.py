"""An upgrade: an environment that an earlier commit has deployed is deployed by the current code."""

import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from config.mesh import Mesh
from config.naming import STACKS
from tests.local_mesh.isolation import ignore_sigint
from tests.rehearsal import checks
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext, conclude
from tests.reporting.table import Table

NO_CHECKSUM = "0" * 64
"""In the recorded stacks, where the checksum of asmcli belongs."""


@dataclass(frozen=True)
class AllowedLoss:
    """Resources that an upgrade may destroy or replace.

    Attributes:
        address: regular expression that matches whole addresses.
        reason: why they are destroyed.
    """

    address: str
    reason: str


def run_upgrade(context: RehearsalContext, recorded: Path) -> int:
    """Apply the recorded stacks, deploy the same environment by the current code, and return the exit status.

    Args:
        context: its file describes the environment that was recorded.
        recorded: archive of the stacks.
    """
    ignore_sigint()
    tables: list[Table] = []

    def show(table: Table) -> bool:
        print(f"\n{table}", flush=True)
        tables.append(table)
        return table.ok

    context.say("applying what the earlier commit has synthesized")
    if show(_apply_recorded(context, recorded)):
        if context.environment.mesh.control_plane != Mesh().control_plane:
            show(_leave_out_mode(context))
        context.say("deploying the same file by the current code")
        run = context.deployment.deploy()
        show(checks.deployed("2  the current code", run))
        if run.ok:
            allowed = read_allowed(recorded.with_name("allowed.yaml"), recorded.name.partition(".")[0])
            show(losses("   what it destroyed or replaced", run.destroyed(), allowed))
            show(checks.objects("   objects, and endpoint discovery", context))
            show(checks.peer_discovery("   how clusters find and reach each other", context))
            before = take_checkpoint(context.cloud)
            again = context.deployment.deploy()
            title = "3  a second deploy changes nothing"
            show(checks.nothing_changed(title, again, changes_since(context.cloud, before)))
    return conclude(context, tables)


def read_allowed(file: Path, environment: str) -> list[AllowedLoss]:
    """Return the losses that are allowed in a recorded environment."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [AllowedLoss(**one) for one in content[environment]]


def losses(title: str, destroyed: Sequence[str], allowed: Sequence[AllowedLoss]) -> Table:
    """Compare destroyed and replaced resources with the allowed ones; each allowed loss has to occur."""
    table = Table(title, ["resource", "reason"])
    for address in destroyed:
        reasons = [one.reason for one in allowed if re.fullmatch(one.address, address)]
        table.add(address, reasons[0] if reasons else "none", ok=bool(reasons))
    for loss in allowed:
        if not any(re.fullmatch(loss.address, address) for address in destroyed):
            table.add(loss.address, "allowed, and did not occur", ok=False)
    if not table.rows:
        table.add("none", "", ok=True)
    return table


def _leave_out_mode(context: RehearsalContext) -> Table:
    """Check that a file without a mode, whose default was another one, is refused and told which line it needs."""
    deployment = context.deployment
    mesh = deployment.content["mesh"]
    mode = mesh.pop("control_plane")
    deployment.write()
    context.say("planning a file that leaves mesh.control_plane out")
    before = take_checkpoint(context.cloud)
    run = deployment.plan("network")  # the first that a deploy plans
    changes = changes_since(context.cloud, before)
    mesh["control_plane"] = mode
    deployment.write()
    return checks.refused("   a file without mesh.control_plane", run, f"`mesh.control_plane: {mode}`", changes)


def _apply_recorded(context: RehearsalContext, recorded: Path) -> Table:
    """Apply the recorded stacks, which find their states where the file's own stacks find them."""
    deployment = context.deployment
    folder = deployment.folder / "recorded"
    with tarfile.open(recorded) as archive:
        archive.extractall(folder, filter="data")
    checksum = deployment.content["mesh"]["asmcli"]["sha256"]
    table = Table("1  the earlier commit", ["stack", "seconds"])
    for stack in STACKS:
        content = folder / "stacks" / stack / "cdk.tf.json"
        content.write_text(content.read_text(encoding="utf-8").replace(NO_CHECKSUM, checksum), encoding="utf-8")
        run = deployment.terraform(content.parent, "apply -auto-approve")
        table.add(stack, f"{run.seconds:.0f}", ok=run.ok)
        if not run.ok:
            table.notes += run.errors() or run.last_lines().splitlines()
            break
    return table

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


def run_upgrade(context: RehearsalContext, recorded: Path) -> None:
    """Apply the recorded stacks, and deploy the same environment by the current code.

    Args:
        context: its file describes the environment that was recorded.
        recorded: archive of the stacks.
    """
    ignore_sigint()
    report = context.report
    report.tried = (
        f"an environment that an earlier commit has deployed ({recorded.name}), deployed by the current code: real "
        "terraform and Kubernetes, emulated Google Cloud"
    )
    report.progress("applying the stacks that the earlier commit has synthesized")
    _apply_recorded(context, recorded)
    if report.ok:
        if context.environment.mesh.control_plane != Mesh().control_plane:
            report.add(_leave_out_mode(context))
        report.progress("deploying the same file by the current code")
        run = context.deployment.deploy()
        added, changed, destroyed = run.totals()
        report.figure(
            "Upgrade", f"{added} resources added, {changed} changed, {destroyed} destroyed in {run.seconds:.0f} s"
        )
        report.add(checks.deployed("Upgrade: deploy by the current code", run))
        if run.ok:
            allowed = read_allowed(recorded.with_name("allowed.yaml"), recorded.name.partition(".")[0])
            report.add(
                losses("Upgrade: destroyed and replaced resources", run.destroyed(), allowed),
                checks.objects("Upgrade: objects and remote secrets", context),
                checks.peer_discovery("Upgrade: endpoint discovery", context),
            )
            before = take_checkpoint(context.cloud)
            report.progress("second deploy")
            again = context.deployment.deploy()
            report.figure("Second deploy", f"{sum(again.totals())} resources changed")
            report.add(checks.nothing_changed("Second deploy: no changes", again, changes_since(context.cloud, before)))
    conclude(context)


def read_allowed(file: Path, environment: str) -> list[AllowedLoss]:
    """Return the losses that are allowed in a recorded environment."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [AllowedLoss(**one) for one in content[environment]]


def losses(title: str, destroyed: Sequence[str], allowed: Sequence[AllowedLoss]) -> Table:
    """Compare destroyed and replaced resources with the allowed ones; each allowed loss has to occur."""
    table = Table(title, ["Resource", "Reason"])
    for address in destroyed:
        reasons = [one.reason for one in allowed if re.fullmatch(one.address, address)]
        table.add(address, reasons[0] if reasons else "not allowed", ok=bool(reasons))
    for loss in allowed:
        if not any(re.fullmatch(loss.address, address) for address in destroyed):
            table.add(loss.address, "allowed, but did not occur", ok=False)
    if not table.rows:
        table.add("none", "", ok=True)
    return table


def _leave_out_mode(context: RehearsalContext) -> Table:
    """Check that the plan of a file without a mode, whose default has changed, fails and names the missing line."""
    deployment = context.deployment
    mesh = deployment.content["mesh"]
    mode = mesh.pop("control_plane")
    deployment.write()
    context.report.progress("planning the file without mesh.control_plane")
    before = take_checkpoint(context.cloud)
    run = deployment.plan("network")  # the first that a deploy plans
    changes = changes_since(context.cloud, before)
    mesh["control_plane"] = mode
    deployment.write()
    return checks.refused(
        "Upgrade: a file without mesh.control_plane, the plan fails", run, f"`mesh.control_plane: {mode}`", changes
    )


def _apply_recorded(context: RehearsalContext, recorded: Path) -> None:
    """Apply the recorded stacks, which find their states where the file's own stacks find them."""
    deployment = context.deployment
    folder = deployment.folder / "recorded"
    with tarfile.open(recorded) as archive:
        archive.extractall(folder, filter="data")
    checksum = deployment.content["mesh"]["asmcli"]["sha256"]
    table = Table("Deploy by the earlier commit", ["Stack", "Duration (s)"])
    seconds = 0.0
    with context.report.filling(table):
        for stack in STACKS:
            content = folder / "stacks" / stack / "cdk.tf.json"
            content.write_text(content.read_text(encoding="utf-8").replace(NO_CHECKSUM, checksum), encoding="utf-8")
            run = deployment.terraform(content.parent, "apply -auto-approve")
            seconds += run.seconds
            table.add(stack, f"{run.seconds:.0f}", ok=run.ok)
            context.report.figure("Earlier commit", f"{len(table.rows)} stacks applied in {seconds:.0f} s")
            if not run.ok:
                table.notes += run.errors() or run.last_lines().splitlines()
                break

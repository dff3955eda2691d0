"""Checks by the `mesh` CLI: `mesh doctor`, `status` and `audit`, run as a user runs them."""

import json
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from tests.rehearsal.context import RehearsalContext
from tests.reporting.table import Table

COMMANDS = ("doctor", "status", "audit")
SECONDS = 300
SECONDS_TO_SETTLE = 60
"""Time for autoscalers and controllers to settle."""

MOST_LINES = 12


def check_commands(title: str, context: RehearsalContext, commands: Sequence[str] = COMMANDS) -> Table:
    """Show the findings of each command; ok if it exits with 0, without failures."""
    table = Table(title, ["Command", "Checks", "Warnings", "Failures", "Exit status", "Duration (s)"])
    for command in commands:
        _check_command(table, context, command)
    return table


def summary(result: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return what `mesh repair` has found and done, a line each; its errors if it has printed no report."""
    findings = read_findings(result)
    lines = [
        f"{one['section']}: {one['name']}: {one['text']}" for one in findings if one["section"] != "Terraform's states"
    ]
    return [line[:240] for line in lines or result.stderr.splitlines()[-3:]]


def _check_command(table: Table, context: RehearsalContext, command: str) -> None:
    """Repeat a command until it succeeds, or until the time to settle is over."""
    # A deploy ends before the load balancer exists.
    deadline = time.monotonic() + SECONDS_TO_SETTLE + context.cloud.fake.latencies.of("load-balancer")
    while True:
        start = time.monotonic()
        result = context.deployment.run_mesh_cli(command, "--json", seconds=SECONDS)
        seconds = time.monotonic() - start
        if result.returncode == 0 or time.monotonic() > deadline:
            break
        time.sleep(2)
    findings = read_findings(result)
    counts = {state: [one for one in findings if one["state"] == state] for state in ("failure", "warning")}
    ok = result.returncode == 0 and bool(findings) and not counts["failure"]
    table.add(
        *(f"mesh {command}", len(findings), len(counts["warning"]), len(counts["failure"])),
        *(result.returncode, f"{seconds:.1f}"),
        ok=ok,
    )
    lines = [f"{one['section']}: {one['name']}: {one['text']}" for state in counts.values() for one in state]
    if not findings:
        lines = result.stderr.splitlines()
    table.notes += lines[:MOST_LINES]


def read_findings(result: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """Return all findings, each with its section; none if the command has printed no report."""
    try:
        report = json.loads(result.stdout)
    except ValueError:
        return []
    return [{**one, "section": section["title"]} for section in report["sections"] for one in section["findings"]]

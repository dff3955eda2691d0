"""The destroy that stops at what a mesh has left, and the commands of `mesh audit` that delete it."""

import json
import shlex

from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.context import RehearsalContext
from tests.rehearsal.deployment import CommandRun
from tests.rehearsal.traffic_director import PREFIX
from tests.reporting.table import Table

IN_USE = "is already being used by"
"""In Google's error when something else refers to a resource."""

HINT = "`mesh audit`"
"""What a destroy names that fails."""


def stopped(title: str, run: CommandRun, hint: str) -> Table:
    """Check that a command stopped at endpoint groups of the mesh, with a hint in its output."""
    text = " ".join(line.split("│", 1)[-1].strip() for line in run.output.splitlines())
    refused = IN_USE in text and PREFIX in text
    table = Table(title, ["Exit status", "Google's error", "Hint to mesh audit"])
    messages = ["found" if one else "none" for one in (refused, HINT in text)]
    table.add(run.status, *messages, ok=not run.ok and refused and hint in text)
    table.notes += run.errors()
    return table


def deleted(title: str, context: RehearsalContext, expected: set[str]) -> Table:
    """Run the commands that `mesh audit` prints.

    Args:
        title: of the table.
        context: of the rehearsal.
        expected: names of all resources for which there has to be a command, and of no other.
    """
    result = context.deployment.run_mesh_cli("audit", "--json")
    try:
        commands = [str(one["command"]) for one in json.loads(result.stdout)["data"]["orphaned"]]
    except ValueError:
        raise LocalMeshError(f"mesh audit printed no report: {result.stderr}") from None
    named = [set(shlex.split(command)) & expected for command in commands]
    table = Table(
        title, ["Orphaned resources", "Commands of mesh audit", "Exit status of mesh audit", "Remaining resources"]
    )
    for command in commands:
        context.deployment.shell(f"{command} --quiet", of_user=True)
    left = context.cloud.left_by_mesh() & expected
    good = all(named) and set().union(*named) == expected and result.returncode == 1 and not left
    table.add(len(expected), len(commands), result.returncode, len(left), ok=good)
    table.notes += commands
    return table

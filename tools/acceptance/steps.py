"""The steps of an acceptance run: commands that a user runs."""

import re
import shlex

from cli.audit.ownership import LEFT_BY_MESH
from cli.report.output import NOT_TRIED
from config.naming import STACKS
from tools.acceptance.commands import json_report
from tools.acceptance.configuration import change_in_place
from tools.acceptance.recording import record_answers
from tools.acceptance.step import Step, StepContext, StepFailedError
from tools.next_command import ONE_STACK_ONLY

_STACK = re.compile(rf"({'|'.join(STACKS)})\b")
_COUNTS = re.compile(r"complete! Resources: (?:(\d+) added, (\d+) changed, )?(\d+) destroyed")
_DESTROYED = re.compile(r"(\S+): Destroying\.\.\.")
_PLANNED = re.compile(r"^ *# (.+ (?:will|must) be .+)$", re.MULTILINE)

ROLLOUT = "_rollout-see-mesh-status_"
"""In the address of a service's disruption budget, which is replaced with each template of its pods."""

REPAIR = ("mesh", "repair", "--yes")
"""Its status is `NOT_TRIED` where no stack is synthesized yet, so that terraform has created nothing."""

SECONDS_TO_SERVE = 30 * 60
"""For which the load balancer may still be in the making after a deploy: Google gives minutes, and no bound."""

SECONDS_TO_CLEAN_UP = 15 * 60
"""For which Google's controllers may still delete what they have made."""


def _doctor(context: StepContext) -> None:
    context.command("mesh", "doctor")


def _deploy(context: StepContext) -> None:
    _note_counts(context, context.command("cdktf", "deploy", *STACKS, "--auto-approve"))


def _status(context: StepContext) -> None:
    context.command("mesh", "status", seconds=SECONDS_TO_SERVE)


def _verify(context: StepContext) -> None:
    context.command("mesh", "verify", "locality")
    context.command("mesh", "verify", "ingress", seconds=SECONDS_TO_SERVE)


def _change(context: StepContext) -> None:
    change_in_place(context.workspace.config)
    output = context.command("cdktf", "deploy", "ingress", "--auto-approve", ONE_STACK_ONLY)
    _note_counts(context, output)
    if replaced := [one for one in _DESTROYED.findall(output) if ROLLOUT not in one]:
        raise StepFailedError(f"the new image is not deployed in place: it destroys {', '.join(replaced)}")
    context.command("mesh", "status", seconds=SECONDS_TO_SERVE)


def _drill(context: StepContext) -> None:
    context.command("mesh", "drill", context.environment.resolved_regions()[-1].key)


def _plan(context: StepContext) -> None:
    for stack in STACKS:
        folder = f"-chdir={context.workspace.stack(stack)}"
        output = context.command("terraform", folder, "plan", "-input=false", "-detailed-exitcode", allowed=(0, 2))
        if changes := _PLANNED.findall(output):
            raise StepFailedError(f"the plan of {stack} is not empty: {'; '.join(changes)}")
        if "No changes." not in output:
            raise StepFailedError(f"the plan of {stack} is not empty: it changes outputs")


def _destroy(context: StepContext) -> None:
    words = ("cdktf", "destroy", *STACKS, "--auto-approve")
    try:
        output = context.command(*words)
    except StepFailedError:
        mended = (_adopt_what_terraform_has_lost(context), _delete_what_the_mesh_has_left(context))
        if not any(mended):
            raise
        output = context.command(*words)
    _note_counts(context, output)


def _adopt_what_terraform_has_lost(context: StepContext) -> bool:
    """Run `mesh repair`, as after a terraform that was killed, and return whether there was anything to repair."""
    report = json_report(context.command(*REPAIR, "--json", allowed=(0, 1, NOT_TRIED)))
    return bool(report.get("data", {}).get("steps"))


def _delete_what_the_mesh_has_left(context: StepContext) -> bool:
    """Run the commands of `mesh audit` for it, and return whether there were any; others are for people to run."""
    left = json_report(context.command("mesh", "audit", "--json", allowed=(0, 1)))["data"]["orphaned"]
    commands = [one["command"] for one in left if one["why"].startswith(LEFT_BY_MESH)]
    for command in commands:
        context.command(*shlex.split(command), "--quiet")
    return bool(commands)


def _audit(context: StepContext) -> None:
    context.command("mesh", "audit", seconds=SECONDS_TO_CLEAN_UP)


def _note_counts(context: StepContext, output: str) -> None:
    """Note the number of resources that terraform has added, changed and destroyed, by stack."""
    stack = ""
    for line in output.splitlines():
        if named := _STACK.match(line):  # cdktf names the stack in the first line of several
            stack = named[1]
        if counts := _COUNTS.search(line):
            numbers = [int(one or 0) for one in counts.groups()]
            context.measure(stack, dict(zip(("added", "changed", "destroyed"), numbers, strict=True)))


CHECKS = (
    Step("doctor", "mesh doctor: a deploy can succeed", (1, 1), _doctor, needed=True),
    Step("deploy", "cdktf deploy of all four stacks", (35, 50), _deploy, needed=True),
    Step("status", "mesh status, until the load balancer is ready", (1, 15), _status),
    Step("verify", "mesh verify locality and ingress: requests from each region", (1, 5), _verify),
    Step("change", "a new image of the demo service, deployed in place", (3, 6), _change),
    Step("drill", "mesh drill: failover and failback of one region", (3, 5), _drill),
    Step("plan", "terraform plan of each stack: no changes", (2, 4), _plan),
)

CLEAN_UP = (
    Step("record", "responses of Google's APIs, redacted", (1, 1), record_answers),
    Step("destroy", "cdktf destroy", (15, 30), _destroy, needed=True),
    Step("audit", "mesh audit: no orphaned resources", (1, 10), _audit),
)

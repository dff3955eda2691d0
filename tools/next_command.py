"""Runs `cdktf deploy` or `cdktf destroy`, for tools/cdk; if it fails, prints the next command, as terraform names none.

It runs in a Python without the project's packages.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence

HINTS = {
    "deploy": """
cdktf deploy failed. If a Deployment did not become ready in time, run `mesh status`: it names the pod and the reason.
docs/troubleshooting.md explains other errors. Correct the cause, and then run the same deploy again.
""",
    "destroy": """
cdktf destroy failed. If Google Cloud refused to delete a resource that is still in use, run `mesh audit`: it lists
orphaned resources, each with the command that deletes it. Run these commands, and then the same destroy again.
""",
}
"""What to print after a failure, by the command of cdktf."""


STACKS = ("network", "clusters", "mesh", "ingress")
ONE_STACK_ONLY = "--ignore-missing-stack-dependencies"
"""With this flag cdktf deploys all named stacks at the same time, although each reads the state of others.

Source: cdktf-project.ts of cdktf-cli 0.21, which takes the next stack without a look at its dependencies.
"""


def unordered_stacks(verb: str, command: Sequence[str]) -> str:
    """Return what to run in place of a command that would deploy several stacks at the same time; empty if none."""
    stacks = [one for one in command[1:] if one in STACKS]
    if ONE_STACK_ONLY not in command or len(stacks) < 2:
        return ""
    ordered = sorted(stacks, key=STACKS.index, reverse=verb == "destroy")
    return " && ".join(f"cdktf {verb} {one} {ONE_STACK_ONLY}" for one in ordered)


def main(verb: str, command: Sequence[str]) -> int:
    """Run a command and return its exit status, as a shell does; 2 if it is refused."""
    if instead := unordered_stacks(verb, command):
        print(f"cdktf would {verb} these stacks at the same time: {ONE_STACK_ONLY} is for one stack", file=sys.stderr)
        print(f"  run: {instead}", file=sys.stderr)
        return 2
    with subprocess.Popen(command) as process:
        # The terminal sends Ctrl-C to the command, too; the others are sent to one process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: process.send_signal(received))
        status = process.wait()
    if status:
        print(HINTS[verb], file=sys.stderr)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

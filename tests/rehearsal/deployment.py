"""The commands that a user runs, and their results."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from config.naming import STACKS
from config.paths import ROOT
from tests.local_mesh import processes
from tools.next_command import ONE_STACK_ONLY

SECONDS = 3600
"""Timeout of a command, whatever the durations of the cloud are."""

SYNTHESIZED = "--skip-synth"
"""Flag of a deploy of the file that the deploy before it has synthesized."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STACK = re.compile(rf"^({'|'.join(STACKS)})(?: |$)")
_COUNTS = re.compile(r"(Apply|Destroy) complete! Resources: (?:(\d+) added, (\d+) changed, )?(\d+) destroyed")
_DESTROYING = re.compile(r"(\S+): Destroying\.\.\.")
_LAST_LINES = 40


@dataclass
class StackRun:
    """The result of a command for one stack.

    Attributes:
        stack: name of the stack.
        seconds: since the previous stack ended.
        added: number of resources that were added, as the next ones.
        changed: see above.
        destroyed: see above.
        ended: whether the command has finished the stack.
    """

    stack: str
    seconds: float = 0.0
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    ended: bool = False


@dataclass
class CommandRun:
    """The result of a command.

    Attributes:
        status: its exit status.
        seconds: its duration.
        output: its output, without colours.
        stacks: in the order in which they ended; unfinished ones last.
    """

    status: int
    seconds: float
    output: str
    stacks: list[StackRun] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == 0

    def totals(self) -> tuple[int, int, int]:
        """Return the numbers of resources that were added, changed and destroyed."""
        return (
            sum(one.added for one in self.stacks),
            sum(one.changed for one in self.stacks),
            sum(one.destroyed for one in self.stacks),
        )

    def destroyed(self) -> list[str]:
        """Return the addresses of the resources that terraform destroyed or replaced."""
        return _DESTROYING.findall(self.output)

    def last_lines(self) -> str:
        return "\n".join(f"  {line}" for line in self.output.splitlines()[-_LAST_LINES:])

    def errors(self) -> list[str]:
        """Return terraform's error messages, each on one line."""
        lines = [line.split("│", 1)[-1].strip() for line in self.output.splitlines()]
        return [line for line in lines if "Error: " in line]


class Deployment:
    """An environment's configuration file, its state, and the commands on it.

    Attributes:
        content: of the file; `write` writes it.
        folder: of the file and terraform's states.
    """

    def __init__(
        self,
        content: dict[str, Any],
        folder: Path,
        variables: Mapping[str, str],
        log: Path,
        mesh_cli_variables: Mapping[str, str] | None = None,
    ) -> None:
        """Write the file.

        Args:
            content: of the file.
            folder: created for the file and terraform's states.
            variables: environment of cdktf and terraform.
            log: file to which the output of commands is appended.
            mesh_cli_variables: environment of the `mesh` CLI; None for the same.
        """
        folder.mkdir(parents=True)
        self.content = content
        self.folder = folder
        self._variables = {**variables, "MESH_CONFIG": str(self.config)}
        where = {"MESH_CONFIG": str(self.config), "CDKTF_OUTDIR": str(self.output)}
        self._mesh_cli_variables = {**(mesh_cli_variables or variables), **where}
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of a user's commands on the deployment."""
        return dict(self._mesh_cli_variables)

    @property
    def config(self) -> Path:
        return self.folder / "mesh.yaml"

    @property
    def output(self) -> Path:
        """Return the output folder of cdktf."""
        return self.folder / "cdktf.out"

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.content, sort_keys=False), encoding="utf-8")

    def state_file(self, stack: str) -> Path:
        return self.folder / f"terraform.{stack}.tfstate"

    def synth(self) -> CommandRun:
        """Run ``cdktf synth``, for later commands that skip it."""
        return self._cdktf("synth", (), automatic=False)

    def deploy(self, stacks: Sequence[str] = STACKS, *flags: str, **options: Any) -> CommandRun:
        """Run ``cdktf deploy STACKS``."""
        return self._cdktf("deploy", stacks, *flags, **options)

    def deploy_after(self, first: Sequence[str], *flags: str, **options: Any) -> CommandRun:
        """Deploy some stacks alone and then all; return the result of the command that failed, or of both together."""
        if not first:
            return self.deploy(STACKS, *flags, **options)
        alone = self.deploy(first, ONE_STACK_ONLY, *flags, **options)
        if not alone.ok:
            return alone
        rest = self.deploy(STACKS, *flags, **options)
        output, stacks = f"{alone.output}\n{rest.output}", [*alone.stacks, *rest.stacks]
        return CommandRun(rest.status, alone.seconds + rest.seconds, output, stacks)

    def destroy(self, stacks: Sequence[str] = STACKS, *flags: str, **options: Any) -> CommandRun:
        """Run ``cdktf destroy STACKS``."""
        return self._cdktf("destroy", stacks, *flags, **options)

    def plan(self, stack: str) -> CommandRun:
        """Run ``cdktf synth`` and ``terraform plan``: cdktf can exit before it has printed all of a failing plan."""
        synthesized = self.synth()
        return self.terraform(self.output / "stacks" / stack, "plan") if synthesized.ok else synthesized

    def terraform(self, folder: Path, command: str) -> CommandRun:
        """Run ``terraform init`` and another command of terraform, without cdktf, in the folder of a stack."""
        start = time.monotonic()
        terraform = shlex.join(["terraform", f"-chdir={folder}"])
        commands = " && ".join(f"{terraform} {one} -input=false -no-color" for one in ("init", command))
        result = self._run(["sh", "-c", commands], self._variables, subprocess.STDOUT)
        return CommandRun(result.returncode, time.monotonic() - start, result.stdout)

    def run_mesh_cli(self, *arguments: str, seconds: float = SECONDS) -> "subprocess.CompletedProcess[str]":
        """Run ``mesh ARGUMENTS``, and return its unchanged output.

        Args:
            *arguments: of the command.
            seconds: after which it is killed.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        command = [sys.executable, "-m", "cli", *arguments]
        return self._run(command, self._mesh_cli_variables, subprocess.PIPE, seconds)

    def _run(
        self, command: Sequence[str], variables: Mapping[str, str], stderr: int, seconds: float = SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        result = subprocess.run(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            timeout=seconds,
        )
        self._log_command(command, result.stdout + (result.stderr or ""), result.returncode)
        return result

    def _log_command(self, command: Sequence[str], output: str, status: int) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{output}\nstatus {status}\n\n")

    def shell(self, command: str, *, of_user: bool = False) -> None:
        """Run a command from an error message.

        Args:
            command: for the shell.
            of_user: run it with what a user has, where cdktf and terraform have less.

        Raises:
            LocalMeshError: it failed.
        """
        variables = self._mesh_cli_variables if of_user else self._variables
        processes.run(["sh", "-c", command], variables=variables, seconds=SECONDS)

    def _cdktf(
        self,
        verb: str,
        stacks: Sequence[str],
        *flags: str,
        automatic: bool = True,
        variables: Mapping[str, str] | None = None,
        watch: Callable[[str, "subprocess.Popen[str]"], None] | None = None,
        seconds: float = SECONDS,
    ) -> CommandRun:
        """Run a command of cdktf.

        Args:
            verb: the command.
            stacks: its stacks.
            *flags: its other arguments.
            automatic: approve automatically.
            variables: added to the environment.
            watch: called with every line and the process, which it may kill.
            seconds: after which the command and its children are killed.
        """
        approval = ["--auto-approve"] if automatic else []
        command = ["cdktf", verb, *stacks, *approval, "--output", str(self.output), *flags]
        start = time.monotonic()
        runs: dict[str, StackRun] = {}
        began = start
        current = ""
        lines: list[str] = []
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={**self._variables, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            end = threading.Timer(seconds, kill_all, [process])
            end.start()
            for raw in process.stdout:
                line = _COLOUR.sub("", raw.rstrip())
                lines.append(line)
                if named := _STACK.match(line):
                    current = named[1]
                    runs.setdefault(current, StackRun(current))
                if current and not runs[current].ended:
                    runs[current].seconds = time.monotonic() - began
                if (found := _COUNTS.search(line)) and current:
                    run = runs[current]
                    run.added, run.changed, run.destroyed = (int(found[number] or 0) for number in (2, 3, 4))
                    run.ended = True
                    runs[current] = runs.pop(current)  # cdktf starts all, and ends them one after the other
                    began = time.monotonic()
                if watch is not None:
                    watch(line, process)
            if end.is_alive():
                end.cancel()
            else:
                lines.append(f"Error: killed, as it was not done after {seconds:.0f} s")
        text = "\n".join(lines)
        self._log_command(command, text, process.returncode)
        done = sorted(runs.values(), key=lambda one: not one.ended)
        return CommandRun(process.returncode, time.monotonic() - start, text, done)


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a command and all its descendants: cdktf starts terraform in a session of its own."""
    for number in [process.pid, *_descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _descendants(number: int) -> list[int]:
    """Return the process ids of all descendants of a process."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # After the name, which is in brackets: the state, and then the parent.
            parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    for one in (queue := [number]):
        queue += children.get(one, [])
        found += children.get(one, [])
    return found

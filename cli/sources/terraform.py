"""terraform, run in the folder of a stack that cdktf has synthesized.

It works with every backend: terraform reads the state where it is, and writes it there.
"""

import getpass
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.errors import MeshError
from cli.sources.program_environment import program_environment
from config.loading.load import displayed
from config.output_folder import OutputFolder

LOCK_SECONDS = 60
"""How long a command waits for another run that holds the state's lock."""

_HOLDER = re.compile(r"^\W*(ID|Operation|Who|Created):\s+(\S.*?)\s*$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LOCKED = "Error acquiring the state lock"
_NOTHING = "null_resource.no-such-resource"
"""An address that no stack has."""

_PLACE = re.compile(r"(with|on) |\d+: |[╵╷]")
"""A line between an error's title and its explanation: where it is in the JSON."""


def run_terraform(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run terraform to its end, and return its exit status and output, without colours.

    It is in a session of its own: at Ctrl-C it is interrupted once, and ends with its state written.

    Args:
        folder: In which it runs.
        *arguments: Its arguments.

    Raises:
        MeshError: It is not installed.
    """
    program = _program()
    command = [program, f"-chdir={folder}", *arguments]
    try:
        process = subprocess.Popen(
            command,
            env=program_environment({"TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise MeshError(f"can't run {program}: {error.strerror}", "mesh doctor") from error
    with process:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, _COLOUR.sub("", output), _COLOUR.sub("", errors))


def _program() -> str:
    """Return the name or path of terraform."""
    return os.environ.get("TERRAFORM_BINARY_NAME") or "terraform"


def error_of(result: "subprocess.CompletedProcess[str]") -> str:
    """Return terraform's errors in one line: of each, its title and the first line of its explanation."""
    found = []
    for error in result.stderr.split("Error: ")[1:]:
        title, *lines = (line.removeprefix("│").strip() for line in error.splitlines())
        why = next((line for line in lines if line and not _PLACE.match(line)), "")
        found.append(f"{title}: {why}" if why else title)
    return "; ".join(dict.fromkeys(found)) or f"exit status {result.returncode}"


@dataclass(frozen=True)
class LockHolder:
    """The terraform that holds the lock of a state.

    Attributes:
        id: The ID that `terraform force-unlock` takes; empty if it is not known.
        who: User and machine.
        operation: What it does, such as ``OperationTypeApply``.
        created: Since when.
    """

    id: str
    who: str
    operation: str
    created: str

    @classmethod
    def named_in(cls, output: str) -> "LockHolder | None":
        """Return the one that terraform names in its output; None if it names none."""
        found = dict(_HOLDER.findall(output)) if _LOCKED in output else {}
        if not found:
            return None
        return cls(found.get("ID", ""), found.get("Who", ""), found.get("Operation", ""), found.get("Created", ""))

    def has_ended(self) -> bool:
        """Return whether it certainly has: it ran as this user on this machine, on which no terraform runs now."""
        if not self.id or self.who != f"{getpass.getuser()}@{os.uname().nodename}":
            return False
        try:
            listed = subprocess.run(["ps", "-A", "-o", "comm="], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return False
        return Path(_program()).name not in {Path(line.strip()).name for line in listed.splitlines()}

    def __str__(self) -> str:
        return f"{self.who or 'an unknown user'}, {self.operation or 'unknown operation'}, since {self.created or '?'}"


@dataclass(frozen=True)
class StackFolder:
    """The folder of a stack, in which terraform runs.

    Attributes:
        stack: The stack's name.
        path: The folder.
    """

    stack: str
    path: Path

    @classmethod
    def of(cls, config: Path, stack: str) -> "StackFolder":
        """Return the folder of a stack of a configuration file."""
        return cls(stack, OutputFolder.of(config).stack(stack))

    @property
    def initialized(self) -> bool:
        """Whether `terraform init` has run there."""
        return (self.path / ".terraform").is_dir() and (self.path / ".terraform.lock.hcl").exists()

    def command(self, *arguments: str) -> str:
        """Return a terraform command for a person to copy."""
        return shlex.join(["terraform", f"-chdir={displayed(self.path)}", *arguments])

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run terraform there.

        Raises:
            MeshError: It is not installed.
        """
        return run_terraform(self.path, *arguments)

    def pull(self) -> str:
        """Return the state as JSON, from wherever it is stored; empty if there is none.

        Raises:
            MeshError: It can't be read.
        """
        result = self.run("state", "pull")
        if result.returncode != 0:
            raise MeshError(
                f"can't read the state of {self.stack}: {error_of(result)}", self.command("init", "-reconfigure")
            )
        return result.stdout.strip()

    def lock_holder(self) -> LockHolder | None:
        """Return the terraform that holds the state's lock; None if none does.

        A dry run takes the lock, whatever the backend is, and changes nothing. What a killed terraform leaves beside a
        local state is not a lock: the operating system has released that.

        Raises:
            MeshError: It can't be locked.
        """
        result = self.run("state", "rm", "-dry-run", "-lock-timeout=0s", _NOTHING)
        output = result.stderr + result.stdout
        if _LOCKED not in output:
            return None
        holder = LockHolder.named_in(output)
        if holder is None:  # such as without the permission to write into a bucket
            raise MeshError(f"can't lock the state of {self.stack}: {error_of(result)}", self.command("state", "pull"))
        return holder

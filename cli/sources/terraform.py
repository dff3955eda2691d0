"""Terraform, run in the folder of a stack that cdktf has synthesized and initialized."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.errors import MeshError
from cli.sources.program_environment import program_environment
from config.loading.load import displayed
from config.output_folder import OutputFolder

SECONDS = 3600
"""Timeout of a command: an import waits until a cluster that is being created is complete."""

_HOLDER = re.compile(r"^\W*(ID|Operation|Who|Created):\s+(\S.*?)\s*$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LOCKED = "Error acquiring the state lock"
_NOTHING = "null_resource.no-such-resource"
"""An address that no stack has."""


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

    def run(self, *arguments: str, seconds: float = SECONDS) -> "subprocess.CompletedProcess[str]":
        """Run terraform, and return its exit status and output.

        Raises:
            MeshError: It is not installed, or took too long.
        """
        try:
            result = subprocess.run(
                ["terraform", f"-chdir={self.path}", *arguments],
                env=program_environment({"TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=seconds,
            )
        except FileNotFoundError as error:
            raise MeshError("terraform is not installed", "mesh doctor") from error
        except subprocess.TimeoutExpired as error:
            raise MeshError(f"no result of {self.command(*arguments)} within {seconds:.0f} s", "mesh repair") from error
        result.stdout, result.stderr = (_COLOUR.sub("", text) for text in (result.stdout, result.stderr))
        return result

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
        """
        result = self.run("state", "rm", "-dry-run", "-lock-timeout=0s", _NOTHING)
        output = result.stderr + result.stdout
        if _LOCKED not in output:
            return None
        found = dict(_HOLDER.findall(output))
        return LockHolder(
            found.get("ID", ""), found.get("Who", ""), found.get("Operation", ""), found.get("Created", "")
        )


def error_of(result: "subprocess.CompletedProcess[str]") -> str:
    """Return terraform's errors, on one line."""
    lines = [one.strip("│╷╵ ") for one in (result.stderr or result.stdout).splitlines()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return "; ".join(errors) or next((line for line in reversed(lines) if line), f"status {result.returncode}")

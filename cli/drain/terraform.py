"""terraform in the folder of one stack, for some of its resources: a plan that is checked, and then applied.

It works with every backend: terraform reads the state where it is, and writes it there.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.sources.program_environment import program_environment
from config.loading.load import displayed

UNCHANGED = (("no-op",), ("read",))
"""Actions of a resource that a plan does not change."""

UPDATE = ("update",)

LOCK_SECONDS = 60
"""How long to wait for another run that holds the state's lock."""

_PLACE = re.compile(r"(with|on) |\d+: |[╵╷]")
"""A line between an error's title and its explanation: where it is in the JSON."""


class TerraformError(Exception):
    """A failed command of terraform, with the errors that it has printed."""


@dataclass(frozen=True)
class PlannedChange:
    """What a plan does with a resource.

    Attributes:
        address: Of the resource.
        actions: Such as `UPDATE`.
        before: Its attributes in the state.
    """

    address: str
    actions: tuple[str, ...]
    before: Mapping[str, Any] = field(repr=False)


class StackTerraform:
    """terraform in the folder of a stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = os.environ.get("TERRAFORM_BINARY_NAME") or "terraform"

    def init(self) -> None:
        """Have providers and backend ready; this changes no state.

        Raises:
            TerraformError: It failed.
        """
        self._run("init", "-input=false")

    def plan(self, addresses: Sequence[str], file: Path) -> list[PlannedChange]:
        """Plan resources and what they depend on, and return what the plan does with each.

        Args:
            addresses: Of the resources.
            file: Gets the plan, for `apply`.

        Raises:
            TerraformError: It failed.
        """
        targets = [f"-target={address}" for address in addresses]
        self._run("plan", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", f"-out={file}", *targets)
        content = json.loads(self._run("show", "-json", str(file)))
        return [
            PlannedChange(one["address"], tuple(one["change"]["actions"]), one["change"].get("before") or {})
            for one in content.get("resource_changes", [])
            if one.get("mode") == "managed"
        ]

    def apply(self, file: Path) -> None:
        """Apply a plan.

        Raises:
            TerraformError: It failed, after all or some of it was applied.
        """
        self._run("apply", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", str(file))

    def command(self, addresses: Sequence[str]) -> str:
        """Return the command that applies resources, for a person to copy."""
        targets = " ".join(f"-target='{address}'" for address in addresses)
        return f"terraform -chdir={displayed(self._folder)} apply {targets}"

    def _run(self, *arguments: str) -> str:
        """Run terraform to its end, and return what it prints.

        It is in a session of its own: at Ctrl-C it is interrupted once, and ends with its state written.

        Raises:
            MeshError: It is not installed.
            TerraformError: It failed.
        """
        flags = () if arguments[0] == "show" else ("-no-color",)
        command = [self._program, f"-chdir={self._folder}", arguments[0], *flags, *arguments[1:]]
        try:
            process = subprocess.Popen(
                command,
                env=program_environment({"TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise MeshError(f"can't run {self._program}: {error.strerror}", "mesh doctor") from error
        with process:
            try:
                output, errors = process.communicate()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.communicate()
                raise
        if process.returncode != 0:
            raise TerraformError(_reason(errors) or f"exit status {process.returncode}")
        return output


def _reason(errors: str) -> str:
    """Return terraform's errors in one line: of each, its title and the first line of its explanation."""
    found = []
    for error in errors.split("Error: ")[1:]:
        title, *lines = (line.removeprefix("│").strip() for line in error.splitlines())
        why = next((line for line in lines if line and not _PLACE.match(line)), "")
        found.append(f"{title}: {why}" if why else title)
    return "; ".join(dict.fromkeys(found))

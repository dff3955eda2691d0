"""terraform in the folder of one stack, for some of its resources: a plan that is checked, and then applied."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.sources.terraform import LOCK_SECONDS, LockHolder, error_of, run_terraform
from config.loading.load import displayed

UNCHANGED = (("no-op",), ("read",))
"""Actions of a resource that a plan does not change."""

Actions = tuple[str, ...]

CREATE: Actions = ("create",)
UPDATE: Actions = ("update",)
DELETE: Actions = ("delete",)


class TerraformError(Exception):
    """A failed command of terraform, with the errors that it has printed."""


class StateLockedError(TerraformError):
    """Another terraform holds the lock of the state."""


@dataclass(frozen=True)
class PlannedChange:
    """What a plan does with a resource.

    Attributes:
        address: Of the resource.
        actions: `UNCHANGED`, `CREATE`, `UPDATE`, `DELETE`, or another of terraform's.
        before: Its attributes in the state.
    """

    address: str
    actions: Actions
    before: Mapping[str, Any] = field(repr=False)


class StackTerraform:
    """terraform in the folder of a stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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

        Raises:
            MeshError: It is not installed.
            StateLockedError: Another one holds the lock.
            TerraformError: It failed.
        """
        flags = () if arguments[0] == "show" else ("-no-color",)
        result = run_terraform(self._folder, arguments[0], *flags, *arguments[1:])
        if result.returncode != 0:
            if holder := LockHolder.named_in(result.stderr):
                raise StateLockedError(f"the state is locked by {holder}")
            raise TerraformError(error_of(result))
        return result.stdout

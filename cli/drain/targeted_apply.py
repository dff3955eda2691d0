"""Applies exactly the objects that a change of the file means, and nothing else that is pending."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.drain.difference import STACK, ChangedObject
from cli.drain.terraform import DELETE, UNCHANGED, PlannedChange, StackTerraform, StateLockedError, TerraformError
from cli.errors import MeshError
from cli.sources.applied import without_annotation
from cli.sources.remediation import DEPLOY, REPAIR
from config.output_folder import OutputFolder


class TargetedApply:
    """A plan for some objects of the stack `STACK`, and its apply.

    Attributes:
        changed: Addresses of the objects that the plan changes; the others are as they are to be.
    """

    def __init__(self, terraform: StackTerraform, plan: Path) -> None:
        self._terraform = terraform
        self._plan = plan
        self.changed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Path, folder: Path) -> "TargetedApply":
        """Plan nothing yet.

        Args:
            config: The configuration file, which is synthesized.
            folder: A private folder for the plan.
        """
        return cls(StackTerraform(OutputFolder.of(config).stack(STACK)), folder / "plan")

    def plan(self, changes: Sequence[ChangedObject]) -> None:
        """Plan the objects.

        Raises:
            MeshError: Something else is pending, the stack was never deployed, or terraform failed.
        """
        if not changes:
            return
        try:
            self._terraform.init()
            planned = self._terraform.plan([one.address for one in changes], self._plan)
        except TerraformError as error:
            fix = DEPLOY
            if isinstance(error, StateLockedError):
                fix = f"wait until that has ended, and run the command again; if it was killed: {REPAIR}"
            raise MeshError(f"terraform can't plan the change, and nothing was changed: {error}", fix) from None
        objects = {one.address: one for one in changes}
        # What was deleted already, before an interruption, is in no plan.
        found = {one.address for one in planned} | {one.address for one in changes if one.actions == DELETE}
        wrong = [text for one in planned if (text := _problem(one, objects.get(one.address)))]
        wrong += [f"{address} is not in the plan" for address in objects.keys() - found]
        if wrong:
            raise MeshError(
                f"nothing was changed, as other changes are pending in the stack {STACK}: {'; '.join(wrong)}",
                f"restore the file or deploy these first: cdktf deploy {STACK}",
            )
        self.changed = frozenset(one.address for one in planned if one.actions not in UNCHANGED)

    def apply(self) -> str:
        """Apply the plan, and return why it failed; empty if it did not."""
        if not self._plan.exists():
            return ""
        try:
            self._terraform.apply(self._plan)
        except TerraformError as error:
            return str(error)
        return ""

    def command(self, changes: Sequence[ChangedObject]) -> str:
        """Return the command that applies objects, for a person to copy."""
        return self._terraform.command([one.address for one in changes])


def _problem(planned: PlannedChange, change: ChangedObject | None) -> str:
    """Return what a plan does besides the change; empty if it does nothing else."""
    if planned.actions in UNCHANGED:
        return ""
    verbs = " and ".join(planned.actions)
    if change is None or planned.actions != change.actions:
        return f"{verbs} {planned.address}"
    if not planned.before:  # it is created
        return ""
    # As the last deploy has applied it: before this change, or already with it, where only drift is corrected.
    last = without_annotation(planned.before["manifest"])
    if any(one is not None and _matches(one, last) for one in (change.before, change.after)):
        return ""
    return f"{verbs} {change.key} in {change.region}, which was deployed from another configuration"


def _matches(synthesized: Any, applied: Any) -> bool:
    """Return whether a manifest was applied; a reference to another resource has any value."""
    if isinstance(synthesized, str) and "${" in synthesized:
        return isinstance(applied, str)
    if isinstance(synthesized, Mapping):
        return (
            isinstance(applied, Mapping)
            and synthesized.keys() == applied.keys()
            and all(_matches(value, applied[key]) for key, value in synthesized.items())
        )
    if isinstance(synthesized, list):
        return (
            isinstance(applied, list)
            and len(synthesized) == len(applied)
            and all(_matches(*pair) for pair in zip(synthesized, applied, strict=True))
        )
    return bool(synthesized == applied)

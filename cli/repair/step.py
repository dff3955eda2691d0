"""A step of a repair: one command of terraform that changes one state, or releases its lock."""

from dataclasses import dataclass

from cli.sources.terraform import LockHolder, StackFolder


@dataclass(frozen=True)
class RepairStep:
    """A step.

    Attributes:
        name: What it repairs.
        cause: What is wrong with it, and why it is ours.
        effect: What the step does.
        folder: The folder of the stack.
        arguments: Of terraform.
    """

    name: str
    cause: str
    effect: str
    folder: StackFolder
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command for a person to copy."""
        return self.folder.command(*self.arguments)


def import_step(name: str, cause: str, folder: StackFolder, address: str, identifier: str) -> RepairStep:
    """Return the step that adopts what exists."""
    return RepairStep(name, cause, "import it", folder, ("import", address, identifier))


def taint_step(name: str, cause: str, folder: StackFolder, address: str) -> RepairStep:
    """Return the step that has the next deploy run a script again."""
    return RepairStep(name, cause, "run its script again with the next deploy", folder, ("taint", address))


def untaint_step(name: str, cause: str, folder: StackFolder, address: str) -> RepairStep:
    """Return the step that keeps the next deploy from replacing what is complete."""
    return RepairStep(name, cause, "keep it", folder, ("untaint", address))


def unlock_step(folder: StackFolder, holder: LockHolder) -> RepairStep:
    """Return the step that releases a lock whose holder has ended."""
    cause = f"locked by {holder}, which does not run any more"
    return RepairStep(f"lock of {folder.stack}", cause, "release it", folder, ("force-unlock", "-force", holder.id))

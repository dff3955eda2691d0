"""A step of a repair: it changes one state, or releases its lock."""

import fcntl
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.errors import MeshError
from cli.sources.remediation import REPAIR, chained
from cli.sources.terraform import LockHolder, StackFolder, error_of
from config.loading.load import displayed
from config.local_state import aside_file, backup_file, has_backup, lacks_content
from config.naming import STACKS


@dataclass(frozen=True)
class RepairStep:
    """A step.

    Attributes:
        name: What it repairs.
        cause: What is wrong with it, and why it is ours.
        effect: What the step does.
        stack: The stack whose state it changes.
        command: The command for a person to copy.
        do: Does the same; returns the error, empty if there is none; raises `MeshError` if it may not be done now.
    """

    name: str
    cause: str
    effect: str
    stack: str
    command: str
    do: Callable[[], str]


def import_step(name: str, cause: str, folder: StackFolder, address: str, identifier: str) -> RepairStep:
    """Return the step that adopts what exists."""
    return _terraform_step(name, cause, "import it", folder, "import", address, identifier)


def taint_step(name: str, cause: str, folder: StackFolder, address: str) -> RepairStep:
    """Return the step that has the next deploy run a script again."""
    return _terraform_step(name, cause, "run its script again with the next deploy", folder, "taint", address)


def untaint_step(name: str, cause: str, folder: StackFolder, address: str) -> RepairStep:
    """Return the step that keeps the next deploy from replacing what is complete."""
    return _terraform_step(name, cause, "keep it", folder, "untaint", address)


def unlock_step(folder: StackFolder, holder: LockHolder) -> RepairStep:
    """Return the step that releases a lock whose holder has ended."""
    cause = f"locked by {holder}, which does not run any more"
    return _terraform_step(f"lock of {folder.stack}", cause, "release it", folder, "force-unlock", "-force", holder.id)


def delete_step(name: str, cause: str, command: str, delete: Callable[[], str]) -> RepairStep:
    """Return the step that deletes what is ours and can't be adopted."""
    return RepairStep(name, cause, "delete it", STACKS[-1], command, delete)


def restore_step(stack: str, state: Path) -> RepairStep:
    """Return the step that replaces an incomplete local state by its backup; without one, that puts it aside."""
    backup, aside = backup_file(state), aside_file(state)
    restores = has_backup(state)
    commands = [("cp", backup, state)] if restores else [("mv", state, aside)]
    if restores and state.stat().st_size:  # what is there may be of use to a person
        commands.insert(0, ("cp", state, aside))

    def do() -> str:
        try:
            with state.open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which terraform takes, too
                content = file.read()
                if not lacks_content(content, state):
                    return ""  # restored since the plan was shown
                if content:
                    aside.write_bytes(content)
                if not restores:
                    state.resolve().unlink()  # a link stays
                    return ""
                restored = backup.read_bytes()
                file.seek(0)
                file.truncate()
                file.write(restored)
        except BlockingIOError:
            raise MeshError("a terraform that runs has locked it", f"wait until that has ended: {REPAIR}") from None
        except OSError as error:
            return str(error)
        return ""

    return RepairStep(
        name=f"state of {stack}",
        cause="incomplete, as terraform was killed while it wrote it",
        effect="restore it from its backup" if restores else "put it aside, and import what it had",
        stack=stack,
        command=chained(
            shlex.join([program, displayed(source), displayed(target)]) for program, source, target in commands
        ),
        do=do,
    )


def _terraform_step(name: str, cause: str, effect: str, folder: StackFolder, *arguments: str) -> RepairStep:
    def do() -> str:
        result = folder.run(*arguments)
        return error_of(result) if result.returncode else ""

    return RepairStep(name, cause, effect, folder.stack, folder.command(*arguments), do)

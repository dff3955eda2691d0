"""Local states that a killed terraform has left incomplete.

terraform writes a local state in place: it empties the file, then writes it. Before its first change of a run, it
writes a backup of the state. While it runs, it has a POSIX lock on the state; it can't read, and so not even lock, one
that is cut off.
Source: hashicorp/terraform 1.11, internal/states/statemgr/filesystem.go
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

from config.backend import LocalState, state_file
from config.environment import Environment
from config.naming import STACKS

SECONDS = 1
"""After which an incomplete state is read again: a terraform that runs has written it by then."""


class IncompleteStateError(Exception):
    """A state that terraform can't read, or would take for that of an environment which has not been deployed."""


def backup_file(state: Path) -> Path:
    """Return where terraform keeps the state from before its last run."""
    return state.with_name(f"{state.name}.backup")


def aside_file(state: Path) -> Path:
    """Return where `mesh repair` keeps a state that was cut off."""
    return state.with_name(f"{state.name}.incomplete")


def is_incomplete(state: Path) -> bool:
    """Return whether a state file is cut off, or empty although there was a state before.

    Raises:
        OSError: It can't be read.
    """
    try:
        return lacks_content(state.read_bytes(), state)
    except FileNotFoundError:
        return False


def lacks_content(content: bytes, state: Path) -> bool:
    """Return whether a state file with a content would be incomplete.

    Raises:
        OSError: Its backup can't be read.
    """
    return not _is_whole(content) if content else has_backup(state)


def has_backup(state: Path) -> bool:
    """Return whether a state has a backup that can replace it.

    Raises:
        OSError: It can't be read.
    """
    try:
        return _is_whole(backup_file(state).read_bytes())
    except FileNotFoundError:
        return False


def _is_whole(content: bytes) -> bool:
    """Return whether the end is there: terraform's last line, or, where a person has changed the layout, any end."""
    if content.rstrip().endswith(b"\n}"):
        return True
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def last_written(config: Path) -> float:
    """Return when terraform wrote a local state last; 0 if there is none.

    Args:
        config: The configuration file, beside which the states are.
    """
    files = (state_file(config.resolve(), stack) for stack in STACKS)
    return max((one.stat().st_mtime for one in files if one.exists()), default=0)


def check(environment: Environment, config: Path, wait: Callable[[float], object] = time.sleep) -> None:
    """Check that terraform would find what is deployed.

    Args:
        environment: The environment.
        config: The configuration file, beside which the states are.
        wait: Waits for so many seconds.

    Raises:
        IncompleteStateError: A local state is incomplete, or can't be read.
    """
    if not isinstance(environment.backend, LocalState):
        return
    try:
        found = incomplete_states(config, wait)
    except OSError as error:
        raise IncompleteStateError(
            f"can't read the state {error.filename}: {error.strerror}: make it a file that you may read"
        ) from None
    if found:
        names = ", ".join(one.name for one in found.values())
        raise IncompleteStateError(
            f"{names}: incomplete, as terraform was killed while it wrote the state: mesh repair"
        )


def incomplete_states(config: Path, wait: Callable[[float], object] = time.sleep) -> dict[str, Path]:
    """Return the files of the local states that are incomplete, by stack.

    Args:
        config: The configuration file, beside which the states are.
        wait: Waits for so many seconds, if one is.

    Raises:
        OSError: One can't be read.
    """
    states = {stack: state_file(config.resolve(), stack) for stack in STACKS}
    found = {stack: one for stack, one in states.items() if is_incomplete(one)}
    if found:
        wait(SECONDS)
    return {stack: one for stack, one in found.items() if is_incomplete(one)}

"""Local states that a killed terraform has left incomplete.

terraform writes a local state in place: it empties the file, then writes it. Before its first change of a run, it
writes a backup of the state.
Source: hashicorp/terraform 1.11, internal/states/statemgr/filesystem.go
"""

import time
from collections.abc import Callable
from pathlib import Path

from config.backend import LocalState, state_file
from config.environment import Environment
from config.naming import STACKS

SECONDS = 1
"""After which an incomplete state is read again: a terraform that runs has written it by then."""


class IncompleteStateError(Exception):
    """A state that terraform would take for that of an environment which has not been deployed."""


def backup_file(state: Path) -> Path:
    """Return where terraform keeps the state from before its last run."""
    return state.with_name(f"{state.name}.backup")


def is_incomplete(state: Path) -> bool:
    """Return whether a state file is cut off, or empty although there was a state before.

    Raises:
        OSError: It can't be read.
    """
    try:
        content = state.read_bytes()
    except FileNotFoundError:
        return False
    if content.rstrip(b"\0 \n"):
        return not content.rstrip().endswith(b"}")
    return backup_file(state).exists()


def check(environment: Environment, config: Path, wait: Callable[[float], object] = time.sleep) -> None:
    """Check that terraform would find what is deployed.

    Args:
        environment: The environment.
        config: The configuration file, beside which the states are.
        wait: Waits for so many seconds.

    Raises:
        IncompleteStateError: A local state is incomplete.
        OSError: A local state can't be read.
    """
    if not isinstance(environment.backend, LocalState):
        return
    states = [state_file(config.resolve(), stack) for stack in STACKS]
    if any(map(is_incomplete, states)):
        wait(SECONDS)
        if found := [one.name for one in states if is_incomplete(one)]:
            raise IncompleteStateError(
                f"{', '.join(found)}: incomplete, as terraform was killed while it wrote the state: mesh repair"
            )

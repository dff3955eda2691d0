"""Refuses a configuration whose local state is another file's, too.

A local state has the name of its configuration without the ending (`config.backend.state_file`): that of prod.yaml is
also that of prod.yml. A deploy of one would replace what the other has deployed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from config.backend import LocalState, state_file
from config.environment import Environment
from config.loading.strict_yaml import parse
from config.naming import STACKS
from config.problems import ConfigError, Problem

ENDINGS = frozenset({".yaml", ".yml", ".json", ""})
"""Endings of configuration files. An editor's backup, such as prod.yaml~, is none."""

LONGEST_STATE_NAME = 244
"""Most bytes of a state file's name. Terraform locks it by a file called .NAME.lock.info, and no name exceeds 255."""

_KEYS = {"project", "regions"}
"""Top-level keys by which a configuration is recognized."""


def check_state(path: Path, environment: Environment, source: str, longest: int) -> None:
    """Check that a local state can have the name that follows from the configuration's, and no other one has it.

    Args:
        path: The configuration file.
        environment: What it describes.
        source: Its name in messages.
        longest: Most bytes of a configuration.

    Raises:
        ConfigError: It can't, or another one has.
    """
    if not isinstance(environment.backend, LocalState):
        return
    file = path.resolve()
    longest_name = max(len(os.fsencode(state_file(file, stack).name)) for stack in STACKS)
    if longest_name > LONGEST_STATE_NAME:
        rule = (
            f"has so long a name that a state file beside it would have {longest_name} bytes in its own, and "
            f"{LONGEST_STATE_NAME} are possible; rename the configuration"
        )
        raise ConfigError(source, [Problem("", rule)])
    for other in _others(file):
        if _is_configuration(other, longest):
            state = state_file(file, "*").name
            rule = (
                f"has the same state files as {other.name} beside it, {state}, and a deploy of one would replace what "
                f"the other has deployed; rename one before its first deploy, or with its {len(STACKS)} state files"
            )
            raise ConfigError(source, [Problem("", rule)])


def _others(file: Path) -> Iterator[Path]:
    try:
        for other in sorted(file.parent.iterdir()):
            same_name = other.suffix in ENDINGS and other != file and state_file(other, "*") == state_file(file, "*")
            # A link to the file is the same configuration; its state is beside its target.
            if same_name and other.is_file() and not other.is_symlink() and not other.samefile(file):
                yield other
    except OSError:  # a folder that can be entered and not listed
        return


def _is_configuration(file: Path, longest: int) -> bool:
    try:
        if file.stat().st_size > longest:
            return False
        data = parse(file.read_text(encoding="utf-8")).data
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.keys() >= _KEYS

"""What terraform says that it has made, where its state is in files beside the configuration."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from config import Environment
from config.backend import LocalState, state_file
from config.naming import STACKS


@dataclass(frozen=True)
class StateResource:
    """One resource in a state.

    Attributes:
        type: terraform's, such as ``google_compute_network``.
        address: by which terraform can be told to make it again.
        attributes: secrets may be among them: never to be printed as a whole.
    """

    type: str
    address: str
    attributes: Mapping[str, Any] = field(repr=False)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What a script was given; empty of what is no script."""
        return self.attributes.get("triggers") or {}

    @property
    def checksum(self) -> str:
        """What a script leaves of its inputs where it works: terraform's ``sha256(jsonencode(triggers))``.

        Source: https://developer.hashicorp.com/terraform/language/functions/jsonencode
        """
        text = json.dumps(self.inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return hashlib.sha256(text.encode()).hexdigest()


TerraformStates = Mapping[str, tuple[StateResource, ...] | None]
"""By stack. None: it is not known what is in its state."""


def read_states(environment: Environment, config: Path) -> TerraformStates:
    """Return what is in the states of an environment's stacks.

    Args:
        config: the configuration's file.

    Raises:
        MeshError: a state is there and can't be read.
    """
    if not isinstance(environment.backend, LocalState):
        return dict.fromkeys(STACKS)
    return {stack: _read(state_file(config.resolve(), stack)) for stack in STACKS}


def _read(file: Path) -> tuple[StateResource, ...] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise MeshError(f"terraform's state {file} can't be read: {error}", "put it back from its .backup") from error
    return tuple(
        StateResource(resource["type"], _address(resource, instance), instance.get("attributes", {}))
        for resource in content.get("resources", [])
        if resource.get("mode") == "managed"
        for instance in resource.get("instances", [])
    )


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
    return f"{resource['type']}.{resource['name']}{key}"

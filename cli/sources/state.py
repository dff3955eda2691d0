"""Terraform's states, where they are in files beside the configuration."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from config import Environment
from config.backend import LocalState, state_file
from config.loading.load import displayed
from config.local_state import backup_file, lacks_content
from config.naming import STACKS
from config.output_folder import OutputFolder


@dataclass(frozen=True)
class StateResource:
    """A resource in a state.

    Attributes:
        type: Terraform's type, such as ``google_compute_network``.
        address: Terraform's address of it.
        attributes: Its attributes; secrets may be among them, so they are not printed.
        folder: The folder of its stack, as messages name it.
        provider: The alias of its provider: of a Kubernetes object, the key of the region.
        tainted: Whether the next deploy replaces it, as its creation did not end well.
    """

    type: str
    address: str
    attributes: Mapping[str, Any] = field(repr=False)
    folder: str = ""
    provider: str = ""
    tainted: bool = False

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs of a script; empty of other resources."""
        return self.attributes.get("triggers") or {}

    @property
    def checksum(self) -> str:
        """The checksum of its inputs that a script leaves: terraform's ``sha256(jsonencode(triggers))``.

        Source: https://developer.hashicorp.com/terraform/language/functions/jsonencode
        """
        text = json.dumps(self.inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return hashlib.sha256(text.encode()).hexdigest()


TerraformStates = Mapping[str, tuple[StateResource, ...] | None]
"""By stack; None where the state is not known."""


def read_states(environment: Environment, config: Path) -> TerraformStates:
    """Return the states of an environment's stacks.

    Args:
        environment: The environment.
        config: The configuration file.

    Raises:
        MeshError: A state exists and can't be read.
    """
    if not isinstance(environment.backend, LocalState):
        return dict.fromkeys(STACKS)
    folder = OutputFolder.of(config)
    return {stack: read_state(state_file(config.resolve(), stack), displayed(folder.stack(stack))) for stack in STACKS}


def read_state(file: Path, folder: str) -> tuple[StateResource, ...] | None:
    """Return the resources in a state; None if there is none.

    Args:
        file: The state.
        folder: The folder of its stack, as messages name it.

    Raises:
        MeshError: It can't be read.
    """
    try:
        content = file.read_bytes()
        if lacks_content(content, file):
            raise MeshError(f"{file.name} is incomplete: terraform was killed while it wrote it", "mesh repair")
        return parse_state(content.decode(), folder) if content else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MeshError(f"can't read the state {file}: {error.strerror}", "make it a file that you may read") from error
    except ValueError as error:
        fix = f"restore it from {backup_file(file).name}, if that exists"
        raise MeshError(f"can't read the state {file}: {error}", fix) from error


def parse_state(text: str, folder: str) -> tuple[StateResource, ...]:
    """Return the resources in a state.

    Args:
        text: The state's JSON.
        folder: The folder of its stack, as messages name it.

    Raises:
        ValueError: It is not JSON.
    """
    content = json.loads(text)
    return tuple(
        StateResource(
            resource["type"],
            _address(resource, instance),
            instance.get("attributes", {}),
            folder,
            resource.get("provider", "").partition('"].')[2],
            instance.get("status") == "tainted",
        )
        for resource in content.get("resources", [])
        if resource.get("mode") == "managed"
        for instance in resource.get("instances", [])
    )


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
    return f"{resource['type']}.{resource['name']}{key}"

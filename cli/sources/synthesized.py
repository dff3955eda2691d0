"""The synthesized JSON of an environment, and its references."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from config.loading.load import displayed
from config.naming import STACKS
from config.output_folder import OutputFolder, last_synthesized
from config.synthesized import kubernetes_objects, read_stack, stack_file

SYNTHESIZE = "cdktf synth"
"""The command that synthesizes again."""

_OTHER_STACK = re.compile(r"data\.terraform_remote_state\.cross-stack-reference-input-([\w-]+)\.outputs\.([\w-]+)")
_RESOURCE = re.compile(r"\b([a-z]\w*\.[\w-]+)\.([\w.\[\]]+)")
_REFERENCE = re.compile(r"(?<!\$)\$\{([^}]*)\}")

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """What cdktf has written.

    Attributes:
        folder: where, for messages.
        stacks: the JSON of each stack, by name.
    """

    folder: Path
    stacks: Mapping[str, Mapping[str, Any]]

    def resources(self, stack: str, kind: str) -> dict[str, Resource]:
        """Return a stack's resources of a kind, such as ``google_compute_firewall``, by address."""
        found = self.stacks[stack].get("resource", {}).get(kind, {})
        return {f"{kind}.{name}": resource for name, resource in found.items()}

    def instances(self, *inputs: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the instances of the mesh stack's scripts that have all of these inputs, each after its key."""
        for resource in self.resources("mesh", "null_resource").values():
            for key, instance in (resource.get("for_each") or {}).items():
                if set(inputs) <= instance.keys():
                    yield key, instance

    def objects(self, stack: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield a stack's Kubernetes objects, each after its region's key."""
        yield from ((region, one) for _, region, one in kubernetes_objects(self.stacks[stack]))

    def resolve(self, stack: str, text: str) -> tuple[str, str]:
        """Follow a text's first reference, through the other stacks' outputs, to a resource.

        Returns:
            The resource's address and its attribute, such as ``("google_compute_network.vpc",
            "self_link")``; twice nothing if the text is no reference.

        Args:
            stack: The stack that the text is in.
            text: The text.

        Raises:
            MeshError: It refers to an output that the other stack does not have.
        """
        reference = _REFERENCE.search(text)
        if reference is None:
            return "", ""
        if other := _OTHER_STACK.search(reference[1]):
            outputs = self.stacks.get(other[1], {}).get("output", {})
            if other[2] not in outputs:
                raise self.inconsistent(f"the stack {stack} refers to a missing output of {other[1]}: {other[2]}")
            return self.resolve(other[1], outputs[other[2]]["value"])
        found = _RESOURCE.search(reference[1])
        return (found[1], found[2]) if found else ("", "")

    def inconsistent(self, text: str) -> MeshError:
        """Return the error for stacks that are not of one synthesis."""
        return MeshError(f"{self.folder}: {text}", f"synthesize all stacks again: {SYNTHESIZE}")


def read_last(config: Path) -> Synthesized:
    """Read the last synthesis of a configuration file.

    Raises:
        MeshError: The last synthesis is that of another file, or can't be read.
    """
    folder = OutputFolder.of(config)
    if last_synthesized(folder.path) != config.resolve():
        raise MeshError(f"{displayed(config)} is not synthesized in {displayed(folder.path)}", SYNTHESIZE)
    return read_folder(folder.path)


def read_folder(folder: Path) -> Synthesized:
    """Read what cdktf has synthesized into a folder, such as ``cdktf.out``.

    Raises:
        MeshError: The folder or a stack is missing, or can't be read.
    """
    if not folder.is_dir():
        raise MeshError(f"the folder {folder} does not exist", f"{SYNTHESIZE}, or leave --synthesized out")
    stacks = {}
    for name in STACKS:
        file = stack_file(folder, name)
        try:
            stacks[name] = read_stack(folder, name)
        except FileNotFoundError:
            raise MeshError(
                f"{folder} has no stack {name} ({file.relative_to(folder)})", f"{SYNTHESIZE}, or name another folder"
            ) from None
        except (OSError, ValueError) as error:
            raise MeshError(f"can't read {file}: {error}", SYNTHESIZE) from error
    return Synthesized(folder, stacks)

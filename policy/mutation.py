"""Policy mutations: each is one change to the synthesized JSON that makes an environment less secure."""

import copy
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config.paths import ROOT
from policy.claims import at
from policy.synthesis import Stacks

EXAMPLES = ROOT / "examples"
FOLDER = Path(__file__).parent / "mutations"

Steps = tuple[Any, ...]  # keys and indexes


class IneffectiveMutationError(ValueError):
    """A mutation matches nothing, or changes nothing: a rule that found it would have found nothing."""


@dataclass(frozen=True)
class Mutation:
    """One change to the synthesized JSON.

    Attributes:
        name: what it does, in words.
        example: the example that it changes: that of its file's name, or the hardened one.
        stack: the stack to change.
        within: ``Kind/name`` of the Kubernetes objects to change; empty for the stack itself.
        pointer: a JSON Pointer into it, in which ``*`` is every key or index; empty for the whole object.
        change: ``set``, ``merge`` or ``append`` with a value, or ``remove``.
        value: the value.
    """

    name: str
    example: str
    stack: str
    within: str
    pointer: str
    change: str
    value: Any

    def applied(self, stacks: Stacks) -> Iterator[Stacks]:
        """Yield one copy of the environment for each match, changed there and nowhere else.

        Raises:
            IneffectiveMutationError: Nothing matches, or a match already has the value.
        """
        before = stacks[self.stack]
        steps = [step.replace("~1", "/").replace("~0", "~") for step in self.pointer.split("/")[1:]]
        paths = [path for root in self._roots(before) for path in _expand(at(before, root), root, steps)]
        if not paths:
            raise IneffectiveMutationError(f"{self.name}: {self.stack} has nothing at {self.within} {self.pointer}")
        for path in paths:
            mutated: dict[str, Any] = copy.deepcopy(dict(before))
            _change(mutated, path, self.change, self.value)
            if mutated == before:
                raise IneffectiveMutationError(f"{self.name}: already the value at {'/'.join(map(str, path))}")
            yield {**stacks, self.stack: mutated}

    def _roots(self, stack: Mapping[str, Any]) -> list[Steps]:
        """Return the paths that `at` begins at: the stack, each matching object, or the resource of a whole object."""
        if not self.within:
            return [()]
        kind, _, name = self.within.partition("/")
        return [
            ("resource", "kubernetes_manifest", address, *(["manifest"] if self.pointer else []))
            for address, resource in stack["resource"]["kubernetes_manifest"].items()
            if resource["manifest"]["kind"] == kind and name in ("*", resource["manifest"]["metadata"]["name"])
        ]


def read() -> list[Mutation]:
    """Return all mutations, those of ``listed.yaml`` first.

    A file has them by their place, the stack with an object or the start of `Mutation.pointer`, and there by name.
    """
    files = sorted(FOLDER.glob("*.yaml"), key=lambda path: (path.stem != "listed", path.stem))
    return [
        _parse(name, file.stem if (EXAMPLES / file.name).exists() else "hardened", place, entry)
        for file in files
        for place, entries in yaml.safe_load(file.read_text(encoding="utf-8")).items()
        for name, entry in entries.items()
    ]


def _parse(name: str, example: str, place: str, entry: Mapping[str, Any]) -> Mutation:
    stack, _, where = place.partition(" ")
    within, start = ("", where) if where.startswith("/") else (where, "")
    (change,) = entry.keys() - {"at"}
    return Mutation(name, example, stack, within, start + entry.get("at", ""), change, entry[change])


def _expand(node: Any, path: Steps, steps: list[str]) -> Iterator[Steps]:
    """Yield the paths that the steps lead to. The last step may be a key that does not exist yet."""
    if not steps:
        yield path
        return
    step, rest = steps[0], steps[1:]
    if isinstance(node, list):
        indexes = range(len(node)) if step == "*" else [int(step)] if int(step) < len(node) else []
        for index in indexes:
            yield from _expand(node[index], (*path, index), rest)
    elif isinstance(node, dict):
        for key in list(node) if step == "*" else [step]:
            if key in node:
                yield from _expand(node[key], (*path, key), rest)
            elif not rest:
                yield (*path, key)


def _change(stack: MutableMapping[str, Any], path: Steps, change: str, value: Any) -> None:
    node, last = at(stack, path[:-1]), path[-1]
    match change:
        case "set":
            node[last] = copy.deepcopy(value)
        case "merge":
            node[last] = {**node.get(last, {}), **copy.deepcopy(value)}
        case "append":
            node[last] = [*node.get(last, []), copy.deepcopy(value)]
        case "remove":
            if isinstance(node, list) or last in node:
                del node[last]

"""Weakenings: one change each that makes a hardened environment a little less so."""

import copy
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policy.environment import Environment

FILES = Path(__file__).parent / "weakenings"


class WeakensNothingError(ValueError):
    """A weakening finds no place, or changes nothing there: whoever caught it would have caught nothing."""


@dataclass(frozen=True)
class Weakening:
    """One change to the synthesized JSON.

    Attributes:
        name: what it does, in words.
        found_by: ids of the rules that have to find it.
        stack: the stack that is changed.
        within: ``Kind/name`` of the Kubernetes objects that are changed; empty for the stack itself.
        at: a JSON Pointer into it, in which ``*`` is every key or index; empty for the whole object.
        change: ``set``, ``merge`` or ``append`` with a value, or ``remove``.
        value: the value.
        listed: it is one of those that the project began with.
    """

    name: str
    found_by: tuple[str, ...]
    stack: str
    within: str
    at: str
    change: str
    value: Any
    listed: bool

    def applied(self, environment: Environment) -> Iterator[Environment]:
        """Yield the environment once for each place that the weakening finds, weakened there and nowhere else.

        Raises:
            WeakensNothingError: there is no such place, or it is so already.
        """
        before = environment.stacks[self.stack]
        found = False
        for match in list(_matches(before, self._starts(before), self.at)):
            # Of a whole object, the resource that it is in.
            path = match[:-1] if self.within and not self.at else match
            weakened: dict[str, Any] = copy.deepcopy(dict(before))
            _change(weakened, path, self.change, self.value)
            if weakened == before:
                raise WeakensNothingError(f"{self.name}: it is so already at {'/'.join(map(str, path))}")
            found = True
            yield Environment({**environment.stacks, self.stack: weakened})
        if not found:
            raise WeakensNothingError(f"{self.name}: nothing at {self.within} {self.at} in {self.stack}")

    def _starts(self, stack: Mapping[str, Any]) -> list[tuple[str, ...]]:
        if not self.within:
            return [()]
        kind, _, name = self.within.partition("/")
        return [
            ("resource", "kubernetes_manifest", address, "manifest")
            for address, resource in stack["resource"]["kubernetes_manifest"].items()
            if resource["manifest"]["kind"] == kind and name in ("*", resource["manifest"]["metadata"]["name"])
        ]


def read() -> list[Weakening]:
    """Return all weakenings, those of ``listed.yaml`` first."""
    found = []
    for path in sorted(FILES.glob("*.yaml"), key=lambda path: (path.stem != "listed", path.stem)):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            (change,) = {"set", "merge", "append", "remove"} & entry.keys()
            rules = entry["found_by"]
            found.append(
                Weakening(
                    name=entry["weakening"],
                    found_by=tuple(rules) if isinstance(rules, list) else (rules,),
                    stack=entry["stack"],
                    within=entry.get("within", ""),
                    at=entry.get("at", ""),
                    change=change,
                    value=entry[change],
                    listed=path.stem == "listed",
                )
            )
    return found


def _matches(stack: Any, starts: list[tuple[str, ...]], pointer: str) -> Iterator[tuple[Any, ...]]:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for start in starts:
        yield from _below(_at(stack, start), start, steps)


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        node = node[step]
    return node


def _below(node: Any, path: tuple[Any, ...], steps: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the paths that the steps lead to. The last may be a key that is not there yet."""
    if not steps:
        yield path
        return
    step, rest = steps[0], steps[1:]
    if isinstance(node, list):
        indexes = range(len(node)) if step == "*" else [int(step)] if int(step) < len(node) else []
        for index in indexes:
            yield from _below(node[index], (*path, index), rest)
    elif isinstance(node, dict):
        for key in list(node) if step == "*" else [step]:
            if key in node:
                yield from _below(node[key], (*path, key), rest)
            elif not rest:
                yield (*path, key)


def _change(stack: MutableMapping[str, Any], path: tuple[Any, ...], change: str, value: Any) -> None:
    node, last = _at(stack, path[:-1]), path[-1]
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

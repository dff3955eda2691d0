"""Claims: which values a path of the synthesized JSON may have, and the comparison of both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.environment import Environment
from policy.overrides import CREDENTIALS

Path = tuple[str | int, ...]
"""Keys and indexes from the root: the name of the stack comes first."""


def at(node: Any, path: Path) -> Any:
    """Return what is at a path."""
    for step in path:
        node = node[step]
    return node


Claims = Iterator[tuple[Path, Any]]
"""Paths, each with what is allowed there: values, `Allowed`, and mappings and lists of them. None is for nothing."""


def _is_comment(path: Path) -> bool:
    """Return whether terraform takes the key ``//`` there for a comment: in a stack, and in the body of a resource."""
    return len(path) == 1 or (len(path) == 4 and path[1] in ("resource", "data"))


@dataclass(frozen=True)
class Rule:
    """What a configuration allows at some paths.

    Attributes:
        id: ``MESH_`` and the function's name.
        title: what the rule requires; the first line of the function's docstring.
        source: a page with more about it.
        file: the file that declares it.
        claims: the function.
    """

    id: str
    title: str
    source: str
    file: str
    claims: Callable[[Environment], Claims]


class Allowed:
    """The values that are allowed at a path."""

    def allows(self, value: Any) -> bool:
        """Return whether a value is allowed."""
        raise NotImplementedError

    def others(self) -> list[Any]:
        """Return values that are less secure, and not allowed; for generated mutations."""
        return []


@dataclass(frozen=True)
class Is(Allowed):
    """One value: a constant, or computed from the configuration."""

    value: Any

    def allows(self, value: Any) -> bool:
        return repr(value) == repr(self.value)  # 1, 1.0 and true are equal in Python

    def others(self) -> list[Any]:
        match self.value:
            case bool():
                return [not self.value, str(self.value)]
            case int() | float():
                return [self.value + 1, 0 if self.value else 100]
            case str():
                return [other for other in (f"{self.value}x", "*", "0.0.0.0/0", "") if other != self.value]
            case list():
                extra: list[Any] = ["*", "0.0.0.0/0", *self.value[:1]]
                return [[*self.value, one] for one in extra] + ([[], self.value[1:]] if self.value else [])
        return [{"any": "thing"}, None]

    def __str__(self) -> str:
        return json.dumps(self.value)


@dataclass(frozen=True)
class InAnyOrder(Allowed):
    """A list of texts whose order means nothing."""

    values: Sequence[str]

    def allows(self, value: Any) -> bool:
        return isinstance(value, list) and sorted(map(str, value)) == sorted(self.values)

    def others(self) -> list[Any]:
        more = [*self.values, "null_resource.other"]
        return [more, list(self.values[1:])] if self.values else [more]

    def __str__(self) -> str:
        return f"{json.dumps(list(self.values))}, in any order"


@dataclass(frozen=True)
class Sentence(Allowed):
    """Text for people, without credentials. It may show the value of one expression: what terraform compares."""

    shown: str = ""

    def allows(self, value: Any) -> bool:
        text = value.replace(f"${{{self.shown}}}", "") if isinstance(value, str) else ""
        return bool(text) and not _TEMPLATE.search(text) and not CREDENTIALS.search(text)

    def others(self) -> list[Any]:
        key = "google_service_account_key.nodes.private_key"
        texts = ["AIza" + 35 * "x", f"Key: ${{{key}}}", f'${{{self.shown} == "" ? "" : {key}}}', f"${{{key}}}%{{if}}"]
        return [*texts, "", ["no text"]]

    def __str__(self) -> str:
        return f"a sentence without references, but for ${{{self.shown}}}"


@dataclass(frozen=True)
class Checksum(Allowed):
    """Text with a checksum of other claims, which `policy.rule.claimed` computes when all of them are known.

    Attributes:
        of: the path of these claims.
        text: the text, with ``{}`` for the checksum.
        instead: what stands in the place of the text itself while the checksum is computed; None for nothing.
    """

    of: Path
    text: str = "{}"
    instead: str | None = None

    def resolved(self, root: Node) -> Is:
        """Return the claim with the checksum."""
        text = json.dumps(_value(at(root, self.of)), sort_keys=True)
        return Is(self.text.format(hashlib.sha256(text.encode()).hexdigest()[:8]))


def _value(node: Node) -> Any:
    """Return the only value that some claims allow."""
    if isinstance(node, dict):
        found = {key: _value(inner) for key, inner in node.items()}
        return {key: value for key, value in found.items() if value is not None}
    if isinstance(node, list):
        return [_value(inner) for inner in node]
    if isinstance(node.allowed, Checksum):
        return node.allowed.instead
    assert isinstance(node.allowed, Is), f"{node.rule.id} allows several values in what a checksum is of"
    return node.allowed.value


_TEMPLATE = re.compile("[$%]{")


@dataclass(frozen=True)
class JsonOf(Allowed):
    """The JSON text of what other claims allow."""

    node: Node

    def allows(self, value: Any) -> bool:
        try:
            parsed = json.loads(value)
        except (TypeError, ValueError):
            return False
        return not any(compare(self.node, parsed, ())) and value == json.dumps(parsed, sort_keys=True)

    def others(self) -> list[Any]:
        return ["{}", "", '{"kind": "Secret"}']

    def __str__(self) -> str:
        return "the JSON text of the manifest"


@dataclass(frozen=True)
class Leaf:
    """A path that one rule claims as a whole."""

    rule: Rule
    allowed: Allowed


Node = Leaf | dict[str, "Node"] | list["Node"]
"""The claims at a path and below it."""


class ClaimError(ValueError):
    """Two rules claim the same path."""


def add(node: Node | None, fragment: Any, rule: Rule, path: Path = ()) -> Node:
    """Return claims with those of a fragment added: values stand for themselves, and None for nothing.

    Raises:
        ClaimError: Another rule claims a path of the fragment.
    """
    if isinstance(fragment, Mapping) and fragment:
        if node is None:
            node = {}
        if isinstance(node, dict):
            for key, value in fragment.items():
                if value is not None:
                    node[str(key)] = add(node.get(str(key)), value, rule, (*path, key))
            return node
    elif isinstance(fragment, list | tuple) and any(isinstance(item, Mapping) for item in fragment):
        if node is None:
            return [add(None, item, rule, (*path, index)) for index, item in enumerate(fragment)]
        if isinstance(node, list) and len(node) == len(fragment):
            return [add(one, item, rule, (*path, i)) for i, (one, item) in enumerate(zip(node, fragment, strict=True))]
    elif node is None:
        value = list(fragment) if isinstance(fragment, tuple) else dict(fragment) if fragment == {} else fragment
        return Leaf(rule, value if isinstance(value, Allowed) else Is(value))
    raise ClaimError(f"{rule.file}: {rule.id} and {first_rule(node).id} both claim {text_of(path)}")


@dataclass(frozen=True)
class Finding:
    """A value that the policy does not allow.

    Attributes:
        rule: the rule that claims the path; None if none does.
        path: where.
        problem: what is wrong.
    """

    rule: Rule | None
    path: Path
    problem: str

    @property
    def found_by(self) -> str:
        """Id of the rule; `UNCLAIMED` if no rule claims the path."""
        return UNCLAIMED if self.rule is None else self.rule.id

    def __str__(self) -> str:
        where = "add the claim to a rule in policy/rules/ (docs/policy.md#add-a-rule)"
        return f"{self.found_by}  {text_of(self.path)}: {self.problem}; {self.rule.file if self.rule else where}"


UNCLAIMED = "MESH_UNCLAIMED"


def compare(node: Node, actual: Any, path: Path) -> Iterator[Finding]:
    """Yield a finding for each value that is missing or not allowed, and for each that no rule claims."""
    if isinstance(node, Leaf):
        if not node.allowed.allows(actual):
            yield Finding(node.rule, path, f"is {_short(actual)}, allowed is {_short(node.allowed)}")
    elif isinstance(node, dict) and isinstance(actual, dict):
        for key, claimed in node.items():
            if key in actual:
                yield from compare(claimed, actual[key], (*path, key))
            else:
                yield Finding(first_rule(claimed), (*path, key), "is missing")
        for key, value in actual.items():
            if key not in node and not (key == "//" and _is_comment(path)):
                yield Finding(None, (*path, key), f"no rule claims {_short(value)}")
    elif isinstance(node, list) and isinstance(actual, list):
        for index, (claimed, value) in enumerate(zip(node, actual, strict=False)):
            yield from compare(claimed, value, (*path, index))
        if len(node) != len(actual):
            yield Finding(first_rule(node), path, f"has {len(actual)} items, allowed are {len(node)}")
    else:
        kind = "list" if isinstance(node, list) else "mapping"
        yield Finding(first_rule(node), path, f"is {_short(actual)}, allowed is a {kind}")


def first_rule(node: Node) -> Rule:
    """Return the rule that claims the first path of some claims."""
    while not isinstance(node, Leaf):
        node = next(iter(node.values())) if isinstance(node, dict) else node[0]
    return node.rule


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Yield every claimed path."""
    if isinstance(node, Leaf):
        yield path, node
    else:
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(inner, (*path, key))


def text_of(path: Path) -> str:
    """Return a path as a text: ``network: resource.google_compute_network.vpc.name``."""
    stack, *steps = path or ("",)
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return f"{stack}: {text.removeprefix('.')}"


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Allowed) else json.dumps(value)
    return text if len(text) <= 160 else f"{text[:157]}..."

"""Rules: how they are declared, loaded and evaluated."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from policy.environment import Block, Entity, SynthesizedEnvironment

Condition = Callable[[Block, Entity], bool]

OBJECT = "object"
"""Target of `rule`: every Kubernetes object. A kind of objects is a target by its own name, such as ``Deployment``."""

RESOURCE = "resource"
"""Target of `rule`: every terraform resource."""

_NO_RESOURCES = ("data", "ephemeral", "output", "provider", "region", "stack")


@dataclass(frozen=True)
class Rule:
    """A condition that every entity of the rule's targets must satisfy.

    Attributes:
        id: ``MESH_`` and the function's name.
        title: what the rule requires; the first line of the function's docstring.
        source: a page with more about it, if there is one.
        targets: terraform types, Kubernetes kinds, or kinds of `SynthesizedEnvironment.entities`.
        file: the file that declares it.
        condition: the function.
    """

    id: str
    title: str
    source: str
    targets: tuple[str, ...]
    file: str
    condition: Condition

    def applies_to(self, entity: Entity) -> bool:
        """Return whether the entity is one of the rule's targets."""
        if entity.kind in self.targets:
            return True
        if entity.manifest is not None:
            return RESOURCE in self.targets or self._targets_object(entity.manifest)
        return RESOURCE in self.targets and entity.kind not in _NO_RESOURCES

    def passes(self, entity: Entity) -> bool:
        """Return whether an entity satisfies the rule. A key that is missing or of another type fails it."""
        manifest = entity.manifest
        block = manifest if manifest is not None and self._targets_object(manifest) else entity.block
        try:
            return self.condition(block, entity) is True
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return False

    def _targets_object(self, manifest: Block) -> bool:
        return OBJECT in self.targets or manifest.get("kind") in self.targets


RULES: dict[str, Rule] = {}
"""Every rule, by its id; `load` fills it."""


def rule(*targets: str) -> Callable[[Condition], Condition]:
    """Declare a function as a rule for resources, or for the Kubernetes objects in them.

    The function gets the resource or, for Kubernetes kinds and `OBJECT`, the object, and the
    entity. It returns whether the rule passes, and may assume that all keys it reads exist.
    """

    def add(function: Condition) -> Condition:
        name = getattr(function, "__name__", "")
        text = inspect.cleandoc(function.__doc__ or "")
        source = re.search(r"^Source: (\S+)$", text, re.MULTILINE)
        new = Rule(
            id=f"MESH_{name.upper()}",
            title=text.split("\n", 1)[0].rstrip("."),
            source=source[1] if source else "",
            targets=targets,
            file=f"policy/rules/{Path(inspect.getfile(function)).name}",
            condition=function,
        )
        if new.id in RULES and RULES[new.id].file != new.file:
            raise ValueError(f"two rules have the id {new.id}: rename one of them")
        RULES[new.id] = new
        return function

    return add


def load() -> dict[str, Rule]:
    """Return all rules of `policy.rules`."""
    for path in sorted((Path(__file__).parent / "rules").glob("[a-z]*.py")):
        import_module(f"policy.rules.{path.stem}")
    return RULES


@dataclass(frozen=True)
class PolicyResult:
    """The result of all rules.

    Attributes:
        passed: each rule with each entity that satisfies it.
        failed: each rule with each entity that does not.
    """

    passed: tuple[tuple[Rule, Entity], ...]
    failed: tuple[tuple[Rule, Entity], ...]

    @property
    def unmatched(self) -> list[str]:
        """Ids of the rules that applied to nothing, and so prove nothing about the environment."""
        matched = {rule.id for rule, _ in (*self.passed, *self.failed)}
        return sorted(RULES.keys() - matched)


def evaluate(environment: SynthesizedEnvironment, rules: Iterable[Rule]) -> PolicyResult:
    """Evaluate every rule for every entity that it applies to."""
    passed: list[tuple[Rule, Entity]] = []
    failed: list[tuple[Rule, Entity]] = []
    for one in rules:
        for entity in environment.entities:
            if one.applies_to(entity):
                (passed if one.passes(entity) else failed).append((one, entity))
    return PolicyResult(tuple(passed), tuple(failed))

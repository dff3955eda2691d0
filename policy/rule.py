"""What a rule is, and how rules are asked."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from policy.environment import Block, Environment, Place

Holds = Callable[[Block, Place], bool]

OBJECT = "object"
"""Every Kubernetes object, for `rule`. A kind of them goes by its own name, such as ``Deployment``."""

RESOURCE = "resource"
"""Every terraform resource, for `rule`."""

_NO_RESOURCES = ("data", "ephemeral", "output", "provider", "region", "stack")


@dataclass(frozen=True)
class Rule:
    """One thing that must hold wherever there is something that it is about.

    Attributes:
        id: ``MESH_`` and the function's name.
        title: what holds; the first line of the function's docstring.
        source: a page that says more, if there is one.
        about: terraform types, Kubernetes kinds, or kinds of `Environment.places`.
        file: where it stands.
        holds: the function.
    """

    id: str
    title: str
    source: str
    about: tuple[str, ...]
    file: str
    holds: Holds

    def concerns(self, place: Place) -> bool:
        """Return whether the rule is about what stands there."""
        if place.kind in self.about:
            return True
        if place.manifest is not None:
            return OBJECT in self.about or RESOURCE in self.about or place.manifest.get("kind") in self.about
        return RESOURCE in self.about and place.kind not in _NO_RESOURCES

    def ask(self, place: Place) -> bool:
        """Return whether the rule holds there. What it misses, or finds to be of another type, does not hold."""
        manifest = place.manifest
        of_object = manifest is not None and (OBJECT in self.about or manifest.get("kind") in self.about)
        block = manifest if manifest is not None and of_object else place.block
        try:
            return self.holds(block, place) is True
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return False


RULES: dict[str, Rule] = {}
"""Every rule, by its id; `load` fills it."""


def rule(*about: str) -> Callable[[Holds], Holds]:
    """Make a function a rule about resources, or about the Kubernetes objects in them.

    The function is given the resource or, for Kubernetes' kinds and `OBJECT`, the object, and
    its place; it returns whether the rule holds, and may take for granted that all it looks for is there.
    """

    def add(function: Holds) -> Holds:
        name = getattr(function, "__name__", "")
        text = inspect.cleandoc(function.__doc__ or "")
        source = re.search(r"^Source: (\S+)$", text, re.MULTILINE)
        new = Rule(
            id=f"MESH_{name.upper()}",
            title=text.split("\n", 1)[0].rstrip("."),
            source=source[1] if source else "",
            about=about,
            file=f"policy/rules/{Path(inspect.getfile(function)).name}",
            holds=function,
        )
        if new.id in RULES and RULES[new.id].file != new.file:
            raise ValueError(f"two rules are called {new.id}")
        RULES[new.id] = new
        return function

    return add


def load() -> dict[str, Rule]:
    """Return all rules of `policy.rules`."""
    for path in sorted((Path(__file__).parent / "rules").glob("[a-z]*.py")):
        import_module(f"policy.rules.{path.stem}")
    return RULES


@dataclass(frozen=True)
class Verdict:
    """What became of the rules.

    Attributes:
        passed, failed: rule and place.
    """

    passed: tuple[tuple[Rule, Place], ...]
    failed: tuple[tuple[Rule, Place], ...]

    @property
    def silent(self) -> list[str]:
        """Rules that found nothing that they are about: they say nothing about this environment."""
        heard = {rule.id for rule, _ in (*self.passed, *self.failed)}
        return sorted(RULES.keys() - heard)


def judge(environment: Environment, rules: Iterable[Rule]) -> Verdict:
    """Ask every rule about everything that it is about."""
    passed: list[tuple[Rule, Place]] = []
    failed: list[tuple[Rule, Place]] = []
    for one in rules:
        for place in environment.places:
            if one.concerns(place):
                (passed if one.ask(place) else failed).append((one, place))
    return Verdict(tuple(passed), tuple(failed))

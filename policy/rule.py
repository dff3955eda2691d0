"""Rules: how they are declared, loaded and evaluated."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, reduce
from importlib import import_module
from pathlib import Path as File
from typing import Any

from config.environment import Environment
from policy.addresses import OUTPUTS, REMOTE
from policy.claims import Checksum, Claims, Finding, Is, JsonOf, Leaf, Node, Rule, add, at, compare, first_rule, leaves

MANIFEST_ANNOTATION = "multi-region-mesh/manifest"
_Function = Callable[[Environment], Claims]
RULES: dict[str, Rule] = {}
"""Every rule, by its id; `load` fills it."""


def rule(source: str) -> Callable[[_Function], _Function]:
    """Declare a function as a rule: it yields what the rule allows, computed from the configuration alone.

    Args:
        source: a page with more about it.
    """

    def declare(function: _Function) -> _Function:
        title = inspect.cleandoc(function.__doc__ or "").split("\n", 1)[0].rstrip(".")
        file = f"policy/rules/{File(inspect.getfile(function)).name}"
        new = Rule(f"MESH_{function.__name__.upper()}", title, source, file, function)
        if RULES.setdefault(new.id, new).file != new.file:
            raise ValueError(f"two rules have the id {new.id}: rename one of them")
        return function

    return declare


@cache
def load() -> dict[str, Rule]:
    """Return all rules of `policy.rules`."""
    for path in sorted((File(__file__).parent / "rules").glob("[a-z]*.py")):
        import_module(f"policy.rules.{path.stem}")
    return RULES


def claimed(environment: Environment) -> dict[str, Node]:
    """Return everything that the rules allow with a configuration, by the stack's name.

    Raises:
        ClaimError: Two rules claim the same path.
    """
    root: dict[str, Node] = {}
    for one in load().values():
        for path, fragment in one.claims(environment):
            add(root, reduce(lambda inner, step: {step: inner}, reversed(path), fragment), one)
    _resolve_checksums(root)
    for stack in root.values():
        _claim_annotations(stack)
    for place in sorted({found for _, leaf in leaves(root) for found in _outputs_in(leaf)}):
        content = {"value": f"${{{OUTPUTS[place]}}}", "sensitive": True}
        add(root, {place[0]: {"output": {place[1]: content}}}, RULES["MESH_OUTPUTS"])
    return root


def _resolve_checksums(root: dict[str, Node]) -> None:
    found = [(path, leaf) for path, leaf in leaves(root) if isinstance(leaf.allowed, Checksum)]
    resolved = [Leaf(leaf.rule, leaf.allowed.resolved(root)) for _, leaf in found]  # type: ignore[attr-defined]
    for (path, _), leaf in zip(found, resolved, strict=True):
        at(root, path[:-1])[path[-1]] = leaf


def _claim_annotations(stack: Any) -> None:
    """Claim the annotation of each object that has the text of the whole manifest."""
    for block in stack.get("resource", {}).get("kubernetes_manifest", {}).values():
        manifest = block["manifest"]
        metadata = manifest["metadata"]
        annotations = metadata.get("annotations", {})
        text = JsonOf({**manifest, "metadata": dict(metadata)})
        metadata["annotations"] = {**annotations, MANIFEST_ANNOTATION: Leaf(first_rule(manifest), text)}


def _outputs_in(leaf: Leaf) -> Iterator[tuple[str, str]]:
    if isinstance(leaf.allowed, Is):
        yield from re.findall(rf"{REMOTE}(\w+)\.outputs\.([\w-]+)", str(leaf.allowed.value))


def evaluate(claims: Mapping[str, Node], stacks: Mapping[str, Any]) -> list[Finding]:
    """Return everything in the JSON of the stacks that is not allowed, or missing."""
    return list(compare(dict(claims), dict(stacks), ()))

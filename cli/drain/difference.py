"""What draining a region changes: the resources that differ between two syntheses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.drain.terraform import CREATE, DELETE, UPDATE, Actions
from cli.errors import MeshError
from cli.sources.applied import MANIFEST, ObjectKey, without_annotation
from cli.sources.remediation import DEPLOY
from cli.sources.synthesized import Synthesized
from config.naming import STACKS
from config.synthesized import kubernetes_objects

STACK = STACKS[-1]
"""The stack that has all that differs."""


@dataclass(frozen=True)
class ChangedObject:
    """A Kubernetes object that differs, or that only one of the two syntheses has.

    Attributes:
        address: Terraform's address of it.
        region: Key of the region of its cluster.
        key: Its kind and name.
        before: Its manifest before the change; None if it is created.
        after: Its manifest after it; None if it is deleted.
    """

    address: str
    region: str
    key: ObjectKey
    before: Mapping[str, Any] | None = field(repr=False)
    after: Mapping[str, Any] | None = field(repr=False)

    @property
    def actions(self) -> Actions:
        """What terraform does with it."""
        if self.before is None:
            return CREATE
        return DELETE if self.after is None else UPDATE


def changed_objects(before: Synthesized, after: Synthesized) -> list[ChangedObject]:
    """Return the objects that differ.

    Raises:
        MeshError: Something else differs, too.
    """
    others = [
        f"{kind}.{name}"
        for stack in STACKS
        for kind in {**_kinds(before, stack), **_kinds(after, stack)}
        for name in _names(before, after, stack, kind)
        if (stack, kind) != (STACK, MANIFEST)
    ]
    old, new = (
        {address: (region, manifest) for address, region, manifest in kubernetes_objects(each.stacks[STACK])}
        for each in (before, after)
    )
    if others:
        raise MeshError(f"the key drained would change other resources, too: {', '.join(others)}", DEPLOY)
    changes = []
    for address, (region, manifest) in {**old, **new}.items():
        states = (one[address][1] if address in one else None for one in (old, new))
        first, last = (None if one is None else without_annotation(one) for one in states)
        if first != last:
            changes.append(ChangedObject(address, region, ObjectKey.of(manifest), first, last))
    return changes


def _kinds(synthesized: Synthesized, stack: str) -> Mapping[str, Any]:
    kinds: Mapping[str, Any] = synthesized.stacks[stack].get("resource", {})
    return kinds


def _names(before: Synthesized, after: Synthesized, stack: str, kind: str) -> list[str]:
    """Return the names of the resources of a kind that differ, or that only one of the two has."""
    old, new = (_kinds(one, stack).get(kind, {}) for one in (before, after))
    return sorted(name for name in {**old, **new} if old.get(name) != new.get(name))

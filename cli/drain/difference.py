"""What draining a region changes: the resources that differ between two syntheses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """A Kubernetes object that differs.

    Attributes:
        address: Terraform's address of it.
        region: Key of the region of its cluster.
        key: Its kind and name.
        before: Its manifest before the change.
        after: Its manifest after it.
    """

    address: str
    region: str
    key: ObjectKey
    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)


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
    others += sorted(old.keys() ^ new.keys())
    if others:
        raise MeshError(f"the key drained would change other resources, too: {', '.join(others)}", DEPLOY)
    return [
        ChangedObject(
            address, region, ObjectKey.of(manifest), without_annotation(old[address][1]), without_annotation(manifest)
        )
        for address, (region, manifest) in new.items()
        if address in old and old[address][1] != manifest
    ]


def _kinds(synthesized: Synthesized, stack: str) -> Mapping[str, Any]:
    kinds: Mapping[str, Any] = synthesized.stacks[stack].get("resource", {})
    return kinds


def _names(before: Synthesized, after: Synthesized, stack: str, kind: str) -> list[str]:
    """Return the names of the resources of a kind that differ, or that only one of the two has."""
    old, new = (_kinds(one, stack).get(kind, {}) for one in (before, after))
    return sorted(name for name in {**old, **new} if old.get(name) != new.get(name))

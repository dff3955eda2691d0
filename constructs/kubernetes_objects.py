"""The Kubernetes objects of a stack, which go into its JSON as they are.

An environment has thousands of objects, and all that cdktf adds to one is its address. As a construct of cdktf's, an
object is sent to Node.js, copied and searched for tokens several times, which takes more time than everything else. So
Python computes the addresses, with cdktf's algorithm, and one override adds all objects of a stack to its JSON.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from constructs import Construct
from constructs.bindings import ITerraformDependable, TerraformResource, TerraformStack, implements

RESOURCE = "kubernetes_manifest"


class ObjectGroup:
    """A construct that has no other resources than Kubernetes objects. cdktf does not know it.

    Attributes:
        path: its path in the tree of constructs, which addresses follow from.
    """

    def __init__(self, scope: "Scope", id_: str) -> None:
        self.path = f"{path_of(scope)}/{id_}"


Scope = Construct | ObjectGroup
"""A parent of Kubernetes objects."""


@implements(ITerraformDependable)
class ObjectAddress:
    """The address of an object, for resources that need the object."""

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def fqn(self) -> str:  # jsii reads properties only
        return self._address

    def __str__(self) -> str:
        return self._address


class KubernetesObjects:
    """The objects that a stack applies, in all clusters."""

    def __init__(self, stack: TerraformStack) -> None:
        self._stack = stack
        self._resources: dict[str, dict[str, Any]] = {}
        self._moved: list[dict[str, str]] = []

    def add(self, path: str, arguments: Mapping[str, Any]) -> ObjectAddress:
        """Add an object.

        The arguments must not have tokens of another stack: cdktf looks for these before it reads overrides.

        Args:
            path: the object's path in the tree of constructs.
            arguments: of its ``kubernetes_manifest``.

        Raises:
            ValueError: There is an object with this path.
        """
        unique_id = unique_id_of(path)
        if unique_id in self._resources:
            raise ValueError(f"two objects have the path {path}")
        # What cdktf writes for a construct.
        metadata = {"path": f"{path}/Default", "uniqueId": unique_id}
        self._resources[unique_id] = {"//": {"metadata": metadata}, **arguments}
        return ObjectAddress(f"{RESOURCE}.{unique_id}")

    def move(self, former: str, path: str) -> None:
        """Let an object keep its place in the cluster, which the state may have under another path.

        Args:
            former: the path that it has had; nothing happens if no object in the state has it.
            path: its path.
        """
        addresses = {"from": former, "to": path}
        self._moved.append({side: f"{RESOURCE}.{unique_id_of(one)}" for side, one in addresses.items()})

    def write(self) -> None:
        """Pass all objects to the stack. Has to be called once, after the last object is added."""
        if self._resources:
            self._stack.add_override(f"resource.{RESOURCE}", self._resources)
        if self._moved:
            self._stack.add_override("moved", self._moved)


@lru_cache(maxsize=256)  # each question is two calls to Node.js, and the objects of a cluster have the same parents
def path_of(scope: Scope) -> str:
    """Return a construct's path, which starts with its stack."""
    if isinstance(scope, ObjectGroup):
        return scope.path
    path: str = scope.node.path
    return path


def address_of(dependency: ITerraformDependable) -> str:
    """Return the address of a resource. In an override, cdktf would write its ``fqn`` as an expression, ``${…}``."""
    return dependency.fqn if isinstance(dependency, ObjectAddress) else _ask(cast(TerraformResource, dependency))


@lru_cache(maxsize=256)
def _ask(resource: TerraformResource) -> str:
    return f"{resource.terraform_resource_type}.{resource.friendly_unique_id}"


def unique_id_of(path: str) -> str:
    """Return the last part of the address of a resource: what cdktf derives from a construct's path.

    Source: makeUniqueId in
    https://github.com/hashicorp/terraform-cdk/blob/v0.21.0/packages/cdktf/lib/private/unique.ts
    """
    _, *components = (component for component in path.split("/") if component != "Default")
    names: list[str] = []
    for component in components:
        if not names or not names[-1].endswith(component):
            names.append(component)
    readable = "_".join(re.sub("[^A-Za-z0-9_-]", "", name) for name in names)[:240]
    return f"{readable}_{hashlib.md5('/'.join(components).encode(), usedforsecurity=False).hexdigest()[:8].upper()}"

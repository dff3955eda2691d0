"""The Kubernetes objects that the stacks apply: what each cluster should have.

Terraform's state has every one as the last deploy applied it. Where the state is not on this machine, the last
synthesis names them; a synthesis takes seconds, so none is made here. The cluster alone can't tell: an object that is
gone has left nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cli.errors import MeshError
from cli.sources.state import StateResource, TerraformStates
from cli.sources.synthesized import read_last
from config.loading.load import displayed
from config.naming import FIELD_MANAGER, MANIFEST_ANNOTATION, STACKS
from config.output_folder import OutputFolder
from config.synthesized import kubernetes_objects

MANIFEST = "kubernetes_manifest"
"""Terraform's type of an object."""

TERRAFORM = "Terraform"
"""The field manager of terraform's provider, where none is configured."""

DEPLOYERS = frozenset({TERRAFORM, FIELD_MANAGER})
"""The field managers of a deploy."""


class ObjectKey(NamedTuple):
    """What tells objects of one cluster apart. The version is left out, as a server converts between versions."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, one: Mapping[str, Any]) -> "ObjectKey":
        """Return the key of an object or a manifest."""
        metadata = one["metadata"]
        return cls(group_of(one), one["kind"], metadata.get("namespace", ""), metadata["name"])

    @property
    def resource(self) -> str:
        """The kind as an argument of kubectl, also where another group has one of that name."""
        return f"{self.kind}.{self.group}".rstrip(".").lower()

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}{'/' if self.namespace else ''}{self.name}"


def group_of(one: Mapping[str, Any]) -> str:
    """Return the API group of an object; empty of the core group."""
    return str(one.get("apiVersion", "")).rpartition("/")[0]


@dataclass(frozen=True)
class AppliedObject:
    """An object that a stack applies.

    Attributes:
        manifest: What is applied; its own annotation `MANIFEST_ANNOTATION` is left out.
        address: Terraform's address of it.
        folder: The folder of its stack, as messages name it.
        known: Whether the manifest has all values; a synthesis has references to other resources.
    """

    manifest: Mapping[str, Any] = field(repr=False)
    address: str
    folder: str
    known: bool = True

    @property
    def key(self) -> ObjectKey:
        return ObjectKey.of(self.manifest)

    @property
    def apply_command(self) -> str:
        """The command that applies this object alone."""
        return f"terraform -chdir={self.folder} apply -target='{self.address}'"


AppliedObjects = Mapping[str, Sequence[AppliedObject]]
"""By region."""


def applied_objects(config: Path, states: TerraformStates) -> AppliedObjects | None:
    """Return the objects that the stacks apply; None if that is not known here.

    Args:
        config: The configuration file, by which the last synthesis is found.
        states: Of terraform.
    """
    found: list[tuple[str, AppliedObject]] | None
    if states.get(STACKS[-1]) is not None:
        found = [one for state in states.values() for one in applied_in(state or ())]
    else:
        found = _synthesized(config)
    if found is None:
        return None
    by_region: dict[str, list[AppliedObject]] = {}
    for region, one in found:
        by_region.setdefault(region, []).append(one)
    return by_region


def applied_in(state: Iterable[StateResource]) -> Iterator[tuple[str, AppliedObject]]:
    """Yield the objects in a state, each after its region's key."""
    for one in state:
        if one.type == MANIFEST:
            manifest = one.attributes["manifest"]["value"]  # a value of any type is stored with its type
            yield one.provider, AppliedObject(without_annotation(manifest), one.address, one.folder)


def _synthesized(config: Path) -> list[tuple[str, AppliedObject]] | None:
    try:
        stacks = read_last(config).stacks
    except MeshError:
        return None
    folder = OutputFolder.of(config)
    return [
        (
            region,
            AppliedObject(without_annotation(manifest), address, displayed(folder.stack(stack)), known=False),
        )
        for stack, content in stacks.items()
        for address, region, manifest in kubernetes_objects(content)
    ]


def without_annotation(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without nothing's: null fields, which the state has, and the annotation with itself."""
    own: dict[str, Any] = _without_nulls(manifest)
    annotations = {
        key: value for key, value in own["metadata"].get("annotations", {}).items() if key != MANIFEST_ANNOTATION
    }
    metadata = {key: value for key, value in own["metadata"].items() if key != "annotations"}
    return {**own, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value

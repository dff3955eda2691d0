"""A synthesized environment, and the entities in it that rules apply to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from config.naming import STACKS
from config.synthesized import read_stack

Block = Mapping[str, Any]


PROVIDER = "kubernetes."
PODS = "pods"
"""The name of the subnets' range for pods."""


@dataclass(frozen=True)
class Entity:
    """A resource, or another part of a stack that a rule can apply to.

    Attributes:
        environment: the environment that contains it.
        stack: the stack's name.
        kind: terraform's type, or one of the kinds that `SynthesizedEnvironment.entities` lists.
        name: terraform's name of a resource; otherwise a name that is unique in its kind and stack.
        block: its JSON.
    """

    environment: SynthesizedEnvironment
    stack: str
    kind: str
    name: str
    block: Block

    def __str__(self) -> str:
        text = f"{self.stack}: {self.kind}.{self.name}"
        if self.manifest is not None:
            metadata = self.manifest.get("metadata", {})
            text += f" ({self.region}: {self.manifest.get('kind')} {metadata.get('name')})"
        return text

    @property
    def manifest(self) -> Block | None:
        """The Kubernetes object, if it is one."""
        return self.block.get("manifest") if self.kind == "kubernetes_manifest" else None

    @property
    def region(self) -> str:
        """The key of the region whose cluster contains the Kubernetes object."""
        return str(self.block.get("provider", "")).removeprefix(PROVIDER)


@dataclass(frozen=True)
class SynthesizedEnvironment:
    """The JSON of every stack, by the stack's name."""

    stacks: Mapping[str, Block]

    @classmethod
    def read(cls, folder: Path) -> SynthesizedEnvironment:
        """Read the output of cdktf from a folder such as ``cdktf.out``.

        Raises:
            OSError: A stack is missing.
        """
        return cls({name: read_stack(folder, name) for name in STACKS})

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """Everything that a rule can apply to.

        These are all resources, and as kinds of their own: ``data`` (sources),
        ``ephemeral`` (sources), ``output``, ``provider`` (configurations), ``stack``
        (each once) and ``region`` (each that has an object in its cluster).
        """
        return tuple(self._entities())

    def resources(self, kind: str) -> list[Block]:
        """Return all resources of a terraform type, in all stacks."""
        return [entity.block for entity in self.entities if entity.kind == kind]

    def objects(self, kind: str, region: str) -> list[Block]:
        """Return the Kubernetes objects of a kind in a region's cluster."""
        return [
            entity.manifest
            for entity in self.entities
            if entity.manifest is not None and entity.region == region and entity.manifest.get("kind") == kind
        ]

    def pod_ranges(self) -> set[str]:
        """Return the pod ranges of all clusters."""
        subnets = self.resources("google_compute_subnetwork")
        ranges = [secondary for subnet in subnets for secondary in subnet["secondary_ip_range"]]
        return {one["ip_cidr_range"] for one in ranges if one["range_name"] == PODS}

    def own_ranges(self) -> set[str]:
        """Return all ranges of this environment: nodes, pods, services, GKE control planes."""
        subnets = self.resources("google_compute_subnetwork")
        private = [cluster.get("private_cluster_config", {}) for cluster in self.resources("google_container_cluster")]
        return {
            *(subnet["ip_cidr_range"] for subnet in subnets),
            *(secondary["ip_cidr_range"] for subnet in subnets for secondary in subnet["secondary_ip_range"]),
            *(one["master_ipv4_cidr_block"] for one in private if "master_ipv4_cidr_block" in one),
        }

    def _entities(self) -> Iterator[Entity]:
        regions: dict[str, str] = {}
        for stack, content in self.stacks.items():
            yield Entity(self, stack, "stack", stack, content)
            for kind, named in content.get("resource", {}).items():
                for name, block in named.items():
                    entity = Entity(self, stack, kind, name, block)
                    if entity.manifest is not None:
                        regions.setdefault(entity.region, stack)
                    yield entity
            for section in ("data", "ephemeral"):
                for kind, named in content.get(section, {}).items():
                    for name, block in named.items():
                        yield Entity(self, stack, section, f"{kind}.{name}", block)
            for name, block in content.get("output", {}).items():
                yield Entity(self, stack, "output", name, block)
            for kind, configurations in content.get("provider", {}).items():
                for block in configurations:
                    yield Entity(self, stack, "provider", f"{kind}.{block.get('alias', 'default')}", block)
        for region, stack in sorted(regions.items()):
            yield Entity(self, stack, "region", region, {})

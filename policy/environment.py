"""An environment as synthesized, and the things in it that a rule can be about."""

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
"""Name of the subnets' range for pods."""


@dataclass(frozen=True)
class Place:
    """Where something stands.

    Attributes:
        environment: all that is there besides.
        stack: the stack's name.
        kind: terraform's type, or what `Environment.places` calls it.
        name: terraform's name of a resource; of what is none, the name that tells it from others.
        block: what stands there.
    """

    environment: Environment
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
        """The key of the region whose cluster a Kubernetes object is in."""
        return str(self.block.get("provider", "")).removeprefix(PROVIDER)


@dataclass(frozen=True)
class Environment:
    """The JSON of every stack, by the stack's name."""

    stacks: Mapping[str, Block]

    @classmethod
    def read(cls, folder: Path) -> Environment:
        """Read what cdktf has written into a folder such as ``cdktf.out``.

        Raises:
            OSError: A stack is missing.
        """
        return cls({name: read_stack(folder, name) for name in STACKS})

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Everything that a rule can be about.

        These are all resources, and besides, as kinds of their own: ``data`` (sources),
        ``ephemeral`` (sources), ``output``, ``provider`` (configurations), ``stack``
        (each once) and ``region`` (each that has an object in its cluster).
        """
        return tuple(self._places())

    def of_kind(self, kind: str) -> list[Block]:
        """Return what there is of a terraform type, in all stacks."""
        return [place.block for place in self.places if place.kind == kind]

    def objects(self, kind: str, region: str) -> list[Block]:
        """Return the Kubernetes objects of a kind in a region's cluster."""
        return [
            place.manifest
            for place in self.places
            if place.manifest is not None and place.region == region and place.manifest.get("kind") == kind
        ]

    def pod_ranges(self) -> set[str]:
        """Return the ranges of all clusters' pods."""
        subnets = self.of_kind("google_compute_subnetwork")
        return {
            one["ip_cidr_range"]
            for subnet in subnets
            for one in subnet["secondary_ip_range"]
            if one["range_name"] == PODS
        }

    def own_ranges(self) -> set[str]:
        """Return all ranges of ours: nodes, pods, services, control planes."""
        subnets = self.of_kind("google_compute_subnetwork")
        controls = [cluster.get("private_cluster_config", {}) for cluster in self.of_kind("google_container_cluster")]
        return {
            *(subnet["ip_cidr_range"] for subnet in subnets),
            *(secondary["ip_cidr_range"] for subnet in subnets for secondary in subnet["secondary_ip_range"]),
            *(one["master_ipv4_cidr_block"] for one in controls if "master_ipv4_cidr_block" in one),
        }

    def _places(self) -> Iterator[Place]:
        regions: dict[str, str] = {}
        for stack, content in self.stacks.items():
            yield Place(self, stack, "stack", stack, content)
            for kind, named in content.get("resource", {}).items():
                for name, block in named.items():
                    place = Place(self, stack, kind, name, block)
                    if place.manifest is not None:
                        regions.setdefault(place.region, stack)
                    yield place
            for section in ("data", "ephemeral"):
                for kind, named in content.get(section, {}).items():
                    for name, block in named.items():
                        yield Place(self, stack, section, f"{kind}.{name}", block)
            for name, block in content.get("output", {}).items():
                yield Place(self, stack, "output", name, block)
            for kind, configurations in content.get("provider", {}).items():
                for block in configurations:
                    yield Place(self, stack, "provider", f"{kind}.{block.get('alias', 'default')}", block)
        for region, stack in sorted(regions.items()):
            yield Place(self, stack, "region", region, {})

"""Objects at which the next deploy would stop: they exist in a cluster, and are not in terraform's state.

A terraform that was killed while it applied objects may have lost the last of them, and
its provider never adopts what exists: "Cannot create resource that already exists".
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.state import TerraformStates
from cli.sources.synthesized import Synthesized, read_folder
from config import Environment
from config.backend import LocalState, state_file
from config.naming import STACKS
from config.output_folder import OutputFolder
from config.synthesized import kubernetes_objects

COLUMNS = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
NO_SUCH_KIND = "no matches for kind"


@dataclass(frozen=True, order=True)
class ObjectReference:
    """The reference of an object in a cluster.

    Attributes:
        namespace: Its namespace; empty where the kind has none.
        kind: Its kind.
        name: Its name.
        api_version: Group and version of its kind.
        stack: The stack that applies it.
        address: Terraform's address of it there.
    """

    namespace: str
    kind: str
    name: str
    api_version: str
    stack: str = ""
    address: str = ""

    @property
    def resource(self) -> str:
        """The argument by which kubectl finds it, even if another group has a kind of that name."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.kind.lower()}{'.' if group else ''}{group}/{self.name}"

    @property
    def reference(self) -> Mapping[str, Any]:
        """A manifest with as much of it as kubectl needs to get it."""
        named = {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": named}

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}{'/' if self.namespace else ''}{self.name}"


def untracked_objects(
    environment: Environment, config: Path, states: TerraformStates
) -> dict[str, list[ObjectReference]] | None:
    """Return the objects that are synthesized and in no state, by region.

    None, if that is not known: the state is not on this machine, or the last synthesis is another configuration's.

    Args:
        environment: The environment.
        config: The configuration file, beside which terraform's state is.
        states: The states.
    """
    if not isinstance(environment.backend, LocalState):
        return None
    try:
        synthesized = read_folder(OutputFolder.of(config).path)
    except MeshError:
        return None
    return missing_from(states, synthesized) if _is_of(synthesized, config) else None


def missing_from(states: TerraformStates, synthesized: Synthesized) -> dict[str, list[ObjectReference]]:
    """Return the objects that are synthesized and in no state, by region.

    Args:
        states: The states of the stacks to look at; None where there is none yet.
        synthesized: All stacks.
    """
    untracked: defaultdict[str, list[ObjectReference]] = defaultdict(list)
    for stack, state in states.items():
        tracked = {one.address for one in state or ()}
        for address, region, manifest in kubernetes_objects(synthesized.stacks[stack]):
            if address not in tracked:
                untracked[region].append(_reference(manifest, stack, address))
    return dict(untracked)


def existing(cluster: ClusterClient, wanted: Sequence[ObjectReference]) -> list[ObjectReference]:
    """Return the objects that exist in a cluster, namespaces first.

    Raises:
        KubectlError: kubectl failed.
    """
    by_version: defaultdict[str, list[ObjectReference]] = defaultdict(list)
    for one in wanted:
        by_version[one.api_version].append(one)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda some: _existing_of_version(cluster, some), by_version.values())
        return sorted(one for some in found for one in some)


def _existing_of_version(cluster: ClusterClient, wanted: Sequence[ObjectReference]) -> list[ObjectReference]:
    """Return the objects that exist.

    Args:
        cluster: The cluster.
        wanted: Objects of one API version: where it is not served, kubectl fails, and none exists.
    """
    manifest = {"apiVersion": "v1", "kind": "List", "items": [one.reference for one in wanted]}
    flags = ("--ignore-not-found", "--no-headers", "--output", COLUMNS)
    try:
        table = cluster.run("get", "--filename", "-", *flags, text=json.dumps(manifest))
    except KubectlError as error:
        if NO_SUCH_KIND in str(error):
            return []
        raise
    rows = {tuple(line.split()) for line in table.splitlines()}
    return [one for one in wanted if (one.kind, one.namespace or "<none>", one.name) in rows]


def _reference(manifest: Mapping[str, Any], stack: str, address: str) -> ObjectReference:
    named = manifest["metadata"]
    return ObjectReference(
        named.get("namespace", ""), manifest["kind"], named["name"], manifest["apiVersion"], stack, address
    )


def _is_of(synthesized: Synthesized, config: Path) -> bool:
    """Whether the local state of a synthesis is the one beside a configuration file."""
    backend = synthesized.stacks[STACKS[0]].get("terraform", {}).get("backend", {}).get("local", {})
    kept: Path = synthesized.folder.resolve() / "stacks" / STACKS[0] / backend.get("path", "")
    return kept.resolve() == state_file(config.resolve(), STACKS[0])

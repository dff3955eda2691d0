"""Objects at which the next deploy would stop: they are in the clusters as a stack makes them, unknown to terraform.

A terraform that was killed while it applied objects may have lost the last of them, and
its provider never takes over what is there: "Cannot create resource that already exists".
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
class Object:
    """One object of a cluster.

    Attributes:
        namespace: empty where the kind has none.
    """

    namespace: str
    kind: str
    name: str
    api_version: str

    @property
    def resource(self) -> str:
        """What kubectl takes for it, whatever else has a kind of that name."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.kind.lower()}{'.' if group else ''}{group}/{self.name}"

    @property
    def reference(self) -> Mapping[str, Any]:
        """As much of it as it takes to ask for it."""
        named = {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": named}

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}{'/' if self.namespace else ''}{self.name}"


def unknown_to_terraform(
    environment: Environment, config: Path, state: TerraformStates
) -> dict[str, list[Object]] | None:
    """Return what is synthesized and in no state, by region.

    None, if that can't be told: the state is not on this machine, or what cdktf wrote last
    is of another configuration.

    Args:
        config: the configuration's file, beside which terraform's state is.
        state: what is in it.
    """
    if not isinstance(environment.backend, LocalState):
        return None
    try:
        synthesized = read_folder(OutputFolder.of(config).path)
    except MeshError:
        return None
    if not _is_of(synthesized, config):
        return None
    unknown: defaultdict[str, list[Object]] = defaultdict(list)
    for stack, kept in state.items():
        known = {one.address for one in kept or ()}
        for address, region, manifest in kubernetes_objects(synthesized.stacks[stack]):
            if address not in known:
                unknown[region].append(_object(manifest))
    return dict(unknown)


def there(cluster: ClusterClient, wanted: Sequence[Object]) -> list[Object]:
    """Return those that are in the cluster, namespaces first.

    Raises:
        KubectlError: kubectl failed.
    """
    by_version: defaultdict[str, list[Object]] = defaultdict(list)
    for one in wanted:
        by_version[one.api_version].append(one)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda some: _those_there(cluster, some), by_version.values())
        return sorted(one for some in found for one in some)


def _those_there(cluster: ClusterClient, wanted: Sequence[Object]) -> list[Object]:
    """Args:
    wanted: all of one API version: kubectl gives up where it is not served, and then none is there.
    """
    asked = {"apiVersion": "v1", "kind": "List", "items": [one.reference for one in wanted]}
    flags = ("--ignore-not-found", "--no-headers", "--output", COLUMNS)
    try:
        table = cluster.run("get", "--filename", "-", *flags, text=json.dumps(asked))
    except KubectlError as error:
        if NO_SUCH_KIND in str(error):
            return []
        raise
    rows = {tuple(line.split()) for line in table.splitlines()}
    return [one for one in wanted if (one.kind, one.namespace or "<none>", one.name) in rows]


def _object(manifest: Mapping[str, Any]) -> Object:
    named = manifest["metadata"]
    return Object(named.get("namespace", ""), manifest["kind"], named["name"], manifest["apiVersion"])


def _is_of(synthesized: Synthesized, config: Path) -> bool:
    """Whether terraform would keep what it makes of this in the state beside this configuration."""
    backend = synthesized.stacks[STACKS[0]].get("terraform", {}).get("backend", {}).get("local", {})
    kept: Path = synthesized.folder.resolve() / "stacks" / STACKS[0] / backend.get("path", "")
    return kept.resolve() == state_file(config.resolve(), STACKS[0])

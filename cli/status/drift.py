"""`mesh status`, of fields of the stacks' objects that were changed in a cluster.

Every object has the manifest that the last deploy applied as an annotation (`constructs.manifest_file`), and the API
server records who owns which field:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.report.findings import Finding, failure, ok
from cli.sources.cluster_objects import Object
from cli.sources.member import ObservedCluster
from cli.sources.remediation import DEPLOY, chained
from config.kinds import RESTORED_KINDS
from config.naming import FIELD_MANAGER, MANIFEST_ANNOTATION

RESTORED = "the next deploy restores it"
DEPLOYERS = frozenset({"Terraform", FIELD_MANAGER})
"""The field managers of a deploy."""

Path = tuple[Any, ...]
"""Keys, and for an item of a list that has a name the item, as it was applied."""


@dataclass(frozen=True)
class Difference:
    """A field that is not as the last deploy applied it.

    Attributes:
        path: Where it is.
        own: The applied value; None if the field was added.
        live: The value in the cluster; None if the field was removed.
    """

    path: Path
    own: Any
    live: Any

    @property
    def field(self) -> str:
        """The path, as in ``spec.template.spec.containers[helloworld].image``."""
        return "".join(f"[{one['name']}]" if isinstance(one, Mapping) else f".{one}" for one in self.path).removeprefix(
            "."
        )

    def __str__(self) -> str:
        if self.own is None:
            return f"{self.field} = {_shown(self.live)} was added"
        if self.live is None:
            return f"{self.field} was removed"
        return f"{self.field} was changed from {_shown(self.own)} to {_shown(self.live)}"


def check_drift(member: ObservedCluster) -> Iterator[Finding]:
    """Yield a failure for each object with a changed field, or that there is none."""
    applied = [one for one in member.live.applied if MANIFEST_ANNOTATION in one["metadata"].get("annotations", {})]
    found = [finding for one in applied if (finding := _check(member, one)) is not None]
    yield from found
    if not found:
        yield ok("objects", f"{len(applied)} checked, none changed since the last deploy")


def _check(member: ObservedCluster, live: Object) -> Finding | None:
    manifest = json.loads(live["metadata"]["annotations"][MANIFEST_ANNOTATION])
    kind, metadata = manifest["kind"], manifest["metadata"]
    changes = list(differences(manifest, live))
    if not changes:
        return None
    where = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    patches = []
    lines = []
    for one in changes:
        managers = sorted(set(_owners(live, one.path)) - DEPLOYERS)
        by = f" by {', '.join(managers)}" if managers else ""
        if one.own is None:
            end = "a deploy does not remove it"
        elif kind in RESTORED_KINDS or (kind == "Namespace" and one.path[:2] == ("metadata", "labels")):
            end = RESTORED
        else:
            end = "a deploy restores it only after a change of this object in the configuration"
        lines.append(f"{one}{by}; {end}")
        patches.append(DEPLOY if end is RESTORED else _patch_command(member, manifest, one))
    return failure(f"{kind} {where}{metadata['name']}", ". ".join(lines), chained(patches))


def differences(manifest: Object, live: Object) -> Iterator[Difference]:
    """Yield the fields of a manifest that differ in the cluster, and what was added to one that carries security."""
    kind = manifest["kind"]
    for key in sorted(manifest.keys() - {"apiVersion", "kind", "metadata"}):
        yield from _compare(manifest[key], live.get(key), (key,), exact=kind in RESTORED_KINDS)
    for key in ("annotations", "labels"):
        own, there = manifest["metadata"].get(key, {}), live["metadata"].get(key, {})
        yield from _compare(own, there, ("metadata", key), exact=False)


def _compare(own: Any, live: Any, path: Path, *, exact: bool) -> Iterator[Difference]:
    """Yield where live differs from own.

    Args:
        own: The applied value.
        live: The value in the cluster.
        path: Where both are.
        exact: Whether something that is only in the cluster is a difference.
    """
    if isinstance(own, Mapping) and isinstance(live, Mapping):
        for key, value in own.items():
            yield from _compare(value, live.get(key), (*path, key), exact=exact)
        if exact:
            for key in live.keys() - own.keys():
                yield Difference((*path, key), None, live[key])
    elif not exact and _is_keyed(own) and _is_keyed(live):
        named = {one["name"]: one for one in live}
        for one in own:
            yield from _compare(one, named.get(one["name"]), (*path, one), exact=exact)
    elif own != live and (own or live):  # what is empty may be left out
        yield Difference(path, own, live)


def _is_keyed(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "name" in one for one in value)


def _owners(live: Object, path: Path) -> Iterator[str]:
    """Yield the field managers that own a field, or the list or mapping that it is in."""
    for entry in live["metadata"].get("managedFields", []):
        node: Mapping[str, Any] | None = entry.get("fieldsV1", {})
        for step in path:
            if node is None or not node:
                break
            node = next((value for key, value in node.items() if _matches(key, step)), None)
        if node is not None:
            yield entry["manager"]


def _matches(key: str, step: Any) -> bool:
    """Return whether a key of managed fields is that of a step of a path: ``f:FIELD``, or ``k:{"name": NAME}``.

    An item may be known by other fields than its name, as a Service's port by its number and protocol; one that was
    not applied has its default.
    """
    if not isinstance(step, Mapping):
        return key == f"f:{step}"
    return key.startswith("k:") and all(step.get(name, value) == value for name, value in json.loads(key[2:]).items())


def _patch_command(member: ObservedCluster, manifest: Object, change: Difference) -> str:
    """Return the kubectl command that restores a field now, or removes an added one."""
    custom = manifest["apiVersion"].partition("/")[0].endswith((".istio.io", ".gke.io", "cloud.google.com"))
    steps: list[Any] = list(change.path)
    value = change.own
    if custom and (items := [number for number, one in enumerate(steps) if isinstance(one, Mapping)]):
        steps = steps[: items[0]]  # a merge patch replaces whole lists
        value = manifest
        for step in steps:
            value = value[step]
    for step in reversed(steps):
        value = [_identifying_fields(step) | value] if isinstance(step, Mapping) else {step: value}
    metadata = manifest["metadata"]
    words = ["patch", f"{manifest['kind']}.{manifest['apiVersion'].rpartition('/')[0]}".rstrip(".").lower()]
    words += [metadata["name"], *(["--namespace", metadata["namespace"]] if "namespace" in metadata else [])]
    words += ["--type", "merge"] if custom else []
    return f"{member.kubectl} {shlex.join([*words, '--patch', json.dumps(value)])}"


def _identifying_fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an item without those that hold others: the ones by which it is known are among them."""
    return {key: value for key, value in item.items() if not isinstance(value, Mapping | list)}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

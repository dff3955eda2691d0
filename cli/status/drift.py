"""How an object in a cluster differs from what was applied, who made the difference, and the command that ends it.

The API server records who owns which field, and since when. Defaults have no owner:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.sources.applied import DEPLOYERS, ObjectKey, group_of
from cli.sources.cluster_objects import ISTIO_GROUPS, Object
from cli.sources.defaults import with_defaults
from cli.sources.kubernetes import ClusterClient
from config.kinds import RESTORED_KINDS

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation of a pod template by which `kubectl rollout restart` makes new pods: no change of what runs."""

REPLICAS = ("spec", "replicas")

PORTS = ("spec", "ports")
"""Of a Service."""

STRATEGIC_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "policy", "rbac.authorization.k8s.io"})
"""API groups of Kubernetes itself, whose lists a patch can merge; it replaces those of custom resources."""
UNSEEN = "${"
"""In a synthesized text: a reference to what only terraform knows."""

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
        return "".join(f"[{_named(one)}]" if isinstance(one, Mapping) else f".{one}" for one in self.path).removeprefix(
            "."
        )

    def __str__(self) -> str:
        if self.own is None:
            return f"{self.field} = {_shown(self.live)} was added"
        if self.live is None:
            return f"{self.field} was removed"
        return f"{self.field} was changed from {_shown(self.own)} to {_shown(self.live)}"


def changes_in(cluster: ClusterClient | None, manifest: Object, live: Object) -> list[Difference]:
    """Return the differences of an object, without what the API server itself adds.

    Args:
        cluster: The object's, which says what it adds; None if it can't be asked.
        manifest: What was applied.
        live: The object.
    """
    changes = list(differences(manifest, live))
    if cluster is None or _is_exact(manifest) or all(one.own is not None for one in changes):
        return changes
    defaulted = with_defaults(cluster, manifest)
    return changes if defaulted is None else without_defaults(changes, defaulted)


def differences(manifest: Object, live: Object) -> Iterator[Difference]:
    """Yield the fields of a manifest that differ in the cluster, and those that somebody else has added."""
    exact = _is_exact(manifest)
    for key in sorted(manifest.keys() - {"apiVersion", "kind", "metadata"}):
        yield from _compare(manifest[key], live.get(key), (key,), exact=exact)
    for key in ("annotations", "labels"):
        own, there = manifest["metadata"].get(key, {}), live["metadata"].get(key, {})
        yield from _compare(own, there, ("metadata", key), exact=False)
    if not exact:
        yield from _additions(manifest, live)


def _is_exact(manifest: Object) -> bool:
    """Return whether an object's kind has no defaults in its schema."""
    return manifest["kind"] in RESTORED_KINDS or group_of(manifest).endswith(ISTIO_GROUPS)


def without_defaults(changes: Iterable[Difference], defaulted: Object) -> list[Difference]:
    """Leave out additions that have the API server's own value: whoever changes a field owns its defaults, too.

    Args:
        changes: The differences of an object.
        defaulted: A new object of its manifest, as the API server would store it.
    """
    return [one for one in changes if one.own is not None or _value_at(defaulted, one.path) != one.live]


def _value_at(one: Any, path: Path) -> Any:
    """Return the value at a path; None without one."""
    for step in path:
        if isinstance(step, Mapping):
            known = _identifying_fields(step).items()
            one = next((item for item in one or () if known <= item.items()), None)
        else:
            one = (one or {}).get(step)
    return one


def _compare(own: Any, live: Any, path: Path, *, exact: bool) -> Iterator[Difference]:
    """Yield where live differs from own.

    Args:
        own: The applied value.
        live: The value in the cluster.
        path: Where both are.
        exact: Whether something that is only in the cluster is a difference: kinds whose schemas have no defaults.
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
    elif isinstance(own, str) and UNSEEN in own and live:
        return
    elif own != live and (own or live):  # what is empty may be left out
        yield Difference(path, own, live)


def _additions(manifest: Object, live: Object) -> Iterator[Difference]:
    """Yield what others own in an object of a kind with defaults, and the manifest does not have.

    A controller writes through a subresource, as an autoscaler does, or its own annotations and status.
    """
    found: dict[str, Difference] = {}
    for entry in live["metadata"].get("managedFields", []):
        if entry["manager"] in DEPLOYERS or entry.get("subresource"):
            continue
        for key, fields in entry.get("fieldsV1", {}).items():
            step = key.removeprefix("f:")
            if step in manifest and step not in ("apiVersion", "kind", "metadata", "status"):
                for one in _added(manifest[step], live.get(step), (step,), fields):
                    found.setdefault(one.field, one)
    yield from found.values()


def _added(own: Any, live: Any, path: Path, fields: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what is in live, in fields, and not in own."""
    for key, inner in fields.items():
        kind, _, text = key.partition(":")
        if kind == "f" and isinstance(live, Mapping) and text in live:
            step: Any = text
            mine, there = (own or {}).get(text), live[text]
        elif kind == "k" and isinstance(live, list):
            step = json.loads(text)
            mine = next((one for one in own or () if _is_item(one, step)), None)
            there = next((one for one in live if _is_item(one, step)), None)
            step = there if mine is None else mine
        else:
            continue
        where = (*path, step)
        if there is None or where == REPLICAS or step == RESTARTED:
            continue
        if mine is None and not (isinstance(there, Mapping) and kind == "f" and inner and not _is_whole(there, inner)):
            yield Difference(where, None, there)
        elif inner:
            yield from _added(mine, there, where, inner)
        elif isinstance(mine, Mapping) and isinstance(there, Mapping):  # an atomic map, such as a Service's selector
            yield from (Difference((*where, name), None, there[name]) for name in there.keys() - mine.keys())


def _is_whole(value: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Return whether fields have all of a mapping: without one of them, what is left of it may not be valid."""
    return RESTARTED not in value and all(
        (inner := fields.get(f"f:{key}")) is not None
        and (not inner or not isinstance(one, Mapping) or _is_whole(one, inner))
        for key, one in value.items()
    )


def _is_item(item: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    """Return whether a list's item has the key of managed fields; one that was not applied has its default."""
    return all(item.get(name, value) == value for name, value in key.items())


def _named(item: Mapping[str, Any]) -> str:
    """Return the name of an item of a list, or the first field of one without."""
    return str(item.get("name") or next(iter(item.values()), ""))


def _is_keyed(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "name" in one for one in value)


def changed_by(live: Object, path: Path) -> str:
    """Return who, other than a deploy, owns a field or the list or mapping that it is in, and since when."""
    owners = {}
    for entry in live["metadata"].get("managedFields", []):
        node: Mapping[str, Any] | None = entry.get("fieldsV1", {})
        for step in path:
            if node is None or not node:
                break
            node = next((value for key, value in node.items() if _matches(key, step)), None)
        if node is not None and entry["manager"] not in DEPLOYERS:
            owners[entry["manager"]] = f" at {entry['time']}" if "time" in entry else ""
    return " and ".join(f"{name}{when}" for name, when in sorted(owners.items()))


def _matches(key: str, step: Any) -> bool:
    """Return whether a key of managed fields is that of a step of a path: ``f:FIELD``, or ``k:{"name": NAME}``.

    An item may be known by other fields than its name, as a Service's port by its number and protocol.
    """
    if not isinstance(step, Mapping):
        return key == f"f:{step}"
    return key.startswith("k:") and _is_item(step, json.loads(key[2:]))


def restore_commands(kubectl: str, manifest: Object, changes: Iterable[Difference]) -> list[str]:
    """Return the kubectl commands that restore fields now, and remove added ones.

    One patch has all of them that can be in one: where somebody has put a field in the place of one of ours, such as
    another source of a variable, the API server refuses both an object with both and one with neither.
    """
    key = ObjectKey.of(manifest)
    where = ["--namespace", key.namespace] if key.namespace else []
    commands: list[str] = []
    strategic: list[_Part] = []
    merge: dict[tuple[Any, ...], Any] = {}
    for one in changes:
        # A patch would merge the ports of a Service by their numbers, and so add one whose number was changed.
        custom = key.group not in STRATEGIC_GROUPS or (one.path[:2] == PORTS and one.path[-1] == "port")
        if one.path == REPLICAS:
            words = [*where, "scale", key.resource, key.name, f"--replicas={one.own}"]
            commands.append(f"{kubectl} {shlex.join(words)}")
        elif custom:
            steps, value = _whole_lists(manifest, one)
            merge[steps] = value
        else:
            strategic.append((one.path, one.own))
    for parts, options in ((strategic, []), (list(merge.items()), ["--type", "merge"])):
        if parts:
            words = ["patch", key.resource, key.name, *where, *options, "--patch", json.dumps(_patch(parts))]
            commands.append(f"{kubectl} {shlex.join(words)}")
    return commands


_Part = tuple[Path, Any]
"""A path, and the value to put there; None to remove what is there."""


def _whole_lists(manifest: Object, change: Difference) -> _Part:
    """Return what a merge patch has for a change: it replaces whole lists."""
    items = [number for number, one in enumerate(change.path) if isinstance(one, Mapping)]
    if not items:
        return change.path, change.own
    steps, value = change.path[: items[0]], manifest
    for step in steps:
        value = value[step]
    return steps, value


def _patch(parts: Sequence[_Part]) -> Any:
    """Return a patch of all parts."""
    if whole := [value for path, value in parts if not path]:
        return whole[0]
    by_step: list[tuple[Any, list[_Part]]] = []
    for (step, *rest), value in parts:
        known = next((group for one, group in by_step if one == step), None)
        if known is None:
            by_step.append((step, known := []))
        known.append((tuple(rest), value))
    if isinstance(by_step[0][0], Mapping):
        return [_item_patch(step, group) for step, group in by_step]
    return {step: _patch(group) for step, group in by_step}


def _item_patch(item: Mapping[str, Any], parts: Sequence[_Part]) -> dict[str, Any]:
    """Return the patch of an item of a list, which the API server finds by its fields."""
    if ((), None) in parts:
        return {"$patch": "delete", **_identifying_fields(item)}
    patch: dict[str, Any] = _patch(parts)
    return _identifying_fields(item) | patch


def _identifying_fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an item without those that hold others: the ones by which it is known are among them."""
    return {key: value for key, value in item.items() if not isinstance(value, Mapping | list)}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

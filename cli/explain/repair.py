"""What to do about an object that is in the way of a request, by how it came there."""

import json
from dataclasses import dataclass

from cli.sources.applied import ObjectKey
from cli.sources.cluster_objects import Object
from cli.sources.kubernetes import ClusterClient
from cli.sources.remediation import chained, kubectl_command
from cli.status.drift import Difference, changed_by, changes_in, restore_commands
from config.naming import MANIFEST_ANNOTATION

LONGEST = 120
"""Characters of a difference with its values; the command has the right value, too."""


@dataclass(frozen=True)
class Repair:
    """How an object differs from what a deploy would make, and the command that ends it.

    Attributes:
        how: Why it is as it is, to be appended to a sentence; empty if it is as the last deploy has applied it.
        command: The command; empty if it is as the last deploy has applied it.
    """

    how: str
    command: str


def repair_object(cluster: ClusterClient, one: Object, field: str = "spec") -> Repair:
    """Return what to do about an object: restore a field, or delete the object where no deploy has applied it.

    Args:
        cluster: The object's.
        one: The object, with its managed fields.
        field: The part of it that is in the way, such as ``spec.ports``.
    """
    key, metadata = ObjectKey.of(one), one["metadata"]
    applied = metadata.get("annotations", {}).get(MANIFEST_ANNOTATION)
    if applied is None:
        where = ["--namespace", key.namespace] if key.namespace else []
        return Repair("; no stack applies it", kubectl_command(cluster, "delete", key.resource, key.name, *where))
    manifest = json.loads(applied)
    changes = [change for change in changes_in(cluster, manifest, one) if change.field.startswith(field)]
    if not changes:
        return Repair("", "")
    texts = [f"{_shown(change)}{f' by {who}' if (who := changed_by(one, change.path)) else ''}" for change in changes]
    commands = restore_commands(cluster.command, manifest, changes)
    return Repair(f"; {', '.join(texts)}", chained(commands))


def _shown(change: Difference) -> str:
    """Return a difference, without values that are too long for a line."""
    text = str(change)
    if len(text) <= LONGEST:
        return text
    return f"{change.field} was {'added' if change.own is None else 'changed'}"


def find_and_repair(cluster: ClusterClient, kind: str, namespace: str, name: str) -> Repair:
    """Return what to do about an object that a proxy's configuration names.

    Args:
        cluster: The cluster.
        kind: As kubectl takes it, such as ``virtualservice.networking.istio.io``.
        namespace: The object's.
        name: The object's.

    Raises:
        KubectlError: kubectl failed.
    """
    found = cluster.find(kind, name, "--namespace", namespace, "--show-managed-fields")
    if found is None:
        return Repair("; it does not exist any more, and the proxy does not know that yet", "run the command again")
    repair = repair_object(cluster, found)
    return (
        repair if repair.command else Repair("", kubectl_command(cluster, "edit", kind, name, "--namespace", namespace))
    )

"""What an interrupted `mesh drill` or `mesh verify` has left in a cluster: each object carries its name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cli.sources.applied import ObjectKey
from cli.sources.cluster_objects import Object
from cli.sources.remediation import chained
from cli.sources.temporary import DRILL, DRILL_ANNOTATION, TEMPORARY_LABEL


@dataclass(frozen=True)
class InterruptedObject:
    """An object that a command has created or changed for a while.

    Attributes:
        key: The object's key.
        command: The command, `DRILL` or `VERIFY` of `cli.sources.temporary`.
        cause: What the command has done.
        fix: The command that restores what was before.
    """

    key: ObjectKey
    command: str
    cause: str
    fix: str


def temporary_objects(kubectl: str, objects: Iterable[Object]) -> Iterator[InterruptedObject]:
    """Yield those of the objects that a command has created for a while.

    Args:
        kubectl: The start of a kubectl command for a person to copy.
        objects: The objects of a cluster.
    """
    for one in objects:
        key, command = ObjectKey.of(one), one["metadata"].get("labels", {}).get(TEMPORARY_LABEL)
        if command is not None:
            where = f"--namespace {key.namespace} " if key.namespace else ""
            cause = f"mesh {command} was interrupted, unless it still runs"
            yield InterruptedObject(key, command, cause, f"{kubectl} {where}delete {key.resource} {key.name}")


def drilled_deployments(kubectl: str, deployments: Iterable[Object]) -> Iterator[InterruptedObject]:
    """Yield those of the Deployments that a drill has scaled to 0.

    Args:
        kubectl: The start of a kubectl command for a person to copy.
        deployments: The Deployments of a cluster.
    """
    for one in deployments:
        if (replicas := drilled(one)) is not None:
            key = ObjectKey.of(one)
            command = f"{kubectl} --namespace {key.namespace}"
            commands = [
                f"{command} scale {key.resource} {key.name} --replicas={replicas}",
                f"{command} annotate {key.resource} {key.name} {DRILL_ANNOTATION}-",
            ]
            cause = f"mesh drill has scaled it from {replicas} to 0, and was interrupted unless it still runs"
            yield InterruptedObject(key, DRILL, cause, chained(commands))


def drilled(deployment: Object) -> str | None:
    """Return the number of replicas that a Deployment had before a drill; None without a drill."""
    found: str | None = deployment["metadata"].get("annotations", {}).get(DRILL_ANNOTATION)
    return found

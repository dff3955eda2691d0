"""Kubernetes objects that exist and are missing from the state, or are tainted there.

Every object of the stacks carries its manifest as an annotation, which proves that a deploy has applied it. The
provider never adopts what exists ("Cannot create resource that already exists"), but can import it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from cli.doctor.untracked_objects import ObjectReference, existing
from cli.errors import MeshError
from cli.repair.step import RepairStep, delete_step, import_step, untaint_step
from cli.report.findings import Finding, failure, warning
from cli.sources.applied import MANIFEST, ObjectKey
from cli.sources.kubernetes import ClusterClient
from cli.sources.orphaned_objects import OrphanedObject, is_applied, read_orphaned_objects
from cli.sources.remediation import REPAIR, kubectl_command
from cli.sources.state import StateResource
from cli.sources.terraform import StackFolder


def find_objects(
    cluster: ClusterClient, untracked: Sequence[ObjectReference], folders: Mapping[str, StackFolder]
) -> Iterator[RepairStep | Finding]:
    """Yield a step for each object that is proved ours, and a finding for each that is not.

    Args:
        cluster: The cluster.
        untracked: The objects that are synthesized for it, and in no state.
        folders: Of the stacks.

    Raises:
        KubectlError: kubectl failed.
    """
    for one in existing(cluster, untracked):
        where = ("--namespace", one.namespace) if one.namespace else ()
        live = cluster.find(one.resource, *where)
        if live is None or "deletionTimestamp" in live["metadata"]:
            continue
        name, folder = f"{cluster.region}: {one}", folders[one.stack]
        if is_applied(live):
            cause = "exists but is missing from the state; a deploy has applied it, as its annotation shows"
            yield import_step(name, cause, folder, one.address, import_id(one))
            continue
        text = "exists but is missing from the state; it has no annotation of this project, so it may be someone else's"
        adopt = folder.command("import", one.address, import_id(one))
        delete = kubectl_command(cluster, *where, "delete", one.resource)
        yield failure(name, text, f"if it is of this environment: {adopt}; if it is not in use: {delete}")


def find_tainted(state: Sequence[StateResource], folder: StackFolder) -> Iterator[RepairStep]:
    """Yield a step for each tainted Namespace: to replace it would delete everything in it.

    Another object is replaced by the next deploy, which is as good as its creation.
    """
    for one in state:
        if one.type != MANIFEST or not one.tainted:
            continue
        manifest = one.attributes["manifest"]["value"]
        if manifest["kind"] == "Namespace":
            name = f"{one.provider}: Namespace {manifest['metadata']['name']}"
            cause = "tainted, so the next deploy would delete it with everything in it"
            yield untaint_step(name, cause, folder, one.address)


def find_orphaned(
    cluster: ClusterClient,
    own: Collection[ObjectKey],
    own_now: Callable[[], Collection[ObjectKey]],
    written: float | None,
) -> Iterator[RepairStep | Finding]:
    """Yield a step for each orphaned object; a finding for one that others may still need.

    Args:
        cluster: The cluster.
        own: The objects that a stack or a state has.
        own_now: Returns them once more; raises `MeshError` if they are not known any more.
        written: As for `cli.sources.orphaned_objects.read_orphaned_objects`.

    Raises:
        KubectlError: kubectl failed.
    """

    def delete(one: OrphanedObject) -> str:
        if one.key in own_now():
            raise MeshError("a deploy has it by now", REPAIR)
        return one.delete()

    for one in read_orphaned_objects(cluster, own, written):
        name = f"{cluster.region}: {one.key}"
        if one.key.kind == "Namespace":
            text = f"{one.cause}; it is deleted with everything in it"
            yield warning(name, text, f"if that is not in use: {one.command}")
        elif one.doubt:
            yield warning(name, one.cause, f"if it is not in use: {one.command}")
        else:
            yield delete_step(name, one.cause, one.command, partial(delete, one))


def import_id(one: ObjectReference) -> str:
    """Return the ID that `terraform import` takes."""
    where = f"namespace={one.namespace}," if one.namespace else ""
    return f"apiVersion={one.api_version},kind={one.kind},{where}name={one.name}"

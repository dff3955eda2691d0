"""What killed commands have left, and the next one does not delete: in a cluster, on this machine, and as a lock."""

from collections.abc import Iterator, Sequence

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.sources.interrupted import InterruptedObject, drilled_deployments, temporary_objects
from cli.sources.kubernetes import ClusterClient
from cli.sources.provider_processes import orphaned_providers
from cli.sources.remediation import REPAIR
from cli.sources.temporary import TEMPORARY_LABEL
from cli.sources.terraform import StackFolder
from config.loading.load import displayed

TEMPORARY_KINDS = ("jobs.batch", "sidecars.networking.istio.io")
"""Kinds of which `mesh drill` and `mesh verify` create objects for a while."""

UNSAVED_STATE = "errored.tfstate"
"""The file in a stack's folder with a state that terraform could not store.

Source: hashicorp/terraform 1.11, internal/backend/local/backend_apply.go
"""


def read_interrupted(cluster: ClusterClient) -> Iterator[InterruptedObject]:
    """Yield what `mesh drill` and `mesh verify` have left in a cluster.

    Raises:
        KubectlError: kubectl failed.
    """
    for kind in TEMPORARY_KINDS:
        found = cluster.find(kind, "--all-namespaces", "--selector", TEMPORARY_LABEL) or {}
        yield from temporary_objects(cluster.command, found.get("items", ()))
    yield from drilled_deployments(cluster.command, cluster.get("deployments.apps", "--all-namespaces")["items"])


def find_on_machine(folders: Sequence[StackFolder]) -> Iterator[tuple[str, str, str]]:
    """Yield name, reason and command of what a killed terraform has left on this machine.

    Args:
        folders: The folders of the stacks.
    """
    for one in orphaned_providers(folder.path for folder in folders):
        yield f"process {one.pid}, {one.name}", "the terraform that has started it was killed", f"kill {one.pid}"
    for folder in folders:
        file = folder.path / UNSAVED_STATE
        if file.exists():
            push = folder.command("state", "push", UNSAVED_STATE)
            yield (
                f"{UNSAVED_STATE} of {folder.stack}",
                "terraform could not store this state",
                f"{push} && rm {displayed(file)}",
            )


def check_lock(folder: StackFolder) -> Finding:
    """Return who holds the lock of a state that is not a local file: the lock of one ends with its terraform."""
    name = f"lock of {folder.stack}"
    if not folder.initialized:
        return ok(name, "not looked at: terraform is not initialized in its folder")
    try:
        holder = folder.lock_holder()
    except MeshError as error:
        return warning(name, f"not looked at: {error}", error.fix)
    if holder is None:
        return ok(name, "not held")
    if holder.has_ended():
        return failure(name, f"held by {holder}, which does not run any more", REPAIR)
    return warning(name, f"held by {holder}: it still runs, or was killed on another machine", REPAIR)

"""Kubernetes objects that a deploy has applied, and that neither a stack nor a state has any more.

A terraform that was killed while it created an object may have lost it; once the configuration has none of that name,
no deploy deletes it, and nothing is left to adopt it.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cli.repair.step import RepairStep, delete_step
from cli.report.findings import Finding, warning
from cli.sources.applied import ObjectKey
from cli.sources.cluster_objects import APPLIED, GKE_CRDS
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.remediation import kubectl_command
from config.crds import (
    EXPORT_CRD,
    GATEWAY_CRDS,
    ISTIO_CRDS,
    MCI_CRDS,
    SECRET_PROVIDER_CRD,
    TRAFFIC_DISTRIBUTION_CRD,
)
from config.naming import MANIFEST_ANNOTATION

KINDS = frozenset(
    {
        *APPLIED,
        *ISTIO_CRDS,
        *MCI_CRDS,
        *GKE_CRDS,
        *GATEWAY_CRDS,
        *(EXPORT_CRD, SECRET_PROVIDER_CRD, TRAFFIC_DISTRIBUTION_CRD),
        *("configmaps", "jobs.batch"),
    }
)
"""Kinds that the stacks apply, as kubectl names them."""


def find_leftovers(cluster: ClusterClient, own: Collection[ObjectKey]) -> Iterator[RepairStep | Finding]:
    """Yield a step for each object that is left over; a finding for a Namespace, as others may have something in it.

    Args:
        cluster: The cluster.
        own: The objects that a stack or a state has.

    Raises:
        KubectlError: kubectl failed.
    """
    served = cluster.run("api-resources", "--verbs=list", "--output", "name", partial=True).split()
    found = cluster.get(",".join(sorted(KINDS.intersection(served))), "--all-namespaces")["items"]
    for one in sorted(found, key=ObjectKey.of):
        key = ObjectKey.of(one)
        if key in own or not is_applied(one) or "deletionTimestamp" in one["metadata"]:
            continue
        where = ("--namespace", key.namespace) if key.namespace else ()
        words = (*where, "delete", f"{key.resource}/{key.name}", "--wait=false")
        name, command = f"{cluster.region}: {key}", kubectl_command(cluster, *words)
        cause = "a deploy has applied it, as its annotation shows, and no stack has it any more"
        if key.kind == "Namespace":
            yield warning(name, f"{cause}; it is deleted with everything in it", f"if that is not in use: {command}")
        else:
            yield delete_step(name, cause, command, partial(_delete, cluster, words))


def is_applied(live: Mapping[str, Any]) -> bool:
    """Return whether a deploy has applied an object: its annotation is the manifest of this very object."""
    try:
        manifest = json.loads(live["metadata"].get("annotations", {})[MANIFEST_ANNOTATION])
        return ObjectKey.of(manifest) == ObjectKey.of(live)
    except (KeyError, TypeError, ValueError):
        return False


def _delete(cluster: ClusterClient, words: Sequence[str]) -> str:
    try:
        cluster.run(*words)
    except KubectlError as error:
        return str(error)
    return ""

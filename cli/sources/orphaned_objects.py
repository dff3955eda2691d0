"""Kubernetes objects that a deploy has applied, and that neither a stack nor a state has any more.

A terraform that was killed while it created an object may have lost it; once the configuration has none of that name,
no deploy deletes it, and nothing is left to adopt it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.sources.applied import DEPLOYERS, ObjectKey, applied_in
from cli.sources.cluster_objects import APPLIED, GKE_CRDS, served_kinds
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.remediation import kubectl_command
from cli.sources.state import TerraformStates
from cli.sources.synthesized import Synthesized
from config.crds import (
    EXPORT_CRD,
    GATEWAY_CRDS,
    ISTIO_CRDS,
    MCI_CRDS,
    SECRET_PROVIDER_CRD,
    TRAFFIC_DISTRIBUTION_CRD,
)
from config.naming import MANIFEST_ANNOTATION
from config.synthesized import kubernetes_objects

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

CAUSE = "a deploy has applied it, as its annotation shows, and no stack has it any more"


@dataclass(frozen=True)
class OrphanedObject:
    """An orphaned object.

    Attributes:
        key: Its key.
        cluster: Its cluster.
        doubt: Why somebody may need it; empty if nothing is known of that.
    """

    key: ObjectKey
    cluster: ClusterClient
    doubt: str = ""

    @property
    def cause(self) -> str:
        """Why it is orphaned."""
        return CAUSE + (f"; but {self.doubt}" if self.doubt else "")

    @property
    def command(self) -> str:
        """The command that deletes it, for a person to copy."""
        return kubectl_command(self.cluster, *self._words)

    @property
    def _words(self) -> Sequence[str]:
        where = ("--namespace", self.key.namespace) if self.key.namespace else ()
        return (*where, "delete", f"{self.key.resource}/{self.key.name}", "--wait=false")

    def delete(self) -> str:
        """Delete it; return the error, empty if there is none."""
        try:
            self.cluster.run(*self._words, "--ignore-not-found")  # somebody else may have deleted it
        except KubectlError as error:
            return str(error)
        return ""


def own_objects(states: TerraformStates, synthesized: Synthesized, region: str) -> set[ObjectKey]:
    """Return the objects of a region's cluster that a state or a stack has.

    Args:
        states: Of terraform.
        synthesized: All stacks.
        region: The region's key.
    """
    applied = [(key, one.key) for state in states.values() for key, one in applied_in(state or ())]
    wanted = [
        (key, ObjectKey.of(manifest))
        for content in synthesized.stacks.values()
        for _, key, manifest in kubernetes_objects(content)
    ]
    return {one for key, one in (*applied, *wanted) if key == region}


def read_orphaned_objects(
    cluster: ClusterClient, own: Collection[ObjectKey], written: float | None
) -> list[OrphanedObject]:
    """Return the orphaned objects.

    Args:
        cluster: The cluster.
        own: The objects that a stack or a state has.
        written: When a local state was last written; None if the states are remote, and so those of all checkouts.

    Raises:
        KubectlError: kubectl failed.
    """
    kinds = ",".join(sorted(KINDS & served_kinds(cluster).keys()))
    found = cluster.get(kinds, "--all-namespaces", "--show-managed-fields")["items"]
    return [
        OrphanedObject(key, cluster, _doubt(one, written))
        for one in sorted(found, key=ObjectKey.of)
        if (key := ObjectKey.of(one)) not in own and is_applied(one) and "deletionTimestamp" not in one["metadata"]
    ]


def _doubt(live: Mapping[str, Any], written: float | None) -> str:
    """Return why somebody may need an object: an entry of a field manager that has set more than metadata is theirs."""
    metadata = live["metadata"]
    if written is not None and datetime.fromisoformat(metadata["creationTimestamp"]).timestamp() > written:
        return "it is younger than the states, so another checkout may have deployed it"
    others = {
        entry["manager"]
        for entry in metadata.get("managedFields", ())
        if entry["manager"] not in DEPLOYERS
        and "subresource" not in entry
        and entry.get("fieldsV1", {}).keys() - {"f:metadata", "f:status"}
    }
    return f"others manage it, too: {', '.join(sorted(others))}" if others else ""


def is_applied(live: Mapping[str, Any]) -> bool:
    """Return whether a deploy has applied an object: its annotation is the manifest of this very object."""
    try:
        manifest = json.loads(live["metadata"].get("annotations", {})[MANIFEST_ANNOTATION])
        return ObjectKey.of(manifest) == ObjectKey.of(live)
    except (KeyError, TypeError, ValueError):
        return False

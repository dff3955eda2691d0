"""Stands in for Google's controller of managed control planes."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from emulator.cloud import Body
from emulator.latencies import Latencies
from harness.cluster import Cluster, Object
from harness.errors import HarnessError

REVISIONS = "controlplanerevisions.mesh.cloud.google.com"
CONDITION = "ProvisioningFinished"
FOREVER = "24h"
INJECTED = "sidecar.istio.io/status"


class MeshController:
    """Watches a cluster for a ControlPlaneRevision, and after a while provides what it asks for.

    That is Istio's kinds, as far as the stacks can tell: the control plane itself runs
    at Google, where nobody sees it. Its injector leaves its mark in pods, and no more.
    """

    def __init__(
        self,
        cluster: Cluster,
        crds: Sequence[Object],
        latencies: Latencies,
        *,
        install: Callable[[], None],
        tell: Callable[[Body | None], None],
    ) -> None:
        """
        Args:
            crds: Istio's.
            install: done besides, when a control plane is provided.
            tell: is given what the fleet's feature says of the cluster, None for nothing.
        """
        self._cluster = cluster
        self._crds = crds
        self._latencies = latencies
        self._install = install
        self._tell = tell
        self._injects = False

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._cluster.kubectl(
                *("wait", "--for=create", f"customresourcedefinition/{REVISIONS}", f"--timeout={FOREVER}"),
                seconds=86_400,
            )
            self._cluster.kubectl(
                *("wait", "--for=condition=Established", f"customresourcedefinition/{REVISIONS}", "--timeout=60s")
            )
            for event in self._cluster.watch(REVISIONS, "--all-namespaces"):
                if event["type"] == "DELETED":
                    self._tell(None)
                elif not _is_provided(event["object"]):
                    self._provide(event["object"])
        except HarnessError:  # the cluster has gone
            pass

    def _provide(self, revision: dict[str, Any]) -> None:
        if "deletionTimestamp" in revision["metadata"]:
            return
        time.sleep(self._latencies.of("mesh"))
        self._cluster.apply(self._crds)
        self._install()
        if not self._injects:
            self._injects = True
            threading.Thread(target=self._inject, daemon=True).start()
        self._tell(_active(revision["metadata"]["name"]))
        status = {"conditions": [{"type": CONDITION, "status": "True", "reason": "Provisioned", "message": "ok"}]}
        metadata = revision["metadata"]
        self._cluster.kubectl(
            *("--namespace", metadata["namespace"], "patch", REVISIONS, metadata["name"]),
            *("--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status})),
        )

    def _inject(self) -> None:
        """Mark the pods of labelled namespaces as the injector does; a webhook would do it before they are there."""
        revisions: dict[str, str] = {}
        try:
            for event in self._cluster.watch("pods", "--all-namespaces"):
                metadata = event["object"]["metadata"]
                namespace, name = metadata["namespace"], metadata["name"]
                if event["type"] != "ADDED" or INJECTED in metadata.get("annotations", {}):
                    continue
                if namespace not in revisions:
                    labels = self._cluster.get("namespace", namespace)["metadata"].get("labels", {})
                    revisions[namespace] = labels.get("istio.io/rev", "")
                if revisions[namespace]:
                    mark = f"{INJECTED}={json.dumps({'revision': revisions[namespace]})}"
                    with suppress(HarnessError):  # it has gone meanwhile
                        self._cluster.kubectl("--namespace", namespace, "annotate", "pod", name, mark)
        except HarnessError:  # the cluster has gone
            pass


def _active(revision: str) -> Body:
    """Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation"""
    details = [{"code": "REVISION_READY", "details": f"Ready: {revision}"}]
    management = {"state": "ACTIVE", "implementation": "ISTIOD", "details": details}
    return {"state": {"code": "OK"}, "servicemesh": {"controlPlaneManagement": management}}


def _is_provided(revision: dict[str, Any]) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(one["type"] == CONDITION and one["status"] == "True" for one in conditions)

"""Stands in for Google's controller of managed control planes."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from emulator.latencies import Latencies
from harness.cluster import Cluster, Object
from harness.errors import HarnessError

REVISIONS = "controlplanerevisions.mesh.cloud.google.com"
CONDITION = "ProvisioningFinished"
FOREVER = "24h"


class MeshController:
    """Watches a cluster for a ControlPlaneRevision, and after a while provides what it asks for.

    That is Istio's kinds, as far as the stacks can tell: the control plane itself runs
    at Google, where nobody sees it.
    """

    def __init__(
        self, cluster: Cluster, crds: Sequence[Object], latencies: Latencies, install: Callable[[], None]
    ) -> None:
        """
        Args:
            crds: Istio's.
            install: done besides, when a control plane is provided.
        """
        self._cluster = cluster
        self._crds = crds
        self._latencies = latencies
        self._install = install

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
                if event["type"] in ("ADDED", "MODIFIED") and not _is_provided(event["object"]):
                    self._provide(event["object"])
        except HarnessError:  # the cluster has gone
            pass

    def _provide(self, revision: dict[str, Any]) -> None:
        if "deletionTimestamp" in revision["metadata"]:
            return
        time.sleep(self._latencies.of("mesh"))
        self._cluster.apply(self._crds)
        self._install()
        status = {"conditions": [{"type": CONDITION, "status": "True", "reason": "Provisioned", "message": "ok"}]}
        metadata = revision["metadata"]
        self._cluster.kubectl(
            *("--namespace", metadata["namespace"], "patch", REVISIONS, metadata["name"]),
            *("--subresource", "status", "--type", "merge", "--patch", json.dumps({"status": status})),
        )


def _is_provided(revision: dict[str, Any]) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(one["type"] == CONDITION and one["status"] == "True" for one in conditions)

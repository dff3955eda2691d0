"""Stands in for what puts sidecars into pods."""

import json
import threading
from contextlib import suppress

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError

INJECTED = "sidecar.istio.io/status"


class Injector:
    """Leaves the injector's mark in the pods of labelled namespaces, and no more. A webhook does it before they are."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._started = False

    def start(self) -> None:
        """Begin, if that was not done before."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        revisions: dict[str, str] = {}
        try:
            for event in self._cluster.follow("pods", "--all-namespaces"):
                metadata = event["object"]["metadata"]
                namespace, name = metadata["namespace"], metadata["name"]
                if event["type"] != "ADDED" or INJECTED in metadata.get("annotations", {}):
                    continue
                if namespace not in revisions:
                    labels = self._cluster.get("namespace", namespace)["metadata"].get("labels", {})
                    revisions[namespace] = labels.get("istio.io/rev", "")
                if revisions[namespace]:
                    mark = f"{INJECTED}={json.dumps({'revision': revisions[namespace]})}"
                    with suppress(LocalMeshError):  # it has gone meanwhile
                        self._cluster.kubectl("--namespace", namespace, "annotate", "pod", name, mark)
        except LocalMeshError:  # the cluster has gone
            pass

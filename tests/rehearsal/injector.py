"""A fake sidecar injector."""

import json
from contextlib import suppress

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.controller import run_in_background

INJECTED = "sidecar.istio.io/status"


class Injector:
    """Annotates the pods of labelled namespaces as the injector does, once they exist. It adds no sidecars."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._started = False

    def start(self) -> None:
        """Start, unless it has started before."""
        if not self._started:
            self._started = True
            run_in_background(self._run)

    def _run(self) -> None:
        revisions: dict[str, str] = {}
        for event in self._cluster.follow("pods", "--all-namespaces"):
            metadata = event["object"]["metadata"]
            namespace, name = metadata["namespace"], metadata["name"]
            if event["type"] != "ADDED" or INJECTED in metadata.get("annotations", {}):
                continue
            if namespace not in revisions:
                labels = self._cluster.get("namespace", namespace)["metadata"].get("labels", {})
                default = "default" if labels.get("istio-injection") == "enabled" else ""
                revisions[namespace] = labels.get("istio.io/rev", default)
            if revisions[namespace]:
                annotation = f"{INJECTED}={json.dumps({'revision': revisions[namespace]})}"
                with suppress(LocalMeshError):  # it is deleted meanwhile
                    self._cluster.kubectl("--namespace", namespace, "annotate", "pod", name, annotation)

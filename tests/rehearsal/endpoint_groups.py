"""Stands in for GKE's controller of network endpoint groups."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tests.fake_cloud.store import Store
from tests.local_mesh.cluster import LocalCluster, Object
from tests.local_mesh.errors import LocalMeshError

KIND = "servicenetworkendpointgroups.networking.gke.io"
FINALIZER = "networking.gke.io/neg-finalizer"
"""An object, and so its namespace, stays as long as its groups do (pkg/neg/manager.go of kubernetes/ingress-gce)."""

GROUPS = "networkEndpointGroups"
LINGERING = 5.0
"""Seconds for which groups outlive the deletion of their Service, before scaling: what trips people up."""


class EndpointGroups:
    """Takes the endpoint groups of a cluster away when their object is deleted, and then lets the object go."""

    def __init__(self, cluster: LocalCluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._leaving: set[str] = set()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._cluster.kubectl(
                *("wait", "--for=condition=Established", f"customresourcedefinition/{KIND}", "--timeout=60s")
            )
            for event in self._cluster.follow(KIND, "--all-namespaces"):
                metadata = event["object"]["metadata"]
                leaves = event["type"] != "DELETED" and "deletionTimestamp" in metadata
                if leaves and metadata["uid"] not in self._leaving:
                    self._leaving.add(metadata["uid"])
                    threading.Thread(target=self._remove, args=(metadata,), daemon=True).start()
        except LocalMeshError:  # the cluster has gone
            pass

    def _remove(self, metadata: Mapping[str, Any]) -> None:
        time.sleep(LINGERING)
        zones = set(self._cluster.site.zones)
        for path in self._store.all():
            *_, zone, kind, name = ("", "", *path.split("/"))
            if kind == GROUPS and name == metadata["name"] and zone in zones:
                self._store.remove(path)
        patch = json.dumps({"metadata": {"finalizers": None}})
        with suppress(LocalMeshError):  # the cluster has gone
            self._cluster.kubectl(
                *("--namespace", metadata["namespace"], "patch", KIND, metadata["name"]),
                *("--type", "merge", "--patch", patch),
            )


def endpoint_group_objects(namespace: str, names: Sequence[str]) -> list[Object]:
    """Return what stands in a cluster for its endpoint groups of these names."""
    return [
        {
            "apiVersion": "networking.gke.io/v1beta1",
            "kind": "ServiceNetworkEndpointGroup",
            "metadata": {"name": name, "namespace": namespace, "finalizers": [FINALIZER]},
        }
        for name in names
    ]

"""The simulated controller of network endpoint groups, which runs in GKE's control plane."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fake_cloud.store import Store
from tests.local_mesh.cluster import LocalCluster, Object
from tests.rehearsal.controller import patch, run_in_background, wait_until_established

KIND = "servicenetworkendpointgroups.networking.gke.io"
FINALIZER = "networking.gke.io/neg-finalizer"
"""It keeps an object, and so its namespace, until its groups are deleted (pkg/neg/manager.go of ingress-gce)."""

GROUPS = "networkEndpointGroups"
LINGERING = 5.0
"""Seconds for which groups outlive the deletion of their Service; never scaled, as scripts have to wait for it."""


class EndpointGroups:
    """Deletes the endpoint groups of a cluster when their object is deleted, and then removes its finalizer."""

    def __init__(self, cluster: LocalCluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._leaving: set[str] = set()

    def start(self) -> None:
        run_in_background(self._run)

    def _run(self) -> None:
        wait_until_established(self._cluster, KIND)
        for event in self._cluster.follow(KIND, "--all-namespaces"):
            metadata = event["object"]["metadata"]
            leaves = event["type"] != "DELETED" and "deletionTimestamp" in metadata
            if leaves and metadata["uid"] not in self._leaving:
                self._leaving.add(metadata["uid"])
                run_in_background(self._remove, metadata)

    def _remove(self, metadata: Mapping[str, Any]) -> None:
        time.sleep(LINGERING)
        zones = set(self._cluster.site.zones)
        for path in self._store.all():
            *_, zone, kind, name = ("", "", *path.split("/"))
            if kind == GROUPS and name == metadata["name"] and zone in zones:
                self._store.remove(path)
        patch(self._cluster, KIND, metadata, {"metadata": {"finalizers": None}})


def endpoint_health(cluster: LocalCluster, group: Mapping[str, Any], zone: str) -> list[dict[str, Any]]:
    """Return the health of a group's endpoints: those of its Service in its zone, healthy if their pods are ready.

    A health check of Google's asks the pod itself. That it agrees with the pod's readiness is assumed: both ask the
    gateway's own readiness endpoint.

    Args:
        cluster: whose Service the group is of.
        group: the endpoint group.
        zone: of the group.
    """
    about = json.loads(group["description"])
    label = f"kubernetes.io/service-name={about['service-name']}"
    found = cluster.get("--namespace", about["namespace"], "endpointslices", "--selector", label)
    return [
        {
            "ipAddress": one["addresses"][0],
            "healthState": "HEALTHY" if one["conditions"].get("ready") else "UNHEALTHY",
        }
        for each in found["items"]
        for one in each.get("endpoints") or ()
        if one.get("zone") == zone
    ]


def endpoint_group_objects(namespace: str, names: Sequence[str]) -> list[Object]:
    """Return the objects that represent endpoint groups in a cluster."""
    return [
        {
            "apiVersion": "networking.gke.io/v1beta1",
            "kind": "ServiceNetworkEndpointGroup",
            "metadata": {"name": name, "namespace": namespace, "finalizers": [FINALIZER]},
        }
        for name in names
    ]

"""What a mesh of the implementation TRAFFIC_DIRECTOR makes, in a cluster and around it."""

import hashlib
import json
from contextlib import suppress

from tests.fake_cloud.compute import Compute
from tests.fake_cloud.store import Store
from tests.local_mesh.cluster import LocalCluster, Object
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.controller import run_in_background
from tests.rehearsal.endpoint_groups import GROUPS

PREFIX = "gsmrsvd-"
RULE = "-mcsd"
"""End of the name of a cluster's firewall rule."""

OWNER = ("istio.io/owned-by", "gsmconfig.gke.io")
"""Label of the mesh's Services."""

NOT_OF_THE_MESH = ("default", "gke-", "istio-system", "kube-")
"""Beginnings of namespaces in which it makes no Service."""


class TrafficDirector:
    """Makes endpoint groups and a firewall rule, which outlive the cluster, and Services in it.

    On Google Cloud the groups, and the rule, may be deleted in time. That is not to be relied on, so here they stay
    until somebody deletes them. The real Services stand for subsets of others; here each Service has one, so that
    whatever looks at Services meets them.
    Source: https://cloud.google.com/service-mesh/docs/troubleshooting/troubleshoot-cleanup
    """

    def __init__(self, cluster: LocalCluster, path: str, store: Store, compute: Compute) -> None:
        """Make nothing yet.

        Args:
            cluster: of the mesh.
            path: of the cluster among the cloud's resources.
            store: the cloud's resources.
            compute: gives resources the fields that the API adds.
        """
        self._cluster = cluster
        self._path = path
        self._store = store
        self._compute = compute

    def start(self) -> None:
        """Make everything; later Services get their own."""
        project, name = self._path.split("/")[1], self._path.rpartition("/")[2]
        given = self._store.get(self._path)["networkConfig"]
        place = {field: f"{self._compute.link}{given[field]}" for field in ("network", "subnetwork")}
        uid = self._cluster.get("namespace", "kube-system")["metadata"]["uid"]
        digest = digest_of(self._path)
        about = {"cluster-uid": uid, "namespace": "default", "service-name": "kubernetes", "port": "443"}
        group = {**place, "networkEndpointType": "GCE_VM_IP_PORT", "size": 1, "description": json.dumps(about)}
        for zone in self._cluster.site.zones:
            self._create(f"projects/{project}/zones/{zone}/{GROUPS}/{PREFIX}{digest}", group)
        rule = {"network": place["network"], "allowed": [{"IPProtocol": "tcp"}], "sourceRanges": ["130.211.0.0/22"]}
        self._create(f"projects/{project}/global/firewalls/gke-{name[:20]}-{digest}{RULE}", rule)
        run_in_background(self._follow_services)

    def _create(self, path: str, body: Object) -> None:
        if self._store.find(path) is None:
            self._store.add(path, self._compute.resource(path, {"name": path.rpartition("/")[2], **body}))

    def _follow_services(self) -> None:
        for event in self._cluster.follow("services", "--all-namespaces"):
            found = event["object"]
            namespace = found["metadata"]["namespace"]
            if namespace.startswith(NOT_OF_THE_MESH) or is_of_the_mesh(found):
                continue
            own = _service(found)
            # The namespace may be on its way out.
            with suppress(LocalMeshError):
                if event["type"] == "ADDED":
                    self._cluster.apply([own])
                elif event["type"] == "DELETED":
                    words = ("delete", "service", own["metadata"]["name"], "--ignore-not-found")
                    self._cluster.kubectl("--namespace", namespace, *words)


def is_of_the_mesh(found: Object) -> bool:
    """Return whether an object is one that the mesh has made."""
    label, owner = OWNER
    return bool(found["metadata"].get("labels", {}).get(label) == owner)


def digest_of(text: str) -> str:
    """Return what the names of resources have of the path of their cluster."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_around_cluster(path: str) -> bool:
    """Return whether a resource of the cloud is one that the mesh has made."""
    *_, collection, name = path.split("/")
    return (collection == GROUPS and name.startswith(PREFIX)) or (collection == "firewalls" and name.endswith(RULE))


def _service(found: Object) -> Object:
    metadata = found["metadata"]
    name = f"{PREFIX}{digest_of(metadata['name'])}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": dict([OWNER])},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }

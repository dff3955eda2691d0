"""Stands in for the fleet's controller of Multi Cluster Ingress."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import yaml

from config.paths import ROOT
from tests.fake_cloud.cloud import Cloud
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.gkehub import GkeHub
from tests.fake_cloud.references import path_of
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.fleet import derived_services
from tests.rehearsal.endpoint_groups import GROUPS, LINGERING, endpoint_group_objects

FEATURE = "multiclusteringress"
INGRESSES = "multiclusteringresses.networking.gke.io"
SERVICES = "multiclusterservices.networking.gke.io"
CRDS = ROOT / "tests" / "local_mesh" / "gke-crds.yaml"
GROUP = "networking.gke.io"
FINALIZERS = {INGRESSES: "mci.finalizer.networking.gke.io", SERVICES: "mcs.finalizer.networking.gke.io"}
FOREVER = "24h"
Identity = tuple[str, str, str]


class IngressController:
    """Does to objects and to the cloud what the real one does.

    Brings its CRDs some time after the feature is on; adds finalizers, annotations and
    a status; makes a load balancer, endpoint groups and firewall rules, and takes them
    away some time after the objects are deleted.
    """

    def __init__(self, cloud: Cloud, clusters: Callable[[], Mapping[str, LocalCluster]]) -> None:
        """
        Args:
            clusters: returns the clusters that run, by region.
        """
        self.compute: Compute
        self.gkehub: GkeHub
        self._cloud = cloud
        self._clusters = clusters
        self._lock = threading.Lock()
        self._location: str | None = None
        self._config: LocalCluster | None = None
        self._seen: dict[Identity, dict[str, Any]] = {}
        self._leaving: set[Identity] = set()
        self._served: set[tuple[Identity, str]] = set()
        self._addresses: dict[Identity, str] = {}

    def changed(self, feature: str, content: dict[str, Any] | None) -> None:
        """Hear that a feature was switched on, changed, or off."""
        if feature != FEATURE:
            return
        self._location = None
        if content is not None:
            self._location = path_of(content["spec"]["multiclusteringress"]["configMembership"]).split("/")[3]
        self._look_for_config_cluster()

    def _look_for_config_cluster(self) -> None:
        """Watch the cluster that holds the objects, if it is another one than before."""
        found = [one for one in self._clusters().values() if one.site.location == self._location]
        cluster = found[0] if found else None
        if cluster is self._config:
            return
        self._config = cluster
        if cluster is not None:
            for kind in (INGRESSES, SERVICES):
                threading.Thread(target=self._watch, args=(cluster, kind), daemon=True).start()

    def has_resources(self, feature: str) -> bool:
        """Whether objects or what was made of them are there, so that the feature can't go."""
        with self._lock:
            return feature == FEATURE and bool(self._seen)

    def cluster_started(self, cluster: LocalCluster) -> None:
        """Hear of a cluster that has come: it may be the config cluster, and is served what is there already."""
        self._look_for_config_cluster()
        with self._lock:
            services = [one for one in self._seen if one[0] == SERVICES]
        for identity in services:
            self._serve(identity, cluster)

    def cluster_stopped(self, location: str) -> None:
        """Take away the endpoint groups of a cluster that has gone."""
        for path in list(self._cloud.store.all()):
            parts = path.split("/")
            if parts[-2] == "networkEndpointGroups" and parts[3].startswith(f"{location}-"):
                self._cloud.store.remove(path)

    def _watch(self, cluster: LocalCluster, kind: str) -> None:
        try:
            time.sleep(self._cloud.latencies.of("feature-controller"))
            documents = yaml.safe_load_all(CRDS.read_text(encoding="utf-8"))
            cluster.apply([one for one in documents if one["metadata"]["name"] in FINALIZERS])
            cluster.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{kind}", "--timeout=60s")
            for event in cluster.follow(kind, "--all-namespaces"):
                if self._config is not cluster:
                    return
                if event["type"] != "DELETED":
                    self._look(cluster, kind, event["object"])
        except LocalMeshError:  # the cluster has gone
            pass

    def _look(self, cluster: LocalCluster, kind: str, found: dict[str, Any]) -> None:
        """Deal with an object that has come, or is to go; what takes time goes on elsewhere."""
        metadata = found["metadata"]
        identity = (kind, metadata["namespace"], metadata["name"])
        leaves = "deletionTimestamp" in metadata
        with self._lock:
            new = identity not in self._seen
            if new:
                self._seen[identity] = found
            starts_to_leave = leaves and identity not in self._leaving
            if starts_to_leave:
                self._leaving.add(identity)
        if starts_to_leave:
            threading.Thread(target=self._remove, args=(cluster, identity), daemon=True).start()
        elif new:
            threading.Thread(target=self._provide, args=(cluster, identity), daemon=True).start()

    def _provide(self, cluster: LocalCluster, identity: Identity) -> None:
        kind = identity[0]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata = {
            "finalizers": [FINALIZERS[kind]],
            "annotations": {"networking.gke.io/last-reconcile-time": now},
            "labels": {"networking.gke.io/reconciled": "true"},
        }
        try:
            self._patch(cluster, identity, {"metadata": metadata})
            if kind == SERVICES:
                for member in self._clusters().values():
                    self._serve(identity, member)
                return
            time.sleep(self._cloud.latencies.of("load-balancer"))
            with self._lock:
                if identity in self._leaving:
                    return
                found = self._seen[identity]
            address = found["metadata"].get("annotations", {}).get("networking.gke.io/static-ip", "")
            self._make_load_balancer(identity, address)
            self._addresses[identity] = address
            self._publish(cluster)
            self._tell(cluster, identity)
        except LocalMeshError:  # it or its cluster has gone
            pass

    def _remove(self, cluster: LocalCluster, identity: Identity) -> None:
        self._addresses.pop(identity, None)
        time.sleep(self._cloud.latencies.of("load-balancer-delete"))
        lingering = ("firewalls", GROUPS)
        ours = self._made(identity)
        for path in ours:
            if path.split("/")[-2] not in lingering:
                self._cloud.store.remove(path)
        with suppress(LocalMeshError):
            self._patch(cluster, identity, {"metadata": {"finalizers": None}})
        if identity[0] == SERVICES:
            self._withdraw(identity)
        time.sleep(LINGERING)
        for path in ours:
            if path.split("/")[-2] != GROUPS:  # which go with what is derived
                self._cloud.store.remove(path)
        with self._lock:
            self._seen.pop(identity, None)
            self._leaving.discard(identity)
            self._served = {(one, region) for one, region in self._served if one != identity}

    def _withdraw(self, identity: Identity) -> None:
        """Delete what was derived of a service in the clusters, and wait until it has gone."""
        _, namespace, _ = identity
        with self._lock:
            services = derived_services([self._seen[identity]])
        groups = endpoint_group_objects(namespace, [_group(identity)])
        for member in self._clusters().values():
            with suppress(LocalMeshError):  # it has gone
                member.delete([*services, *groups])

    def _serve(self, identity: Identity, cluster: LocalCluster) -> None:
        with self._lock:
            key = (identity, cluster.site.key)
            if key in self._served:
                return
            self._served.add(key)
        threading.Thread(target=self._serve_when_possible, args=(identity, cluster), daemon=True).start()

    def _serve_when_possible(self, identity: Identity, cluster: LocalCluster) -> None:
        """Make the derived Service and the endpoint groups of a cluster, as soon as the namespace is there."""
        namespace = identity[1]
        with self._lock:
            found = self._seen[identity]
        try:
            cluster.kubectl("wait", "--for=create", f"namespace/{namespace}", f"--timeout={FOREVER}", seconds=86_400)
            cluster.apply([*derived_services([found]), *endpoint_group_objects(namespace, [_group(identity)])])
            uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
        except LocalMeshError:
            return
        finally:
            with self._lock:
                # A cluster of the same region that comes later is another one.
                self._served.discard((identity, cluster.site.key))
        network = self._network()
        about = {"cluster-uid": uid, "namespace": namespace, "service-name": _mark(identity), "port": "80"}
        group = {"network": network, "size": 1, "description": json.dumps(about)}
        for zone in cluster.site.zones:
            self._make(f"zones/{zone}/{GROUPS}/{_group(identity)}", group)
        if config := self._config:
            with suppress(LocalMeshError):
                self._publish(config)

    def _publish(self, cluster: LocalCluster) -> None:
        """Write into every ingress what there is of it in the cloud.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
        """
        groups = [path.partition("/zones/")[2] for path in self._cloud.store.all() if "/networkEndpointGroups/" in path]
        for identity, address in list(self._addresses.items()):
            name = f"mci-{_mark(identity)}"
            resources = {
                "BackendServices": [name],
                "Firewalls": [f"{name}-default-l7"],
                "ForwardingRules": [f"{name}-fw"],
                "HealthChecks": [name],
                "NetworkEndpointGroups": sorted(f"zones/{group}" for group in groups),
                "TargetProxies": [name],
                "UrlMap": name,
            }
            self._patch(cluster, identity, {"status": {"VIP": address, "CloudResources": resources}}, "status")

    def _tell(self, cluster: LocalCluster, identity: Identity) -> None:
        """Leave an event, as the real one does for each object."""
        _, namespace, name = identity
        about = {"apiVersion": f"{GROUP}/v1", "kind": "MultiClusterIngress", "namespace": namespace, "name": name}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.added", "namespace": namespace},
            "involvedObject": about,
            "type": "Normal",
            "reason": "ADD",
            "message": f"{namespace}/{name}",
            "source": {"component": "multi-cluster-ingress-controller"},
        }
        cluster.apply([event])

    def _make_load_balancer(self, identity: Identity, address: str) -> None:
        mark = _mark(identity)
        network = self._network()
        name = f"mci-{mark}"
        self._make(f"global/healthChecks/{name}", {})
        self._make(f"global/backendServices/{name}", {"healthChecks": [self._link(f"global/healthChecks/{name}")]})
        self._make(f"global/urlMaps/{name}", {"defaultService": self._link(f"global/backendServices/{name}")})
        self._make(f"global/targetHttpProxies/{name}", {"urlMap": self._link(f"global/urlMaps/{name}")})
        rule = {"target": self._link(f"global/targetHttpProxies/{name}"), "IPAddress": address}
        if path := self._address_path(address):
            rule["address"] = f"{self._cloud.base}/compute/v1/{path}"
        self._make(f"global/forwardingRules/{name}-fw", rule)
        if certificates := self._certificates(identity):
            proxy = {"urlMap": self._link(f"global/urlMaps/{name}"), "sslCertificates": certificates}
            self._make(f"global/targetHttpsProxies/{name}", proxy)
            rule = {"target": self._link(f"global/targetHttpsProxies/{name}"), "IPAddress": address}
            self._make(f"global/forwardingRules/{name}-fws", rule)
        self._make(f"global/firewalls/{name}-default-l7", {"network": network, "allowed": [{"IPProtocol": "tcp"}]})

    def _certificates(self, identity: Identity) -> list[str]:
        """Return the links of the certificates that an ingress names: it then serves HTTPS too.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
        """
        with self._lock:
            annotations = self._seen[identity]["metadata"].get("annotations", {})
        names = annotations.get("networking.gke.io/pre-shared-certs", "")
        return [self._link(f"global/sslCertificates/{name}") for name in names.split(",") if name]

    def _make(self, place: str, body: dict[str, Any]) -> None:
        path = f"projects/{self._cloud.project}/{place}"
        if self._cloud.store.find(path) is None:
            resource = self.compute.resource(path, {"name": path.rpartition("/")[2], **body})
            self._cloud.store.add(path, resource)

    def _made(self, identity: Identity) -> list[str]:
        return [path for path in self._cloud.store.all() if _mark(identity) in path.rpartition("/")[2]]

    def _link(self, place: str) -> str:
        return f"{self._cloud.base}/compute/v1/projects/{self._cloud.project}/{place}"

    def _network(self) -> str:
        """Return the link of the clusters' network."""
        networks = list(self._cloud.store.under(f"projects/{self._cloud.project}/global/networks"))
        return str(networks[0][1]["selfLink"])

    def _address_path(self, address: str) -> str | None:
        for path, resource in self._cloud.store.under(f"projects/{self._cloud.project}/global/addresses"):
            if resource["address"] == address:
                return path
        return None

    def _patch(self, cluster: LocalCluster, identity: Identity, patch: dict[str, Any], subresource: str = "") -> None:
        kind, namespace, name = identity
        which = ["--subresource", subresource] if subresource else []
        cluster.kubectl(
            *("--namespace", namespace, "patch", kind, name, *which, "--type", "merge", "--patch", json.dumps(patch))
        )


def _group(identity: Identity) -> str:
    """Return the name of the endpoint groups of a service, one a zone."""
    return f"k8s1-{_mark(identity)}"


def _mark(identity: Identity) -> str:
    """Return what the names of an object's cloud resources have in common."""
    kind, namespace, name = identity
    short = {INGRESSES: "mci", SERVICES: "mci-svc"}[kind]
    return f"{short}-{namespace}-{name}"

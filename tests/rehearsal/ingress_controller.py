"""The simulated controller of Multi Cluster Ingress, which Google runs."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from tests.local_mesh.cluster import LocalCluster, Object
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.fleet import derived_service, is_selected
from tests.local_mesh.gke_crds import gke_crds
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.config_cluster import ConfigClusterController, ObjectKey
from tests.rehearsal.controller import run_in_background, timestamp, wait_for_creation, wait_until_established
from tests.rehearsal.endpoint_groups import GROUPS, LINGERING, endpoint_group_objects

INGRESSES = "multiclusteringresses.networking.gke.io"
SERVICES = "multiclusterservices.networking.gke.io"
GROUP = "networking.gke.io"
FINALIZERS = {INGRESSES: "mci.finalizer.networking.gke.io", SERVICES: "mcs.finalizer.networking.gke.io"}


class IngressController(ConfigClusterController):
    """Changes objects and the fake cloud as the real controller does.

    It creates its CRDs some time after the feature is enabled; adds finalizers, annotations and
    a status; creates a load balancer, endpoint groups and firewall rules, and deletes them some
    time after the objects.
    """

    def __init__(
        self, parts: CloudParts, clusters: Callable[[], Mapping[str, LocalCluster]], balance: Callable[[str], None]
    ) -> None:
        """Watch nothing yet.

        Args:
            parts: of load balancers.
            clusters: returns the running clusters by region.
            balance: called with the address of a new load balancer.
        """
        super().__init__(parts, clusters)
        self._balance = balance
        self._leaving: set[ObjectKey] = set()
        self._served: set[tuple[ObjectKey, str]] = set()
        self._addresses: dict[ObjectKey, str] = {}

    def watch_config_cluster(self, cluster: LocalCluster) -> None:
        for kind in (INGRESSES, SERVICES):
            run_in_background(self._watch, cluster, kind)

    def cluster_started(self, cluster: LocalCluster) -> None:
        """Handle a new cluster, which may be the config cluster: provide the existing services in it."""
        self._find_config_cluster()
        with self._lock:
            services = [one for one in self._seen if one[0] == SERVICES]
        for key in services:
            self._serve(key, cluster)

    def cluster_stopped(self, location: str) -> None:
        """Delete the endpoint groups of a deleted cluster."""
        for path in list(self._cloud.store.all()):
            parts = path.split("/")
            if parts[-2] == GROUPS and parts[3].startswith(f"{location}-") and OWN in parts[-1]:
                self._cloud.store.remove(path)
        self._set_backends()

    def _watch(self, cluster: LocalCluster, kind: str) -> None:
        time.sleep(self._cloud.latencies.of("feature-controller"))
        cluster.apply(gke_crds(*FINALIZERS))
        wait_until_established(cluster, kind)
        for event in cluster.follow(kind, "--all-namespaces"):
            if self._config is not cluster:
                return
            if event["type"] != "DELETED":
                self._reconcile(cluster, kind, event["object"])

    def _reconcile(self, cluster: LocalCluster, kind: str, found: dict[str, Any]) -> None:
        """Start to provide a new object, or to remove one that is being deleted."""
        metadata = found["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        leaves = "deletionTimestamp" in metadata
        with self._lock:
            new = key not in self._seen
            changed = not new and _clusters(self._seen[key]) != _clusters(found)
            if new or changed:
                self._seen[key] = found
            starts_to_leave = leaves and key not in self._leaving
            if starts_to_leave:
                self._leaving.add(key)
        if starts_to_leave:
            run_in_background(self._remove, cluster, key)
        elif new:
            run_in_background(self._provide, cluster, key)
        elif changed and not leaves:
            run_in_background(self._select, key)

    def _provide(self, cluster: LocalCluster, key: ObjectKey) -> None:
        kind = key[0]
        metadata = {
            "finalizers": [FINALIZERS[kind]],
            "annotations": {"networking.gke.io/last-reconcile-time": timestamp()},
            "labels": {"networking.gke.io/reconciled": "true"},
        }
        self._patch(cluster, key, {"metadata": metadata})
        if kind == SERVICES:
            self._select(key)
            return
        time.sleep(self._cloud.latencies.of("load-balancer"))
        with self._lock:
            if key in self._leaving:
                return
            found = self._seen[key]
        address = found["metadata"].get("annotations", {}).get("networking.gke.io/static-ip", "")
        self._create_load_balancer(key, address)
        self._addresses[key] = address
        self._balance(address)
        self._write_status(cluster)
        self._create_event(cluster, key)

    def _select(self, key: ObjectKey) -> None:
        """Provide a service in the clusters that it is for, and withdraw it from all others.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress ("Cluster selection")
        """
        with self._lock:
            service = self._seen[key]
        others = []
        for cluster in self._clusters().values():
            if is_selected(service, self._link_of(cluster)):
                self._serve(key, cluster)
            else:
                others.append(cluster)
        if others:
            self._withdraw(key, others)
            self._groups_changed()

    def _link_of(self, cluster: LocalCluster) -> str:
        """Return ``LOCATION/CLUSTER``."""
        location = cluster.site.location
        paths = (
            path for path, _ in self._cloud.store.under(f"projects/{self._cloud.project}/locations/{location}/clusters")
        )
        return f"{location}/{next(paths).rpartition('/')[2]}"

    def _remove(self, cluster: LocalCluster, key: ObjectKey) -> None:
        address = self._addresses.pop(key, "")
        time.sleep(self._cloud.latencies.of("load-balancer-delete"))
        lingering = ("firewalls", GROUPS)
        created = self._created(key)
        for path in created:
            if path.split("/")[-2] not in lingering:
                self._cloud.store.remove(path)
        self._parts.set_users(address)
        with suppress(LocalMeshError):
            self._patch(cluster, key, {"metadata": {"finalizers": None}})
        if key[0] == SERVICES:
            self._withdraw(key, self._clusters().values())
        firewalls = [path for path in created if path.split("/")[-2] == "firewalls"]
        if firewalls:  # groups are deleted with the derived objects
            time.sleep(LINGERING)
        for path in firewalls:
            self._cloud.store.remove(path)
        with self._lock:
            self._seen.pop(key, None)
            self._leaving.discard(key)
            self._served = {(one, region) for one, region in self._served if one != key}
        self._release(key)

    def _withdraw(self, key: ObjectKey, clusters: Iterable[LocalCluster]) -> None:
        """Delete the objects that were derived from a service in clusters, and wait for it."""
        with self._lock:
            objects = _derived_objects(self._seen[key])
        for cluster in clusters:
            with suppress(LocalMeshError):  # it is deleted
                cluster.delete(objects)

    def _serve(self, key: ObjectKey, cluster: LocalCluster) -> None:
        with self._lock:
            served = (key, cluster.site.key)
            if served in self._served:
                return
            self._served.add(served)
        run_in_background(self._serve_when_possible, key, cluster)

    def _serve_when_possible(self, key: ObjectKey, cluster: LocalCluster) -> None:
        """Create the derived Service and the endpoint groups of a cluster once the namespace exists."""
        namespace = key[1]
        with self._lock:
            found = self._seen[key]
        try:
            wait_for_creation(cluster, f"namespace/{namespace}")
            derived, *others = _derived_objects(found)
            cluster.apply([derived, *others])
            uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
        finally:
            with self._lock:
                # A later cluster of the same region is another one.
                self._served.discard((key, cluster.site.key))
        network = self._parts.network()
        about = {"cluster-uid": uid, "namespace": namespace, "service-name": derived["metadata"]["name"], "port": "80"}
        group = {"network": network, "size": 1, "description": json.dumps(about)}
        for zone in cluster.site.zones:
            self._parts.create(f"zones/{zone}/{GROUPS}/{_group(key)}", group)
        self._groups_changed()

    def _groups_changed(self) -> None:
        """Have the load balancer use the endpoint groups that exist, and write them into the status."""
        self._set_backends()
        if config := self._config:
            with suppress(LocalMeshError):
                self._write_status(config)

    def _write_status(self, cluster: LocalCluster) -> None:
        """Write the cloud resources of every ingress into its status.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
        """
        own = [path for path in self._cloud.store.all() if f"/{GROUPS}/" in path and OWN in path]
        groups = [path.partition("/zones/")[2] for path in own]
        for key, address in list(self._addresses.items()):
            parts = PartNames.of(key)
            resources = {
                "BackendServices": [parts.service],
                "Firewalls": [parts.firewall],
                "ForwardingRules": [parts.rule],
                "HealthChecks": [parts.service],
                "NetworkEndpointGroups": sorted(f"zones/{group}" for group in groups),
                "TargetProxies": [parts.name],
                "UrlMap": parts.name,
            }
            self._patch(cluster, key, {"status": {"VIP": address, "CloudResources": resources}}, "status")

    def _create_event(self, cluster: LocalCluster, key: ObjectKey) -> None:
        """Create an event, as the real controller does for each object."""
        _, namespace, name = key
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

    def _create_load_balancer(self, key: ObjectKey, address: str) -> None:
        parts, network = PartNames.of(key), self._parts.network()
        name, service = parts.name, parts.service
        self._parts.create(f"global/healthChecks/{service}", {})
        check = self._parts.link(f"global/healthChecks/{service}")
        self._parts.create(f"global/backendServices/{service}", {"healthChecks": [check], "backends": []})
        self._set_backends()
        default = self._parts.link(f"global/backendServices/{service}")
        self._parts.create(f"global/urlMaps/{name}", {"defaultService": default})
        self._parts.create(f"global/targetHttpProxies/{name}", {"urlMap": self._parts.link(f"global/urlMaps/{name}")})
        rule = {"target": self._parts.link(f"global/targetHttpProxies/{name}"), "IPAddress": address}
        self._parts.create(f"global/forwardingRules/{parts.rule}", rule)
        if certificates := self._certificates(key):
            proxy = {"urlMap": self._parts.link(f"global/urlMaps/{name}"), "sslCertificates": certificates}
            self._parts.create(f"global/targetHttpsProxies/{name}", proxy)
            rule = {"target": self._parts.link(f"global/targetHttpsProxies/{name}"), "IPAddress": address}
            self._parts.create(f"global/forwardingRules/{parts.https_rule}", rule)
        self._parts.set_users(address)
        firewall = {"network": network, "allowed": [{"IPProtocol": "tcp"}]}
        self._parts.create(f"global/firewalls/{parts.firewall}", firewall)

    def _set_backends(self) -> None:
        """Have every backend service lead to the endpoint groups of its namespace."""
        with self._cloud.store.lock:
            places = (path.split("/", 2)[2] for path in self._cloud.store.all() if f"/{GROUPS}/" in path)
            groups = [self._parts.link(place) for place in places]
            for key in [key for key in self._seen if key[0] == INGRESSES]:
                path = f"projects/{self._cloud.project}/global/backendServices/{PartNames.of(key).service}"
                if (service := self._cloud.store.find(path)) is not None:
                    own = sorted(group for group in groups if f"-{key[1][:10]}{OWN}" in group)
                    service["backends"] = [{"group": group, "balancingMode": "RATE"} for group in own]

    def _certificates(self, key: ObjectKey) -> list[str]:
        """Return the links of the certificates that an ingress names; with any, it serves HTTPS, too.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
        """
        with self._lock:
            annotations = self._seen[key]["metadata"].get("annotations", {})
        names = annotations.get("networking.gke.io/pre-shared-certs", "")
        return [self._parts.link(f"global/sslCertificates/{name}") for name in names.split(",") if name]

    def _created(self, key: ObjectKey) -> list[str]:
        names = PartNames.of(key) if key[0] == INGRESSES else (_group(key),)
        return [path for path in self._cloud.store.all() if path.rpartition("/")[2] in names]


HASH = "8se3df"
"""Part of all names that the controller gives, also those of other teams' in the fleet; as in Google's example."""


OWN = "-mci-"
"""In the names of its endpoint groups; the mesh has others."""


class PartNames(NamedTuple):
    """Names of an ingress' parts.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress
    """

    rule: str
    https_rule: str
    name: str
    service: str
    firewall: str

    @classmethod
    def of(cls, key: ObjectKey) -> "PartNames":
        common, prefix = f"{key[1]}-{key[2]}", f"mci-{HASH}"
        names = (f"fw-{common}", f"fws-{common}", common, f"80-{common}", "default-l7")
        return cls(*(f"{prefix}-{name}" for name in names))


def _clusters(service: dict[str, Any]) -> list[dict[str, str]] | None:
    """Return the clusters that a service is for; None for all."""
    found: list[dict[str, str]] | None = service["spec"].get("clusters")
    return found


def _derived_objects(service: dict[str, Any]) -> list[Object]:
    """Return the derived Service, and the endpoint groups, of a cluster that a service is for."""
    metadata = service["metadata"]
    key = (SERVICES, metadata["namespace"], metadata["name"])
    return [derived_service(service), *endpoint_group_objects(metadata["namespace"], [_group(key)])]


def _group(key: ObjectKey) -> str:
    """Return the name of the endpoint groups of a service, one in each zone."""
    _, namespace, name = key
    return f"k8s1-1a2b3c4d-{namespace[:10]}{OWN}{name}-80-5e6f7a8b"

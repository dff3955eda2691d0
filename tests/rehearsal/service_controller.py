"""The simulated controller of multi-cluster Services, which Google runs."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from tests.fake_cloud.cloud import PROJECT_NUMBER
from tests.local_mesh.cluster import LocalCluster, Object
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.fleet import digest
from tests.local_mesh.gke_crds import gke_crds
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.controller import patch, run_in_background, timestamp, wait_until_established
from tests.rehearsal.endpoint_groups import GROUPS, LINGERING, endpoint_group_objects

FEATURE = "multiclusterservicediscovery"
EXPORTS = "serviceexports.net.gke.io"
IMPORTS = "serviceimports.net.gke.io"
FINALIZER = "serviceexport.net.gke.io"
"""Its real name is not documented."""

IMPORTER_ROLE = "roles/compute.networkViewer"
"""Role that the importers need in the project.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services
"""

DERIVED = "gke-mcs-"
"""How the names of derived Services begin."""

PREFIX = "gkemcs-"
RETRY_SECONDS = 1.0
Exported = tuple[str, str]
"""Namespace and name."""


class ServiceController:
    """Joins the exports of a name in all clusters into an import, and creates what serves it.

    In each exporting cluster that is the endpoint groups of the Service, and in every cluster that has the namespace a
    ServiceImport and its derived Service; for the whole network a service of Traffic Director. What is of the cloud is
    deleted some time after the last export, and until then the network can't be deleted.

    Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services; names as in a Gateway that
    was exported as terraform code, and in an import, of public repositories.
    """

    def __init__(
        self,
        parts: CloudParts,
        clusters: Callable[[], Mapping[str, LocalCluster]],
        *,
        membership: Callable[[LocalCluster], str],
        authorized: Callable[[], bool],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Watch nothing yet.

        Args:
            parts: of load balancers.
            clusters: returns the running clusters by region.
            membership: returns the name of a cluster's membership.
            authorized: returns whether the importers may read the network; without, they import nothing.
            changed: called when imports or endpoint groups have changed.
        """
        self._parts = parts
        self._cloud = parts.cloud
        self._clusters = clusters
        self._membership = membership
        self._authorized = authorized
        self._changed = changed
        self._lock = threading.RLock()
        self._enabled = False
        self._watched: set[int] = set()
        self._exports: dict[Exported, dict[str, LocalCluster]] = {}
        self._associated: list[Exported] = []

    def feature_changed(self, feature: str, content: dict[str, Any] | None) -> None:
        """Handle a feature that was enabled, changed or disabled."""
        if feature == FEATURE:
            self._enabled = content is not None
            for cluster in self._clusters().values():
                self.cluster_started(cluster)

    def has_resources(self, feature: str) -> bool:
        """Return whether there are exports, so that the feature can't be disabled."""
        with self._lock:
            return feature == FEATURE and bool(self._exports or self._associated)

    def cluster_started(self, cluster: LocalCluster) -> None:
        """Serve the kinds in a cluster, and watch its exports, while the feature is enabled."""
        with self._lock:
            if not self._enabled or id(cluster) in self._watched:
                return
            self._watched.add(id(cluster))
        run_in_background(self._watch, cluster)

    def cluster_stopped(self, cluster: LocalCluster) -> None:
        """Forget the exports of a deleted cluster, and delete its endpoint groups."""
        with self._lock:
            self._watched.discard(id(cluster))
            exported = [one for one, where in self._exports.items() if where.pop(cluster.site.key, None)]
        for one in exported:
            for path in self._groups_in(cluster, one):
                self._parts.remove(path)
            run_in_background(self._settle, one)

    def exporting(self, exported: Exported) -> list[str]:
        """Return the regions that export a Service."""
        with self._lock:
            return sorted(self._exports.get(exported, {}))

    def groups(self, exported: Exported, port: int) -> list[str]:
        """Return the paths of the endpoint groups of an exported Service's port."""
        return [path for path, about in self._all_groups() if _is_of(about, exported) and about["port"] == str(port)]

    def _watch(self, cluster: LocalCluster) -> None:
        time.sleep(self._cloud.latencies.of("feature-controller"))
        cluster.apply(gke_crds(EXPORTS, IMPORTS))
        wait_until_established(cluster, EXPORTS)
        for event in cluster.follow(EXPORTS, "--all-namespaces"):
            metadata = event["object"]["metadata"]
            self._reconcile(cluster, metadata, leaves=event["type"] == "DELETED" or "deletionTimestamp" in metadata)

    def _reconcile(self, cluster: LocalCluster, metadata: Mapping[str, Any], *, leaves: bool) -> None:
        exported = (metadata["namespace"], metadata["name"])
        where = cluster.site.key
        with self._lock:
            known = where in self._exports.get(exported, {})
            if leaves:
                if not known:
                    return
                del self._exports[exported][where]
                work = self._withdraw
            elif known:
                return
            else:
                self._exports.setdefault(exported, {})[where] = cluster
                work = self._export
        run_in_background(work, cluster, exported)

    def _export(self, cluster: LocalCluster, exported: Exported) -> None:
        """Create the endpoint groups of a Service, once it exists."""
        namespace, name = exported
        finalizers: dict[str, Any] = {"metadata": {"finalizers": [FINALIZER]}}
        patch(cluster, EXPORTS, {"namespace": namespace, "name": name}, finalizers)
        service = self._wait_for_service(cluster, exported)
        if service is None:
            return
        ports = [int(one["port"]) for one in service["spec"]["ports"]]
        cluster.apply(endpoint_group_objects(namespace, [_group(exported, port) for port in ports]))
        uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
        network = self._parts.network()
        for port in ports:
            about = {"cluster-uid": uid, "namespace": namespace, "service-name": name, "port": str(port)}
            body = {
                "network": network,
                "networkEndpointType": "GCE_VM_IP_PORT",
                "size": 1,
                "description": json.dumps(about),
            }
            for zone in cluster.site.zones:
                self._parts.create(f"zones/{zone}/{GROUPS}/{_group(exported, port)}", body)
        now = timestamp()
        conditions = [
            {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": now}
            for kind in ("Initialized", "Exported")
        ]
        status = {"status": {"conditions": conditions}}
        patch(cluster, EXPORTS, {"namespace": namespace, "name": name}, status, "--subresource", "status")
        self._settle(exported)

    def _wait_for_service(self, cluster: LocalCluster, exported: Exported) -> dict[str, Any] | None:
        """Return the Service of an export; None if the export is deleted before the Service exists."""
        while cluster.site.key in self.exporting(exported):
            with suppress(LocalMeshError):
                return cluster.get("--namespace", exported[0], "service", exported[1])
            time.sleep(RETRY_SECONDS)
        return None

    def _withdraw(self, cluster: LocalCluster, exported: Exported) -> None:
        """Delete what an export has brought to its cluster; its endpoint groups follow their objects."""
        names = {_group(exported, int(about["port"])) for _, about in self._all_groups() if _is_of(about, exported)}
        self._settle(exported)
        with suppress(LocalMeshError):  # the namespace, or the cluster, is deleted
            cluster.kubectl(
                *("--namespace", exported[0], "delete", "servicenetworkendpointgroups.networking.gke.io"),
                *("--ignore-not-found", "--wait=false", *sorted(names)),
            )
        metadata = {"namespace": exported[0], "name": exported[1]}
        with suppress(LocalMeshError):
            patch(cluster, EXPORTS, metadata, {"metadata": {"finalizers": None}})
        while self._groups_in(cluster, exported) and cluster.site.key not in self.exporting(exported):
            time.sleep(RETRY_SECONDS)
        if self.exporting(exported):
            self._settle(exported)

    def _settle(self, exported: Exported) -> None:
        """Have the import, the derived Services and the services of the network be those of the current exports."""
        while self.exporting(exported) and not self._authorized():
            time.sleep(RETRY_SECONDS)
        with self._lock:
            exporting = dict(self._exports.get(exported, {}))
            if exporting:
                self._balance(exported)
        for cluster in list(self._clusters().values()):
            with suppress(LocalMeshError):  # without the namespace, nothing is imported
                if exporting:
                    self._import(cluster, exported, exporting)
                else:
                    cluster.delete([_import_of(exported, {}, ""), _derived(exported, [])])
        self._changed()
        if not exporting:
            self._end(exported)

    def _import(self, cluster: LocalCluster, exported: Exported, exporting: Mapping[str, LocalCluster]) -> None:
        namespace, name = exported
        any_cluster = next(iter(exporting.values()))
        service = any_cluster.get("--namespace", namespace, "service", name)
        ports = [
            {key: one[key] for key in ("name", "protocol", "port") if key in one} for one in service["spec"]["ports"]
        ]
        cluster.apply([_import_of(exported, {"ports": ports, "type": "ClusterSetIP"}, self._network_name())])
        cluster.apply([_derived(exported, ports)])
        members = sorted(self._membership(one) for one in exporting.values())
        status = {"status": {"clusters": [{"cluster": one} for one in members]}}
        patch(cluster, IMPORTS, {"namespace": namespace, "name": name}, status, "--subresource", "status")

    def _balance(self, exported: Exported) -> None:
        """Create the services of Traffic Director for an exported Service, and the rule that all of them share."""
        shared = self._shared()
        ports = sorted({int(about["port"]) for _, about in self._all_groups() if _is_of(about, exported)})
        services = []
        for port in ports:
            name = _service(exported, port)
            self._parts.create(f"global/healthChecks/{name}", {"type": "TCP"})
            groups = [self._parts.link(path.split("/", 2)[2]) for path in self.groups(exported, port)]
            body = {
                "loadBalancingScheme": "INTERNAL_SELF_MANAGED",
                "healthChecks": [self._parts.link(f"global/healthChecks/{name}")],
                "backends": [{"group": group, "balancingMode": "RATE"} for group in sorted(groups)],
            }
            self._parts.apply(f"global/backendServices/{name}", body)
            services.append(self._parts.link(f"global/backendServices/{name}"))
        if not services:
            return
        self._parts.create(f"global/urlMaps/{shared}", {"defaultService": services[0]})
        self._parts.create(
            f"global/targetHttpProxies/{shared}", {"urlMap": self._parts.link(f"global/urlMaps/{shared}")}
        )
        rule = {
            "target": self._parts.link(f"global/targetHttpProxies/{shared}"),
            "IPAddress": "0.0.0.0",
            "loadBalancingScheme": "INTERNAL_SELF_MANAGED",
            "network": self._parts.network(),
        }
        self._parts.create(f"global/forwardingRules/{shared}", rule)

    def _end(self, exported: Exported) -> None:
        """Delete the services of the network some time after the last export of a Service."""
        with self._lock:
            if self._exports.pop(exported, None) is None:
                return
            self._associated.append(exported)
        time.sleep(LINGERING)
        with self._lock:
            last = not self._exports
            again = exported in self._exports
        if not again:
            shared = self._shared() if last else ""
            prefix = _service(exported, 0).removesuffix("0")
            for kind in ("forwardingRules", "targetHttpProxies", "urlMaps", "backendServices", "healthChecks"):
                for path, _ in list(self._cloud.store.under(self._parts.path(f"global/{kind}"))):
                    name = path.rpartition("/")[2]
                    if name == shared or name.startswith(prefix):
                        self._parts.remove(path)
        time.sleep(self._cloud.latencies.of("feature-release"))
        with self._lock:
            self._associated.remove(exported)

    def _all_groups(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the path of every endpoint group of an exported Service, and what its description says."""
        for path, resource in list(self._cloud.store.all().items()):
            if f"/{GROUPS}/" in path and path.endswith(SUFFIX):
                yield path, json.loads(resource["description"])

    def _groups_in(self, cluster: LocalCluster, exported: Exported) -> list[str]:
        zones = set(cluster.site.zones)
        return [path for path, about in self._all_groups() if _is_of(about, exported) and path.split("/")[3] in zones]

    def _network_name(self) -> str:
        return self._parts.network().rpartition("/")[2]

    def _shared(self) -> str:
        """Return the name of the forwarding rule of the network, its proxy and its URL map."""
        return f"{PREFIX}{self._cloud.project}-{self._network_name()}"


SUFFIX = "-9a8b7c6d"


def _group(exported: Exported, port: int) -> str:
    """Return the name of the endpoint groups of an exported Service's port, one in each zone."""
    namespace, name = exported
    return f"k8s1-1a2b3c4d-{namespace[:10]}-{name[:20]}-{port}{SUFFIX}"


def _service(exported: Exported, port: int) -> str:
    return f"{PREFIX}{exported[0]}-{exported[1]}-tcp-{port}"


def _is_of(about: Mapping[str, str], exported: Exported) -> bool:
    return (about["namespace"], about["service-name"]) == exported


def derived_name(exported: Exported) -> str:
    """Return the name of the derived Service of an exported one."""
    return f"{DERIVED}{digest('/'.join(exported), 10)}"


def _import_of(exported: Exported, spec: Mapping[str, Any], network: str) -> Object:
    namespace, name = exported
    labels = {
        "app.kubernetes.io/managed-by": "gke-mcs-controller.gke.io",
        "net.gke.io/backend-service-name": f"{PREFIX}{namespace}-{name}",
        "net.gke.io/export-network": network,
        "net.gke.io/export-project": PROJECT_NUMBER,
    }
    annotations = {"net.gke.io/derived-service": derived_name(exported)}
    metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
    return {"apiVersion": "net.gke.io/v1", "kind": "ServiceImport", "metadata": metadata, "spec": dict(spec)}


def _derived(exported: Exported, ports: list[dict[str, Any]]) -> Object:
    """Return the derived Service of an exported one: without a selector, as its endpoints are those of all clusters."""
    metadata = {"name": derived_name(exported), "namespace": exported[0]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}

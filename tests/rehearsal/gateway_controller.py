"""The simulated controller of multi-cluster Gateway, which Google runs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any, NamedTuple

from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.config_cluster import ConfigClusterController, ObjectKey
from tests.rehearsal.controller import patch, run_in_background, timestamp, wait_for_creation, wait_until_established
from tests.rehearsal.endpoint_groups import LINGERING
from tests.rehearsal.gateway_parts import (
    CERTIFICATE_MAP,
    CLASSES,
    EPHEMERAL,
    HEALTH_CHECKERS,
    INTERNAL_CLASS,
    SCHEMES,
    Backend,
    GatewayParts,
    Place,
    firewall,
)
from tests.rehearsal.service_controller import ServiceController

GATEWAYS = "gateways.gateway.networking.k8s.io"
ROUTES = "httproutes.gateway.networking.k8s.io"
CLASS_KIND = "gatewayclasses.gateway.networking.k8s.io"
BACKEND_POLICIES = "gcpbackendpolicies.networking.gke.io"
GATEWAY_POLICIES = "gcpgatewaypolicies.networking.gke.io"
HEALTH_POLICIES = "healthcheckpolicies.networking.gke.io"
POLICIES = (BACKEND_POLICIES, GATEWAY_POLICIES, HEALTH_POLICIES)
CONTROLLER = "networking.gke.io/gateway"
FINALIZER = "gateway.finalizer.networking.gke.io"
ANNOTATED = {
    "addresses": "addresses",
    "backend-services": "backendServices",
    "firewalls": "firewalls",
    "forwarding-rules": "forwardingRules",
    "health-checks": "healthChecks",
    "target-http-proxies": "targetHttpProxies",
    "target-https-proxies": "targetHttpsProxies",
    "url-maps": "urlMaps",
}
"""Annotations that name a Gateway's resources, and their collections. Seen in a Gateway of a public repository."""

AGENT_ROLE = "roles/container.admin"
"""Role that the controller's service agent needs in the clusters.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways
"""

SECONDS_BETWEEN_LOOKS = 0.2


class Condition(NamedTuple):
    """A condition of an object's status.

    Attributes:
        type: of the condition.
        reason: why it has its status.
        ok: whether the status is True.
        message: for the user.
    """

    type: str
    reason: str
    ok: bool = True
    message: str = ""


class GatewayController(ConfigClusterController):
    """Changes Gateways, routes and policies and the fake cloud as the real controller does.

    It waits until its agent is authorized, and then creates the classes of several clusters. It gives a Gateway a
    finalizer, annotations and a status, creates its load balancers, changes them with the objects, and deletes them
    some time after the Gateway. A former config cluster's Gateways are still deleted.
    """

    def __init__(
        self,
        parts: CloudParts,
        clusters: Callable[[], Mapping[str, LocalCluster]],
        services: ServiceController,
        *,
        authorized: Callable[[], bool],
        cluster_path: Callable[[LocalCluster], str],
        balance: Callable[[str], None] = lambda address: None,
    ) -> None:
        """Watch nothing yet.

        Args:
            parts: of load balancers.
            clusters: returns the running clusters by region.
            services: of the fleet.
            authorized: returns whether the service agent has its role.
            cluster_path: returns the path of a cluster in the cloud.
            balance: called with the address of a new external load balancer.
        """
        super().__init__(parts, clusters)
        self._services = services
        self._authorized = authorized
        self._cluster_path = cluster_path
        self._balance = balance
        self._objects: dict[ObjectKey, dict[str, Any]] = {}
        self._created: dict[ObjectKey, tuple[LocalCluster, list[Place]]] = {}
        self._leaving: set[ObjectKey] = set()
        self._changed = threading.Event()

    def wake(self) -> None:
        """Look at the objects again, as something that they depend on has changed."""
        self._changed.set()

    def watch_config_cluster(self, cluster: LocalCluster) -> None:
        self._objects = {}
        run_in_background(self._begin, cluster)

    def _begin(self, cluster: LocalCluster) -> None:
        time.sleep(self._cloud.latencies.of("feature-controller"))
        wait_for_creation(cluster, f"customresourcedefinition/{GATEWAYS}")
        wait_until_established(cluster, GATEWAYS)
        while not self._authorized():
            if self._config is not cluster:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for name in CLASSES:
            spec = {"controllerName": CONTROLLER}
            kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass"}
            cluster.apply([{**kind, "metadata": {"name": name}, "spec": spec}])
            status = {"status": {"conditions": _build([Condition("Accepted", "Accepted")], {})}}
            patch(cluster, CLASS_KIND, {"name": name}, status, "--subresource", "status")
        for kind_name in (GATEWAYS, ROUTES, *POLICIES):
            run_in_background(self._watch, cluster, kind_name)
        self._work(cluster)

    def _watch(self, cluster: LocalCluster, kind: str) -> None:
        for event in cluster.follow(kind, "--all-namespaces"):
            found = event["object"]
            metadata = found["metadata"]
            key = (kind, metadata["namespace"], metadata["name"])
            leaves = event["type"] == "DELETED" or "deletionTimestamp" in metadata
            if leaves and key in self._seen:
                self._start_to_leave(cluster, key)
            if self._config is not cluster:
                continue
            with self._lock:
                if leaves:
                    self._objects.pop(key, None)
                else:
                    self._objects[key] = found
            self._changed.set()

    def _work(self, cluster: LocalCluster) -> None:
        """Bring everything up to date whenever something has changed, until there is another config cluster."""
        while self._config is cluster:
            self._changed.wait(1)
            if not self._changed.is_set():
                continue
            self._changed.clear()
            with self._lock:
                objects = dict(self._objects)
            for key in [one for one in objects if one[0] == GATEWAYS]:
                with suppress(LocalMeshError):  # it is deleted
                    self._provide(cluster, key, objects)
            for key in [one for one in objects if one[0] in (ROUTES, *POLICIES)]:
                with suppress(LocalMeshError):
                    self._report(cluster, key, objects)

    def _provide(self, cluster: LocalCluster, key: ObjectKey, objects: Mapping[ObjectKey, dict[str, Any]]) -> None:
        gateway = objects[key]
        if gateway["spec"]["gatewayClassName"] not in SCHEMES or key in self._leaving:
            return
        if key not in self._created:
            with self._lock:
                self._created[key] = (cluster, [])
                self._seen[key] = gateway
            self._patch(cluster, key, {"metadata": {"finalizers": [FINALIZER]}})
            time.sleep(self._cloud.latencies.of("load-balancer"))
        problem = self._problem(gateway)
        addresses = {} if problem else self._addresses(gateway)
        places = self._apply(key, gateway, addresses, objects) if addresses else self._created[key][1]
        self._annotate(cluster, key, gateway, places)
        self._write_status(cluster, key, objects, sorted(addresses), problem)
        if gateway["spec"]["gatewayClassName"] != INTERNAL_CLASS:
            for address in addresses:
                self._balance(address)

    def _problem(self, gateway: Mapping[str, Any]) -> str:
        """Return why a Gateway can't have a load balancer; empty if it can."""
        spec = gateway["spec"]
        for one in spec.get("addresses", []):
            if one["type"] == "NamedAddress" and self._reserved(one["value"]) is None:
                return f"the address {one['value']} does not exist"
            if one["type"].startswith(EPHEMERAL) and not self._has_proxies(one["value"]):
                return f"the network has no active proxy-only subnet in {one['value']}"
        name = gateway["metadata"].get("annotations", {}).get(CERTIFICATE_MAP)
        if name and self._parts.find(f"locations/global/certificateMaps/{name}") is None:
            return f"the certificate map {name} does not exist"
        https = any(one["protocol"] == "HTTPS" for one in spec["listeners"])
        return "a listener of HTTPS has no certificate" if https and not name else ""

    def _reserved(self, name: str) -> str | None:
        found = self._parts.find(f"global/addresses/{name}")
        return None if found is None else str(found["address"])

    def _subnets(self, region: str) -> Iterator[dict[str, Any]]:
        """Yield the network's subnets in a region."""
        for _, one in self._cloud.store.under(self._parts.path(f"regions/{region}/subnetworks")):
            if one["network"].partition("projects/")[2] == self._parts.network().partition("projects/")[2]:
                yield one

    def _has_proxies(self, region: str) -> bool:
        return any(one["purpose"] == "GLOBAL_MANAGED_PROXY" for one in self._subnets(region))

    def _addresses(self, gateway: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return a Gateway's addresses, each with the fields of a forwarding rule that depend on it."""
        found: dict[str, dict[str, Any]] = {}
        for one in gateway["spec"].get("addresses", []):
            if one["type"] == "NamedAddress":
                found[self._reserved(one["value"]) or ""] = {"networkTier": "PREMIUM"}
            elif one["type"].startswith(EPHEMERAL):
                subnet = next(one for one in self._subnets(one["value"]) if one["purpose"] == "PRIVATE")
                address = str(IPv4Network(subnet["ipCidrRange"])[-3])
                found[address] = {"network": self._parts.network(), "subnetwork": subnet["selfLink"]}
        return found

    def _apply(
        self,
        key: ObjectKey,
        gateway: Mapping[str, Any],
        addresses: Mapping[str, dict[str, Any]],
        objects: Mapping[ObjectKey, dict[str, Any]],
    ) -> list[Place]:
        """Create and change the resources of a Gateway, delete those that it no longer has, and return their places."""
        cluster, before = self._created[key]
        policy = _policy_of(objects, GATEWAY_POLICIES, key[1], "Gateway", key[2])
        wanted = GatewayParts(
            gateway,
            addresses,
            backends={one["name"]: self._backends(key, one["name"], objects) for one in gateway["spec"]["listeners"]},
            routes={one["name"]: list(_routes(key, one["name"], objects)) for one in gateway["spec"]["listeners"]},
            ssl_policy=policy.get("sslPolicy", ""),
            certificate_map=gateway["metadata"].get("annotations", {}).get(CERTIFICATE_MAP, ""),
            cluster=self._cluster_path(cluster),
            project=self._cloud.project,
            link=self._parts.link,
        ).resources()
        with self._cloud.store.lock:
            for place, body in wanted.items():
                self._parts.apply(place, body)
            self._delete([one for one in before if one not in wanted])
            network = self._parts.network()
            rule = {
                "network": network,
                "allowed": [{"IPProtocol": "tcp"}],
                "sourceRanges": HEALTH_CHECKERS,
            }
            self._parts.create(firewall(network.rpartition("/")[2]), rule)
            for address in addresses:
                self._parts.set_users(address)
        self._created[key] = (cluster, list(wanted))
        return list(wanted)

    def _delete(self, places: Sequence[Place]) -> None:
        """Delete resources, those first that refer to others."""
        for place in reversed(places):
            with suppress(KeyError):
                self._parts.remove(self._parts.path(place))

    def _backends(self, key: ObjectKey, listener: str, objects: Mapping[ObjectKey, dict[str, Any]]) -> list[Backend]:
        found = []
        for route in _routes(key, listener, objects):
            for rule in route["spec"]["rules"]:
                for one in rule.get("backendRefs", []):
                    exported = (one.get("namespace", key[1]), one["name"])
                    groups = self._services.groups(exported, one["port"])
                    found.append(
                        Backend(
                            *exported,
                            one["port"],
                            [self._parts.link(path.split("/", 2)[2]) for path in groups],
                            _policy_of(objects, BACKEND_POLICIES, exported[0], "ServiceImport", exported[1]),
                            _policy_of(objects, HEALTH_POLICIES, exported[0], "ServiceImport", exported[1]),
                        )
                    )
        return found

    def _annotate(
        self, cluster: LocalCluster, key: ObjectKey, gateway: Mapping[str, Any], places: Sequence[Place]
    ) -> None:
        names: dict[str, list[str]] = {kind: [] for kind in ANNOTATED.values()}
        shared = [firewall(self._parts.network().rpartition("/")[2])]
        named = [one["value"] for one in gateway["spec"].get("addresses", []) if one["type"] == "NamedAddress"]
        for place in [*places, *(shared if places else ()), *(f"global/addresses/{one}" for one in named)]:
            names[place.split("/")[-2]].append(self._parts.by_number(place))
        wanted = {f"networking.gke.io/{one}": ", ".join(sorted(names[kind])) for one, kind in ANNOTATED.items()}
        wanted["networking.gke.io/ssl-certificates"] = ""
        current = gateway["metadata"].get("annotations", {})
        if any(current.get(name) != value for name, value in wanted.items()):
            wanted["networking.gke.io/last-reconcile-time"] = timestamp()
            self._patch(cluster, key, {"metadata": {"annotations": wanted}})

    def _write_status(
        self,
        cluster: LocalCluster,
        key: ObjectKey,
        objects: Mapping[ObjectKey, dict[str, Any]],
        addresses: Sequence[str],
        problem: str,
    ) -> None:
        gateway = objects[key]
        good = not problem
        listeners = []
        for one in gateway["spec"]["listeners"]:
            conditions = [
                Condition("ResolvedRefs", "ResolvedRefs"),
                Condition("Accepted", "Accepted"),
                Condition("Programmed", "Programmed" if good else "Invalid", good, problem),
            ]
            listeners.append(
                {
                    "name": one["name"],
                    "attachedRoutes": len(list(_routes(key, one["name"], objects))),
                    "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                    "conditions": _build(conditions, gateway["metadata"]),
                }
            )
        conditions = [
            Condition("Accepted", "Accepted"),
            Condition("Programmed", "Programmed" if good else "Invalid", good, problem),
            Condition("networking.gke.io/GatewayHealthy", "Healthy" if good else "Unhealthy", good),
        ]
        status = {
            "addresses": [{"type": "IPAddress", "value": one} for one in addresses],
            "conditions": _build(conditions, gateway["metadata"]),
            "listeners": listeners,
        }
        self._set_status(cluster, key, gateway, status)

    def _report(self, cluster: LocalCluster, key: ObjectKey, objects: Mapping[ObjectKey, dict[str, Any]]) -> None:
        """Write the status of a route or a policy."""
        found = objects[key]
        if key[0] != ROUTES:
            reference = found["spec"]["targetRef"]
            there = reference["kind"] == "ServiceImport" or (GATEWAYS, key[1], reference["name"]) in objects
            attached = Condition("Attached", "Attached" if there else "TargetNotFound", there)
            self._set_status(cluster, key, found, {"conditions": _build([attached], found["metadata"])})
            return
        wanted = [(one.get("namespace", key[1]), one["name"]) for one in _references(found)]
        missing = [name for name in wanted if not self._services.exporting(name)]
        resolved = Condition(
            "ResolvedRefs",
            "BackendNotFound" if missing else "ResolvedRefs",
            not missing,
            ", ".join(f"ServiceImport {'/'.join(name)} does not exist" for name in missing),
        )
        parents = []
        for parent in found["spec"]["parentRefs"]:
            there = (GATEWAYS, key[1], parent["name"]) in objects
            accepted = Condition("Accepted", "Accepted" if there else "NoMatchingParent", there)
            parents.append(
                {
                    "parentRef": parent,
                    "controllerName": CONTROLLER,
                    "conditions": _build([accepted, resolved], found["metadata"]),
                }
            )
        self._set_status(cluster, key, found, {"parents": parents})

    def _set_status(
        self, cluster: LocalCluster, key: ObjectKey, found: Mapping[str, Any], status: dict[str, Any]
    ) -> None:
        """Write a status, unless the object has it."""
        if _without_times(found.get("status", {})) != _without_times(status):
            self._patch(cluster, key, {"status": status}, "status")

    def _start_to_leave(self, cluster: LocalCluster, key: ObjectKey) -> None:
        with self._lock:
            if key in self._leaving:
                return
            self._leaving.add(key)
        run_in_background(self._remove, cluster, key)

    def _remove(self, cluster: LocalCluster, key: ObjectKey) -> None:
        """Delete the load balancers of a Gateway, and then release it; the firewall rule lingers."""
        time.sleep(self._cloud.latencies.of("load-balancer-delete"))
        _, places = self._created.pop(key, (cluster, []))
        rules = [self._parts.find(one) for one in places if "/forwardingRules/" in one]
        self._delete(places)
        for rule in rules:
            self._parts.set_users(str(rule["IPAddress"]) if rule else "")
        with suppress(LocalMeshError):
            self._patch(cluster, key, {"metadata": {"finalizers": None}})
        time.sleep(LINGERING)
        if not self._created:
            self._delete([firewall(self._parts.network().rpartition("/")[2])])
        with self._lock:
            self._seen.pop(key, None)
            self._leaving.discard(key)
        self._changed.set()
        self._release(key)


def _routes(key: ObjectKey, listener: str, objects: Mapping[ObjectKey, dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the routes of a Gateway's listener: those of its namespace that name it, or no listener."""
    for (kind, namespace, _), route in sorted(objects.items()):
        if kind == ROUTES and namespace == key[1]:
            for parent in route["spec"]["parentRefs"]:
                if parent["name"] == key[2] and parent.get("sectionName", listener) == listener:
                    yield route


def _references(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the backends of a route."""
    for rule in route["spec"]["rules"]:
        yield from rule.get("backendRefs", [])


def _policy_of(
    objects: Mapping[ObjectKey, dict[str, Any]], kind: str, namespace: str, target: str, name: str
) -> Mapping[str, Any]:
    """Return the content of the oldest policy of a target; empty without one."""
    found = [
        one
        for (of, where, _), one in objects.items()
        if (of, where) == (kind, namespace)
        and (one["spec"]["targetRef"]["kind"], one["spec"]["targetRef"]["name"]) == (target, name)
    ]
    oldest = sorted(found, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    content: Mapping[str, Any] = oldest[0]["spec"]["default"] if oldest else {}
    return content


def _build(conditions: Sequence[Condition], metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return conditions as a status has them."""
    now = timestamp()
    return [
        {
            "type": one.type,
            "status": "True" if one.ok else "False",
            "reason": one.reason,
            "message": one.message,
            "observedGeneration": metadata.get("generation", 1),
            "lastTransitionTime": now,
        }
        for one in conditions
    ]


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if key != "lastTransitionTime"}
    return [_without_times(one) for one in value] if isinstance(value, list) else value

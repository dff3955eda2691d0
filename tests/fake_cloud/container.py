"""GKE: clusters and node pools, each with a real Kubernetes control plane behind it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body, Cloud, Query, rule
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.errors import CloudError, already_exists, not_found
from tests.fake_cloud.quotas import nodes_of
from tests.fake_cloud.references import path_of
from tests.fake_cloud.service_usage import ServiceUsage
from tests.fake_cloud.store import Resource

PREFIX = "/container/v1/"
VERSION = "1.34.2-gke.1000000"
ZONES = "abc"

DESIRED = {
    "desiredMasterAuthorizedNetworksConfig": "masterAuthorizedNetworksConfig",
    "desiredControlPlaneEndpointsConfig": "controlPlaneEndpointsConfig",
    "desiredPrivateClusterConfig": "privateClusterConfig",
    "desiredReleaseChannel": "releaseChannel",
    "desiredWorkloadIdentityConfig": "workloadIdentityConfig",
}
"""What an update of a cluster may hold, and which field it changes: what it doesn't say of it stays."""

REPLACED = {
    "desiredBinaryAuthorization": "binaryAuthorization",
    "desiredDatabaseEncryption": "databaseEncryption",
    "desiredLoggingConfig": "loggingConfig",
    "desiredMonitoringConfig": "monitoringConfig",
    "desiredSecurityPostureConfig": "securityPostureConfig",
    "desiredShieldedNodes": "shieldedNodes",
}
"""The same, for what is as a whole as the update says."""

NESTED: Mapping[str, Callable[[Body], Body]] = {
    "desiredIntraNodeVisibilityConfig": lambda wanted: {
        "networkConfig": {"enableIntraNodeVisibility": wanted.get("enabled", False)}
    },
    "desiredNodeKubeletConfig": lambda wanted: {
        "nodePoolDefaults": {"nodeConfigDefaults": {"nodeKubeletConfig": wanted}}
    },
}
"""The same, for what is elsewhere in a cluster than in the update: what is merged into it."""

LEAST_MAINTENANCE = 48
"""Hours in any 32 days, which a weekly window is sure to be in four times."""


SLOW = ("CREATE_CLUSTER", "DELETE_CLUSTER")
"""Operations in which a control plane is started or stopped."""


class Container:
    """Makes clusters; what it doesn't know of them it keeps and shows as it was given."""

    def __init__(self, cloud: Cloud, services: ServiceUsage, compute: Compute) -> None:
        self._cloud = cloud
        self._compute = compute
        self._services = services
        self._busy: dict[str, str] = {}

    def rules(self) -> list[Rule]:
        location = f"{PREFIX}projects/<project>/locations/<location>"
        cluster = f"{location}/clusters/<cluster>"
        return [
            rule("GET", f"{location}/operations/<name>", self.get_operation),
            rule("GET", f"{location}/clusters", self.index),
            rule("POST", f"{location}/clusters", self.create),
            rule("GET", cluster, self.get),
            rule("PUT", cluster, self.update),
            rule("DELETE", cluster, self.delete),
            rule("POST", f"{cluster}:setResourceLabels", self.set_labels),
            rule("POST", f"{cluster}:setMaintenancePolicy", self.set_maintenance),
            rule("POST", f"{cluster}/nodePools", self.create_pool),
            rule("GET", f"{cluster}/nodePools/<pool>", self.get_pool),
            rule("DELETE", f"{cluster}/nodePools/<pool>", self.delete_pool),
        ]

    def get_operation(self, body: Body, query: Query, *, project: str, location: str, name: str) -> Body:
        return self._cloud.store.get(f"projects/{project}/locations/{location}/operations/{name}")

    def index(self, body: Body, query: Query, *, project: str, location: str) -> Body:
        found = [one for path, one in self._cloud.store.all().items() if path.split("/")[-2] == "clusters"]
        return {"clusters": [one for one in found if location in ("-", one["location"])]}

    def get(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        path = _path(project, location, cluster)
        found = self._cloud.store.find(path)
        if found is None:
            raise CloudError(404, "notFound", f"Not found: {path}.")
        pools = [pool for _, pool in self._cloud.store.under(f"{path}/nodePools")]
        return {**found, "nodePools": pools, "currentNodeCount": sum(map(nodes_of, pools))}

    def create(self, body: Body, query: Query, *, project: str, location: str) -> Body:
        wanted = body["cluster"]
        path = _path(project, location, wanted["name"])
        with self._cloud.store.lock:
            if self._cloud.store.find(path) is not None:
                raise already_exists(path)  # before its range is found to be taken, by itself
            _check_shape(path, wanted)
            subnet = self._check_network(wanted)
            if wanted.get("fleet"):
                self._services.check("gkehub")
            cluster = self._cloud.store.add(path, self._new(path, wanted, subnet))
            self._add_pool(path, {**wanted.get("nodePools", [{"name": "default-pool"}])[0]})

        def work() -> None:
            try:
                addresses = self._cloud.control_planes.start(
                    location, wanted["name"], cluster["privateClusterConfig"]["masterIpv4CidrBlock"]
                )
            except Exception:
                cluster["status"] = "ERROR"
                raise
            with self._cloud.store.lock:
                given = {"privateEndpoint": addresses.private, "publicEndpoint": addresses.public}
                # The provider reads the newer of the two places, older clients the other one.
                cluster["privateClusterConfig"].update(given)
                endpoints = cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
                endpoints.update(given)
                cluster["endpoint"] = _endpoint(cluster)
                cluster["masterAuth"] = {"clusterCaCertificate": addresses.certificate}
                cluster["status"] = "RUNNING"
                if cluster.get("fleet"):
                    self._register(cluster)

        def failed() -> None:
            cluster["status"] = "ERROR"

        return self._start(path, "CREATE_CLUSTER", "cluster", work, failed)

    def update(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        path = _path(project, location, cluster)
        changes = body["update"]
        if unknown := sorted(set(changes) - {*DESIRED, *REPLACED, *NESTED}):
            raise CloudError(501, "notImplemented", f"the fake cloud knows no update {', '.join(unknown)}")
        found = self._cloud.store.get(path)
        _check_shape(path, {REPLACED[desired]: value for desired, value in changes.items() if desired in REPLACED})

        def work() -> None:
            for desired, value in changes.items():
                if desired in REPLACED:
                    found[REPLACED[desired]] = value
                elif desired in NESTED:
                    found.update(_merged(found, NESTED[desired](value)))
                else:
                    found[DESIRED[desired]] = _merged(found.get(DESIRED[desired], {}), value)
            found["endpoint"] = _endpoint(found)
            _show_networks_twice(found)

        return self._start(path, "UPDATE_CLUSTER", "cluster-update", work)

    def set_maintenance(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        """A policy without a window is none."""
        path = _path(project, location, cluster)
        found = self._cloud.store.get(path)
        wanted = body.get("maintenancePolicy", {})
        _check_maintenance(wanted)

        def work() -> None:
            found["maintenancePolicy"] = {**wanted, "resourceVersion": "e3b0c442"}

        return self._start(path, "UPDATE_CLUSTER", "cluster-update", work)

    def set_labels(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        path = _path(project, location, cluster)
        found = self._cloud.store.get(path)

        def work() -> None:
            found["resourceLabels"] = body["resourceLabels"]

        return self._start(path, "UPDATE_CLUSTER", "cluster-update", work)

    def delete(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        path = _path(project, location, cluster)
        found = self._cloud.store.get(path)

        def work() -> None:
            self._cloud.control_planes.stop(location, cluster)
            with self._cloud.store.lock:
                for pool, _ in self._cloud.store.under(f"{path}/nodePools"):
                    self._cloud.store.remove(pool)
                self._cloud.store.remove(f"projects/{project}/locations/{location}/memberships/{cluster}")
                self._cloud.store.remove(path)

        def failed() -> None:
            found["status"] = "ERROR"

        operation = self._start(path, "DELETE_CLUSTER", "cluster-delete", work, failed)
        with self._cloud.store.lock:
            if operation["status"] != "DONE" and found["status"] != "ERROR":
                found["status"] = "STOPPING"
        return operation

    def get_pool(self, body: Body, query: Query, *, project: str, location: str, cluster: str, pool: str) -> Body:
        path = f"{_path(project, location, cluster)}/nodePools/{pool}"
        found = self._cloud.store.find(path)
        if found is None:
            raise CloudError(404, "notFound", f"Not found: {path}.")
        return found

    def create_pool(self, body: Body, query: Query, *, project: str, location: str, cluster: str) -> Body:
        path = _path(project, location, cluster)
        with self._cloud.store.lock:
            self._cloud.store.get(path)
            self._check_idle(path)
            pool = self._add_pool(path, body["nodePool"])

        def work() -> None:
            self._cloud.control_planes.add_nodes(location, cluster)
            pool["status"] = "RUNNING"

        def failed() -> None:
            pool["status"] = "ERROR"

        return self._start(path, "CREATE_NODE_POOL", "nodes", work, failed)

    def delete_pool(self, body: Body, query: Query, *, project: str, location: str, cluster: str, pool: str) -> Body:
        path = _path(project, location, cluster)
        self._cloud.store.get(f"{path}/nodePools/{pool}")
        work = lambda: self._cloud.store.remove(f"{path}/nodePools/{pool}")  # noqa: E731
        return self._start(path, "DELETE_NODE_POOL", "cluster-update", work)

    def _check_network(self, wanted: Body) -> Resource:
        """Return the cluster's subnet.

        Raises:
            CloudError: it is not there, or the control plane's range is taken.
        """
        subnet = self._cloud.store.get(path_of(wanted["subnetwork"]))
        ranges = {one["rangeName"] for one in subnet.get("secondaryIpRanges", [])}
        policy = wanted["ipAllocationPolicy"]
        for field in ("clusterSecondaryRangeName", "servicesSecondaryRangeName"):
            if policy[field] not in ranges:
                raise CloudError(400, "badRequest", f"Secondary range {policy[field]!r} is not in the subnetwork.")
        block = IPv4Network(wanted["privateClusterConfig"]["masterIpv4CidrBlock"])
        for used, owner in self._compute.used_ranges(path_of(wanted["network"])):
            if block.overlaps(used):
                raise CloudError(
                    400, "badRequest", f"The control plane's range {block} overlaps with {used} of {owner}."
                )
        return subnet

    def _new(self, path: str, wanted: Body, subnet: Resource) -> Resource:
        location = path.split("/")[3]
        secondary = {one["rangeName"]: one["ipCidrRange"] for one in subnet["secondaryIpRanges"]}
        policy = wanted["ipAllocationPolicy"]
        cluster: Resource = {
            "addonsConfig": {"networkPolicyConfig": {"disabled": True}},
            "databaseEncryption": {"state": "DECRYPTED"},
            "loggingService": "logging.googleapis.com/kubernetes",
            "monitoringService": "monitoring.googleapis.com/kubernetes",
            "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}},
            "monitoringConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}},
            "locations": [f"{location}-{zone}" for zone in ZONES],
            **{key: value for key, value in wanted.items() if key != "nodePools"},
            "location": location,
            "zone": location,
            "network": path_of(wanted["network"]).rpartition("/")[2],
            "subnetwork": subnet["name"],
            "networkConfig": {
                **wanted.get("networkConfig", {}),
                "network": path_of(wanted["network"]),
                "subnetwork": path_of(wanted["subnetwork"]),
            },
            "ipAllocationPolicy": {
                **policy,
                "useIpAliases": True,
                "clusterIpv4CidrBlock": secondary[policy["clusterSecondaryRangeName"]],
                "servicesIpv4CidrBlock": secondary[policy["servicesSecondaryRangeName"]],
                "stackType": "IPV4",
            },
            "clusterIpv4Cidr": secondary[policy["clusterSecondaryRangeName"]],
            "servicesIpv4Cidr": secondary[policy["servicesSecondaryRangeName"]],
            "controlPlaneEndpointsConfig": _merged(
                {
                    "dnsEndpointConfig": {"endpoint": dns_endpoint(location, wanted["name"])},
                    "ipEndpointsConfig": {"enabled": True},
                },
                wanted.get("controlPlaneEndpointsConfig", {}),
            ),
            "currentMasterVersion": VERSION,
            "initialClusterVersion": VERSION,
            "labelFingerprint": "42",
            "selfLink": f"{self._cloud.base}{PREFIX}{path}",
            "status": "PROVISIONING",
        }
        _show_networks_twice(cluster)
        cluster.pop("nodeConfig", None)
        cluster["initialNodeCount"] = wanted.get("nodePools", [wanted])[0].get("initialNodeCount", 0)
        return cluster

    def _add_pool(self, cluster: str, wanted: Body) -> Resource:
        location = cluster.split("/")[3]
        pool = {
            "locations": [f"{location}-{zone}" for zone in ZONES],
            "version": VERSION,
            "networkConfig": {"enablePrivateNodes": True},
            **wanted,
            "selfLink": f"{self._cloud.base}{PREFIX}{cluster}/nodePools/{wanted['name']}",
            "instanceGroupUrls": [],
            "status": "PROVISIONING",
        }
        return self._cloud.store.add(f"{cluster}/nodePools/{wanted['name']}", pool)

    def _register(self, cluster: Resource) -> None:
        """Make the cluster's membership of the fleet, a regional one that goes with it."""
        place = f"locations/{cluster['location']}/memberships/{cluster['name']}"
        name = f"projects/{self._cloud.project}/{place}"
        if self._cloud.store.find(name) is None:
            link = f"//container.googleapis.com/{_path(self._cloud.project, cluster['location'], cluster['name'])}"
            endpoint = {"gkeCluster": {"resourceLink": link}}
            self._cloud.store.add(name, {"name": name, "endpoint": endpoint, "state": {"code": "READY"}})
        link = f"//gkehub.googleapis.com/projects/{PROJECT_NUMBER}/{place}"
        cluster["fleet"] = {**cluster["fleet"], "membership": link}

    def _check_idle(self, path: str) -> None:
        if path in self._busy:
            message = f"Cluster is running incompatible operation {self._busy[path]}."
            raise CloudError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")

    def _start(
        self,
        path: str,
        kind: str,
        latency: str,
        work: Callable[[], Any],
        failed: Callable[[], None] | None = None,
    ) -> Body:
        """Start an operation; there is one at a time on a cluster."""
        if self._cloud.store.find(path) is None:
            raise not_found(path)

        def alone() -> None:
            try:
                work()
            finally:
                end()

        def end() -> None:
            with self._cloud.store.lock:
                self._busy.pop(path, None)

        def gone_wrong() -> None:
            end()
            if failed is not None:
                failed()

        with self._cloud.store.lock:
            self._check_idle(path)
            self._busy[path] = "operation-00000"
            folder = "/".join(path.split("/")[:4])
            seconds = self._cloud.latencies.of(latency)
            operation = self._cloud.operations.start(
                "container",
                folder,
                kind=kind,
                target=path,
                seconds=seconds,
                work=alone,
                failed=gone_wrong,
                slow=kind in SLOW,
            )
            if path in self._busy:
                self._busy[path] = operation["name"]
        return operation


def dns_endpoint(location: str, cluster: str) -> str:
    """Return the name of a cluster's DNS endpoint. A real one has a number in the cluster's place."""
    return f"gke-{cluster}.{location}.gke.goog"


def _path(project: str, location: str, cluster: str) -> str:
    return f"projects/{project}/locations/{location}/clusters/{cluster}"


def _endpoint(cluster: Resource) -> str:
    """Return the address that older clients take."""
    endpoints = cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    which = "publicEndpoint" if endpoints.get("enablePublicEndpoint", False) else "privateEndpoint"
    return str(endpoints.get(which, ""))


def _show_networks_twice(cluster: Resource) -> None:
    """Show the authorized networks at their older place, too, as GKE does: clients know the one or the other."""
    networks = cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"].get("authorizedNetworksConfig")
    if networks is not None:
        cluster["masterAuthorizedNetworksConfig"] = networks


def _check_shape(path: str, wanted: Body) -> None:
    """Refuse what does not go together.

    Raises:
        CloudError: 400.
    """
    dataplane = wanted.get("networkConfig", {}).get("datapathProvider")
    if dataplane == "ADVANCED_DATAPATH" and wanted.get("networkPolicy", {}).get("enabled"):
        raise CloudError(400, "badRequest", "NetworkPolicy can not be enabled with DatapathProvider=ADVANCED_DATAPATH.")
    key = wanted.get("databaseEncryption", {}).get("keyName", "")
    location = path.split("/")[3]
    if key and key.split("/")[3] != location:
        raise CloudError(400, "badRequest", f"The key {key} is not in {location}, where the cluster is.")
    _check_maintenance(wanted.get("maintenancePolicy", {}))


def _check_maintenance(policy: Body) -> None:
    """Refuse a weekly window that is too short.

    Raises:
        CloudError: 400.
    """
    window = policy.get("window", {}).get("recurringWindow")
    if not window:
        return
    start, end = (datetime.fromisoformat(window["window"][name]) for name in ("startTime", "endTime"))
    rule = dict(part.split("=") for part in window["recurrence"].split(";"))
    if rule.pop("FREQ") != "WEEKLY" or set(rule) != {"BYDAY"}:
        raise CloudError(501, "notImplemented", f"the fake cloud knows no recurrence {window['recurrence']}")
    hours = (end - start).total_seconds() / 3600 * len(rule["BYDAY"].split(",")) * 4
    if hours < LEAST_MAINTENANCE:
        message = f"maintenance policy would go longer than 32d without {LEAST_MAINTENANCE}h maintenance availability"
        raise CloudError(400, "badRequest", message)


def _merged(one: Body, other: Body) -> Body:
    """Return two nested messages as one; where both say something, the second does."""
    both = {key for key in set(one) & set(other) if isinstance(one[key], dict) and isinstance(other[key], dict)}
    return {**one, **other, **{key: _merged(one[key], other[key]) for key in both}}

"""GKE: clusters and node pools, each with a real Kubernetes control plane behind it."""

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import PROJECT_NUMBER, ApiRequest, Body, Cloud, rule
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.errors import CloudError, already_exists, not_found, unknown
from tests.fake_cloud.quotas import count_nodes
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
"""Fields of an update, and the cluster's fields that they are merged into."""

REPLACED = {
    "desiredBinaryAuthorization": "binaryAuthorization",
    "desiredDatabaseEncryption": "databaseEncryption",
    "desiredLocations": "locations",
    "desiredLoggingConfig": "loggingConfig",
    "desiredMonitoringConfig": "monitoringConfig",
    "desiredSecretManagerConfig": "secretManagerConfig",
    "desiredSecurityPostureConfig": "securityPostureConfig",
    "desiredShieldedNodes": "shieldedNodes",
}
"""Fields of an update, and the cluster's fields that they replace."""

NESTED: Mapping[str, Callable[[Body], Body]] = {
    "desiredGatewayApiConfig": lambda wanted: {"networkConfig": {"gatewayApiConfig": wanted}},
    "desiredIntraNodeVisibilityConfig": lambda wanted: {
        "networkConfig": {"enableIntraNodeVisibility": wanted.get("enabled", False)}
    },
    "desiredNodeKubeletConfig": lambda wanted: {
        "nodePoolDefaults": {"nodeConfigDefaults": {"nodeKubeletConfig": wanted}}
    },
}
"""Fields of an update that are nested elsewhere in a cluster: the message that is merged into it."""

AUTOSCALING = frozenset({"desiredNodePoolId", "desiredNodePoolAutoscaling"})
"""Fields of an update that are of one of the cluster's node pools, and come alone."""

NODE_FIELDS = frozenset({"diskSizeGb", "diskType", "imageType", "machineType"})
"""Fields of a node pool's update that are in its node configuration."""

POOL_FIELDS = frozenset({"locations", "upgradeSettings"})
"""Fields of a node pool's update that are the pool's own."""

POOL_NAMES = frozenset({"name", "nodePoolId"})
"""Fields of a node pool's update that name the pool, as its path does."""

LEAST_MAINTENANCE = 48
"""Hours in any 32 days, in which a weekly window occurs at least four times."""


SLOW = ("CREATE_CLUSTER", "DELETE_CLUSTER")
"""Operations that start or stop a control plane."""


class Container:
    """The API's methods on clusters and node pools; fields that it does not know stay as they are given."""

    def __init__(self, cloud: Cloud, services: ServiceUsage, compute: Compute) -> None:
        self._cloud = cloud
        self._compute = compute
        self._services = services
        self._busy: dict[str, str] = {}

    def rules(self) -> list[Rule]:
        location = f"{PREFIX}projects/<project>/locations/<location>"
        cluster = f"{location}/clusters/<cluster>"
        return [
            rule("GET", f"{location}/operations/<name>", self._cloud.show),
            rule("GET", f"{location}/clusters", self.index),
            rule("POST", f"{location}/clusters", self.create),
            rule("GET", cluster, self.get),
            rule("PUT", cluster, self.update),
            rule("DELETE", cluster, self.delete),
            rule("POST", cluster, self.set_labels, suffix=":setResourceLabels"),
            rule("POST", cluster, self.set_maintenance, suffix=":setMaintenancePolicy"),
            rule("POST", f"{cluster}/nodePools", self.create_pool),
            rule("GET", f"{cluster}/nodePools/<pool>", self.get_pool),
            rule("PUT", f"{cluster}/nodePools/<pool>", self.update_pool),
            rule("POST", f"{cluster}/nodePools/<pool>", self.set_pool_size, suffix=":setSize"),
            rule("POST", f"{cluster}/nodePools/<pool>", self.set_pool_management, suffix=":setManagement"),
            rule("DELETE", f"{cluster}/nodePools/<pool>", self.delete_pool),
        ]

    def index(self, request: ApiRequest) -> Body:
        found = [one for path, one in self._cloud.store.all().items() if path.split("/")[-2] == "clusters"]
        return {"clusters": [one for one in found if request.location in ("-", one["location"])]}

    def get(self, request: ApiRequest) -> Body:
        pools = [pool for _, pool in self._cloud.store.under(f"{request.path}/nodePools")]
        return {**self._find(request.path), "nodePools": pools, "currentNodeCount": sum(map(count_nodes, pools))}

    def create(self, request: ApiRequest) -> Body:
        wanted = request.body["cluster"]
        path = f"{request.path}/{wanted['name']}"
        with self._cloud.store.lock:
            if self._cloud.store.find(path) is not None:
                raise already_exists(path)  # before its own range is found to be taken
            _check_shape(path, wanted)
            _check_authorized_networks(wanted)
            subnet = self._check_network(wanted)
            if wanted.get("fleet"):
                self._services.check("gkehub")
            cluster = self._cloud.store.add(path, self._build_cluster(path, wanted, subnet))
            self._add_pool(path, {**wanted.get("nodePools", [{"name": "default-pool"}])[0]})

        def work() -> None:
            range_ = cluster["privateClusterConfig"]["masterIpv4CidrBlock"]
            addresses = self._cloud.control_planes.start(request.location, wanted["name"], range_)
            self._serve_kinds(request.location, cluster)
            with self._cloud.store.lock:
                given = {"privateEndpoint": addresses.private, "publicEndpoint": addresses.public}
                # The provider reads the newer of the two fields, older clients the other one.
                cluster["privateClusterConfig"].update(given)
                cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"].update(given)
                cluster["endpoint"] = _get_endpoint(cluster)
                cluster["masterAuth"] = {"clusterCaCertificate": addresses.certificate}
                cluster["status"] = "RUNNING"
                if cluster.get("fleet"):
                    self.register(cluster)

        return self._start(path, "CREATE_CLUSTER", "cluster", work, changed=cluster)

    def update(self, request: ApiRequest) -> Body:
        changes = request.body["update"]
        if not changes:
            raise CloudError(400, "badRequest", "Must specify a field to update.")
        if set(changes) == AUTOSCALING:
            return self._set_pool(
                f"{request.path}/nodePools/{changes['desiredNodePoolId']}",
                autoscaling=changes["desiredNodePoolAutoscaling"],
            )
        if names := sorted(set(changes) - {*DESIRED, *REPLACED, *NESTED}):
            raise unknown(f"the update {', '.join(names)}")
        found = self._cloud.store.get(request.path)
        replaced = {REPLACED[desired]: value for desired, value in changes.items() if desired in REPLACED}
        _check_shape(request.path, replaced)
        wanted = copy.deepcopy(found)
        _apply(wanted, changes)
        _check_authorized_networks(wanted)

        def work() -> None:
            _apply(found, changes)
            found["endpoint"] = _get_endpoint(found)
            _copy_authorized_networks(found)
            self._serve_kinds(request.location, found)
            if "desiredLocations" in changes:
                # container.v1: a change of the cluster's locations changes those of all its node pools.
                for _, pool in self._cloud.store.under(f"{request.path}/nodePools"):
                    pool["locations"] = found["locations"]

        return self._start(request.path, "UPDATE_CLUSTER", "cluster-update", work)

    def _serve_kinds(self, location: str, cluster: Resource) -> None:
        channel = cluster["networkConfig"].get("gatewayApiConfig", {}).get("channel", "CHANNEL_DISABLED")
        if channel != "CHANNEL_DISABLED":
            self._cloud.control_planes.serve_kinds(location, cluster["name"], "Gateway API")
        if cluster.get("secretManagerConfig", {}).get("enabled", False):
            self._cloud.control_planes.serve_kinds(location, cluster["name"], "Secret Manager")

    def set_maintenance(self, request: ApiRequest) -> Body:
        """Set the maintenance policy; one without a window is none."""
        policy = request.body.get("maintenancePolicy", {})
        _check_maintenance(policy)
        return self._set(request.path, maintenancePolicy={**policy, "resourceVersion": "e3b0c442"})

    def set_labels(self, request: ApiRequest) -> Body:
        return self._set(request.path, resourceLabels=request.body["resourceLabels"])

    def _set(self, path: str, **fields: Any) -> Body:
        found = self._cloud.store.get(path)
        return self._start(path, "UPDATE_CLUSTER", "cluster-update", lambda: found.update(fields))

    def delete(self, request: ApiRequest) -> Body:
        path = request.path
        found = self._cloud.store.get(path)

        def work() -> None:
            self._cloud.control_planes.stop(request.location, request.name)
            with self._cloud.store.lock:
                for pool, _ in self._cloud.store.under(f"{path}/nodePools"):
                    self._cloud.store.remove(pool)
                self._cloud.store.remove(path.replace("/clusters/", "/memberships/"))
                self._cloud.store.remove(path)

        operation = self._start(path, "DELETE_CLUSTER", "cluster-delete", work, changed=found)
        with self._cloud.store.lock:
            if operation["status"] != "DONE" and found["status"] != "ERROR":
                found["status"] = "STOPPING"
        return operation

    def get_pool(self, request: ApiRequest) -> Body:
        return self._find(request.path)

    def create_pool(self, request: ApiRequest) -> Body:
        path = request.path.removesuffix("/nodePools")
        with self._cloud.store.lock:
            name = self._cloud.store.get(path)["name"]
            self._check_idle(path)
            pool = self._add_pool(path, request.body["nodePool"])

        def work() -> None:
            self._cloud.control_planes.add_nodes(request.location, name)
            pool["status"] = "RUNNING"

        return self._start(path, "CREATE_NODE_POOL", "nodes", work, changed=pool)

    def update_pool(self, request: ApiRequest) -> Body:
        """Update a pool; the operation ends when all nodes have what is new."""
        changes = {key: value for key, value in request.body.items() if key not in POOL_NAMES}
        if names := sorted(set(changes) - NODE_FIELDS - POOL_FIELDS):
            raise unknown(f"the update {', '.join(names)} of a node pool")
        of_nodes = {key: value for key, value in changes.items() if key in NODE_FIELDS}
        if "diskSizeGb" in of_nodes:
            of_nodes["diskSizeGb"] = int(
                of_nodes["diskSizeGb"]
            )  # here an int64, which JSON has as text, there an int32
        of_pool = {key: value for key, value in changes.items() if key in POOL_FIELDS}
        config = {**self._cloud.store.get(request.path).get("config", {}), **of_nodes}
        return self._set_pool(request.path, "nodes", **of_pool, config=config)

    def set_pool_size(self, request: ApiRequest) -> Body:
        return self._set_pool(request.path, "nodes", initialNodeCount=request.body["nodeCount"])

    def set_pool_management(self, request: ApiRequest) -> Body:
        return self._set_pool(request.path, management=request.body["management"])

    def _set_pool(self, path: str, latency: str = "cluster-update", /, **fields: Any) -> Body:
        found = self._cloud.store.get(path)
        cluster = path.partition("/nodePools/")[0]
        return self._start(cluster, "UPDATE_CLUSTER", latency, lambda: found.update(fields))

    def delete_pool(self, request: ApiRequest) -> Body:
        self._cloud.store.get(request.path)
        cluster = request.path.partition("/nodePools/")[0]
        return self._start(
            cluster, "DELETE_NODE_POOL", "cluster-update", lambda: self._cloud.store.remove(request.path)
        )

    def _find(self, path: str) -> Resource:
        found = self._cloud.store.find(path)
        if found is None:
            raise CloudError(404, "notFound", f"Not found: {path}.")
        return found

    def _check_network(self, wanted: Body) -> Resource:
        """Return the cluster's subnet.

        Raises:
            CloudError: it does not exist, or the control plane's range is taken.
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

    def _build_cluster(self, path: str, wanted: Body, subnet: Resource) -> Resource:
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
            "controlPlaneEndpointsConfig": _merge(
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
        _copy_authorized_networks(cluster)
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

    def register(self, cluster: Resource) -> None:
        """Create the cluster's membership of the fleet, which is regional and deleted with it."""
        place = f"locations/{cluster['location']}/memberships/{cluster['name']}"
        name = f"projects/{self._cloud.project}/{place}"
        if self._cloud.store.find(name) is None:
            link = f"//container.googleapis.com/{name.replace('/memberships/', '/clusters/')}"
            endpoint = {"gkeCluster": {"resourceLink": link}}
            self._cloud.store.add(name, {"name": name, "endpoint": endpoint, "state": {"code": "READY"}})
        link = f"//gkehub.googleapis.com/projects/{PROJECT_NUMBER}/{place}"
        cluster["fleet"] = {**cluster["fleet"], "membership": link}

    def _check_idle(self, path: str) -> None:
        if path in self._busy:
            message = f"Cluster is running incompatible operation {self._busy[path]}."
            raise CloudError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")

    def _start(
        self, path: str, kind: str, latency: str, work: Callable[[], Any], changed: Resource | None = None
    ) -> Body:
        """Start an operation; a cluster has one at a time.

        Args:
            path: of the cluster.
            kind: the operation's type.
            latency: name of its duration.
            work: runs at the end.
            changed: resource whose status is ERROR after a failure.
        """
        if self._cloud.store.find(path) is None:
            raise not_found(path)

        def end() -> None:
            with self._cloud.store.lock:
                self._busy.pop(path, None)

        def run() -> None:
            work()
            end()

        def fail() -> None:
            end()
            if changed is not None:
                changed["status"] = "ERROR"

        with self._cloud.store.lock:
            self._check_idle(path)
            self._busy[path] = "operation-00000"
            operation = self._cloud.operations.start(
                "container", kind, path, latency, work=run, failed=fail, slow=kind in SLOW
            )
            if path in self._busy:
                self._busy[path] = operation["name"]
        return operation


def dns_endpoint(location: str, cluster: str) -> str:
    """Return the name of a cluster's DNS endpoint. A real one has a number instead of the cluster's name."""
    return f"gke-{cluster}.{location}.gke.goog"


def _get_endpoint(cluster: Resource) -> str:
    """Return the address that older clients use."""
    endpoints = cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    which = "publicEndpoint" if endpoints.get("enablePublicEndpoint", False) else "privateEndpoint"
    return str(endpoints.get(which, ""))


def _copy_authorized_networks(cluster: Resource) -> None:
    """Copy the authorized networks to the older field, too, as GKE does: each client knows one of the two."""
    networks = cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"].get("authorizedNetworksConfig")
    if networks is not None:
        cluster["masterAuthorizedNetworksConfig"] = networks


def _apply(cluster: Resource, changes: Body) -> None:
    """Change a cluster as an update of GKE's does."""
    for desired, value in changes.items():
        if desired in REPLACED:
            cluster[REPLACED[desired]] = value
        elif desired in NESTED:
            cluster.update(_merge(cluster, NESTED[desired](value)))
        elif desired in DESIRED:
            cluster[DESIRED[desired]] = _merge(cluster.get(DESIRED[desired], {}), value)


def _check_authorized_networks(cluster: Body) -> None:
    """Check that no public range is authorized where there is a private address only.

    Source: https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/153

    Raises:
        CloudError: 400.
    """
    endpoints = cluster.get("controlPlaneEndpointsConfig", {}).get("ipEndpointsConfig", {})
    private = cluster.get("privateClusterConfig", {}).get("enablePrivateEndpoint", False)
    if not endpoints.get("enablePublicEndpoint", not private):
        networks = endpoints.get("authorizedNetworksConfig") or cluster.get("masterAuthorizedNetworksConfig", {})
        for block in networks.get("cidrBlocks", []):
            if IPv4Network(block["cidrBlock"]).is_global:
                message = (
                    f'Invalid master authorized networks: network "{block["cidrBlock"]}" is not a reserved network, '
                    "which is required for private endpoints."
                )
                raise CloudError(400, "badRequest", message)


def _check_shape(path: str, wanted: Body) -> None:
    """Check that fields do not exclude each other.

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
    """Check that a weekly window is long enough.

    Raises:
        CloudError: 400.
    """
    window = policy.get("window", {}).get("recurringWindow")
    if not window:
        return
    start, end = (datetime.fromisoformat(window["window"][name]) for name in ("startTime", "endTime"))
    recurrence = dict(part.split("=") for part in window["recurrence"].split(";"))
    if recurrence.pop("FREQ") != "WEEKLY" or set(recurrence) != {"BYDAY"}:
        raise unknown(f"the recurrence {window['recurrence']}")
    hours = (end - start).total_seconds() / 3600 * len(recurrence["BYDAY"].split(",")) * 4
    if hours < LEAST_MAINTENANCE:
        message = f"maintenance policy would go longer than 32d without {LEAST_MAINTENANCE}h maintenance availability"
        raise CloudError(400, "badRequest", message)


def _merge(one: Body, other: Body) -> Body:
    """Return two nested messages as one; the second wins where both have a field."""
    both = {key for key in set(one) & set(other) if isinstance(one[key], dict) and isinstance(other[key], dict)}
    return {**one, **other, **{key: _merge(one[key], other[key]) for key in both}}

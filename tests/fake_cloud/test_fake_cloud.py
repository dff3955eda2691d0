"""The fake cloud, called over HTTP as the provider and gcloud call it."""

import http.client
import json
import threading
import time

import pytest
from google.auth import exceptions

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.faults import OperationFault, RequestFault
from tests.fake_cloud.testing import (
    APIS,
    CLUSTERS,
    COMPUTE,
    LOCATION,
    NETWORK,
    PROJECT,
    SERVICES,
    SUBNETS,
    ApiClient,
    FakeGcp,
    build_cluster,
    build_subnet,
    enable,
    from_service_account,
    is_done,
    make_cluster,
    make_network,
    make_subnet,
    operation_path,
    running,
)
from tests.rehearsal.fake_tools.cloud_sdk import SCOPES, send_request

HUB = f"/gkehub/v1/projects/{PROJECT}/locations"
FEATURES = f"{HUB}/global/features"
POLICY = f"/cloudresourcemanager/v1/projects/{PROJECT}"
ACCOUNTS = f"/iam/v1/projects/{PROJECT}/serviceAccounts"
AGENT = f"serviceAccount:service-{PROJECT_NUMBER}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"


# --- authentication and authorization


def test_a_call_needs_a_valid_token(gcp: FakeGcp) -> None:
    token = gcp.token()
    services = ApiClient(gcp.base, token)
    assert services.ok("GET", SERVICES)["services"]
    error = ApiClient(gcp.base, "ya29.unknown").error("GET", SERVICES)
    assert (error.code, error.status) == (401, "UNAUTHENTICATED")
    gcp.server.cloud.identity.expire(token)
    assert services.error("GET", SERVICES).code == 401
    assert gcp.client().ok("GET", SERVICES)["services"]


def test_a_token_expires(gcp: FakeGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fake_cloud.identity.LIFETIME", 0)
    assert gcp.client().error("GET", SERVICES).code == 401


def test_another_key_gets_no_token(gcp: FakeGcp) -> None:
    with running() as other:
        key = json.loads(other.server.cloud.identity.credentials())
    credentials = from_service_account({**key, "token_uri": f"{gcp.base}/token"}, scopes=SCOPES)
    with pytest.raises(exceptions.RefreshError, match="invalid_grant"):
        credentials.refresh(send_request)


def test_token_review(gcp: FakeGcp) -> None:
    def review(token: str) -> Body:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        content = ApiClient(gcp.base, "").ok("POST", "/tokenreview", body)
        assert (content["apiVersion"], content["kind"]) == ("authentication.k8s.io/v1", "TokenReview")
        status: Body = content["status"]
        return status

    token = gcp.token()
    status = review(token)
    assert status["authenticated"] is True
    assert status["user"] == {"username": f"deployer@{PROJECT}.iam.gserviceaccount.com", "groups": ["system:masters"]}
    gcp.server.cloud.identity.expire(token)
    assert review(token) == review("ya29.unknown") == {"authenticated": False}


def test_token_review_does_not_wait_for_other_calls(gcp: FakeGcp, client: ApiClient) -> None:
    """What happens during a call, such as starting nodes, may need one."""
    make_cluster(client)
    token = gcp.token()
    contents: list[Body] = []

    def add_nodes() -> None:
        body = {"apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}
        asking = threading.Thread(
            target=lambda: contents.append(ApiClient(gcp.base, "").ok("POST", "/tokenreview", body))
        )
        asking.start()
        asking.join(2)
        contents.append({"kind": "nodes"})

    gcp.planes.nodes = add_nodes
    client.ok("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes"}})
    assert len(contents) == 2
    assert contents[0]["status"]["authenticated"] is True


def test_an_api_must_be_enabled(gcp: FakeGcp) -> None:
    client = gcp.client()
    for path in (f"{COMPUTE}/global/networks", CLUSTERS, FEATURES, f"{ACCOUNTS}/x@y"):
        error = client.error("GET", path)
        assert (error.code, error.reason, error.status) == (403, "accessNotConfigured", "PERMISSION_DENIED")
    enable(client, "compute")
    assert client.ok("GET", f"{COMPUTE}/global/networks")["items"] == []
    assert client.error("GET", CLUSTERS).code == 403


def test_unknown_calls_fail_and_are_recorded(gcp: FakeGcp, client: ApiClient) -> None:
    assert gcp.server.journal.unknown() == []
    assert client.error("GET", f"{COMPUTE}/global/snapshots").code == 501
    assert client.error("POST", f"{COMPUTE}/global/networks/vpc/addPeering", {}).code == 501
    assert client.error("GET", f"{COMPUTE}/global/networks/vpc").code == 404
    assert [str(call) for call in gcp.server.journal.unknown()] == [
        f"501 GET {COMPUTE}/global/snapshots",
        f"501 POST {COMPUTE}/global/networks/vpc/addPeering",
    ]


# --- Compute Engine


def test_a_network_in_use_can_not_be_deleted(client: ApiClient) -> None:
    make_network(client)
    firewall = {"name": "rule", "network": f"https://www.googleapis.com/compute/v1/{NETWORK}"}
    client.ok("POST", f"{COMPUTE}/global/firewalls", firewall)
    error = client.error("DELETE", f"{COMPUTE}/global/networks/vpc")
    assert (error.code, error.reason) == (400, "resourceInUseByAnotherResource")
    assert "firewalls/rule" in error.message
    client.ok("DELETE", f"{COMPUTE}/global/firewalls/rule")
    client.ok("DELETE", f"{COMPUTE}/global/networks/vpc")
    assert client.error("GET", f"{COMPUTE}/global/networks/vpc").code == 404


def test_a_subnet_with_an_endpoint_group_can_not_be_deleted(client: ApiClient) -> None:
    make_network(client)
    client.ok("POST", SUBNETS, build_subnet("one", "10.0.0.0/20", "10.4.0.0/14"))
    groups, links = f"{COMPUTE}/zones/{LOCATION}-a/networkEndpointGroups", "https://www.googleapis.com"
    body = {"name": "gsmrsvd-1", "network": f"{links}/compute/v1/{NETWORK}", "subnetwork": f"{links}{SUBNETS}/one"}
    client.ok("POST", groups, body)
    for path in (f"{SUBNETS}/one", f"{COMPUTE}/global/networks/vpc"):
        error = client.error("DELETE", path)
        assert (error.code, error.reason) == (400, "resourceInUseByAnotherResource")
    assert "is already being used by" in client.error("DELETE", f"{SUBNETS}/one").message
    assert "gsmrsvd-1" in client.error("DELETE", f"{SUBNETS}/one").message
    client.ok("DELETE", f"{groups}/gsmrsvd-1")
    client.ok("DELETE", f"{SUBNETS}/one")


def test_health_is_of_a_group_that_the_backend_service_uses(client: ApiClient, gcp: FakeGcp) -> None:
    make_network(client)
    groups = f"{COMPUTE}/zones/{LOCATION}-a/networkEndpointGroups"
    for name in ("one", "other"):
        client.ok("POST", groups, {"name": name, "network": f"https://www.googleapis.com/compute/v1/{NETWORK}"})
    backends = [{"group": f"https://www.googleapis.com{groups}/one"}]
    client.ok("POST", f"{COMPUTE}/global/backendServices", {"name": "service", "backends": backends})
    path = f"{COMPUTE}/global/backendServices/service/getHealth"
    assert "healthStatus" not in client.ok("POST", path, backends[0])
    health = [{"ipAddress": "10.4.0.2", "healthState": "UNHEALTHY"}]
    gcp.server.compute.endpoint_health = lambda group: health if group.endswith("/one") else []
    assert client.ok("POST", path, backends[0])["healthStatus"] == health
    error = client.error("POST", path, {"group": f"https://www.googleapis.com{groups}/other"})
    assert (error.code, error.reason) == (400, "invalid")


def test_ranges_of_subnets_do_not_overlap(client: ApiClient) -> None:
    make_network(client)
    client.ok("POST", SUBNETS, build_subnet("one", "10.0.0.0/20", "10.4.0.0/14"))
    for wanted, conflict in (
        (build_subnet("two", "10.0.8.0/24"), "10.0.0.0/20"),
        (build_subnet("two", "10.5.0.0/16"), "10.4.0.0/14"),
        (build_subnet("two", "10.1.0.0/20", "10.0.0.0/16"), "10.0.0.0/20"),
        (build_subnet("two", "10.1.0.0/20", "10.8.0.0/20", "10.8.8.0/24"), "another of its subnet"),
        (build_subnet("two", "10.1.0.0/20", "10.1.0.0/20"), "another of its subnet"),
    ):
        error = client.error("POST", SUBNETS, wanted)
        assert (error.code, error.reason) == (400, "invalid")
        assert conflict in error.message
    client.ok("POST", SUBNETS, build_subnet("two", "10.1.0.0/20", "10.8.0.0/20"))
    client.ok("POST", f"{COMPUTE}/global/networks", {"name": "other"})
    elsewhere = {**build_subnet("three", "10.0.0.0/20"), "network": NETWORK.replace("vpc", "other")}
    client.ok("POST", SUBNETS, elsewhere)


def test_a_subnet_does_not_overlap_with_a_control_planes_range(client: ApiClient) -> None:
    make_cluster(client)
    error = client.error("POST", SUBNETS, build_subnet("two", "192.168.0.0/16"))
    assert (error.code, error.reason) == (400, "invalid")
    assert "192.168.8.0/28" in error.message


def test_a_network_has_one_active_subnet_of_proxies_a_region(client: ApiClient) -> None:
    make_network(client)
    body = build_subnet("proxies", "10.9.0.0/26") | {"purpose": "GLOBAL_MANAGED_PROXY", "role": "ACTIVE"}
    for wrong in ({"role": None}, {"privateIpGoogleAccess": True}, {"ipCidrRange": "10.9.0.0/27"}):
        content = {name: value for name, value in (body | wrong).items() if value is not None}
        assert client.error("POST", SUBNETS, content).reason == "invalid"
    client.ok("POST", SUBNETS, body)
    other = body | {"name": "other", "ipCidrRange": "10.9.1.0/26"}
    assert "proxies" in client.error("POST", SUBNETS, other).message
    client.ok("POST", SUBNETS, other | {"purpose": "REGIONAL_MANAGED_PROXY"})
    client.ok("POST", SUBNETS.replace(LOCATION, "asia-northeast2"), other | {"ipCidrRange": "10.9.2.0/26"})


def test_a_subnet_of_proxies_stays_while_its_region_has_a_load_balancer(gcp: FakeGcp, client: ApiClient) -> None:
    make_network(client)
    proxies = {"purpose": "GLOBAL_MANAGED_PROXY", "role": "ACTIVE"}
    client.ok("POST", SUBNETS, build_subnet("proxies", "10.9.0.0/26") | proxies)
    rule = {
        "loadBalancingScheme": "INTERNAL_MANAGED",
        "network": f"{gcp.base}/compute/v1/{NETWORK}",
        "subnetwork": f"projects/{PROJECT}/regions/asia-northeast2/subnetworks/nodes",
    }
    place = f"projects/{PROJECT}/global/forwardingRules/gateway"
    gcp.server.cloud.store.add(place, rule | {"subnetwork": f"projects/{PROJECT}/regions/{LOCATION}/subnetworks/nodes"})
    error = client.error("DELETE", f"{SUBNETS}/proxies")
    assert (error.code, error.reason) == (400, "resourceInUseByAnotherResource")
    assert place in error.message
    gcp.server.cloud.store.remove(place)
    gcp.server.cloud.store.add(place, rule)
    client.ok("DELETE", f"{SUBNETS}/proxies")


def test_names_are_unique(client: ApiClient) -> None:
    make_cluster(client)
    client.ok("POST", f"{COMPUTE}/global/addresses", {"name": "address"})
    client.ok("POST", ACCOUNTS, {"accountId": "nodes"})
    for path, body in (
        (f"{COMPUTE}/global/networks", {"name": "vpc"}),
        (f"{COMPUTE}/global/addresses", {"name": "address"}),
        (SUBNETS, build_subnet("subnet", "10.0.0.0/20", "10.4.0.0/14", "10.96.0.0/20")),
        (CLUSTERS, build_cluster()),
        (ACCOUNTS, {"accountId": "nodes"}),
    ):
        error = client.error("POST", path, body)
        assert (error.code, error.reason, error.status) == (409, "alreadyExists", "ALREADY_EXISTS")


def test_references_must_exist(client: ApiClient) -> None:
    assert client.error("POST", SUBNETS, build_subnet("one", "10.0.0.0/20")).code == 404
    make_network(client)
    client.ok("POST", SUBNETS, build_subnet("subnet", "10.0.0.0/20"))
    error = client.error("POST", CLUSTERS, build_cluster())
    assert (error.code, error.reason) == (400, "badRequest")
    assert "range-0" in error.message


def test_lists_are_filtered(gcp: FakeGcp, client: ApiClient) -> None:
    """By expressions as gcloud makes them of ``name~^mci- AND network~/vpc$``."""
    make_network(client)
    client.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc-2"})
    for name, network in (("mci-1", "vpc"), ("mci-2", "vpc-2"), ("own-mci-3", "vpc")):
        link = f"{gcp.base}{COMPUTE}/global/networks/{network}"
        client.ok("POST", f"{COMPUTE}/global/firewalls", {"name": name, "network": link})

    def listed(expression: str) -> list[str]:
        content = client.ok("GET", f"{COMPUTE}/global/firewalls?filter={expression}")
        return [one["name"] for one in content["items"]]

    by_name = "name+eq+%22.*(%5Emci-).*%22"
    assert listed("") == ["mci-1", "mci-2", "own-mci-3"]
    assert listed(by_name) == ["mci-1", "mci-2"]
    assert listed(f"({by_name})(network+eq+%22.*(/vpc%24).*%22)") == ["mci-1"]
    assert client.error("GET", f"{COMPUTE}/global/firewalls?filter=name+ne+mci").code == 501


def test_an_aggregated_list_warns_of_empty_and_unreachable_places(gcp: FakeGcp, client: ApiClient) -> None:
    path = f"{COMPUTE}/aggregated/addresses"
    assert client.ok("GET", path)["items"]["global"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    client.ok("POST", f"{COMPUTE}/global/addresses", {"name": "address"})
    client.ok("POST", f"{COMPUTE}/regions/{LOCATION}/addresses", {"name": "address"})
    gcp.server.compute.silent.add("zones/us-west1-a")
    items = client.ok("GET", path)["items"]
    assert {place: [one["name"] for one in found.get("addresses", [])] for place, found in items.items()} == {
        "global": ["address"],
        f"regions/{LOCATION}": ["address"],
        "zones/us-west1-a": [],
    }
    assert "warning" not in items["global"]
    assert items["zones/us-west1-a"]["warning"]["code"] == "UNREACHABLE"


def test_service_accounts_are_listed(client: ApiClient) -> None:
    assert client.ok("GET", ACCOUNTS) == {"accounts": []}
    email = client.ok("POST", ACCOUNTS, {"accountId": "nodes"})["email"]
    assert [one["email"] for one in client.ok("GET", ACCOUNTS)["accounts"]] == [email]


# --- GKE


def test_a_cluster_and_its_control_plane(gcp: FakeGcp, client: ApiClient) -> None:
    assert "error" not in make_cluster(client)
    assert gcp.planes.calls == [("start", LOCATION, "tokyo-1", "192.168.8.0/28")]
    found = client.ok("GET", f"{CLUSTERS}/tokyo-1")
    assert (found["status"], found["endpoint"]) == ("RUNNING", "192.0.2.1")
    assert found["privateClusterConfig"]["privateEndpoint"] == "192.168.8.2"
    assert found["masterAuth"]["clusterCaCertificate"] == "Q0VSVA=="
    client.ok("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes"}})
    error = client.error("DELETE", SUBNETS + "/subnet")
    assert (error.code, error.reason) == (400, "resourceInUseByAnotherResource")
    assert "error" not in client.run("DELETE", f"{CLUSTERS}/tokyo-1")
    assert gcp.planes.calls[1:] == [("add nodes", LOCATION, "tokyo-1"), ("stop", LOCATION, "tokyo-1")]
    assert client.error("GET", f"{CLUSTERS}/tokyo-1").code == 404
    assert client.error("GET", f"{CLUSTERS}/tokyo-1/nodePools/nodes").code == 404
    client.ok("DELETE", SUBNETS + "/subnet")


def test_a_membership_is_created_and_deleted_with_its_cluster(client: ApiClient) -> None:
    make_cluster(client)
    name = f"projects/{PROJECT}/locations/{LOCATION}/memberships/tokyo-1"
    assert [one["name"] for one in client.ok("GET", f"{HUB}/-/memberships")["resources"]] == [name]
    link = client.ok("GET", f"{CLUSTERS}/tokyo-1")["fleet"]["membership"]
    assert link == f"//gkehub.googleapis.com/{name}".replace(PROJECT, PROJECT_NUMBER)
    client.run("DELETE", f"{CLUSTERS}/tokyo-1")
    assert client.ok("GET", f"{HUB}/-/memberships") == {"resources": []}


def test_authorized_networks_are_in_both_fields(gcp: FakeGcp, client: ApiClient) -> None:
    def update(*ranges: str) -> Body:
        networks = {"enabled": True, "cidrBlocks": [{"cidrBlock": one} for one in ranges]}
        change = {"desiredControlPlaneEndpointsConfig": {"ipEndpointsConfig": {"authorizedNetworksConfig": networks}}}
        client.run("PUT", f"{CLUSTERS}/tokyo-1", {"update": change})
        found: Body = client.ok("GET", f"{CLUSTERS}/tokyo-1")["masterAuthorizedNetworksConfig"]
        return found

    make_cluster(client)
    # They are a set, whose order is the API's.
    assert [one["cidrBlock"] for one in update("10.4.0.0/14", "10.8.0.0/14")["cidrBlocks"]] == [
        "10.8.0.0/14",
        "10.4.0.0/14",
    ]
    assert [one["cidrBlock"] for one in update("10.8.0.0/14")["cidrBlocks"]] == ["10.8.0.0/14"]


def test_sources_of_logs_are_returned_in_the_order_of_the_enum(client: ApiClient) -> None:
    make_cluster(client)
    sources = ["SCHEDULER", "APISERVER", "WORKLOADS", "SYSTEM_COMPONENTS"]
    change = {"desiredLoggingConfig": {"componentConfig": {"enableComponents": sources}}}
    client.run("PUT", f"{CLUSTERS}/tokyo-1", {"update": change})
    found = client.ok("GET", f"{CLUSTERS}/tokyo-1")["loggingConfig"]["componentConfig"]["enableComponents"]
    assert found == ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER"]


def test_a_node_pool_is_updated(client: ApiClient) -> None:
    make_cluster(client)
    pool = f"{CLUSTERS}/tokyo-1/nodePools/nodes"
    config = {"machineType": "e2-standard-4", "imageType": "COS_CONTAINERD"}
    client.run("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes", "config": config}})
    client.run("PUT", pool, {"name": "nodes", "machineType": "e2-standard-8", "locations": [f"{LOCATION}-a"]})
    client.run("POST", f"{pool}:setSize", {"nodeCount": 4})
    client.run("POST", f"{pool}:setManagement", {"management": {"autoRepair": True}})
    scaling = {"enabled": True, "minNodeCount": 1, "maxNodeCount": 4}
    update = {"desiredNodePoolId": "nodes", "desiredNodePoolAutoscaling": scaling}
    client.run("PUT", f"{CLUSTERS}/tokyo-1", {"update": update})
    found = client.ok("GET", pool)
    assert found["config"] == {**config, "machineType": "e2-standard-8"}
    assert (found["locations"], found["initialNodeCount"]) == ([f"{LOCATION}-a"], 4)
    assert (found["management"], found["autoscaling"]) == ({"autoRepair": True}, scaling)
    assert client.error("PUT", pool, {"name": "nodes", "confidentialNodes": {}}).code == 501


def test_locations_of_a_cluster_are_those_of_its_node_pools(client: ApiClient) -> None:
    make_cluster(client)
    client.run("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes"}})
    locations = [f"{LOCATION}-a", f"{LOCATION}-b"]
    client.run("PUT", f"{CLUSTERS}/tokyo-1", {"update": {"desiredLocations": locations}})
    for path in (f"{CLUSTERS}/tokyo-1", f"{CLUSTERS}/tokyo-1/nodePools/nodes"):
        assert sorted(client.ok("GET", path)["locations"]) == locations


def test_one_operation_at_a_time_on_a_cluster(gcp: FakeGcp, client: ApiClient) -> None:
    make_subnet(client)
    gcp.planes.gate.clear()
    operation = client.ok("POST", CLUSTERS, build_cluster())
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["status"] == "PROVISIONING"
    for method, path, body in (
        ("DELETE", f"{CLUSTERS}/tokyo-1", None),
        ("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes"}}),
        ("PUT", f"{CLUSTERS}/tokyo-1", {"update": {"desiredReleaseChannel": {"channel": "RAPID"}}}),
    ):
        error = client.error(method, path, body)
        assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
        assert operation["name"] in error.message
    assert not is_done(client.ok("GET", operation_path(operation)))
    gcp.planes.gate.set()
    client.wait(operation_path(operation))
    client.ok("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": {"name": "nodes"}})


@pytest.mark.parametrize(("patience", "done"), [(10.0, True), (0.2, False), (0.0, False)])
def test_polling_an_operation_waits_for_its_end(patience: float, done: bool) -> None:
    with running(patience=patience) as gcp:
        client = gcp.client()
        enable(client)
        make_subnet(client)
        gcp.planes.gate.clear()
        operation = client.ok("POST", CLUSTERS, build_cluster())
        assert not is_done(operation)
        opening = threading.Timer(0.8, gcp.planes.gate.set)
        opening.start()
        start = time.monotonic()
        assert is_done(client.ok("GET", operation_path(operation))) is done
        assert time.monotonic() - start < 5, "not longer than it takes"
        opening.join()


@pytest.mark.parametrize("error", [RuntimeError("no room"), CloudError(400, "invalid", "no room")])
def test_a_control_plane_that_does_not_start(gcp: FakeGcp, client: ApiClient, error: Exception) -> None:
    gcp.planes.error = error
    operation = make_cluster(client)
    assert "no room" in operation["error"]["message"]
    assert "no room" in operation["statusMessage"]
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["status"] == "ERROR"
    assert client.ok("GET", f"{HUB}/-/memberships") == {"resources": []}
    # It can be deleted and recreated.
    assert "error" not in client.run("DELETE", f"{CLUSTERS}/tokyo-1")
    gcp.planes.error = None
    client.run("POST", CLUSTERS, build_cluster())
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["status"] == "RUNNING"


def test_a_control_planes_range_overlaps_with_nothing_of_its_network(client: ApiClient) -> None:
    make_cluster(client)
    error = client.error("POST", CLUSTERS, build_cluster("tokyo-2"))
    assert (error.code, error.reason) == (400, "badRequest")
    inside_a_subnet = build_cluster("tokyo-3")
    subnet = client.ok("GET", inside_a_subnet["cluster"]["subnetwork"].replace("projects/", "/compute/v1/projects/", 1))
    base = subnet["ipCidrRange"].partition("/")[0]
    inside_a_subnet["cluster"]["privateClusterConfig"]["masterIpv4CidrBlock"] = f"{base}/28"
    assert client.error("POST", CLUSTERS, inside_a_subnet).reason == "badRequest"


# --- hardening of a cluster


def test_the_gateway_api_has_kinds(gcp: FakeGcp, client: ApiClient) -> None:
    """Of a cluster that is created with it, and of one that gets it."""
    served = "serve kinds of Gateway API"
    body = build_cluster("tokyo-1")
    make_cluster(client)
    assert served not in [call for call, *_ in gcp.planes.calls]
    path = f"{CLUSTERS}/tokyo-1"
    client.run("PUT", path, {"update": {"desiredGatewayApiConfig": {"channel": "CHANNEL_STANDARD"}}})
    assert gcp.planes.calls[-1] == (served, LOCATION, "tokyo-1")
    network = client.ok("GET", path)["networkConfig"]
    assert network["gatewayApiConfig"] == {"channel": "CHANNEL_STANDARD"}
    assert network["network"] == NETWORK
    client.run("DELETE", path)
    body["cluster"]["networkConfig"] = {"gatewayApiConfig": {"channel": "CHANNEL_STANDARD"}}
    client.run("POST", CLUSTERS, body)
    assert gcp.planes.calls[-1] == (served, LOCATION, "tokyo-1")


def test_the_secret_manager_add_on_has_a_kind(gcp: FakeGcp, client: ApiClient) -> None:
    path = f"{CLUSTERS}/tokyo-1"
    served = ("serve kinds of Secret Manager", LOCATION, "tokyo-1")
    make_cluster(client)
    assert client.error("PUT", path, {"update": {}}).message == "Must specify a field to update."
    client.run("PUT", path, {"update": {"desiredSecretManagerConfig": {"enabled": True}}})
    assert gcp.planes.calls[-1] == served
    client.run("PUT", path, {"update": {"desiredSecretManagerConfig": {"enabled": False}}})
    assert gcp.planes.calls.count(served) == 1
    assert client.ok("GET", path)["secretManagerConfig"] == {"enabled": False}


def test_an_update_changes_the_hardening_of_a_cluster(client: ApiClient) -> None:
    make_cluster(client)
    path = f"{CLUSTERS}/tokyo-1"

    def update(**changes: Body) -> Body:
        client.run("PUT", path, {"update": changes})
        return client.ok("GET", path)

    key = {"state": "ENCRYPTED", "keyName": f"projects/p/locations/{LOCATION}/keyRings/r/cryptoKeys/k"}
    assert update(desiredDatabaseEncryption=key)["databaseEncryption"] == key
    assert update(desiredDatabaseEncryption={"state": "DECRYPTED"})["databaseEncryption"] == {"state": "DECRYPTED"}
    found = update(desiredMonitoringConfig={"managedPrometheusConfig": {"enabled": True}})
    assert found["monitoringConfig"] == {"managedPrometheusConfig": {"enabled": True}}
    assert update(desiredMonitoringConfig={})["monitoringConfig"] == {}, "replaced as a whole, as GKE does"
    found = update(desiredIntraNodeVisibilityConfig={"enabled": True})
    assert found["networkConfig"]["enableIntraNodeVisibility"] is True
    assert found["networkConfig"]["network"] == NETWORK
    assert update(desiredIntraNodeVisibilityConfig={})["networkConfig"]["enableIntraNodeVisibility"] is False
    port = {"insecureKubeletReadonlyPortEnabled": False}
    found = update(desiredNodeKubeletConfig=port)
    assert found["nodePoolDefaults"] == {"nodeConfigDefaults": {"nodeKubeletConfig": port}}
    assert client.error("PUT", path, {"update": {"desiredDnsConfig": {}}}).code == 501


def test_the_endpoint_is_private_without_a_public_one(client: ApiClient) -> None:
    make_cluster(client)
    path = f"{CLUSTERS}/tokyo-1"
    assert client.ok("GET", path)["endpoint"] == "192.0.2.1"
    change = {"desiredControlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enablePublicEndpoint": False}}}
    client.run("PUT", path, {"update": change})
    assert client.ok("GET", path)["endpoint"] == "192.168.8.2"


def _weekly(hours: int, days: str = "MO") -> Body:
    window = {"startTime": "2024-01-01T00:00:00Z", "endTime": f"2024-01-01T{hours:02}:00:00Z"}
    return {"window": {"recurringWindow": {"window": window, "recurrence": f"FREQ=WEEKLY;BYDAY={days}"}}}


def test_contradictory_fields_of_a_cluster_are_rejected(client: ApiClient) -> None:
    elsewhere = {"state": "ENCRYPTED", "keyName": "projects/p/locations/us-east1/keyRings/r/cryptoKeys/k"}
    make_subnet(client)
    for part, message in (
        ({"databaseEncryption": elsewhere}, f"is not in {LOCATION}"),
        ({"maintenancePolicy": _weekly(11)}, "without 48h maintenance availability"),
        (
            {"networkConfig": {"datapathProvider": "ADVANCED_DATAPATH"}, "networkPolicy": {"enabled": True}},
            "NetworkPolicy can not be enabled",
        ),
    ):
        error = client.error("POST", CLUSTERS, {"cluster": {**build_cluster()["cluster"], **part}})
        assert (error.code, error.reason) == (400, "badRequest")
        assert message in error.message
    client.run("POST", CLUSTERS, build_cluster())
    policy = f"{CLUSTERS}/tokyo-1:setMaintenancePolicy"
    assert client.error("POST", policy, {"maintenancePolicy": _weekly(5, "SA,SU")}).code == 400
    change = {"update": {"desiredDatabaseEncryption": elsewhere}}
    assert client.error("PUT", f"{CLUSTERS}/tokyo-1", change).code == 400
    for wanted in (_weekly(12), _weekly(6, "SA,SU"), {}):
        client.run("POST", policy, {"maintenancePolicy": wanted})
        found = client.ok("GET", f"{CLUSTERS}/tokyo-1")["maintenancePolicy"]
        assert found.get("window") == wanted.get("window")


# --- the fleet


def test_a_feature_with_resources_can_not_be_deleted(gcp: FakeGcp, client: ApiClient) -> None:
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    assert client.ok("GET", f"{FEATURES}/servicemesh")["resourceState"] == {"state": "ACTIVE"}
    gcp.held.add("servicemesh")
    error = client.error("DELETE", f"{FEATURES}/servicemesh")
    assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
    assert "associated resources" in error.message
    gcp.held.clear()
    client.ok("DELETE", f"{FEATURES}/servicemesh")
    assert client.error("GET", f"{FEATURES}/servicemesh").code == 404
    assert gcp.changes == [("servicemesh", True), ("servicemesh", False)]


def test_a_feature_has_the_states_of_its_memberships(gcp: FakeGcp, client: ApiClient) -> None:
    state = {"servicemesh": {"controlPlaneManagement": {"state": "ACTIVE"}}}
    gcp.server.gkehub.set_membership_state("servicemesh", LOCATION, "tokyo-1", state)  # it is not on
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    assert "membershipStates" not in client.ok("GET", f"{FEATURES}/servicemesh")
    gcp.server.gkehub.set_membership_state("servicemesh", LOCATION, "tokyo-1", state)
    name = f"projects/{PROJECT_NUMBER}/locations/{LOCATION}/memberships/tokyo-1"
    assert client.ok("GET", f"{FEATURES}/servicemesh")["membershipStates"] == {name: state}
    gcp.server.gkehub.set_membership_state("servicemesh", LOCATION, "tokyo-1", None)
    assert client.ok("GET", f"{FEATURES}/servicemesh")["membershipStates"] == {}


def test_a_feature_refers_to_an_existing_membership(gcp: FakeGcp, client: ApiClient) -> None:
    def ingress(membership: str) -> Body:
        place = f"projects/{PROJECT}/locations/{LOCATION}/memberships/{membership}"
        return {"spec": {"multiclusteringress": {"configMembership": place}}}

    make_cluster(client)
    path = f"{FEATURES}?featureId=multiclusteringress"
    assert client.error("POST", path, ingress("osaka-1")).code == 404
    assert client.error("GET", f"{FEATURES}/multiclusteringress").code == 404
    client.ok("POST", path, ingress("tokyo-1"))
    assert client.error("PATCH", f"{FEATURES}/multiclusteringress", ingress("osaka-1")).code == 404
    assert client.ok("GET", f"{FEATURES}/multiclusteringress")["spec"] == ingress("tokyo-1")["spec"]
    assert gcp.changes == [("multiclusteringress", True)]


def test_the_mesh_of_a_membership_is_managed_by_its_spec(gcp: FakeGcp, client: ApiClient) -> None:
    """As the google provider does it: one update after the other, each with all that it has read; {} deletes."""

    def key(project: str, name: str) -> str:
        return f"projects/{project}/locations/{LOCATION}/memberships/{name}"

    def update(specs: Body) -> Body:
        operation = client.ok("PATCH", f"{FEATURES}/servicemesh?updateMask=membershipSpecs", {"membershipSpecs": specs})
        assert operation["done"] is False  # or the provider would not look at its error
        client.wait(f"/gkehub/v1/{operation['name']}")
        found: Body = client.ok("GET", f"{FEATURES}/servicemesh").get("membershipSpecs", {})
        return found

    automatic = {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}
    make_cluster(client)
    client.run("POST", CLUSTERS, build_cluster("tokyo-2", "192.168.9.0/28"))
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    one, other = key(PROJECT_NUMBER, "tokyo-1"), key(PROJECT_NUMBER, "tokyo-2")
    assert update({key(PROJECT, "tokyo-1"): automatic}) == {one: automatic}
    assert update({one: automatic, key(PROJECT, "tokyo-2"): automatic}) == {one: automatic, other: automatic}
    assert update({other: {"mesh": {"management": "MANAGEMENT_MANUAL"}}})[one] == automatic  # as gcloud does it
    error = client.error("DELETE", f"{FEATURES}/servicemesh")
    assert (error.code, error.status) == (400, "FAILED_PRECONDITION")
    assert update({one: {}, other: {}}) == {}
    assert gcp.changes == [("servicemesh", True)] * 5
    client.ok("DELETE", f"{FEATURES}/servicemesh")


def test_a_spec_needs_its_membership_and_is_deleted_with_it(gcp: FakeGcp, client: ApiClient) -> None:
    make_cluster(client)
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    path = f"{FEATURES}/servicemesh?updateMask=membershipSpecs"
    place = f"projects/{PROJECT}/locations/{LOCATION}/memberships"
    automatic = {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}
    assert client.error("PATCH", path, {"membershipSpecs": {f"{place}/osaka-1": automatic}}).code == 404
    operation = client.ok("PATCH", path, {"membershipSpecs": {f"{place}/tokyo-1": automatic}})
    client.wait(f"/gkehub/v1/{operation['name']}")
    gcp.server.gkehub.remove_membership(LOCATION, "tokyo-1")
    assert client.ok("GET", f"{FEATURES}/servicemesh")["membershipSpecs"] == {}


def test_an_update_changes_the_fields_of_its_mask(client: ApiClient) -> None:
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    client.ok(
        "PATCH", f"{FEATURES}/servicemesh?updateMask=labels", {"labels": {"a": "b"}, "spec": {"clusterupgrade": {}}}
    )
    found = client.ok("GET", f"{FEATURES}/servicemesh")
    assert found["labels"] == {"a": "b"}
    assert "spec" not in found
    assert client.error("PATCH", f"{FEATURES}/servicemesh?updateMask=fleetDefaultMemberConfig", {}).code == 501


# --- IAM policy


def test_a_policy_changes_only_after_its_last_version_was_read(client: ApiClient) -> None:
    policy = client.ok("POST", f"{POLICY}:getIamPolicy", {})
    email = client.ok("POST", ACCOUNTS, {"accountId": "nodes"})["email"]
    binding = {"role": "roles/viewer", "members": [f"serviceAccount:{email}"]}
    first = {**policy, "bindings": [*policy["bindings"], binding]}
    changed = client.ok("POST", f"{POLICY}:setIamPolicy", {"policy": first})
    assert changed["etag"] != policy["etag"]
    error = client.error("POST", f"{POLICY}:setIamPolicy", {"policy": policy})
    assert (error.code, error.reason, error.status) == (409, "aborted", "ABORTED")
    assert binding in client.ok("POST", f"{POLICY}:getIamPolicy", {})["bindings"]
    client.ok("POST", f"{POLICY}:setIamPolicy", {"policy": {**policy, "etag": changed["etag"]}})
    assert binding not in client.ok("POST", f"{POLICY}:getIamPolicy", {})["bindings"]


def test_members_of_a_policy_must_exist(client: ApiClient) -> None:
    def grant(member: str) -> tuple[int, Body]:
        policy = client.ok("POST", f"{POLICY}:getIamPolicy", {})
        bindings = [*policy["bindings"], {"role": "roles/viewer", "members": [member]}]
        return client.call("POST", f"{POLICY}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})

    member = f"serviceAccount:nodes@{PROJECT}.iam.gserviceaccount.com"
    status, content = grant(member)
    assert status == 400
    assert "does not exist" in content["error"]["message"]
    client.ok("POST", ACCOUNTS, {"accountId": "nodes"})
    assert grant(member)[0] == 200
    assert grant(AGENT)[0] == 400
    client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    assert grant(AGENT)[0] == 400
    client.ok("POST", f"{FEATURES}?featureId=multiclusteringress", {})
    assert grant(AGENT)[0] == 200


def test_who_may_act_as_a_service_account(gcp: FakeGcp, client: ApiClient) -> None:
    path = "/iam/v1/projects/of-others/serviceAccounts/shop-pods@of-others.iam.gserviceaccount.com"
    assert client.error("POST", f"{path}:getIamPolicy", {}).code == 404
    gcp.server.iam.add_of_others(path.removeprefix("/iam/v1/"))
    member = f"serviceAccount:{PROJECT}.svc.id.goog[apps/shop]"

    def grant(etag: str) -> Body:
        binding = {"role": "roles/iam.workloadIdentityUser", "members": [member]}
        return {"policy": {"bindings": [binding], "etag": etag}}

    policy = client.ok("POST", f"{path}:getIamPolicy", {})
    refused = client.error("POST", f"{path}:setIamPolicy", grant(policy["etag"]))
    assert (refused.code, f"Identity Pool does not exist ({PROJECT}.svc.id.goog)" in refused.message) == (400, True)
    make_subnet(client)
    cluster = build_cluster("tokyo-1")
    cluster["cluster"]["workloadIdentityConfig"] = {"workloadPool": f"{PROJECT}.svc.id.goog"}
    client.run("POST", CLUSTERS, cluster)
    assert client.error("POST", f"{path}:setIamPolicy", grant("another0")).code == 409
    client.ok("POST", f"{path}:setIamPolicy", grant(policy["etag"]))
    email = path.rpartition("/")[2]
    assert gcp.server.iam.grants() == [(email, "roles/iam.workloadIdentityUser", member)]
    assert client.ok("GET", ACCOUNTS)["accounts"] == []
    permissions = ["iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.setIamPolicy"]
    gcp.server.iam.withheld.add(permissions[1])
    tested = client.ok("POST", f"{path}:testIamPermissions", {"permissions": permissions})
    assert tested == {"permissions": permissions[:1]}


def test_a_service_agent_comes_some_time_after_its_feature() -> None:
    with running(1 / 50) as gcp:  # 0.3 s for the feature, 0.6 s for its agent
        client = gcp.client()
        gcp.server.services.enable(PROJECT, [f"{api}.googleapis.com" for api in APIS])
        policy = client.ok("POST", f"{POLICY}:getIamPolicy", {})
        change = {"policy": {**policy, "bindings": [{"role": "roles/viewer", "members": [AGENT]}]}}
        client.ok("POST", f"{FEATURES}?featureId=multiclusteringress", {})
        refused = client.error("POST", f"{POLICY}:setIamPolicy", change)
        assert (refused.code, "does not exist" in refused.message) == (400, True)
        deadline = time.monotonic() + 5
        while client.call("POST", f"{POLICY}:setIamPolicy", change)[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_workload_is_a_member_once_its_pool_exists(client: ApiClient) -> None:
    pools = f"principal://iam.googleapis.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools"
    importer = f"{pools}/{PROJECT}.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer"

    def grant(member: str) -> int:
        policy = client.ok("POST", f"{POLICY}:getIamPolicy", {})
        bindings = [*policy["bindings"], {"role": "roles/compute.networkViewer", "members": [member]}]
        return client.call("POST", f"{POLICY}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})[0]

    assert grant(importer) == 400
    make_subnet(client)
    body = build_cluster()
    body["cluster"]["workloadIdentityConfig"] = {"workloadPool": f"{PROJECT}.svc.id.goog"}
    client.run("POST", CLUSTERS, body)
    assert grant(importer) == 200
    assert grant(importer.replace(PROJECT_NUMBER, "1")) == 400


# --- what `mesh doctor` reads besides


def test_quotas_have_their_usage(gcp: FakeGcp, client: ApiClient) -> None:
    def quota(path: str, name: str) -> tuple[float, float]:
        found = next(one for one in client.ok("GET", path)["quotas"] if one["metric"] == name)
        return found["limit"], found["usage"]

    project, region = COMPUTE, f"{COMPUTE}/regions/{LOCATION}"
    assert quota(project, "NETWORKS") == (15, 0)
    assert quota(region, "CPUS") == (72, 0)
    make_cluster(client)
    pool = {"name": "nodes", "initialNodeCount": 2, "config": {"machineType": "n2-standard-8", "diskSizeGb": 50}}
    client.ok("POST", f"{CLUSTERS}/tokyo-1/nodePools", {"nodePool": pool})
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["currentNodeCount"] == 6
    assert quota(project, "NETWORKS") == (15, 1)
    assert quota(project, "CPUS_ALL_REGIONS") == (200, 48)
    assert quota(region, "N2_CPUS") == (72, 48)
    assert quota(region, "SSD_TOTAL_GB") == (8192, 300)
    assert quota(f"{COMPUTE}/regions/us-central1", "N2_CPUS") == (72, 0)
    gcp.server.quotas.limits.update({"CPUS": 8, f"{LOCATION}/INSTANCES": 5, "project/NETWORKS": 1, "N2_CPUS": None})
    assert quota(region, "CPUS") == (8, 0)
    assert quota(region, "INSTANCES") == (5, 6)
    assert quota(f"{COMPUTE}/regions/us-central1", "INSTANCES") == (720, 0)
    assert quota(project, "NETWORKS") == (1, 1)
    assert "N2_CPUS" not in [one["metric"] for one in client.ok("GET", region)["quotas"]]


def test_withheld_permissions_are_not_granted(gcp: FakeGcp, client: ApiClient) -> None:
    permissions = {"permissions": ["compute.networks.create", "gkehub.features.create"]}
    assert client.ok("POST", f"{POLICY}:testIamPermissions", permissions) == permissions
    gcp.server.resource_manager.withheld.add("compute.networks.create")
    granted = {"permissions": ["gkehub.features.create"]}
    assert client.ok("POST", f"{POLICY}:testIamPermissions", permissions) == granted
    assert client.ok("POST", f"{POLICY}:testIamPermissions", {"permissions": ["compute.networks.create"]}) == {}


def test_a_projects_state_and_billing(gcp: FakeGcp, client: ApiClient) -> None:
    billing = f"/cloudbilling/v1/projects/{PROJECT}/billingInfo"
    assert client.error("GET", billing).reason == "accessNotConfigured"
    enable(client, "cloudbilling")
    assert client.ok("GET", billing)["billingEnabled"] is True
    gcp.server.resource_manager.billing = False
    gcp.server.resource_manager.state = "DELETE_REQUESTED"
    assert client.ok("GET", billing)["billingEnabled"] is False
    assert client.ok("GET", POLICY)["lifecycleState"] == "DELETE_REQUESTED"


def test_tokens_for_impersonation(gcp: FakeGcp, client: ApiClient) -> None:
    def path(email: str) -> str:
        return f"/iamcredentials/v1/projects/-/serviceAccounts/{email}:generateAccessToken"

    own = gcp.server.cloud.identity.email
    assert client.error("POST", path(own), {}).reason == "accessNotConfigured"
    enable(client, "iamcredentials")
    token = client.ok("POST", path(own), {})["accessToken"]
    assert ApiClient(gcp.base, token).ok("GET", SERVICES)["services"]
    assert client.error("POST", path(f"other@{PROJECT}.iam.gserviceaccount.com"), {}).code == 403


def test_an_impersonating_caller_only_creates_tokens() -> None:
    account = f"terraform@{PROJECT}.iam.gserviceaccount.com"
    path = f"/iamcredentials/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    with running(account=account) as gcp:
        client = gcp.client()
        assert client.error("GET", SERVICES).code == 403
        token = client.ok("POST", path, {})["accessToken"]
        acting = ApiClient(gcp.base, token)
        assert acting.ok("GET", SERVICES)["services"]
        assert acting.error("POST", path, {}).code == 403
        review = gcp.server.cloud.identity.review
        users = [
            review({"apiVersion": "authentication.k8s.io/v1", "spec": {"token": one}})["status"]["user"]
            for one in (gcp.token(), token)
        ]
        assert users == [
            {"username": f"deployer@{PROJECT}.iam.gserviceaccount.com", "groups": []},
            {"username": account, "groups": ["system:masters"]},
        ]


def test_a_membership_refers_to_its_cluster(client: ApiClient) -> None:
    make_cluster(client)
    member = client.ok("GET", f"{HUB}/{LOCATION}/memberships/tokyo-1")
    link = f"//container.googleapis.com/projects/{PROJECT}/locations/{LOCATION}/clusters/tokyo-1"
    assert member["endpoint"] == {"gkeCluster": {"resourceLink": link}}


def test_reading_calls_change_nothing(gcp: FakeGcp, client: ApiClient) -> None:
    start = gcp.server.journal.count()
    client.ok("POST", f"{POLICY}:testIamPermissions", {"permissions": []})
    assert [call.changes for call in gcp.server.journal.calls(start)] == [False]
    make_network(client)
    assert [call.changes for call in gcp.server.journal.calls(start)] == [False, True]


# --- injected faults


def test_requests_fail_a_given_number_of_times(gcp: FakeGcp, client: ApiClient) -> None:
    gcp.server.cloud.faults.add(RequestFault("POST .*/networks$", 503, 2))
    for _ in range(2):
        error = client.error("POST", f"{COMPUTE}/global/networks", {"name": "vpc"})
        assert (error.code, error.status) == (503, "UNAVAILABLE")
        assert client.ok("GET", f"{COMPUTE}/global/networks")["items"] == []
    make_network(client)
    assert gcp.server.cloud.faults.taken == 2


def test_status_0_closes_the_connection(gcp: FakeGcp, client: ApiClient) -> None:
    gcp.server.cloud.faults.add(RequestFault("GET .*/networks$", 0, 1))
    start = time.monotonic()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.ok("GET", f"{COMPUTE}/global/networks")
    assert time.monotonic() - start < 5
    assert client.ok("GET", f"{COMPUTE}/global/networks")["items"] == []


def test_an_outage_begins_with_a_request_and_ends(gcp: FakeGcp, client: ApiClient) -> None:
    faults = gcp.server.cloud.faults
    faults.on_request("POST .*/networks$", lambda: faults.silence(1))
    assert client.ok("GET", f"{COMPUTE}/global/networks")["items"] == []
    for method, body in (("POST", {"name": "vpc"}), ("GET", None)):
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            client.ok(method, f"{COMPUTE}/global/networks", body)
    time.sleep(1)
    assert client.ok("GET", f"{COMPUTE}/global/networks")["items"] == []


def test_a_failed_operation_leaves_nothing_behind(gcp: FakeGcp, client: ApiClient) -> None:
    faults = gcp.server.cloud.faults
    faults.add(OperationFault("insert .*/networks/"))
    operation = client.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc"})
    assert operation["status"] == "DONE"
    assert "(injected)" in operation["error"]["errors"][0]["message"]
    assert operation["httpErrorStatusCode"] == 500
    make_network(client)
    faults.add(OperationFault("delete .*/networks/"))
    assert "error" in client.ok("DELETE", f"{COMPUTE}/global/networks/vpc")
    assert client.ok("GET", f"{COMPUTE}/global/networks/vpc")["name"] == "vpc"
    client.ok("DELETE", f"{COMPUTE}/global/networks/vpc")
    faults.add(OperationFault("create .*/features/"))
    assert "(injected)" in client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})["error"]["message"]
    assert client.call("GET", f"{FEATURES}/servicemesh")[0] == 404
    assert gcp.changes == []
    faults.add(OperationFault("CREATE_CLUSTER "))
    assert "(injected)" in make_cluster(client)["error"]["message"]
    assert gcp.planes.calls == []
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["status"] == "ERROR"
    # Not "STOPPING" for ever: the provider waits for a cluster to come to rest before it deletes it.
    faults.add(OperationFault("DELETE_CLUSTER "))
    assert "error" in client.run("DELETE", f"{CLUSTERS}/tokyo-1")
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1")["status"] == "ERROR"
    assert faults.taken == 5


# --- durations


def test_operations_take_their_time() -> None:
    """In each of the three styles: at a 500th of the cloud's time a cluster takes 0.7 s, at a 16th a rule 0.6 s."""
    with running(1 / 500) as gcp:
        client = gcp.client()
        enable(client)
        make_subnet(client)
        start = time.monotonic()
        operation = client.ok("POST", CLUSTERS, build_cluster())
        assert operation["status"] == "RUNNING"
        assert gcp.planes.calls == []
        assert client.wait(operation_path(operation))["status"] == "DONE"
        assert 0.7 <= time.monotonic() - start < 5
    with running(1 / 16) as gcp:
        client = gcp.client()
        gcp.server.services.enable(PROJECT, [f"{api}.googleapis.com" for api in APIS])
        start = time.monotonic()
        operation = client.ok("POST", f"{COMPUTE}/global/addresses", {"name": "address"})
        assert operation["status"] == "DONE", "what takes 0.3 s is done in the response"
        assert 0.3 <= time.monotonic() - start < 5
        start = time.monotonic()
        made = client.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc"})
        switched = client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
        assert (made["status"], switched["done"]) == ("RUNNING", False)
        assert client.ok("GET", f"{FEATURES}/servicemesh")["resourceState"] == {"state": "ENABLING"}
        assert client.wait(operation_path(made))["progress"] == 100
        assert client.wait(f"/gkehub/v1/{switched['name']}")["response"]["resourceState"] == {"state": "ACTIVE"}
        assert 0.9 <= time.monotonic() - start < 5

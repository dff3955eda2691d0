"""Calls that disagree with Google's discovery documents, and the reports of them."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.fake_cloud.cloud import Body
from tests.fake_cloud.conformance.conformance import Conformance
from tests.fake_cloud.conformance.disagreements import Disagreement, accepted_disagreements
from tests.fake_cloud.conformance.documents import document
from tests.fake_cloud.testing import (
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
    make_network,
    make_subnet,
    running,
)
from tests.rehearsal.context import conclude, conformance
from tests.reporting.report import Report

FEATURES = f"/gkehub/v1/projects/{PROJECT}/locations/global/features"
NETWORKS = f"{COMPUTE}/global/networks"
ROUTERS = f"{COMPUTE}/regions/{LOCATION}/routers"
CREATE = "container.projects.locations.clusters.create"
INSERT = "compute.networks.insert"


def cluster(**fields: Any) -> Body:
    return {"cluster": {**build_cluster()["cluster"], **fields}}


class Refused(NamedTuple):
    """A request that the real service refuses.

    Attributes:
        path: of the request.
        body: of the request.
        method: id of the method.
        field: that is wrong.
        problem: what is wrong with it.
        message: part of the error's.
    """

    path: str
    body: Body
    method: str
    field: str
    problem: str
    message: str


def refused_cluster(field: str, value: Any, place: str, problem: str, message: str) -> Refused:
    return Refused(CLUSTERS, cluster(**{field: value}), CREATE, f"cluster.{place}", problem, message)


REFUSED = (
    refused_cluster("colour", "red", "colour", "unknown field", "Unknown name \"colour\" at 'cluster'"),
    refused_cluster("fleet", {"hub": "x"}, "fleet.hub", "unknown field", "at 'cluster.fleet'"),
    refused_cluster("nodePools", [{"pods": 1}], "nodePools[].pods", "unknown field", 'Unknown name "pods"'),
    refused_cluster("releaseChannel", {"channel": "WEEKLY"}, "releaseChannel.channel", "not in the enum", "WEEKLY"),
    refused_cluster("name", 7, "name", "wrong type", "(TYPE_STRING), 7"),
    refused_cluster("shieldedNodes", True, "shieldedNodes", "wrong type", "(TYPE_OBJECT)"),
    refused_cluster("locations", "a", "locations", "wrong type", "(TYPE_ARRAY)"),
    refused_cluster("initialNodeCount", "many", "initialNodeCount", "wrong type", "(TYPE_INT32)"),
    Refused(f"{CLUSTERS}?dryRun=true", cluster(), CREATE, "?dryRun", "unknown query parameter", "Cannot bind"),
    Refused(f"{NETWORKS}?prettyPrint=maybe", {"name": "x"}, INSERT, "?prettyPrint", "wrong type", "maybe"),
    Refused(NETWORKS, {}, INSERT, "name", "missing field", "Required field 'resource.name' not specified"),
    Refused(NETWORKS, {"name": "X"}, INSERT, "name", "does not match the pattern", "Must be a match of regex"),
    Refused(
        f"{FEATURES}?featureId=servicemesh",
        {"membershipSpecs": {"a": {"mash": {}}}},
        "gkehub.projects.locations.features.create",
        "membershipSpecs{}.mash",
        "unknown field",
        "Unknown name \"mash\" at 'membershipSpecs{}'",
    ),
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.field}: {case.problem}")
def test_what_the_real_service_refuses_is_refused(gcp: FakeGcp, client: ApiClient, case: Refused) -> None:
    make_subnet(client)
    status, content = client.call("POST", case.path, case.body)
    error = content["error"]
    assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert case.message in error["message"]
    assert error["details"][0]["fieldViolations"][0]["field"] == case.field
    assert client.call("GET", f"{CLUSTERS}/tokyo-1")[0] == 404, "nothing was created"
    assert gcp.server.conformance.take() == [Disagreement(case.method, "request", case.field, case.problem)]


def test_a_method_that_google_does_not_have(gcp: FakeGcp, client: ApiClient) -> None:
    assert client.error("POST", f"{NETWORKS}/vpc/rename", {}).code == 404
    assert client.error("GET", f"/compute/v9/projects/{PROJECT}").code == 404
    assert [(one.method, one.problem) for one in gcp.server.conformance.take()] == [
        (f"GET /compute/v9/projects/{PROJECT}", "unknown method"),
        (f"POST {NETWORKS}/vpc/rename", "unknown method"),
    ]


def test_a_read_only_field_is_ignored_and_reported(gcp: FakeGcp, client: ApiClient) -> None:
    make_network(client)
    client.ok("POST", NETWORKS, {"name": "other", "gatewayIPv4": "192.0.2.1"})
    assert "gatewayIPv4" not in client.ok("GET", f"{NETWORKS}/other")
    [found] = gcp.server.conformance.take()
    assert (found.field, found.problem) == ("gatewayIPv4", "read-only field")


def test_an_accepted_disagreement_is_no_failure(gcp: FakeGcp, client: ApiClient) -> None:
    """As the google provider creates a Cloud NAT."""
    make_network(client)
    client.ok("POST", ROUTERS, {"name": "router", "network": NETWORK, "region": LOCATION, "bgp": None})
    client.ok("PATCH", f"{ROUTERS}/router", {"nats": [{"name": "nat", "initialNatIps": []}]})
    found = client.ok("GET", f"{ROUTERS}/router")
    assert "bgp" not in found
    assert found["nats"] == [{"name": "nat"}]
    assert found["region"].endswith(f"/regions/{LOCATION}")
    assert len(gcp.server.conformance.accepted()) == 2


def test_requests_may_be_looser_than_responses(client: ApiClient) -> None:
    """Text for a number and the other way round, the name in the .proto file, null."""
    make_subnet(client)
    client.run("POST", CLUSTERS, cluster(initial_node_count="1", releaseChannel=None))
    assert client.ok("GET", f"{CLUSTERS}/tokyo-1?fields=name&alt=json")["initialNodeCount"] == 1
    client.ok("POST", f"{FEATURES}?feature_id=servicemesh", {})


VPC, SUBNET = "global/networks/vpc", f"regions/{LOCATION}/subnetworks/subnet"


@pytest.mark.parametrize(
    ("place", "content", "found"),
    [
        (VPC, {"fingerprint": "NDI="}, ("fingerprint", "unknown field")),
        (VPC, {"mtu": "1460"}, ("mtu", "wrong type")),
        (VPC, {"autoCreateSubnetworks": None}, ("autoCreateSubnetworks", "wrong type")),
        (VPC, {"routingConfig": {"routingMode": "LOCAL"}}, ("routingConfig.routingMode", "not in the enum")),
        (VPC, {"id": 42}, ("id", "wrong type")),
        (SUBNET, {"fingerprint": "42"}, ("fingerprint", "wrong type")),
        (SUBNET, {"secondaryIpRanges": [{"x": 1}]}, ("secondaryIpRanges[].x", "unknown field")),
    ],
)
def test_an_answer_that_google_would_not_give_is_found(
    gcp: FakeGcp, client: ApiClient, place: str, content: Body, found: tuple[str, str]
) -> None:
    make_subnet(client)
    gcp.server.cloud.store.get(f"projects/{PROJECT}/{place}").update(content)
    client.ok("GET", f"{COMPUTE}/{place}")
    [disagreement] = gcp.server.conformance.take()
    assert (disagreement.side, disagreement.field, disagreement.problem) == ("response", *found)


def test_an_operations_result_has_the_type_that_it_names(gcp: FakeGcp, client: ApiClient) -> None:
    operation = client.ok("POST", f"{FEATURES}?featureId=servicemesh", {})
    path = f"/gkehub/v1/{operation['name']}"
    stored = gcp.server.cloud.store.get(operation["name"])
    stored["response"]["colour"] = "red"
    client.ok("GET", path)
    del stored["response"]["@type"]
    client.ok("GET", path)
    assert [(one.field, one.problem) for one in gcp.server.conformance.take()] == [
        ("response.@type", "missing field"),
        ("response.colour", "unknown field"),
    ]


def test_a_test_fails_after_a_disagreement() -> None:
    with pytest.raises(AssertionError, match=r"services\.list: request: \?depth: unknown query"), running() as gcp:
        gcp.client().call("GET", f"{SERVICES}?depth=1")


def test_the_conclusion_of_a_rehearsal(gcp: FakeGcp, client: ApiClient) -> None:
    server = gcp.server
    assert conformance(server, None).ok
    incomplete = conformance(server, "asmcli-managed")
    assert not incomplete.ok
    assert any(
        note.startswith("accepted disagreement that did not occur: compute.routers.patch") for note in incomplete.notes
    )
    make_network(client)
    server.cloud.store.get(NETWORK)["colour"] = "red"
    client.ok("GET", f"{COMPUTE}/global/networks/vpc")
    red = conformance(server, None)
    assert not red.ok
    assert red.notes == ["disagreement: compute.networks.get: response: colour: unknown field (1 times)"]
    server.conformance.take()


def test_a_rehearsal_fails_after_a_disagreement(gcp: FakeGcp, client: ApiClient) -> None:
    report = Report("Rehearsal", show=print, clock=lambda: 1.0)
    context: Any = SimpleNamespace(cloud=SimpleNamespace(server=gcp.server), report=report)
    make_network(client)
    conclude(context)
    assert report.ok
    gcp.server.cloud.store.get(NETWORK)["colour"] = "red"
    client.ok("GET", f"{COMPUTE}/global/networks/vpc")
    conclude(context)
    assert not report.ok
    assert "compute.networks.get: response: colour: unknown field (1 times)" in str(report)
    assert "1 unexpected disagreements with Google's API documents" in report.summary()
    gcp.server.conformance.take()


def test_accepted_disagreements_have_a_reason_and_a_method() -> None:
    accepted = accepted_disagreements()
    assert len({one.disagreement for one in accepted}) == len(accepted) > 0
    for one in accepted:
        assert len(one.reason) > 40
        api = one.disagreement.method.partition(".")[0]
        known = document(api, "v1")
        assert known is not None
        assert one.disagreement.method in known.ids


def test_fingerprints_change_with_their_resource(client: ApiClient) -> None:
    make_subnet(client)
    path = f"{SUBNETS}/subnet"
    first = client.ok("GET", path)["fingerprint"]
    change = {"privateIpGoogleAccess": True, "fingerprint": first}
    client.ok("PATCH", path, change)
    assert client.ok("GET", path)["fingerprint"] != first
    error = client.error("PATCH", path, change)
    assert (error.code, error.reason) == (412, "conditionNotMet")


def test_methods_are_found_by_their_paths() -> None:
    conformance = Conformance()
    for verb, path, expected in (
        ("GET", f"{CLUSTERS}/tokyo-1", "container.projects.locations.clusters.get"),
        ("POST", f"{CLUSTERS}/tokyo-1:setResourceLabels", "container.projects.locations.clusters.setResourceLabels"),
        ("POST", f"{COMPUTE}/global/operations/operation-1/wait", "compute.globalOperations.wait"),
        ("GET", "/serviceusage/v1/operations/operation-1", "serviceusage.operations.get"),
        ("GET", "/storage/v1/b/bucket/o/a%2Fb", "storage.objects.get"),
    ):
        assert conformance.find(verb, path).method.id == expected
    assert conformance.calls == 5

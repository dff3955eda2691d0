"""Certificate Manager of the fake cloud: references, order of deletion, and when a certificate becomes active."""

import pytest

from tests.fake_cloud.cloud import PROJECT_NUMBER, Body
from tests.fake_cloud.testing import PROJECT, ApiClient, FakeGcp, enable

PLACE = f"projects/{PROJECT}/locations/global"
HOME = f"/certificatemanager/v1/{PLACE}"
AUTHORIZATION = f"{PLACE}/dnsAuthorizations/shop"
CERTIFICATE = f"{PLACE}/certificates/shop"
ENTRIES = f"{HOME}/certificateMaps/ingress/certificateMapEntries"


@pytest.fixture
def manager(client: ApiClient) -> ApiClient:
    enable(client, "certificatemanager")
    return client


def run(client: ApiClient, method: str, path: str, body: Body | None = None) -> Body:
    """Start an operation, and return it when it is done."""
    return client.wait(f"/certificatemanager/v1/{client.ok(method, path, body)['name']}")


def make_map(client: ApiClient) -> None:
    """Create a map with the certificate of a domain."""
    run(client, "POST", f"{HOME}/dnsAuthorizations?dnsAuthorizationId=shop", {"domain": "shop.example.com"})
    managed = {"domains": ["shop.example.com"], "dnsAuthorizations": [AUTHORIZATION]}
    run(client, "POST", f"{HOME}/certificates?certificateId=shop", {"managed": managed})
    run(client, "POST", f"{HOME}/certificateMaps?certificateMapId=ingress", {"description": "x"})
    entry = {"hostname": "shop.example.com", "certificates": [CERTIFICATE]}
    run(client, "POST", f"{ENTRIES}?certificateMapEntryId=shop", entry)


def test_a_certificate_is_active_when_its_domains_record_exists(gcp: FakeGcp, manager: ApiClient) -> None:
    make_map(manager)
    record = manager.ok("GET", f"{HOME}/dnsAuthorizations/shop")["dnsResourceRecord"]
    assert (record["name"], record["type"]) == ("_acme-challenge.shop.example.com.", "CNAME")
    assert record["data"].endswith(".authorize.certificatemanager.goog.")
    managed = manager.ok("GET", f"{HOME}/certificates/shop")["managed"]
    assert managed["state"] == "PROVISIONING"
    assert managed["authorizationAttemptInfo"] == [{"domain": "shop.example.com", "state": "AUTHORIZING"}]
    assert managed["dnsAuthorizations"] == [AUTHORIZATION.replace(PROJECT, PROJECT_NUMBER)]
    assert manager.ok("GET", f"{ENTRIES}/shop")["state"] == "PENDING"
    gcp.server.certificates.records.add(record["name"])
    assert manager.ok("GET", f"{HOME}/certificates/shop")["managed"]["state"] == "ACTIVE"
    assert manager.ok("GET", f"{ENTRIES}/shop")["state"] == "ACTIVE"


def test_what_others_need_is_deleted_after_them(manager: ApiClient) -> None:
    make_map(manager)
    for place in ("dnsAuthorizations/shop", "certificates/shop", "certificateMaps/ingress"):
        assert manager.error("DELETE", f"{HOME}/{place}").status == "FAILED_PRECONDITION"
    order = ("certificateMaps/ingress/certificateMapEntries/shop", "certificateMaps/ingress", "certificates/shop")
    for place in (*order, "dnsAuthorizations/shop"):
        run(manager, "DELETE", f"{HOME}/{place}")
    for collection in ("dnsAuthorizations", "certificates", "certificateMaps"):
        assert manager.ok("GET", f"{HOME}/{collection}") == {collection: []}


def test_a_map_that_a_proxy_uses_stays(gcp: FakeGcp, manager: ApiClient) -> None:
    run(manager, "POST", f"{HOME}/certificateMaps?certificateMapId=ingress", {})
    proxy = f"projects/{PROJECT}/global/targetHttpsProxies/ours"
    link = f"//certificatemanager.googleapis.com/{PLACE}/certificateMaps/ingress"
    gcp.server.cloud.store.add(proxy, {"name": "ours", "certificateMap": link})
    assert proxy in manager.error("DELETE", f"{HOME}/certificateMaps/ingress").message
    gcp.server.cloud.store.remove(proxy)
    run(manager, "DELETE", f"{HOME}/certificateMaps/ingress")


def test_a_reference_to_nothing_is_refused(manager: ApiClient) -> None:
    managed = {"domains": ["shop.example.com"], "dnsAuthorizations": [AUTHORIZATION]}
    assert manager.error("POST", f"{HOME}/certificates?certificateId=shop", {"managed": managed}).code == 404
    entry = {"hostname": "shop.example.com", "certificates": [CERTIFICATE]}
    assert manager.error("POST", f"{ENTRIES}?certificateMapEntryId=shop", entry).code == 404


def test_an_update_has_a_mask(manager: ApiClient) -> None:
    make_map(manager)
    run(manager, "PATCH", f"{HOME}/certificateMaps/ingress?updateMask=labels", {"labels": {"a": "b"}})
    found = manager.ok("GET", f"{HOME}/certificateMaps/ingress")
    assert (found["labels"], found["description"]) == ({"a": "b"}, "x")
    assert manager.ok("GET", f"/certificatemanager/v1/projects/{PROJECT}/locations/-/certificateMaps") == {
        "certificateMaps": [found]
    }

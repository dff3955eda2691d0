"""What a recording gives away: what the configuration has sent, and the APIs' own words."""

import json
from typing import Any

import pytest

from tools.acceptance.redaction import NUMBER, PROJECT, Redaction, texts, without_empty_scopes

ID, OWN_NUMBER = "acme-payments-prod", "748392017465"
SENT = (
    "accept-vpc",
    "accept-us-central1-cluster-1",
    "us-central1",
    "e2-standard-4",
    "10.1.0.0/16",
    "accept-us-central1-node",
)
CLUSTER: dict[str, Any] = {
    "name": "accept-us-central1-cluster-1",
    "selfLink": f"https://container.googleapis.com/v1/projects/{ID}/locations/us-central1/clusters/accept-us-central1-cluster-1",
    "network": f"projects/{OWN_NUMBER}/global/networks/accept-vpc",
    "endpoint": "34.84.101.7",
    "etag": "8f0b9e5c-77aa-4d2c-8a41-0f3b5c9d1e22",
    "id": "0f3b5c9d1e2277aa4d2c8a410f3b5c9d1e2277aa",
    "status": "RUNNING",
    "currentMasterVersion": "1.33.5-gke.1162000",
    "currentNodeCount": 3,
    "createTime": "2026-11-28T07:12:44+00:00",
    "clusterIpv4Cidr": "10.1.0.0/16",
    "masterAuth": {"clusterCaCertificate": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURzVENDQXBtZ0F3SUJBZ0lR"},
    "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": f"gke-1a2b-{OWN_NUMBER}.us-central1.gke.goog"}},
    "nodeConfig": {
        "serviceAccount": f"accept-us-central1-node@{ID}.iam.gserviceaccount.com",
        "machineType": "e2-standard-4",
    },
    "resourceLabels": {"cost-center-payments": "matt-storefront"},
    "description": "asked for by jane.doe@acme.example",
    "privateCluster": True,
    "conditions": [{"code": None, "message": "node pool of storefront is degraded"}],
}
SECRETS = (
    *(ID, OWN_NUMBER, "34.84.101.7", "8f0b9e5c", "0f3b5c9d1e22", "LS0tLS1C", "1a2b", "cost-center", "storefront"),
    *("jane", "doe", "acme", "degraded"),
)


def redact(value: Any) -> Any:
    return Redaction(ID, SENT, OWN_NUMBER).value(value)


def test_nothing_of_a_project_passes() -> None:
    text = json.dumps(redact(CLUSTER))
    assert [one for one in SECRETS if one in text] == []


def test_what_an_emulator_needs_passes() -> None:
    found = redact(CLUSTER)
    for name in (
        *("name", "status", "currentMasterVersion", "currentNodeCount", "createTime", "clusterIpv4Cidr"),
        "privateCluster",
    ):
        assert found[name] == CLUSTER[name]
    cluster = "locations/us-central1/clusters/accept-us-central1-cluster-1"
    assert found["selfLink"] == f"https://container.googleapis.com/v1/projects/{PROJECT}/{cluster}"
    assert found["network"] == f"projects/{NUMBER}/global/networks/accept-vpc"
    assert found["nodeConfig"]["serviceAccount"] == f"accept-us-central1-node@{PROJECT}.iam.gserviceaccount.com"


def test_the_structure_and_the_types_stay() -> None:
    def shape(value: Any) -> Any:
        match value:
            case dict():
                return {key: shape(one) for key, one in value.items()}
            case list():
                return [shape(one) for one in value]
        return type(value)

    without = {key: one for key, one in CLUSTER.items() if key != "resourceLabels"}
    found = redact(CLUSTER)
    assert len(found["resourceLabels"]) == 1, "its keys are data"
    del found["resourceLabels"]
    assert shape(found) == shape(without)


def test_the_same_text_is_the_same_placeholder_everywhere() -> None:
    found = redact(
        [{"id": "4738291056473829105"}, {"target": "links/4738291056473829105"}, {"id": "1111111111111111111"}]
    )
    assert found[1]["target"] == f"{redact('links')}/{found[0]['id']}".replace("redacted-1", "redacted-2")
    assert found[0]["id"] != found[2]["id"]
    assert found[0]["id"].isdigit()
    assert len(found[0]["id"]) == len("4738291056473829105")


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ("MANAGEMENT_AUTOMATIC", True),
        ("compute.googleapis.com", True),
        ("192.168.0.2", True),
        ("8.8.8.8", False),
        ("storefront", False),
        ("prod-web1", False),
        ("ya29.a0AfH6SMBx", False),
        ("Secret123", False),
        ("-----BEGIN CERTIFICATE-----", False),
    ],
)
def test_single_texts(given: str, passes: bool) -> None:
    assert (redact(given) == given) == passes


def test_a_large_number_is_replaced_and_a_count_is_not() -> None:
    assert redact(int(OWN_NUMBER)) != int(OWN_NUMBER)
    assert redact(110) == 110


def test_a_report_names_neither_project_nor_person_nor_public_address() -> None:
    text = f"Error 403 in {ID} ({OWN_NUMBER}): jane@acme.example may not, from 34.84.101.7 to 10.1.0.2"
    found = Redaction(ID, (), OWN_NUMBER).masked(text)
    assert found == f"Error 403 in {PROJECT} ({NUMBER}): somebody@example.com may not, from 192.0.2.1 to 10.1.0.2"


def test_fields_of_the_items_of_a_list_are_no_data() -> None:
    assert redact({"items": [{"selfLink": "v1"}]}) == {"items": [{"selfLink": "v1"}]}
    assert redact({"items": {"regions/us-central1": {"addresses": []}}}) == {
        "items": {"regions/us-central1": {"addresses": []}}
    }


def test_empty_scopes_of_an_aggregated_list() -> None:
    empty = {"warning": {"code": "NO_RESULTS_ON_PAGE"}}
    answer = {"items": {"regions/a": empty, "regions/b": {"addresses": [{}]}, "regions/c": empty}, "kind": "x"}
    assert without_empty_scopes(answer) == {
        "items": {"regions/a": empty, "regions/b": {"addresses": [{}]}},
        "kind": "x",
    }


def test_texts_of_a_value() -> None:
    assert set(texts({"a": ["b", 1, {"c": "d"}]})) == {"a", "b", "c", "d"}

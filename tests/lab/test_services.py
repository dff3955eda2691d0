"""The lab's services, and the evaluation of their responses."""

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from tests.lab.environments import with_regions
from tests.lab.protocols import REQUESTS, _is_even
from tests.lab.routing import CASES, RouteCase, show_port, show_preflight, show_service
from tests.lab.services import GRPC, HTTP, NAMESPACE, PRICES, TCP, with_services, with_tag
from tests.local_mesh.traffic import DemoResponse
from tests.synthesized import REFERENCE, environment_of

GOOD = {"image": "example.com/lab-http:1", "version": "tokyo", "path": "/a", "port": 9090}


def respond(
    facts: dict[str, Any] | None = None, status: int = 200, headers: dict[str, str] | None = None
) -> DemoResponse:
    return DemoResponse(0.0, 0.01, status, "" if facts is None else json.dumps(facts) + "\n", headers or {})


@pytest.mark.parametrize("number", [2, 3])
def test_the_services_are_added_in_every_region(number: int) -> None:
    environment = with_services(with_regions(REFERENCE, number, {}))
    regions = list(environment.regions)
    found = environment.services
    assert {HTTP, GRPC, TCP, PRICES} <= set(found)
    assert {key: one.version for key, (one,) in environment.deployments(found[HTTP]).items()} == {
        region: region for region in regions
    }
    assert list(environment.deployments(found[PRICES])) == regions[-1:]


def test_the_environment_is_a_configuration_again() -> None:
    """The commands of `mesh` read it from a file."""
    environment = with_services(with_regions(REFERENCE, 2, {}))
    text = yaml.safe_dump(environment.model_dump(mode="json", exclude_defaults=True))
    assert environment_of(text) == environment


def test_another_tag_is_for_one_region_and_the_labs_services() -> None:
    def deployment(namespace: str) -> dict[str, Any]:
        spec = {"template": {"spec": {"containers": [{"name": "a", "image": "example.com:5000/a:1"}]}}}
        return {"kind": "Deployment", "metadata": {"name": "a", "namespace": namespace}, "spec": spec}

    def image(manifest: dict[str, Any]) -> str:
        found: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    objects = [deployment(NAMESPACE), deployment("sample")]
    rendered: dict[str, list[dict[str, Any]]] = {"tokyo": objects, "osaka": objects}
    changed = with_tag(rendered, "osaka", "bad")
    assert [[image(one) for one in objects] for objects in changed.values()] == [
        ["example.com:5000/a:1", "example.com:5000/a:1"],
        ["example.com:5000/a:bad", "example.com:5000/a:1"],
    ]
    assert image(rendered["osaka"][0]) == "example.com:5000/a:1"


@pytest.mark.parametrize(
    ("shares", "pods", "expected"),
    [
        ([REQUESTS], 1, True),
        ([REQUESTS], 2, False),
        ([20, 20], 2, True),
        ([38, 2], 2, False),
        ([20, 20], 1, False),
    ],
)
def test_requests_have_to_reach_every_pod(shares: list[int], pods: int, expected: bool) -> None:
    assert _is_even(Counter({str(number): share for number, share in enumerate(shares)}), pods) is expected


def test_what_a_table_of_routes_shows() -> None:
    assert show_service(respond(GOOD)) == "lab-http /a"
    assert show_service(respond(status=404)) == "404"
    assert show_port(respond(GOOD)) == "lab-http /a, port 9090"
    allowed = {"access-control-allow-origin": "https://a.example", "access-control-max-age": "5"}
    assert show_preflight(respond(headers=allowed)) == "200 allow-origin: https://a.example, max-age: 5"


def test_every_case_is_a_request_of_its_own() -> None:
    def identity(case: RouteCase) -> tuple[object, ...]:
        return case.keys, case.method, case.host, case.path

    assert len({identity(case) for case in CASES}) == len(CASES)

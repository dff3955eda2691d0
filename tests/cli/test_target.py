"""The service that requests are sent to, and the client that may send them."""

import pytest
import yaml

from cli.errors import MeshError
from cli.traffic.counts import ResponseCounts
from cli.traffic.ingress import by_gateway, check_ingress, requests_by_gateway
from cli.traffic.target import Target
from config import Environment
from tests.synthesized import REFERENCE, environment_of

SHOP = {
    "cart": {"image": "example.com/cart:1", "port": 8080, "user": 1000, "allow_from": ["shop", "jobs/worker"]},
    "shop": {"image": "example.com/shop:1", "port": 8080, "user": 1000, "routes": [{"path": "/shop"}]},
    "prices": {
        "image": "example.com/prices:1",
        "port": 9000,
        "protocol": "grpc",
        "user": 1000,
        "namespace": "money",
        "allow_from": ["jobs/*"],
    },
    "rates": {"image": "example.com/rates:1", "port": 9000, "user": 1000, "allow_from": []},
    "database": {"image": "example.com/database:1", "port": 5432, "protocol": "tcp", "user": 1000},
}


def environment(*names: str, demo: bool = True, **mesh: object) -> Environment:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    content["services"] = {name: SHOP[name] for name in names}
    if not demo:
        content["demo"] = {"enabled": False}
    content["mesh"] = content.get("mesh", {}) | mesh | {"namespaces": {"jobs": {}}}
    return environment_of(yaml.safe_dump(content, sort_keys=False))


def test_the_demo_is_the_default() -> None:
    target = Target.of(environment("shop"))
    assert target.url == "http://helloworld.sample:5000/hello"
    assert target.regions == ["tokyo", "osaka"]
    assert target.client_account(environment("shop")) == ("sample", "sleep")


def test_without_the_demo_the_only_service_is() -> None:
    assert Target.of(environment("shop", demo=False)).url == "http://shop.apps:8080/shop"
    with pytest.raises(MeshError) as refused:
        Target.of(environment("shop", "cart", demo=False))
    assert refused.value.fix == "name one of them: --service shop | cart"


def test_a_grpc_service_has_the_method_of_the_health_check() -> None:
    target = Target.of(environment("prices"), "prices")
    assert target.url == "http://prices.money:9000/grpc.health.v1.Health/Check"
    assert target.grpc
    assert target.host == "prices.money.svc.cluster.local"
    assert Target.of(environment("prices"), "prices", "/money.Prices/Get").path == "/money.Prices/Get"


@pytest.mark.parametrize(("name", "message"), [("database", "is tcp"), ("chart", "there is no service chart")])
def test_a_service_that_can_t_be_measured(name: str, message: str) -> None:
    with pytest.raises(MeshError, match=message):
        Target.of(environment("database"), name)


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("cart", ("apps", "shop")),  # whose account this project creates, before one that may not exist
        ("prices", ("jobs", "default")),
    ],
)
def test_the_client_is_one_that_the_policy_allows(name: str, client: tuple[str, str]) -> None:
    found = environment("cart", "shop", "prices", default_deny=True)
    assert Target.of(found, name).client_account(found) == client


def test_a_service_that_only_the_gateways_call() -> None:
    found = environment("shop", default_deny=True)
    with pytest.raises(MeshError, match="only the gateways are") as refused:
        Target.of(found, "shop").client_account(found)
    assert refused.value.fix == "mesh verify ingress --service shop"
    assert Target.of(found, "shop").client_account(found, authorized=False) == ("apps", "default")


def test_a_service_that_nothing_may_call() -> None:
    found = environment("rates", default_deny=True)
    with pytest.raises(MeshError, match="no client in the mesh is authorized to call rates") as refused:
        Target.of(found, "rates").client_account(found)
    assert "services.rates.allow_from" in refused.value.fix
    everybody = environment("rates", default_deny=False)
    assert Target.of(everybody, "rates").client_account(everybody) == ("apps", "default")


@pytest.mark.parametrize(("name", "message"), [("prices", "gRPC service"), ("cart", "has no route")])
def test_the_load_balancer_has_no_requests_for_it(name: str, message: str) -> None:
    found = environment("cart", "shop", "prices")
    with pytest.raises(MeshError, match=message):
        check_ingress(found, Target.of(found, name))
    check_ingress(found, Target.of(found, "shop"))


def test_the_requests_that_gateways_have_counted() -> None:
    one, other = ("tokyo", "a", "10.0.1.2", 80), ("osaka", "b", "10.0.1.2", 80)
    assert requests_by_gateway({one: 5, other: 7}, {one: 9, other: 7}) == {"tokyo": 4}
    assert requests_by_gateway({one: 5}, {one: 2, other: 1}) == {"tokyo": 2, "osaka": 1}, "restarted, and new"


@pytest.mark.parametrize(
    ("gateways", "regions", "unknown"),
    [
        ({"tokyo": 18}, {"tokyo": 18}, 0),
        ({"tokyo": 90}, {"tokyo": 18}, 0),  # other users' requests, at the same gateways only
        ({"tokyo": 10, "osaka": 8}, {"tokyo": 10, "osaka": 8}, 0),
        ({"osaka": 18}, {"osaka": 18}, 0),
        ({"tokyo": 18, "osaka": 1}, {}, 18),  # whose is the one?
        ({"osaka": 90}, {"osaka": 18}, 0),
        ({"tokyo": 3}, {}, 18),
        ({}, {}, 18),
    ],
)
def test_what_is_certain_of_the_gateways(gateways: dict[str, int], regions: dict[str, int], unknown: int) -> None:
    counts = by_gateway(ResponseCounts(20, {}, 18, {"HTTP 404": 2}, [0.1]), gateways)
    assert (counts.regions, counts.unknown, counts.failed) == (regions, unknown, 2)

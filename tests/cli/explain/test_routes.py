"""The virtual host and the route that Envoy chooses.

Expected results: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
"""

from typing import Any

import pytest

from cli.explain.routes import Destination, Request, chosen_route, destinations, virtual_host

HOST = "shop.apps.svc.cluster.local"


def _host(name: str, *domains: str) -> dict[str, Any]:
    return {"name": name, "domains": list(domains)}


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ([("any", "*"), ("exact", HOST)], "exact"),
        ([("any", "*"), ("suffix", "*.cluster.local"), ("longer", "*.svc.cluster.local")], "longer"),
        ([("prefix", "shop.*"), ("suffix", "*.local")], "suffix"),
        ([("any", "*"), ("other", "cart.apps.svc.cluster.local")], "any"),
        ([("port", f"{HOST}:8080"), ("any", "*")], "port"),
        ([("upper", HOST.upper())], "upper"),
    ],
)
def test_virtual_host(domains: list[tuple[str, str]], expected: str) -> None:
    found = virtual_host({"virtual_hosts": [_host(*one) for one in domains]}, HOST)
    assert found is not None
    assert found["name"] == expected


def test_no_virtual_host() -> None:
    assert virtual_host({"virtual_hosts": [_host("other", "cart")]}, HOST) is None


@pytest.mark.parametrize(
    ("match", "path", "expected"),
    [
        ({"prefix": "/"}, "/hello", True),
        ({"path": "/hello"}, "/hello/there", False),
        ({"path": "/HELLO"}, "/hello", False),
        ({"path": "/HELLO", "case_sensitive": False}, "/hello", True),
        ({"path_separated_prefix": "/shop"}, "/shop/cart", True),
        ({"path_separated_prefix": "/shop"}, "/shopping", False),
        ({"prefix": "/shop"}, "/shopping", True),
        ({"safe_regex": {"regex": "/v[0-9]+/.*"}}, "/v2/a", True),
        ({"safe_regex": {"regex": "/v[0-9]+"}}, "/v2/a", False),
        ({"path": "/hello"}, "/hello?name=x", True),
        ({"prefix": "/", "headers": [{"name": "x-canary", "string_match": {"exact": "1"}}]}, "/", False),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, "/", True),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}, "/", False),
        ({"prefix": "/", "query_parameters": [{"name": "debug"}]}, "/", False),
    ],
)
def test_match(match: dict[str, Any], path: str, expected: bool) -> None:
    found = chosen_route({"routes": [{"match": match}]}, Request(HOST, 80, path))
    assert (found is not None) == expected


def test_first_match_wins() -> None:
    routes = [{"match": {"path": "/a"}, "name": "1"}, {"match": {"prefix": "/"}, "name": "2"}]
    found = chosen_route({"routes": [*routes, {"match": {"prefix": "/b"}, "name": "3"}]}, Request(HOST, 80, "/b"))
    assert found is not None
    assert found["name"] == "2"


def test_destinations() -> None:
    clusters = [{"name": "a", "weight": 90}, {"name": "b", "weight": 30}, {"name": "c", "weight": 0}]
    found = destinations({"route": {"weighted_clusters": {"clusters": clusters}}})
    assert found == [Destination("a", 0.75), Destination("b", 0.25)]
    assert destinations({"route": {"cluster": "a"}}) == [Destination("a", 1.0)]

"""The order of routes, and the VirtualServices that they are in."""

from typing import Any

import pytest
import yaml

from config.environment import Environment
from config.routing import HostRoutes, host_routes
from tests.synthesized import environment_of

A, B = "a.example.com", "b.example.com"


Routes = dict[str, list[dict[str, Any]]]


def environment(routes: Routes, *domains: str, demo: bool = False) -> Environment:
    """Return an environment of services with these routes."""
    data = {
        "project": {"id": "test-project"},
        "regions": {"tokyo": {"region": "asia-northeast1", "number": 0}},
        "ingress": {"config_cluster": "tokyo", "domains": list(domains), "plain_http": True},
        "demo": {"enabled": demo},
        "services": {name: {"image": "i", "port": 80, "routes": some} for name, some in routes.items()},
    }
    return environment_of(yaml.safe_dump(data))


def routes_of(routes: Routes, *domains: str, demo: bool = False) -> tuple[HostRoutes, ...]:
    return host_routes(environment(routes, *domains, demo=demo))


def written(one: HostRoutes) -> list[str]:
    """Return the paths in order, each with its service, a prefix with a star."""
    return [f"{path.path}{'*' * (path.route.match == 'prefix')} {path.service}" for path in one.paths]


def test_the_longest_path_is_first_and_an_exact_one_before_its_prefix() -> None:
    (found,) = routes_of(
        {
            "web": [{"path": "/", "match": "prefix"}, {"path": "/"}],
            "api": [{"path": ["/api", "/api/v2"], "match": "prefix"}, {"path": ["/api", "/api/"]}],
        }
    )
    assert found.hosts == ("*",)
    assert written(found) == ["/api/v2* api", "/api/ api", "/api api", "/api* api", "/ web", "/* web"]


def test_the_order_of_the_file_does_not_matter() -> None:
    routes = {name: [{"path": f"/{name}", "match": "prefix"}, {"path": f"/x/{name}"}] for name in ("a", "b", "c")}
    assert written(*routes_of(routes)) == written(*routes_of(dict(reversed(routes.items()))))


def test_a_host_with_routes_has_a_virtual_service_with_those_for_all_hosts() -> None:
    routes = {
        "web": [{"path": "/", "match": "prefix"}],
        "admin": [{"path": "/", "match": "prefix", "host": B}, {"path": "/users", "host": B}],
    }
    own, others = routes_of(routes, A, B)
    assert (own.name, own.hosts) == (B, (B,))
    assert written(own) == ["/users admin", "/* admin", "/* web"], "at the same path, the route of the host is first"
    assert (others.name, others.hosts, written(others)) == ("routes", (A,), ["/* web"])


def test_without_domains_other_hosts_get_the_routes_for_all() -> None:
    own, others = routes_of({"web": [{"path": "/a"}, {"path": "/b", "host": "x.internal"}]})
    assert (own.hosts, others.hosts) == (("x.internal",), ("*",))


def test_there_is_no_virtual_service_without_hosts_or_without_routes() -> None:
    (own,) = routes_of({"web": [{"path": "/a"}, {"path": "/b", "host": A}]}, A)
    assert own.hosts == (A,)
    (own,) = routes_of({"web": [{"path": "/b", "host": A}]}, A, B)
    assert own.hosts == (A,)


def test_the_demo_alone_has_its_own_objects_and_is_in_every_list_of_others() -> None:
    assert routes_of({"web": []}, demo=True) == ()
    for one in routes_of({"web": [{"path": "/", "match": "prefix"}, {"path": "/x", "host": A}]}, A, B, demo=True):
        assert "/hello helloworld" in written(one)


@pytest.mark.parametrize(
    ("request_path", "service"),
    [("/shop", "shop"), ("/shop/", "shop"), ("/shop/cart", "shop"), ("/shopping", "web"), ("/", "web")],
)
def test_a_prefix_matches_whole_segments(request_path: str, service: str) -> None:
    from constructs.http_route import http_routes  # noqa: PLC0415 (starts Node.js)

    data = {"web": [{"path": "/", "match": "prefix"}], "shop": [{"path": "/shop", "match": "prefix"}]}
    (found,) = routes_of(data)
    services = environment(data).all_services()
    for path in found.paths:
        for entry in http_routes(path, services, scheme="http", retries_elsewhere=True):
            for match in entry["match"]:
                (kind, text), *_ = match["uri"].items()
                if request_path == text if kind == "exact" else request_path.startswith(text):
                    assert entry["route"][0]["destination"]["host"].startswith(f"{service}.")
                    return
    raise AssertionError(f"nothing matches {request_path}")

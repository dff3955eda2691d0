"""The fake load balancer serves what the objects of the config cluster say."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local_mesh.fleet import derived_services
from tests.local_mesh.front_end import (
    GATEWAY,
    INGRESS,
    Backend,
    FrontEnd,
    HealthCheck,
    Redirect,
    Route,
    endpoints,
    front_ends,
    key_of,
    ordered_front_ends,
)
from tests.local_mesh.front_end_envoy import assignment, backends, endpoints_file, routes
from tests.local_mesh.load_balancer import LoadBalancer
from tests.local_mesh.rendered import Object
from tests.local_mesh.toolchain import Toolchain
from tests.synthesized import Synthesis

HOME, OTHER = "osaka", "tokyo"
NAMESPACE = "istio-gateway"
SHOP, CART = f"ServiceImport/{NAMESPACE}/shop", f"ServiceImport/{NAMESPACE}/cart"

OBJECTS = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: external, namespace: {NAMESPACE}}}
spec:
  listeners:
    - {{name: http, port: 80, protocol: HTTP}}
    - {{name: https, port: 443, protocol: HTTPS}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: internal, namespace: {NAMESPACE}}}
spec: {{listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
---
kind: HTTPRoute
metadata: {{name: external, namespace: {NAMESPACE}}}
spec:
  parentRefs: [{{name: external, sectionName: https}}, {{name: internal}}]
  hostnames: [shop.example.com, "*.example.org"]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /cart}}}}, {{path: {{type: Exact, value: /basket}}}}]
      backendRefs:
        - {{group: net.gke.io, kind: ServiceImport, name: shop, port: 80, weight: 90}}
        - {{group: net.gke.io, kind: ServiceImport, name: cart, port: 80, weight: 10}}
    - backendRefs: [{{group: net.gke.io, kind: ServiceImport, name: shop, port: 80}}]
---
kind: HTTPRoute
metadata: {{name: redirect, namespace: {NAMESPACE}}}
spec:
  parentRefs: [{{name: external, sectionName: http}}]
  rules:
    - filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https, statusCode: 301}}}}]
---
kind: GCPBackendPolicy
metadata: {{name: shop, namespace: {NAMESPACE}, creationTimestamp: "2026-01-01T00:00:00Z"}}
spec:
  targetRef: {{group: net.gke.io, kind: ServiceImport, name: shop}}
  default: {{timeoutSec: 101}}
---
kind: GCPBackendPolicy
metadata: {{name: newer, namespace: {NAMESPACE}, creationTimestamp: "2026-01-02T00:00:00Z"}}
spec:
  targetRef: {{group: net.gke.io, kind: ServiceImport, name: shop}}
  default: {{timeoutSec: 5}}
---
kind: HTTPRoute
metadata: {{name: foreign, namespace: sample}}
spec:
  parentRefs: [{{name: internal, namespace: {NAMESPACE}}}]
  rules: [{{backendRefs: [{{group: net.gke.io, kind: ServiceImport, name: foreign, port: 80}}]}}]
---
kind: HealthCheckPolicy
metadata: {{name: shop, namespace: {NAMESPACE}}}
spec:
  targetRef: {{group: net.gke.io, kind: ServiceImport, name: shop}}
  default:
    checkIntervalSec: 5
    timeoutSec: 3
    healthyThreshold: 2
    unhealthyThreshold: 4
    config:
      type: HTTP
      httpHealthCheck: {{portSpecification: USE_FIXED_PORT, port: 15021, requestPath: /healthz/ready}}
"""

SERVICE: Object = {
    "kind": "Service",
    "metadata": {"name": "shop", "namespace": NAMESPACE},
    "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
EXPORT: Object = {"kind": "ServiceExport", "metadata": {"name": "shop", "namespace": NAMESPACE}}


@pytest.fixture
def objects() -> list[Object]:
    return list(yaml.safe_load_all(OBJECTS))


@pytest.fixture
def internal(objects: list[Object]) -> FrontEnd:
    return front_ends(objects, [SERVICE])[GATEWAY, "internal"]


def select(region: str, namespace: str, labels: Mapping[str, str]) -> Sequence[IPv4Address]:
    """Each region has one pod with the label."""
    assert namespace == NAMESPACE
    found = {HOME: "10.0.1.1", OTHER: "10.0.0.1"}
    return [IPv4Address(found[region])] if labels == {"app": "shop"} else []


def test_hosts_paths_and_weights_of_a_route(internal: FrontEnd) -> None:
    weights = ((SHOP, 90), (CART, 10))
    assert set(internal.routes) == {
        Route(host, match, path, backends)  # type: ignore[arg-type]
        for host in ("shop.example.com", "*.example.org")
        for match, path, backends in (
            ("PathPrefix", "/cart", weights),
            ("Exact", "/basket", weights),
            ("PathPrefix", "/", ((SHOP, 1),)),
        )
    }


def test_a_listener_has_only_the_routes_that_name_it(objects: list[Object]) -> None:
    external = front_ends(objects)[GATEWAY, "external"]
    assert external == FrontEnd((Route("*", "PathPrefix", "/", (), Redirect(301, "https")),), {})


def test_a_policy_checks_the_health_of_its_import_alone(internal: FrontEnd) -> None:
    policy = HealthCheck(15021, "/healthz/ready", 5, 3, 2, 4)
    assert internal.backends[SHOP] == Backend("ServiceImport", NAMESPACE, "shop", "shop", 8080, policy, 101)
    assert internal.backends[CART].check == HealthCheck(80, "/")
    assert internal.backends[CART].timeout == 30


def test_a_listener_takes_routes_of_other_namespaces_only_if_it_says_so(objects: list[Object]) -> None:
    def serves(listener: Mapping[str, Any]) -> bool:
        objects[1]["spec"]["listeners"] = [{"name": "http", "port": 80, "protocol": "HTTP", **listener}]
        return "ServiceImport/sample/foreign" in front_ends(objects)[GATEWAY, "internal"].backends

    assert not serves({})
    assert not serves({"allowedRoutes": {"namespaces": {"from": "Same"}}})
    assert serves({"allowedRoutes": {"namespaces": {"from": "All"}}})


def test_front_ends_that_serve_come_first(objects: list[Object]) -> None:
    assert list(ordered_front_ends({HOME: objects, OTHER: []})) == [(GATEWAY, "internal"), (GATEWAY, "external")]


def test_the_object_of_an_address(objects: list[Object]) -> None:
    objects[1]["status"] = {"addresses": [{"type": "IPAddress", "value": "198.51.100.7"}]}
    assert key_of("198.51.100.7", objects) == (GATEWAY, "internal")
    assert key_of("198.51.100.8", objects) is None
    ingress: Object = {
        "kind": INGRESS,
        "metadata": {"name": "one", "annotations": {"networking.gke.io/static-ip": "198.51.100.8"}},
    }
    assert key_of("198.51.100.8", [*objects, ingress]) == (INGRESS, "one")


def test_an_object_that_is_being_deleted_does_not_count(objects: list[Object]) -> None:
    objects[1]["metadata"]["deletionTimestamp"] = "now"
    objects[3]["metadata"]["deletionTimestamp"] = "now"
    found = front_ends(objects)
    assert (list(found), found[GATEWAY, "external"]) == ([(GATEWAY, "external")], FrontEnd())


@pytest.mark.parametrize(
    ("home", "expected"),
    [
        ([SERVICE, EXPORT], ["10.0.1.1"]),
        ([SERVICE], []),  # it is not exported
        ([EXPORT], []),
        ([{**SERVICE, "spec": {"selector": {"app": "shop", "drained": "true"}}}, EXPORT], []),
        ([{**SERVICE, "spec": {"ports": []}}, EXPORT], []),
    ],
)
def test_exported_services_have_the_endpoints(internal: FrontEnd, home: list[Object], expected: list[str]) -> None:
    found = endpoints(internal, {OTHER: [SERVICE, EXPORT], HOME: home}, select)
    assert found == {SHOP: {OTHER: ["10.0.0.1"], HOME: expected}, CART: {OTHER: [], HOME: []}}


def test_a_multi_cluster_ingress_leads_to_its_service(reference: Synthesis) -> None:
    objects = reference.objects("tokyo")  # with one of Istio's Gateways
    [(key, found)] = front_ends(objects).items()
    [backend] = found.backends.values()
    assert key == (INGRESS, "istio-ingressgateway")
    assert found.routes == (Route("*", "PathPrefix", "/", ((backend.key, 1),)),)
    assert (backend.port, backend.check) == (80, HealthCheck(15021, "/healthz/ready"))
    [derived] = derived_services(objects, "asia-northeast1/matt-tokyo-cluster-1")
    assert derived["metadata"]["name"] == backend.service
    without = [one for one in objects if one["kind"] != "MultiClusterService"]
    assert front_ends(without) == {key: FrontEnd()}
    for one in objects:
        if one["kind"] == "BackendConfig":
            other = {**one, "metadata": {**one["metadata"], "name": "other"}}
    renamed = [other if one["kind"] == "BackendConfig" else one for one in objects]
    assert front_ends(renamed)[key].backends[backend.key].check == HealthCheck(80, "/")
    labels = {"app": "istio-ingressgateway", "istio": "ingressgateway"}

    def pods(region: str, namespace: str, selected: Mapping[str, str]) -> Sequence[IPv4Address]:
        assert (region, namespace, selected) == (OTHER, NAMESPACE, labels)
        return [IPv4Address("10.0.0.1")]

    assert endpoints(found, {OTHER: [derived], HOME: []}, pods) == {backend.key: {OTHER: ["10.0.0.1"], HOME: []}}


def test_the_most_specific_route_comes_first(internal: FrontEnd) -> None:
    [found] = routes(internal, HOME)["resources"]
    host = found["virtual_hosts"][0]
    assert host["domains"] == ["shop.example.com"]
    assert [one["match"] for one in host["routes"]] == [
        {"path": "/basket"},
        {"path_separated_prefix": "/cart"},
        {"prefix": "/"},
    ]
    assert host["routes"][0]["route"]["weighted_clusters"]["clusters"] == [
        {"name": f"{SHOP}/{HOME}", "weight": 90},
        {"name": f"{CART}/{HOME}", "weight": 10},
    ]
    assert {one["route"]["timeout"] for one in host["routes"]} == {"101s"}


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route("*", "PathPrefix", "/", ((SHOP, 0),)), {"direct_response": {"status": 500}}),
        (
            Route("*", "PathPrefix", "/", (), Redirect(308, host="b.example")),
            {"redirect": {"response_code": "PERMANENT_REDIRECT", "host_redirect": "b.example"}},
        ),
    ],
)
def test_a_route_without_endpoints(route: Route, expected: dict[str, Any]) -> None:
    [found] = routes(FrontEnd((route,)), HOME)["resources"]
    assert found["virtual_hosts"][0]["routes"] == [{"match": {"prefix": "/"}, **expected}]


def test_the_health_checks_of_a_backend(internal: FrontEnd, tmp_path: Path) -> None:
    found = backends(internal, [HOME], tmp_path)["resources"][0]
    [check] = found["health_checks"]
    assert (check["interval"], check["timeout"]) == ("5s", "3s")
    assert (check["healthy_threshold"], check["unhealthy_threshold"]) == (2, 4)
    assert check["http_health_check"] == {"path": "/healthz/ready", "host": "shop"}
    [endpoint] = assignment(internal.backends[SHOP], HOME, {SHOP: {HOME: ["10.0.1.1"]}})["resources"][0]["endpoints"]
    [one] = endpoint["lb_endpoints"]
    assert one["endpoint"]["address"]["socket_address"] == {"address": "10.0.1.1", "port_value": 8080}
    assert one["endpoint"]["health_check_config"] == {"port_value": 15021}


@pytest.mark.parametrize(
    ("region", "addresses", "expected"),
    [
        (HOME, {OTHER: ["10.0.0.1"], HOME: ["10.0.1.1"]}, {OTHER: 1, HOME: 0}),
        (HOME, {OTHER: ["10.0.0.1"], HOME: []}, {OTHER: 0}),
        (HOME, {OTHER: ["10.0.0.1"]}, {OTHER: 0}),
        (HOME, {}, {}),
    ],
)
def test_the_load_balancer_prefers_the_own_region(
    internal: FrontEnd, region: str, addresses: dict[str, list[str]], expected: dict[str, int]
) -> None:
    [found] = assignment(internal.backends[SHOP], region, {SHOP: addresses})["resources"]
    assert {one["locality"]["region"]: one["priority"] for one in found["endpoints"]} == expected


def test_only_files_that_change_are_written(internal: FrontEnd, tmp_path: Path) -> None:
    balancer = LoadBalancer(Toolchain(tmp_path, tmp_path), [HOME, OTHER], tmp_path, tmp_path / "log")
    balancer.configure(internal, {SHOP: {HOME: ["10.0.1.1"]}})
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    balancer.configure(internal, {SHOP: {HOME: ["10.0.1.1"]}, CART: {HOME: ["10.0.1.2"]}})
    changed = {path.name for path in tmp_path.iterdir() if before[path.name] != path.stat().st_ino}
    assert changed == {endpoints_file(CART, HOME), endpoints_file(CART, OTHER)}
    assert len(before) == 7

"""What the gateways get of services' routes, and who may call which port."""

from typing import Any

import pytest

from tests.synthesized import Synthesis

CLUSTERS = ("tokyo", "iowa")
CHECKOUT = "checkout.apps.svc.cluster.local"
RETRIES = {
    "attempts": 1,
    "retryOn": "connect-failure,gateway-error,429,unavailable",
    "perTryTimeout": "0.75s",
    "retryRemoteLocalities": True,
}


def to(host: str, port: int) -> list[dict[str, Any]]:
    return [{"destination": {"host": host, "port": {"number": port}}}]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_one_gateway_for_all_routes(three_regions: Synthesis, cluster: str) -> None:
    gateway = three_regions.object(cluster, "Gateway", "ingress")
    assert gateway["metadata"]["namespace"] == "istio-gateway"
    assert gateway["spec"]["selector"] == {"istio": "ingressgateway"}
    assert gateway["spec"]["servers"] == [
        {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]},
    ]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_routes_of_a_host_without_its_own(three_regions: Synthesis, cluster: str) -> None:
    spec = three_regions.object(cluster, "VirtualService", "routes")["spec"]
    assert (spec["hosts"], spec["gateways"]) == (["shop.example.com"], ["ingress"])
    checkout, basket, hello, cart = spec["http"]
    assert cart["match"] == [{"uri": {"exact": "/cart"}}, {"uri": {"prefix": "/cart/"}}]
    assert checkout == {
        "match": [{"uri": {"exact": "/checkout"}}, {"uri": {"prefix": "/checkout/"}}],
        "route": to(CHECKOUT, 8080),
        "timeout": "2.5s",
        "retries": RETRIES,
    }
    assert basket == {
        "match": [{"uri": {"exact": "/basket"}}, {"uri": {"prefix": "/basket/"}}],
        "redirect": {"uri": "/checkout", "authority": "shop.example.com", "scheme": "https", "redirectCode": 308},
    }
    assert hello == {
        "match": [{"uri": {"exact": "/hello"}}],
        "route": to("helloworld.sample.svc.cluster.local", 5000),
        "timeout": "15s",
        "retries": {"attempts": 2, "retryOn": "connect-failure,refused-stream", "retryRemoteLocalities": True},
    }


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_routes_of_a_host(three_regions: Synthesis, cluster: str) -> None:
    spec = three_regions.object(cluster, "VirtualService", "www.shop.example.com")["spec"]
    assert spec["hosts"] == ["www.shop.example.com"]
    matches = [match["uri"] for entry in spec["http"] for match in entry["match"]]
    assert matches == [
        {"exact": "/checkout"},
        {"prefix": "/checkout/"},
        {"exact": "/basket"},
        {"prefix": "/basket/"},
        {"exact": "/hello"},
        {"exact": "/admin"},
        {"prefix": "/admin/"},
        {"exact": "/cart"},
        {"prefix": "/cart/"},
        {"prefix": "/v1/"},
    ]
    admin, below, version = (spec["http"][index] for index in (3, 4, 6))
    same = {
        "route": to(CHECKOUT, 9090),
        "timeout": "2.5s",
        "retries": RETRIES,
        "headers": {
            "request": {"set": {"X-Team": "shop"}, "add": {"X-Hop": "gateway"}, "remove": ["X-Debug"]},
            "response": {"set": {"Strict-Transport-Security": "max-age=63072000"}, "remove": ["X-Powered-By"]},
        },
        "corsPolicy": {
            "allowOrigins": [{"exact": "https://partner.example.net"}, {"exact": "http://localhost:3000"}],
            "allowMethods": ["GET", "PUT"],
            "allowHeaders": ["X-Token"],
            "exposeHeaders": ["X-Count"],
            "allowCredentials": True,
            "maxAge": "600s",
        },
    }
    assert admin == {**same, "match": [{"uri": {"exact": "/admin"}}], "rewrite": {"uri": "/internal"}}
    assert below == {**same, "match": [{"uri": {"prefix": "/admin/"}}], "rewrite": {"uri": "/internal/"}}
    assert version == {**same, "match": [{"uri": {"prefix": "/v1/"}}], "rewrite": {"uri": "/internal/"}}


def test_the_routes_of_others_follow_those_of_hosts(three_regions: Synthesis) -> None:
    """A host that gets its first route, or loses its last one, is routed all the time."""
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    of_tokyo = {
        one["manifest"]["metadata"]["name"]: (address, one)
        for address, one in manifests.items()
        if one["manifest"]["kind"] == "VirtualService" and one["provider"] == "kubernetes.tokyo"
    }
    (address, own), (_, others) = of_tokyo["www.shop.example.com"], of_tokyo["routes"]
    assert f"kubernetes_manifest.{address}" in others["depends_on"]
    assert own["lifecycle"] == {"create_before_destroy": True}
    assert "lifecycle" not in others


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_ports_of_a_service(three_regions: Synthesis, cluster: str) -> None:
    ports = three_regions.object(cluster, "Service", "checkout")["spec"]["ports"]
    assert ports == [
        {"name": "http", "port": 8080, "targetPort": 8080, "appProtocol": "http"},
        {"name": "admin", "port": 9090, "targetPort": 9090, "appProtocol": "http2"},
        {"name": "events", "port": 9091, "targetPort": 9091, "appProtocol": "grpc"},
        {"name": "cache", "port": 11211, "targetPort": 11211, "appProtocol": "tcp"},
    ]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateways_may_call_the_ports_with_routes_and_others_all_ports(three_regions: Synthesis, cluster: str) -> None:
    gateways, others = three_regions.object(cluster, "AuthorizationPolicy", "checkout")["spec"]["rules"]
    assert gateways["from"] == [{"source": {"principals": ["*/ns/istio-gateway/sa/istio-ingressgateway"]}}]
    assert gateways["to"] == [{"operation": {"ports": ["8080", "9090"]}}]
    assert others["to"] == [{"operation": {"ports": ["8080", "9090", "9091", "11211"]}}]


def test_the_demo_keeps_its_objects(reference: Synthesis) -> None:
    for cluster in ("tokyo", "osaka"):
        assert reference.object(cluster, "Service", "helloworld")["spec"]["ports"] == [
            {"name": "http", "port": 5000, "targetPort": 5000}
        ]
        assert {one["metadata"]["name"] for one in reference.objects(cluster, "VirtualService")} == {"helloworld"}

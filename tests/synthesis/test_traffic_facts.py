"""How callers in the mesh and the gateways send requests to services: timeouts, retries, ejections, connections."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from config.paths import ROOT
from tests.synthesized import Synthesis, environment_of, minimal_configuration, synthesize

CLUSTERS = ("tokyo", "iowa")
CHECKOUT = "checkout.apps.svc.cluster.local"
POLICY = {
    "timeout": "2.5s",
    "retries": {
        "attempts": 1,
        "retryOn": "connect-failure,gateway-error,429,unavailable",
        "perTryTimeout": "0.75s",
        "retryRemoteLocalities": True,
    },
}
DEFAULT_RETRIES = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}
DEFAULT_POLICY = {"timeout": "15s", "retries": {**DEFAULT_RETRIES, "retryRemoteLocalities": True}}


def of_services(services: str, folder: Path) -> Synthesis:
    """Synthesize the sample environment with other services."""
    text = (ROOT / "mesh.yaml").read_text(encoding="utf-8")
    return synthesize(environment_of(f"{text}\nservices:\n  {services}\n"), folder)


def policy_of(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("timeout", "retries") if key in entry}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_callers_in_the_mesh(three_regions: Synthesis, cluster: str) -> None:
    found = three_regions.object(cluster, "VirtualService", "checkout")
    assert found["metadata"]["namespace"] == "apps"
    assert found["spec"]["hosts"] == [CHECKOUT]
    assert "gateways" not in found["spec"]
    by_port = {entry["match"][0]["port"]: entry for entry in found["spec"]["http"]}
    assert [*by_port] == [8080, 9090, 9091], "each port that the mesh reads, and tcp not"
    for port, entry in by_port.items():
        assert entry["match"] == [{"port": port}]
        assert entry["route"] == [{"destination": {"host": CHECKOUT, "port": {"number": port}}}]
        assert policy_of(entry) == (POLICY if port != 9091 else {"retries": POLICY["retries"]}), port


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_default_policy_of_a_service_with_one_port(three_regions: Synthesis, cluster: str) -> None:
    (entry,) = three_regions.object(cluster, "VirtualService", "search")["spec"]["http"]
    destination = {"host": "search.apps.svc.cluster.local", "port": {"number": 9200}}
    assert entry == {"route": [{"destination": destination}], **DEFAULT_POLICY}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_gateways_have_the_same_policy(three_regions: Synthesis, cluster: str) -> None:
    policies = {
        entry["match"][0]["uri"]["exact"]: policy_of(entry)
        for entry in three_regions.object(cluster, "VirtualService", "routes")["spec"]["http"]
    }
    by_default = dict.fromkeys(("/hello", "/cart"), DEFAULT_POLICY)
    assert policies == {"/checkout": POLICY, "/basket": {}, **by_default}, "a redirect reaches no service"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_ejections_and_connections(three_regions: Synthesis, cluster: str) -> None:
    policy = three_regions.object(cluster, "DestinationRule", "checkout")["spec"]["trafficPolicy"]
    assert policy["outlierDetection"] == {
        "consecutive5xxErrors": 7,
        "consecutiveGatewayErrors": 3,
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": 2,
        "interval": "0.5s",
        "baseEjectionTime": "20s",
        "maxEjectionPercent": 50,
    }
    assert policy["connectionPool"] == {
        "tcp": {
            "connectTimeout": "0.25s",
            "maxConnections": 1000,
            "idleTimeout": "300s",
            "tcpKeepalive": {"time": "60s", "interval": "10s", "probes": 3},
        },
        "http": {
            "http1MaxPendingRequests": 100,
            "http2MaxRequests": 500,
            "maxRequestsPerConnection": 10000,
            "idleTimeout": "300s",
        },
    }


@pytest.mark.parametrize("name", ["search", "helloworld"])
def test_the_demo_has_the_defaults_of_services(three_regions: Synthesis, name: str) -> None:
    policy = three_regions.object("tokyo", "DestinationRule", name)["spec"]["trafficPolicy"]
    assert policy["connectionPool"] == {"tcp": {"connectTimeout": "1s"}}
    assert policy["outlierDetection"] == {
        "consecutive5xxErrors": 5,
        "interval": "1s",
        "baseEjectionTime": "3s",
        "maxEjectionPercent": 100,
    }


def test_protocols_without_requests_or_timeouts(tmp_path: Path) -> None:
    found = of_services(
        "database: {image: i, port: 5432, protocol: tcp, connections: {idle_timeout_seconds: 60}}\n"
        "  stream: {image: i, port: 9000, protocol: grpc, retries: {attempts: 0}}\n"
        "  download: {image: i, port: 80, timeout_seconds: null}",
        tmp_path,
    )
    names = {one["metadata"]["name"] for one in found.objects("tokyo", "VirtualService")}
    assert names == {"helloworld", "stream", "download"}
    (stream,) = found.object("tokyo", "VirtualService", "stream")["spec"]["http"]
    assert policy_of(stream) == {"retries": {"attempts": 0}}, "Istio accepts no other field beside it"
    (download,) = found.object("tokyo", "VirtualService", "download")["spec"]["http"]
    assert policy_of(download) == {"retries": DEFAULT_POLICY["retries"]}
    pool = found.object("tokyo", "DestinationRule", "database")["spec"]["trafficPolicy"]["connectionPool"]
    assert pool == {"tcp": {"connectTimeout": "1s", "idleTimeout": "60s"}}


def test_connections_without_failover(tmp_path: Path) -> None:
    found = of_services(
        "a: {image: i, port: 80, failover: false, connections: {max_connections: 5}}\n"
        "  b: {image: i, port: 80, failover: false}",
        tmp_path,
    )
    assert {one["metadata"]["name"] for one in found.objects("tokyo", "DestinationRule")} == {"helloworld", "a"}
    (entry,) = found.object("tokyo", "VirtualService", "a")["spec"]["http"]
    assert entry["retries"] == DEFAULT_RETRIES, "which stay in the region"
    policy = found.object("tokyo", "DestinationRule", "a")["spec"]["trafficPolicy"]
    assert policy == {"connectionPool": {"tcp": {"connectTimeout": "1s", "maxConnections": 5}}}


def test_retries_in_a_mode_without_priorities_of_regions(tmp_path: Path) -> None:
    content = minimal_configuration(tokyo=0, osaka=1)
    content["services"] = {"a": {"image": "i", "port": 80, "routes": [{"path": "/a"}]}}
    content["mesh"] = {"control_plane": "fleet"}
    found = synthesize(environment_of(yaml.safe_dump(content)), tmp_path)
    for name in ("a", "routes"):
        entry = found.object("tokyo", "VirtualService", name)["spec"]["http"][0]
        assert entry["retries"] == DEFAULT_RETRIES

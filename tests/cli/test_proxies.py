"""Endpoints as a pod's own proxy sees them, in what a proxy has responded."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.sources.kubernetes import KubectlError
from cli.sources.proxies import ProxyEndpoint, parse_endpoints

CAPTURED = Path(__file__).parent / "captured" / "clusters.json"
HOST = "helloworld.sample.svc.cluster.local"


@pytest.fixture
def content() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CAPTURED.read_text(encoding="utf-8"))
    return found


def demo(content: dict[str, Any]) -> dict[str, Any]:
    """Return the first endpoint of the demo service, as Envoy has it."""
    [cluster] = (one for one in content["cluster_statuses"] if HOST in one["name"])
    found: dict[str, Any] = cluster["host_statuses"][0]
    return found


def parsed(content: dict[str, Any]) -> ProxyEndpoint:
    return next(one for one in parse_endpoints(json.dumps(content)) if one.host == HOST)


def test_endpoints_of_a_service(content: dict[str, Any]) -> None:
    found = [one for one in parse_endpoints(json.dumps(content)) if one.host == HOST]
    assert [(one.address, one.port, one.region, one.zone, one.priority) for one in found] == [
        ("10.32.1.2", 5000, "asia-northeast2", "asia-northeast2-b", 0),
        ("10.0.2.2", 5000, "asia-northeast1", "asia-northeast1-c", 1),
    ]
    assert all(one.healthy and one.outbound and not one.ejected and not one.subset for one in found)
    assert {one.service_port for one in found} == {5000}


def test_clusters_of_the_proxy_itself(content: dict[str, Any]) -> None:
    """They have no host and no port, and those behind a pipe no address."""
    own = [one for one in parse_endpoints(json.dumps(content)) if not one.outbound]
    assert {(one.cluster, one.host, one.service_port) for one in own} == {("agent", "", 0)}


@pytest.mark.parametrize(
    ("health", "healthy", "ejected"),
    [
        ({"eds_health_status": "HEALTHY"}, True, False),
        ({"eds_health_status": "DEGRADED"}, True, False),
        ({"eds_health_status": "UNHEALTHY"}, False, False),
        ({"eds_health_status": "DRAINING"}, False, False),
        ({"eds_health_status": "HEALTHY", "failed_outlier_check": True}, False, True),
        ({"eds_health_status": "HEALTHY", "failed_active_health_check": True}, False, False),
    ],
)
def test_health(content: dict[str, Any], health: dict[str, Any], healthy: bool, ejected: bool) -> None:
    demo(content)["health_status"] = health
    found = parsed(content)
    assert (found.healthy, found.ejected) == (healthy, ejected)


def test_counters(content: dict[str, Any]) -> None:
    """Envoy leaves out the value of a counter that is 0."""
    demo(content)["stats"] = [{"name": "rq_success", "value": "7"}, {"name": "rq_error"}]
    found = parsed(content)
    assert (found.succeeded, found.failed) == (7, 0)


def test_a_subset(content: dict[str, Any]) -> None:
    [cluster] = (one for one in content["cluster_statuses"] if HOST in one["name"])
    cluster["name"] = f"outbound|5000|v1|{HOST}"
    assert parsed(content).subset == "v1"


@pytest.mark.parametrize("text", ["", "no healthy upstream", "[]", '{"cluster_statuses": [{"host_statuses": [{}]}]}'])
def test_another_text(text: str) -> None:
    with pytest.raises(KubectlError, match="did not return its endpoints as JSON"):
        parse_endpoints(text)

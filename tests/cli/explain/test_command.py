"""The command `mesh explain`: its options, its exit status, and its JSON."""

import json
from dataclasses import replace

import pytest

from cli.errors import MeshError
from cli.explain.callee import Callee
from cli.explain.endpoints import used_endpoints
from cli.explain.finding import first_cause
from cli.explain.options import ExplainOptions
from cli.sources.kubernetes import ClusterClient
from cli.sources.proxies import ProxyEndpoint
from config import Environment, load
from config.paths import ROOT
from tests.cli.explain.recording import FOLDER, printed_in, replaying
from tests.cli.invocation import invoke

ENDPOINT = ProxyEndpoint("outbound|5000||x", "10.0.0.1", 5000, "asia-northeast1", "", True, False, 0, 0, 0)


@pytest.fixture(scope="module")
def environment() -> Environment:
    return load(ROOT / "mesh.yaml")


@pytest.mark.parametrize(("name", "status"), [("healthy", 0), ("deny", 1)])
def test_json_and_exit_status(name: str, status: int) -> None:
    with replaying(printed_in(name)):
        options = ["--kubeconfig", str(FOLDER / "kubeconfig.yaml"), "--from", "tokyo", "--from", "sample/sleep"]
        result = invoke(
            ["explain", "helloworld", "--config", str(ROOT / "mesh.yaml"), *options, "--json"],
            {},
        )
    assert result.returncode == status, result.stderr
    report = json.loads(result.stdout)
    (client,) = report["data"]["clients"]
    assert (report["data"]["service"], report["data"]["port"], report["data"]["path"]) == (
        "sample/helloworld",
        5000,
        "/hello",
    )
    assert client["region"] == "tokyo"
    assert client["client"].startswith("sample/sleep-")
    assert client["objects"] == (["AuthorizationPolicy sample/deny-all"] if status else [])
    assert (client["cause"] is None) == (status == 0)


@pytest.mark.parametrize(
    ("name", "expected"), [("healthy", None), ("deny", "authorization"), ("selector", "endpoints")]
)
def test_first_cause(environment: Environment, name: str, expected: str | None) -> None:
    flags = {key: ("--kubeconfig", "x", "--context", key) for key in ("tokyo", "osaka")}
    clusters = {key: ClusterClient(key, one, {}, "kubectl") for key, one in flags.items()}
    with replaying(printed_in(name)):
        cause = first_cause(environment, clusters, "helloworld", "tokyo")
    assert (cause and cause.name) == expected


def test_sources(environment: Environment) -> None:
    options = ExplainOptions("helloworld", ("osaka", "apps/orders"))
    assert options.regions(environment) == ["osaka"]
    assert options.clients == [("apps", "orders")]
    with pytest.raises(MeshError, match="neither a region nor NAMESPACE/NAME of a client: kyoto"):
        ExplainOptions("helloworld", ("kyoto",)).regions(environment)


def test_services(environment: Environment) -> None:
    assert str(Callee.of(environment, "helloworld")) == "sample/helloworld"
    assert Callee.of(environment, "other/helloworld").configured is None
    with pytest.raises(MeshError, match="the configuration has no service checkout; it has helloworld"):
        Callee.of(environment, "checkout")


@pytest.mark.parametrize(
    ("healthy", "used"),
    [
        ([[True, True], [True]], [0, 0]),
        ([[True, False], [True]], [0, 1]),  # 1.4 times the half is not enough
        ([[True, True, True, False], [True]], [0, 0, 0]),
        ([[False], [True]], [1]),
        ([[False], [False]], []),
    ],
)
def test_endpoints_that_get_requests(healthy: list[list[bool]], used: list[int]) -> None:
    endpoints = [
        replace(ENDPOINT, priority=priority, healthy=one) for priority, group in enumerate(healthy) for one in group
    ]
    assert [one.priority for one in used_endpoints(endpoints)] == used

"""`mesh status`, of what proxies know, without a request: their endpoints, their control plane, their certificates."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.cli.deployed_mesh import (
    GATEWAY,
    IN_CLUSTER,
    LOCATIONS,
    MANAGED,
    TOKEN,
    Case,
    DeployedMesh,
    endpoints_in,
    pod,
    proxy_in,
    secret_name,
)
from tests.cli.fake_kubectl import FakeKubectlError

SLEEP = "sleep-5d4f8-1"
PATH = ("tokyo", "data path to helloworld")
Spoil = Callable[[DeployedMesh], Any]


@pytest.mark.parametrize("mesh", [MANAGED, IN_CLUSTER], indirect=True)
def test_all_is_well(mesh: DeployedMesh) -> None:
    report = mesh.run_json("status")
    assert report.status == 0, report.findings("failure")
    found = report.findings("ok")
    assert found[PATH]["text"] == "4 proxies know healthy endpoints in tokyo, osaka"
    assert found["osaka", "proxy certificates"]["text"] == "the first expires in 23 h"
    assert found["osaka", "proxy configuration"]["text"] == "4 proxies connected, and none has rejected any"


def osaka(proxy: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoint in Osaka that a proxy knows."""
    found: dict[str, Any] = next(
        one for one in endpoints_in(proxy["clusters"]) if one["locality"]["region"] == LOCATIONS["osaka"]
    )
    return found


def every(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Change what all proxies in Tokyo respond."""
    return lambda mesh: change(mesh.clusters["tokyo"]["proxy"])


def one_of(name: str, change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Change what one proxy in Tokyo responds."""

    def spoil(mesh: DeployedMesh) -> None:
        change(mesh.clusters["tokyo"]["proxies"].setdefault(name, proxy_in("tokyo")))

    return spoil


def unknown(proxy: dict[str, Any]) -> None:
    endpoints_in(proxy["clusters"]).remove(osaka(proxy))


def disconnected(proxy: dict[str, Any]) -> None:
    [connection] = (one for one in proxy["clusters"]["cluster_statuses"] if one["name"] == "xds-grpc")
    [active] = (one for one in connection["host_statuses"][0]["stats"] if one["name"] == "rq_active")
    del active["value"]


def expiring(hours: float, field: str = "cert_chain") -> Callable[[dict[str, Any]], None]:
    def change(proxy: dict[str, Any]) -> None:
        until = datetime.now(UTC) + timedelta(hours=hours)
        for one in proxy["certs"]["certificates"]:
            one[field][0]["expiration_time"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
            one[field][0]["valid_from"] = f"{until - timedelta(hours=24):%Y-%m-%dT%H:%M:%SZ}"

    return change


def ejected(proxy: dict[str, Any]) -> None:
    osaka(proxy)["health_status"]["failed_outlier_check"] = True


REJECTED = "cluster_manager.cds.update_rejected: 0\nlistener_manager.lds.update_rejected: 3\n"
RESTART = "--namespace sample rollout restart deployment sleep"
CERTIFICATES, CONFIGURATION = ("tokyo", "proxy certificates"), ("tokyo", "proxy configuration")

CASES = {
    "unknown to all": Case(
        every(unknown), PATH, "all 4 proxies: no endpoint known in osaka", "get pods,secrets,events"
    ),
    "unknown to one": Case(one_of(SLEEP, unknown), PATH, f"sample/{SLEEP}: no endpoint known in osaka", RESTART),
    "unhealthy": Case(
        every(lambda proxy: osaka(proxy)["health_status"].update(eds_health_status="UNHEALTHY")),
        PATH,
        "all endpoints in osaka are unhealthy",
        "gke_test-project_asia-northeast2_matt-osaka-cluster-1 --namespace sample describe pods",
    ),
    "ejected": Case(
        one_of(f"{GATEWAY}-5d4f8-2", ejected), PATH, "are ejected", "describe pods --selector app=helloworld"
    ),
    "like local ones": Case(
        every(lambda proxy: osaka(proxy).update(priority=0)),
        PATH,
        "the endpoints in osaka get requests as those of this region do",
        "--namespace sample get destinationrules helloworld --output yaml",
    ),
    "disconnected": Case(
        every(disconnected),
        CONFIGURATION,
        "not connected to the control plane: all 4 proxies",
        "--namespace istio-system get pods,events",
    ),
    "rejected": Case(
        one_of(SLEEP, lambda proxy: proxy.update(stats=REJECTED)),
        CONFIGURATION,
        f"configurations rejected since the proxy started: sample/{SLEEP}",
        f"--namespace sample logs {SLEEP} --container istio-proxy",
        "warning",
    ),
    "certificate not renewed": Case(
        one_of(SLEEP, expiring(5)), CERTIFICATES, f"not renewed: sample/{SLEEP}; expires in 5 h", RESTART, "warning"
    ),
    "certificate expired": Case(one_of(SLEEP, expiring(-1)), CERTIFICATES, "expired at 2", RESTART),
    "CA expires": Case(
        every(expiring(2, "ca_cert")), CERTIFICATES, "CA of the mesh expires in 2 h", "docs/security.md", "warning"
    ),
    "not read": Case(
        one_of(SLEEP, lambda proxy: proxy.update(clusters=FakeKubectlError("unable to upgrade connection"))),
        ("tokyo", "proxy state"),
        "1 proxy can't be read: unable to upgrade connection",
        "auth can-i create pods/exec --namespace sample",
        "warning",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_thing_is_wrong(mesh: DeployedMesh, case: Case) -> None:
    case.check(mesh)


def test_what_a_cause_explains_is_not_told_again(mesh: DeployedMesh) -> None:
    """Without a remote secret the proxies know no endpoints of the other region; nor with another DestinationRule."""
    every(unknown)(mesh)
    mesh.remove("tokyo", "Secret", secret_name("osaka"))
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "remote secret for osaka")}
    mesh.clusters["osaka"]["proxy"]["clusters"]["cluster_statuses"] = []
    mesh.remove("osaka", "DestinationRule", "helloworld")
    assert set(mesh.run_json("status").findings("failure")) == {
        ("tokyo", "remote secret for osaka"),
        ("osaka", "DestinationRule sample/helloworld"),
    }


@pytest.mark.parametrize("mesh", [IN_CLUSTER], indirect=True)
def test_a_control_plane_that_is_down_is_one_cause(mesh: DeployedMesh) -> None:
    mesh.object("tokyo", "Deployment", "istiod")["status"] = {}
    every(disconnected)(mesh)
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "mesh control plane")}


def test_two_pods_of_a_workload_are_read(mesh: DeployedMesh) -> None:
    for number in range(2, 9):
        mesh.add("tokyo", pod("sample", "sleep", number))
    assert mesh.run_json("status").findings()[PATH]["text"].startswith("5 proxies know")
    read = [call[1] for call in mesh.kubectl_calls if call[0] == "exec" or "exec" in call]
    assert len(read) == 5 + 3 * 2 + 4 + 3 * 2


def test_a_token_that_expires(mesh: DeployedMesh) -> None:
    """As a service account's token of a TokenRequest does."""

    def set_token(days: int) -> None:
        until = datetime.now(UTC) + timedelta(days=days)
        payload = base64.urlsafe_b64encode(json.dumps({"exp": int(until.timestamp())}).encode()).decode().rstrip("=")
        token = f"{TOKEN}.{payload}.signature"
        secret = mesh.object("tokyo", "Secret")
        [(name, data)] = secret["data"].items()
        content = yaml.safe_load(base64.b64decode(data))
        content["users"][0]["user"]["token"] = token
        secret["data"] = {name: base64.b64encode(yaml.safe_dump(content).encode()).decode()}
        mesh.clusters["osaka"]["tokens"] = [token]

    set_token(30)
    assert mesh.run_json("status").findings("warning") == {}
    set_token(3)
    [(where, finding)] = mesh.run_json("status").findings("warning").items()
    assert where == ("tokyo", "remote secret for osaka")
    assert finding["text"].startswith("its token expires at 2")
    assert "apply -replace" in finding["fix"]

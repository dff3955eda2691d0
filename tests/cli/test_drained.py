"""`mesh status`, `mesh verify`, `mesh drill` and `mesh explain`, of a mesh with a drained region."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.explain.finding import first_cause
from cli.sources.kubernetes import ClusterClient
from cli.traffic import cause
from tests.cli.demo_mesh import DemoMesh, demo_mesh
from tests.cli.deployed_mesh import GATEWAY, LOCATIONS, DeployedMesh, apply_object, endpoints, endpoints_in
from tests.cli.explain.recording import printed_in, replaying
from tests.synthesized import REFERENCE, environment_of

DRAINED = {"multi-region-mesh/drained": "true"}
INGRESS = "Multi Cluster Ingress"


def set_drained(mesh: DeployedMesh | DemoMesh) -> None:
    mesh.content["regions"]["osaka"]["drained"] = True


def deploy_drained(mesh: DeployedMesh) -> None:
    """Drain osaka, as a deploy and the controllers do."""
    set_drained(mesh)
    service, of_clusters = mesh.object("osaka", "Service"), mesh.object("tokyo", "MultiClusterService")
    service["spec"]["selector"] |= DRAINED
    of_clusters["spec"] = {"clusters": [{"link": "asia-northeast1/matt-tokyo-cluster-1"}]}
    state = mesh.states["ingress"]
    assert isinstance(state, dict)
    apply_object(state, "osaka", service)
    apply_object(state, "tokyo", of_clusters)
    mesh.remove("osaka", "EndpointSlice")
    for region in ("tokyo", "osaka"):
        known = endpoints_in(mesh.clusters[region]["proxy"]["clusters"])
        known[:] = [one for one in known if one["locality"]["region"] != LOCATIONS["osaka"]]
    resources = mesh.object("tokyo", "MultiClusterIngress")["status"]["CloudResources"]
    groups = resources["NetworkEndpointGroups"]
    resources["NetworkEndpointGroups"] = [one for one in groups if LOCATIONS["tokyo"] in one]


def test_status_of_a_drained_region(mesh: DeployedMesh) -> None:
    deploy_drained(mesh)
    report = mesh.run_json("status")
    assert report.status == 0, report.findings("failure")
    assert report.findings("warning").keys() == {("osaka", "drained")}
    assert "matt-osaka-cluster-1, drained" in {one["title"].partition(": ")[2] for one in report.data["sections"]}
    found = report.findings("ok")
    assert found["osaka", "endpoints of helloworld"]["text"] == "none, as the region is drained"
    assert found["osaka", "service helloworld"]["text"] == "helloworld-v2: 1 of 1 available"
    for region in ("tokyo", "osaka"):
        assert found[region, "data path to helloworld"]["text"] == "4 proxies know healthy endpoints in tokyo"
    assert found[INGRESS, "endpoints"]["text"] == "in 3 zones, in every region but osaka, as configured"
    assert report.data["data"]["clusters"]["osaka"]["drained"] is True
    assert report.data["data"]["clusters"]["tokyo"]["drained"] is False


def _selecting_pods(mesh: DeployedMesh) -> None:
    """The Service of the drained region selects pods, by hand."""
    mesh.object("osaka", "Service")["spec"]["selector"] = {"app": "helloworld"}
    mesh.add("osaka", endpoints("sample", "helloworld"))


def _known(mesh: DeployedMesh) -> None:
    """A proxy keeps an endpoint that the control plane has removed."""
    known = endpoints_in(mesh.clusters["tokyo"]["proxy"]["clusters"])
    known.append(known[0] | {"locality": {"region": LOCATIONS["osaka"]}})


def _balanced(mesh: DeployedMesh) -> None:
    """The load balancer keeps the region's endpoints."""
    resources = mesh.object("tokyo", "MultiClusterIngress")["status"]["CloudResources"]
    resources["NetworkEndpointGroups"].append(f"zones/{LOCATIONS['osaka']}-a/networkEndpointGroups/x")


@pytest.mark.parametrize(
    ("spoil", "where", "text"),
    [
        (
            lambda mesh: mesh.add("osaka", endpoints("sample", "helloworld")),
            ("osaka", "endpoints of helloworld"),
            "1 ready endpoint, but the region is drained: requests go to them",
        ),
        (_selecting_pods, ("osaka", "Service sample/helloworld"), "multi-region-mesh/drained was removed"),
        (_known, ("tokyo", "data path to helloworld"), "endpoints known in osaka, which is drained"),
        (_balanced, (INGRESS, "endpoints"), "still in osaka, which the configuration drains"),
        (
            lambda mesh: mesh.object("tokyo", "MultiClusterService")["spec"].clear(),
            ("tokyo", f"MultiClusterService istio-gateway/{GATEWAY}"),
            "spec.clusters was removed",
        ),
    ],
)
def test_requests_that_may_go_to_a_drained_region(
    mesh: DeployedMesh, spoil: Callable[[DeployedMesh], Any], where: tuple[str, str], text: str
) -> None:
    deploy_drained(mesh)
    spoil(mesh)
    report = mesh.run_json("status")
    assert report.findings("failure").keys() == {where}
    assert text in report.findings("failure")[where]["text"]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoMesh]:
    monkeypatch.setattr(cause, "first_cause", lambda *_: None)
    with demo_mesh(tmp_path) as found:
        set_drained(found)
        yield found


@pytest.mark.parametrize("step", ["locality", "ingress"])
def test_verify_expects_responses_of_other_regions(demo: DemoMesh, step: str) -> None:
    demo.write_gateways()
    for region in ("tokyo", "osaka"):
        demo.serve(region, lambda number: "tokyo")
    options = ["--url", "http://198.51.100.7/hello"] if step == "ingress" else []
    result = demo.run("verify", step, "--requests", "20", "--json", *options)
    assert result.status == 0, result.output + result.errors
    assert result.findings["osaka"]["text"] == "all 20 requests succeeded; the region is drained: tokyo 20"


def test_verify_finds_a_response_of_a_drained_region(demo: DemoMesh) -> None:
    demo.serve("tokyo", lambda number: "tokyo")
    demo.serve("osaka", lambda number: "osaka" if number == 7 else "tokyo")
    result = demo.run("verify", "locality", "--requests", "20", "--json")
    assert result.status == 1
    assert result.findings["tokyo"]["state"] == "ok"
    assert "responses come from pods in osaka, drained: osaka 1, tokyo 19" in result.findings["osaka"]["text"]


def test_a_split_needs_two_regions_that_serve(demo: DemoMesh) -> None:
    demo.content["demo"]["failover"] = False
    result = demo.run("verify", "split")
    assert result.status == 2
    assert "helloworld serves in tokyo only" in result.errors


@pytest.mark.parametrize(
    ("region", "message", "fix"),
    [
        ("osaka", "osaka is drained: it gets no requests that could fail over", "use a region of tokyo"),
        ("tokyo", "no other region serves helloworld: drained: osaka", "mesh undrain osaka"),
    ],
)
def test_a_drill_that_would_show_nothing_or_be_an_outage(demo: DemoMesh, region: str, message: str, fix: str) -> None:
    result = demo.run("drill", region)
    assert result.status == 2
    assert message in result.errors
    assert fix in result.errors


def test_explain_finds_endpoints_in_a_drained_region() -> None:
    environment = environment_of(
        REFERENCE.read_text(encoding="utf-8").replace("number: 8", "number: 8\n    drained: true")
    )
    flags = {key: ("--kubeconfig", "x", "--context", key) for key in ("tokyo", "osaka")}
    clusters = {key: ClusterClient(key, one, {}, "kubectl") for key, one in flags.items()}
    with replaying(printed_in("healthy")):  # of a mesh in which osaka is not drained
        found = first_cause(environment, clusters, "helloworld", "tokyo")
    assert found is not None
    assert found.text.startswith("endpoints in osaka, which the configuration drains")

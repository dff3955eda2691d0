"""`mesh drain` and `mesh undrain`: what is checked, what is changed, and what is waited for."""

import copy
import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.drain.targeted_apply import TargetedApply
from cli.drain.terraform import PlannedChange, StateLockedError
from cli.errors import MeshError
from config.output_folder import CHANGE_LOCK
from tests.cli.deployed_mesh import FLEET, DeployedMesh, endpoints_in
from tests.cli.drain.drainable_mesh import (
    DRAINED,
    EXPORTED,
    GATEWAYS,
    SERVICES,
    DrainableMesh,
    drainable,
    endpoint,
    manifests,
)
from tests.cli.fake_kubectl import FakeKubectlError

SERVING, CHANGES, REQUESTS = "Other regions", "Changes", "Requests to osaka"
POD = "helloworld-v2-5d4f8-1"


@pytest.fixture
def region(mesh: DeployedMesh, tmp_path: Path) -> Iterator[DrainableMesh]:
    with drainable(mesh, tmp_path) as found:
        yield found


@pytest.mark.parametrize("mesh", ["asmcli-managed", FLEET], indirect=True)
def test_drain(region: DrainableMesh) -> None:
    answer = region.run("drain")
    assert answer.status == 0, answer.data
    assert region.osaka["drained"] is True
    assert region.applied == manifests({"regions": {"tokyo": {}, "osaka": {"drained": True}}})
    assert region.calls == [("init",), ("plan", SERVICES["osaka"], GATEWAYS, DRAINED["osaka"]), ("apply",)]
    found = answer.findings("ok")
    assert {name: one["text"] for (section, name), one in found.items() if section == CHANGES and ":" in name} == {
        "tokyo: MultiClusterService istio-gateway/istio-ingressgateway": "updated",
        "osaka: Service sample/helloworld": "updated",
        "osaka: Service sample/helloworld-drained": "created",
    }
    assert found[REQUESTS, "new requests"]["text"] == "none to 4 pods"
    assert answer.data["data"] == {
        "region": "osaka",
        "drained": True,
        "applied": [SERVICES["osaka"], GATEWAYS, DRAINED["osaka"]],
        "seconds": answer.data["data"]["seconds"],
    }


@pytest.mark.parametrize(
    ("api", "addresses"),
    [
        ("gateway", [SERVICES["osaka"], EXPORTED["osaka"], DRAINED["osaka"]]),
        ("both", [SERVICES["osaka"], EXPORTED["osaka"], GATEWAYS, DRAINED["osaka"]]),
    ],
)
def test_drain_behind_multi_cluster_gateway(region: DrainableMesh, api: str, addresses: list[str]) -> None:
    """The exported Service changes in place; with both APIs, so does the MultiClusterService."""
    region.mesh.content["ingress"]["api"] = api
    region.applied = manifests(region.mesh.content)
    answer = region.run("drain")
    assert answer.status == 0, answer.data
    assert region.calls == [("init",), ("plan", *addresses), ("apply",)]
    assert (CHANGES, "osaka: Service istio-gateway/istio-ingressgateway") in answer.findings("ok")
    assert region.run("undrain").status == 0
    assert region.applied == manifests({"regions": {"tokyo": {}, "osaka": {}}, "ingress": {"api": api}})


def test_undrain(region: DrainableMesh) -> None:
    region.set_drained()
    answer = region.run("undrain")
    assert answer.status == 0, answer.data
    assert "drained" not in region.osaka
    assert region.applied == manifests({"regions": {"tokyo": {}, "osaka": {}}})
    found = answer.findings("ok")
    assert found["Endpoints in osaka", "endpoints of helloworld"]
    assert found[CHANGES, "osaka: Service sample/helloworld-drained"]["text"] == "deleted"


def test_a_region_that_serves_again_already(region: DrainableMesh) -> None:
    """Such as after an interruption: what was deleted is in no plan."""
    answer = region.run("undrain")
    assert answer.status == 0
    assert answer.findings("ok")[CHANGES, "osaka: Service sample/helloworld-drained"]["text"] == "already deleted"
    assert region.applied == manifests({"regions": {"tokyo": {}, "osaka": {}}})


def test_a_region_that_is_drained_already(region: DrainableMesh) -> None:
    region.set_drained()
    before = dict(region.applied)
    answer = region.run("drain")
    assert answer.status == 0, answer.data
    assert region.applied == before
    changes = {name: one["text"] for (section, name), one in answer.findings("ok").items() if section == CHANGES}
    assert changes == {
        "configuration": "regions.osaka.drained is true already",
        "tokyo: MultiClusterService istio-gateway/istio-ingressgateway": "already updated",
        "osaka: Service sample/helloworld": "already updated",
        "osaka: Service sample/helloworld-drained": "already created",
    }
    assert answer.data["data"]["applied"] == []
    prompt = region.mesh.run_json("drain", "osaka").data["error"]["message"]
    assert "terraform updates, in the stack ingress, where it has not yet: " in prompt


def test_a_file_that_is_ahead_of_the_clusters(region: DrainableMesh) -> None:
    """Such as after the command was killed, or a person has written the line."""
    region.mesh.content["regions"]["osaka"]["drained"] = True
    assert region.run("drain").status == 0
    assert region.applied == manifests({"regions": {"osaka": {"drained": True}}})


def refused(region: DrainableMesh, command: str = "drain") -> dict[str, str]:
    """Run a command that changes nothing, and return its error."""
    region.mesh._write()
    before, applied = region.file.read_text(encoding="utf-8"), dict(region.applied)
    answer = region.run(command)
    assert answer.status == 2, answer.data
    assert region.file.read_text(encoding="utf-8") == before
    assert region.applied == applied
    assert ("apply",) not in region.calls
    assert not list(region.file.parent.glob(".mesh.yaml*"))
    error: dict[str, str] = answer.data["error"]
    return error


def test_a_service_that_no_other_region_serves(region: DrainableMesh) -> None:
    region.mesh.object("tokyo", "EndpointSlice", "helloworld")["endpoints"] = []
    assert "helloworld (none ready in tokyo)" in refused(region)["message"]
    assert not region.calls


def test_gateways_that_are_ready_nowhere_else(region: DrainableMesh) -> None:
    for one in region.mesh.objects("tokyo", "Pod", "istio-ingressgateway"):
        one["status"]["conditions"] = []
    assert "gateways (none ready in tokyo)" in refused(region)["message"]


def test_other_regions_that_can_t_be_read(region: DrainableMesh) -> None:
    region.mesh.clusters["tokyo"]["error"] = "Unable to connect to the server: i/o timeout"
    assert "helloworld (tokyo can't be read)" in refused(region)["message"]


def test_callers_that_know_no_other_region(region: DrainableMesh) -> None:
    """Such as without remote secrets: there are ready endpoints, and the region's own callers would have none."""
    own = region.mesh.clusters["osaka"]
    alone = copy.deepcopy(own["proxy"]["clusters"])
    endpoints_in(alone)[:] = [endpoint("osaka")]
    own["proxies"]["sleep-5d4f8-1"] = {"clusters": alone}
    error = refused(region)
    assert error["message"].endswith("no endpoint outside osaka of helloworld (sample/sleep-5d4f8-1 in osaka)")
    assert error["fix"] == "mesh explain helloworld --from osaka"
    assert not region.calls
    endpoints_in(alone).append(endpoint("tokyo") | {"health_status": {"failed_outlier_check": True}})
    answer = region.run_to_timeout("drain")
    assert answer.findings("ok")[SERVING, "callers"]["text"].endswith("with endpoints in osaka know others, too")


def test_callers_of_a_service_that_nothing_serves(region: DrainableMesh) -> None:
    """A proxy that has missed the end of its pods loses nothing by the drain."""
    own = region.mesh.clusters["osaka"]
    own["proxies"]["sleep-5d4f8-1"] = {"clusters": copy.deepcopy(own["proxy"]["clusters"])}
    endpoints_in(own["proxies"]["sleep-5d4f8-1"]["clusters"])[:] = [endpoint("osaka")]
    region.mesh.object("osaka", "EndpointSlice", "helloworld")["endpoints"] = []
    assert region.run_to_timeout("drain").status == 1


def test_a_region_that_was_never_deployed(region: DrainableMesh) -> None:
    """The MultiClusterService would name its cluster, as soon as it does not stand for all."""
    region.mesh.content["regions"]["taipei"] = {"region": "asia-east1", "number": 5}
    error = refused(region)
    assert "the cluster of taipei does not exist" in error["message"]
    assert error["fix"].endswith("mesh drain taipei")
    region.mesh.content["ingress"]["api"] = "gateway"  # which has no list of clusters
    region.applied = manifests(region.mesh.content)
    assert region.run("drain").status == 0


def test_the_last_region_that_serves(region: DrainableMesh) -> None:
    region.mesh.content["regions"]["tokyo"]["drained"] = True
    error = refused(region)
    assert "regions: all are drained or retired" in error["message"]


def test_without_a_terminal(region: DrainableMesh) -> None:
    answer = region.mesh.run_json("drain", "osaka")
    assert answer.status == 2
    message = answer.data["error"]["message"]
    assert "MultiClusterService istio-gateway/istio-ingressgateway in tokyo" in message
    assert "Service sample/helloworld in osaka" in message
    assert answer.data["error"]["fix"].endswith("--yes")
    assert "drained" not in region.osaka
    assert not region.calls


@pytest.mark.parametrize("name", ["kyoto", "seoul"])
def test_a_region_that_can_t_be_drained(region: DrainableMesh, name: str) -> None:
    answer = region.mesh.run_json("drain", name, "--yes")
    assert answer.status == 2
    assert name in answer.data["error"]["message"]
    assert answer.data["error"]["fix"]


def test_a_stack_that_was_never_deployed(region: DrainableMesh) -> None:
    region.mesh.states["ingress"] = None
    error = refused(region)
    assert "was never deployed" in error["message"]
    assert error["fix"].startswith("cdktf deploy")


def test_an_object_that_was_never_deployed(region: DrainableMesh) -> None:
    del region.applied[GATEWAYS]
    assert f"create {GATEWAYS}" in refused(region)["message"]


def test_another_pending_change_of_the_same_object(region: DrainableMesh) -> None:
    region.applied[SERVICES["osaka"]]["spec"]["selector"] = {"app": "hello"}
    message = refused(region)["message"]
    assert "Service sample/helloworld in osaka, which was deployed from another configuration" in message


def test_a_pending_change_of_what_an_object_needs(region: DrainableMesh) -> None:
    region.pending = [
        PlannedChange("kubernetes_manifest.tokyo_namespace", ("update",), {"manifest": {}}),
        PlannedChange("null_resource.cleanup", ("no-op",), {}),
    ]
    error = refused(region)
    assert "update kubernetes_manifest.tokyo_namespace" in error["message"]
    assert "cleanup" not in error["message"]
    assert "cdktf deploy ingress" in error["fix"]


def test_a_plan_that_fails(region: DrainableMesh) -> None:
    region.errors["plan"] = "Reference to undeclared resource"
    assert "Reference to undeclared resource" in refused(region)["message"]


def test_a_state_that_is_locked(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy, the usual advice, would wait for the same lock."""

    def plan(*_: object) -> None:
        raise StateLockedError("the state is locked by ann@laptop")

    monkeypatch.setattr("cli.drain.targeted_apply.StackTerraform.plan", plan)
    error = refused(region)
    assert "the state is locked by ann@laptop" in error["message"]
    assert error["fix"].startswith("wait until that has ended")


def test_an_apply_that_fails(region: DrainableMesh) -> None:
    """Some of it may be applied, so the file stays as it is wanted."""
    region.errors["apply"] = "the server is currently unable to handle the request"
    answer = region.run("drain")
    assert answer.status == 1
    assert region.osaka["drained"] is True
    failure = answer.findings("failure")[CHANGES, "terraform apply"]
    assert "unable to handle" in failure["text"]
    assert failure["fix"].startswith("mesh drain osaka, or: terraform apply ")


def test_a_region_that_is_lost(region: DrainableMesh) -> None:
    """The load balancer's part is applied; of the rest, there is the command."""
    region.mesh.clusters["osaka"]["error"] = "Unable to connect to the server: i/o timeout"
    answer = region.run("drain")
    assert answer.status == 1
    assert region.osaka["drained"] is True
    assert ("plan", GATEWAYS) in region.calls
    assert region.applied[GATEWAYS]["spec"]["clusters"] == [{"link": "tokyo"}]
    failure = answer.findings("failure")[CHANGES, "osaka: Service sample/helloworld"]
    assert failure["fix"].endswith(f"terraform apply {SERVICES['osaka']}")
    assert set(answer.findings("warning")) >= {(SERVING, "osaka"), (REQUESTS, "requests")}


def test_the_config_cluster_that_is_lost(region: DrainableMesh) -> None:
    """Nothing can be applied, as all objects are in clusters that can't be read."""
    region.mesh.content["ingress"]["config_cluster"] = "osaka"
    region.mesh.clusters["osaka"]["error"] = "Unable to connect to the server: i/o timeout"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.cli.drain.drainable_mesh.GATEWAYS", "kubernetes_manifest.osaka_gateways")
        assert "none of the clusters" in refused(region)["message"]


def test_a_lost_region_does_not_serve_again(region: DrainableMesh) -> None:
    region.set_drained()
    region.mesh.clusters["osaka"]["error"] = "Unable to connect to the server: i/o timeout"
    assert "can't be read" in refused(region, "undrain")["message"]


def test_pods_that_are_not_ready(region: DrainableMesh) -> None:
    region.set_drained()
    region.mesh.object("osaka", "Pod", POD)["status"]["conditions"] = []
    answer = region.run("undrain")
    assert answer.status == 0
    assert "no ready pod in osaka" in answer.findings("warning")["Pods in osaka", "helloworld"]["text"]


def test_capacity(region: DrainableMesh) -> None:
    """Two gateways of each region serve, and autoscalers may add three; nothing scales the demo."""
    answer = region.run("drain")
    assert set(answer.findings("warning")) == {(SERVING, "helloworld")}
    text = answer.findings("ok")[SERVING, "gateways"]["text"]
    assert text == "4 ready pods now, 2 without osaka (2 in tokyo), and autoscalers can add 3"
    assert "helloworld: 2 ready pods now, 1 without osaka (1 in tokyo)" in answer.errors


def test_requests_that_do_not_end(region: DrainableMesh) -> None:
    region.serve("osaka", POD, "inbound|5000||", rq_total=7, rq_active=2)
    answer = region.run_to_timeout("drain")
    assert answer.status == 1
    failure = answer.findings("failure")[REQUESTS, "active requests"]
    assert f"sample/{POD} (2)" in failure["text"]


def test_new_requests(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def serve_more(mesh: DrainableMesh) -> None:
        nonlocal count
        count += 5
        mesh.serve("osaka", "istio-ingressgateway-5d4f8-2", "outbound|80||a.b.svc.cluster.local", rq_total=count)

    monkeypatch.setattr("time.sleep", lambda _: serve_more(region))
    answer = region.run_to_timeout("drain")
    assert answer.status == 1
    assert (
        "istio-gateway/istio-ingressgateway-5d4f8-2 (" in answer.findings("failure")[REQUESTS, "new requests"]["text"]
    )


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_while_it_waits(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The region stays drained, and the report says what was done."""
    monkeypatch.setattr("cli.drain.command.wait_until_complete", interrupt)
    answer = region.run("drain")
    assert answer.status == 130
    assert region.osaka["drained"] is True
    assert answer.findings("ok")[CHANGES, "osaka: Service sample/helloworld"]


def test_ctrl_c_while_terraform_applies(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of it may be applied, so the file stays as it is wanted."""
    monkeypatch.setattr("cli.drain.targeted_apply.TargetedApply.apply", interrupt)
    answer = region.run("drain")
    assert answer.status == 130
    assert region.osaka["drained"] is True
    failure = answer.findings("failure")[CHANGES, "terraform apply"]
    assert "interrupted" in failure["text"]
    assert failure["fix"] == "to go on: mesh drain osaka; to go back: mesh undrain osaka"


def test_ctrl_c_before_anything_is_applied(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.drain.targeted_apply.TargetedApply.plan", interrupt)
    answer = region.run("drain")
    assert answer.status == 130
    assert "drained" not in region.osaka


def test_another_command_waits_until_the_change_is_applied(
    region: DrainableMesh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And not until the region is empty: until then, it can be undrained."""
    found = []

    def is_locked() -> bool:
        with (tmp_path / CHANGE_LOCK).open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def plan(*_: object) -> None:
        found.append(is_locked())

    def read(*_: object) -> None:
        found.append(is_locked())
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.drain.targeted_apply.TargetedApply.plan", plan)
    monkeypatch.setattr("cli.drain.command.wait_until_complete", read)
    region.run("drain")
    assert found == [True, False]


def test_a_file_that_is_edited_while_it_is_planned(region: DrainableMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit stays, with the line that can't be taken back."""

    def plan(*_: object) -> None:
        with region.file.open("a", encoding="utf-8") as file:
            file.write("# mine\n")
        raise MeshError("refused", "")

    monkeypatch.setattr("cli.drain.targeted_apply.TargetedApply.plan", plan)
    answer = region.run("drain")
    assert answer.status == 2
    assert region.file.read_text(encoding="utf-8").endswith("# mine\n")
    assert "has changed meanwhile: check its key regions.osaka.drained" in answer.errors


def test_a_proxy_that_keeps_endpoints(region: DrainableMesh) -> None:
    own = region.mesh.clusters["tokyo"]
    own["proxies"]["sleep-5d4f8-1"] = copy.deepcopy(own["proxy"])
    answer = region.run_to_timeout("drain")
    assert answer.status == 1
    assert "sample/sleep-5d4f8-1 in tokyo" in answer.findings("failure")[REQUESTS, "endpoints"]["text"]


@pytest.mark.parametrize("command", ["drain", "undrain"])
def test_a_cluster_that_is_lost_while_it_waits(
    region: DrainableMesh, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of its proxies, which may send requests to the region, or none."""
    if command == "undrain":
        region.set_drained()

    apply = TargetedApply.apply

    def apply_and_lose(own: TargetedApply) -> str:
        region.mesh.clusters["tokyo"]["error"] = "Unable to connect to the server: i/o timeout"
        return apply(own)

    monkeypatch.setattr(TargetedApply, "apply", apply_and_lose)
    answer = region.run_to_timeout(command)
    assert answer.status == 1
    found = {name: one for (_, name), one in answer.findings("failure").items()}
    assert "its pods can't be listed: " in found["cluster of tokyo"]["text"]


def test_proxies_that_can_t_be_read(region: DrainableMesh) -> None:
    error = FakeKubectlError('Error from server (Forbidden): pods "a" is forbidden')
    for one in region.mesh.objects("osaka", "Pod"):
        region.mesh.clusters["osaka"]["proxies"][one["metadata"]["name"]] = {"clusters": error}
    answer = region.run("drain")
    assert answer.status == 0
    assert "no proxy in osaka could be read" in answer.findings("warning")[REQUESTS, "requests"]["text"]


@pytest.mark.parametrize("known", [True, False])
def test_endpoints_that_do_not_come_back(region: DrainableMesh, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    region.set_drained()
    unhealthy = endpoint("osaka") | {"health_status": {"eds_health_status": "UNHEALTHY"}}
    for one in region.mesh.clusters.values() if known else ():
        if "proxy" in one:
            endpoints_in(one["proxy"]["clusters"]).append(unhealthy)
    monkeypatch.setattr(DrainableMesh, "take_effect", lambda _: None)
    answer = region.run_to_timeout("undrain")
    assert answer.status == 1
    failure = answer.findings("failure")["Endpoints in osaka", "endpoints of helloworld"]
    assert "mesh explain helloworld" in failure["fix"]


def test_a_lost_region_behind_multi_cluster_gateway_alone(region: DrainableMesh) -> None:
    """All that changes is in its own cluster."""
    region.mesh.content["ingress"]["api"] = "gateway"
    region.applied = manifests(region.mesh.content)
    region.mesh.clusters["osaka"]["error"] = "Unable to connect to the server: i/o timeout"
    error = refused(region)
    assert "still go to the region's gateways as long as they pass their health checks" in error["message"]
    assert error["fix"] == "mesh status --region osaka"

"""Tests of the control plane modes in the rehearsal: simulated controllers and checks."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.control_plane import MODES, ControlPlaneMode, control_plane
from config.environment import Environment
from config.naming import STACKS
from config.paths import ROOT
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.store import Store
from tests.rehearsal.checks import refused, without_tools
from tests.rehearsal.deployment import CommandRun, StackRun
from tests.rehearsal.endpoint_groups import KIND, EndpointGroups, endpoint_group_objects
from tests.rehearsal.expected import expected_peer_clients, expected_secrets
from tests.rehearsal.fake_istiod import FakeIstiod
from tests.rehearsal.forbidden_tools import PROGRAMS, ForbiddenTools, local_execs
from tests.rehearsal.job_runner import JobRunner
from tests.rehearsal.mesh_controller import MeshController, managed_memberships
from tests.rehearsal.run import NO_MIGRATION
from tests.synthesized import THREE_REGIONS, load_without_variables

SECONDS = 60.0
AUTOMATIC = {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}


def with_mode(name: str) -> Environment:
    environment = load_without_variables(THREE_REGIONS)
    mesh = environment.mesh.model_copy(update={"control_plane": name})
    return environment.model_copy(update={"mesh": mesh})


def wait_until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class FakeCluster:
    """A cluster whose watches yield the events of a test.

    Attributes:
        calls: of kubectl.
        applied: applied objects by kind and name.
        events: of each watched kind.
        ended: ends the watches.
    """

    certificate = "Q0E="
    server = "https://192.0.2.1"

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.applied: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.ended = threading.Event()

    def kubectl(self, *arguments: str, seconds: float = 0) -> str:
        self.calls.append(arguments)
        return "token" if "token" in arguments else ""

    def apply(self, objects: list[dict[str, Any]]) -> None:
        self.applied |= {(one["kind"], one["metadata"]["name"]): one for one in objects}

    def follow(self, kind: str, *arguments: str) -> Iterator[dict[str, Any]]:
        seen = 0
        while not self.ended.wait(0.01):
            events = self.events.get(kind, [])
            yield from events[seen:]
            seen = len(events)

    def patches(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(call[-1]) for call in self.calls if "patch" in call and kind in call]


@pytest.fixture
def cluster() -> Iterator[Any]:
    found = FakeCluster()
    yield found
    found.ended.set()


# --- expectations


@pytest.mark.parametrize("name", MODES)
def test_the_expectation_agrees_with_the_modes(name: ControlPlaneMode) -> None:
    """The rehearsal's expectation and the modes' records are independent of each other."""
    environment, mode = with_mode(name), control_plane(name)
    secrets, clients = expected_secrets(environment), expected_peer_clients(environment)
    assert len(secrets) == len(clients) >= 2
    assert all(bool(held) is mode.uses_remote_secrets for held in secrets.values())
    for region, ranges in clients.items():
        assert ranges == {str(one.cidr) for one in environment.peer_api_clients(region)}
    assert any(clients.values()) is mode.runs_on_nodes


MESSAGE = """
mesh  ╷
      │ Error: Resource postcondition failed
      │
      │ mesh.control_plane: the deployed mesh has the mode fleet, and a mesh
      │ can't be migrated to asmcli-managed. To keep the mesh
      ╵
"""


def test_a_refusal_has_its_message_and_changes_nothing() -> None:
    run = CommandRun(1, 1.0, MESSAGE, [StackRun("mesh")])
    assert refused("title", run, NO_MIGRATION, []).ok
    assert not refused("title", run, "there is no path", []).ok
    assert not refused("title", run, NO_MIGRATION, ["200 POST /compute/v1/x"]).ok
    assert not refused("title", CommandRun(0, 1.0, MESSAGE, []), NO_MIGRATION, []).ok
    assert not refused("title", CommandRun(1, 1.0, MESSAGE, [StackRun("mesh", 1, 1)]), NO_MIGRATION, []).ok


def test_a_call_of_a_forbidden_tool_is_recorded(tmp_path: Path) -> None:
    forbidden = ForbiddenTools(tmp_path / "forbidden")
    output = tmp_path / "cdktf.out"
    for stack in STACKS:
        (output / "stacks" / stack).mkdir(parents=True)
        (output / "stacks" / stack / "cdk.tf.json").write_text("{}", encoding="utf-8")
    assert forbidden.calls() == []
    assert without_tools("title", forbidden, output).ok
    variables = forbidden.variables({"PATH": "/usr/bin:/bin"})
    for program in PROGRAMS:
        assert subprocess.run([program, "x"], env=variables, check=False, capture_output=True).returncode == 127
    assert forbidden.calls() == [f"{program} x" for program in PROGRAMS]
    assert not without_tools("title", forbidden, output).ok


def test_a_stack_that_runs_a_program_is_found(tmp_path: Path) -> None:
    forbidden = ForbiddenTools(tmp_path / "forbidden")
    assert not without_tools("title", forbidden, tmp_path).ok, "there are no stacks"
    for number, stack in enumerate(STACKS):
        (tmp_path / "stacks" / stack).mkdir(parents=True)
        provisioner = {"provisioner": [{"local-exec": {"command": "x"}}] * (number == 2)}
        (tmp_path / "stacks" / stack / "cdk.tf.json").write_text(json.dumps(provisioner), encoding="utf-8")
    assert local_execs(tmp_path) == (4, 1)
    assert not without_tools("title", forbidden, tmp_path).ok


# --- Google's controller


def test_memberships_whose_mesh_the_fleet_manages() -> None:
    specs = {
        "projects/1/locations/asia-northeast1/memberships/one": AUTOMATIC,
        "projects/1/locations/asia-northeast2/memberships/two": {"mesh": {"management": "MANAGEMENT_MANUAL"}},
        "projects/1/locations/asia-northeast2/memberships/three": {},
    }
    assert managed_memberships({"membershipSpecs": specs}) == {("asia-northeast1", "one")}
    assert managed_memberships({}) == managed_memberships(None) == set()


def controller(cluster: Any, reported: list[Any]) -> MeshController:
    crds = [{"kind": "CustomResourceDefinition", "metadata": {"name": "gateways"}}]
    latencies = Latencies(0)
    return MeshController(
        cluster,
        crds,
        latencies,
        channel=lambda: "STABLE",
        install=lambda: None,
        direct=lambda: cluster.calls.append(("direct",)),
        report=reported.append,
    )


def test_a_managed_mesh_gets_a_revision_of_its_clusters_channel(cluster: Any) -> None:
    reported: list[Any] = []
    mesh = controller(cluster, reported)
    mesh.manage(True)
    key = ("ControlPlaneRevision", "asm-managed-stable")
    wait_until(lambda: key in cluster.applied)
    assert cluster.applied[key]["metadata"]["namespace"] == "istio-system"
    assert cluster.applied["ConfigMap", "asm-options"]["data"] == {"ASM_OPTS": ""}, "others' options are touched"
    assert reported[0]["servicemesh"]["controlPlaneManagement"]["state"] == "PROVISIONING"
    mesh.manage(True)  # of another member: nothing new
    mesh.manage(False)
    assert reported[1:] == [None]


def test_a_revision_is_provisioned_and_recreated_while_it_is_managed(cluster: Any) -> None:
    reported: list[Any] = []
    mesh = controller(cluster, reported)
    mesh.start()
    mesh.manage(True)
    key = ("ControlPlaneRevision", "asm-managed-stable")
    wait_until(lambda: key in cluster.applied)
    kind = "controlplanerevisions.mesh.cloud.google.com"
    event = {"type": "ADDED", "object": cluster.applied.pop(key)}
    cluster.events[kind] = [event]
    wait_until(lambda: cluster.patches(kind))
    assert cluster.patches(kind)[0]["status"]["conditions"][0]["type"] == "ProvisioningFinished"
    assert ("CustomResourceDefinition", "gateways") in cluster.applied
    assert ("direct",) in cluster.calls
    assert reported[-1]["servicemesh"]["controlPlaneManagement"]["details"][0]["code"] == "REVISION_READY"
    cluster.events[kind].append({**event, "type": "DELETED"})
    wait_until(lambda: key in cluster.applied)


# --- endpoint groups


def test_endpoint_groups_are_deleted_before_their_object(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.rehearsal.endpoint_groups.LINGERING", 0.0)
    (one,) = endpoint_group_objects("istio-gateway", ["k8s1-ours"])
    assert one["metadata"]["finalizers"] == ["networking.gke.io/neg-finalizer"]
    store = Store()
    theirs = ("a/networkEndpointGroups/k8s1-other", "z/networkEndpointGroups/k8s1-ours", "a/instances/k8s1-ours")
    for path in ("a/networkEndpointGroups/k8s1-ours", "b/networkEndpointGroups/k8s1-ours", *theirs):
        store.add(f"projects/p/zones/{path}", {})
    store.add("operations/operation-00001", {})
    cluster.site = SimpleNamespace(zones=("a", "b"))
    there = {**one, "metadata": one["metadata"] | {"uid": "1"}}
    leaving = {**one, "metadata": there["metadata"] | {"deletionTimestamp": "now"}}
    cluster.events[KIND] = [{"type": "ADDED", "object": there}]
    EndpointGroups(cluster, store).start()
    time.sleep(0.2)
    assert len(store.all()) == 6
    cluster.events[KIND] += [{"type": "MODIFIED", "object": leaving}] * 2
    wait_until(lambda: cluster.patches(KIND))
    assert cluster.patches(KIND) == [{"metadata": {"finalizers": None}}]
    assert set(store.all()) == {"operations/operation-00001", *(f"projects/p/zones/{path}" for path in theirs)}


# --- istiod on the nodes


def test_webhooks_without_endpoints_fail_open(cluster: Any) -> None:
    def webhook(name: str, namespace: str) -> dict[str, Any]:
        where = {"service": {"name": "it", "namespace": namespace}}
        return {"name": name, "clientConfig": where, "failurePolicy": "Fail"}

    hooks = [webhook("mesh", "istio-system"), webhook("other", "somewhere")]
    item = {"metadata": {"name": "injector"}, "webhooks": hooks}
    cluster.events["mutatingwebhookconfigurations"] = [{"type": "ADDED", "object": item}]
    FakeIstiod(cluster, "asm-1285-12").start()
    wait_until(lambda: cluster.patches("mutatingwebhookconfigurations"))
    changed, untouched = cluster.patches("mutatingwebhookconfigurations")[0]["webhooks"]
    where = hooks[0]["clientConfig"] | {"caBundle": cluster.certificate}
    assert changed == hooks[0] | {"failurePolicy": "Ignore", "timeoutSeconds": 1, "clientConfig": where}
    assert untouched == hooks[1]
    after = {**item, "webhooks": [changed, untouched]}
    cluster.events["mutatingwebhookconfigurations"].append({"type": "MODIFIED", "object": after})
    time.sleep(0.2)
    assert len(cluster.patches("mutatingwebhookconfigurations")) == 1, "it goes on and on"


# --- Jobs


class FakeTools:
    def __init__(self, program: Path) -> None:
        self._program = program

    def path(self, name: str) -> Path:
        assert name == "kubectl"
        return self._program

    def variables(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin"}


def pod(*args: str, image: str = "registry.k8s.io/kubectl:v1") -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image, "args": [one]} for number, one in enumerate(args)]
    return {
        "metadata": {"name": "job-1", "namespace": "istio-system", "uid": "1"},
        "spec": {
            "nodeName": "node",
            "serviceAccountName": "reader",
            "initContainers": containers[:-1],
            "containers": containers[-1:],
        },
    }


@pytest.fixture
def run_pod(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Give a function that runs a pod and returns its statuses; kubectl records its argument, and fails at ``fail``."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$1 $KUBERNETES_SERVICE_HOST" >>"{tmp_path}/ran"\n[ "$1" != fail ]\n')
    program.chmod(0o755)
    # The tests' user need not be authorized to mount.
    monkeypatch.setattr("tests.rehearsal.job_runner.IN_NAMESPACE", ("sh", "-c", 'shift; exec "$@"', "sh"))
    cluster.namespace = type("Outside", (), {"command": staticmethod(list)})

    def run(one: dict[str, Any]) -> list[dict[str, Any]]:
        tools: Any = FakeTools(program)
        cluster.events["pods"] = [{"type": "ADDED", "object": one}, {"type": "MODIFIED", "object": one}]
        JobRunner(cluster, tools).start()
        wait_until(lambda: cluster.patches("pod") and cluster.patches("pod")[-1]["status"]["phase"] != "Running")
        return [patch["status"] for patch in cluster.patches("pod")]

    return run


def test_a_jobs_containers_run_one_after_the_other_as_its_account(
    run_pod: Callable[..., list[dict[str, Any]]], cluster: Any, tmp_path: Path
) -> None:
    statuses = run_pod(pod("a", "b", "c"))
    assert (tmp_path / "ran").read_text(encoding="utf-8") == "a 192.0.2.1\nb 192.0.2.1\nc 192.0.2.1\n"
    assert [one["phase"] for one in statuses] == ["Running"] * 3 + ["Succeeded"]
    assert "running" in statuses[0]["initContainerStatuses"][0]["state"]
    assert "waiting" in statuses[0]["containerStatuses"][0]["state"]
    assert statuses[-1]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert [call[3:5] for call in cluster.calls if "token" in call] == [("token", "reader")]


def test_a_failing_container_fails_its_pod(run_pod: Callable[..., list[dict[str, Any]]], tmp_path: Path) -> None:
    statuses = run_pod(pod("a", "fail", "c"))
    assert (tmp_path / "ran").read_text(encoding="utf-8") == "a 192.0.2.1\nfail 192.0.2.1\n"
    assert statuses[-1]["phase"] == "Failed"
    assert statuses[-1]["initContainerStatuses"][1]["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in statuses[-1]["containerStatuses"][0]["state"]


def test_an_unknown_image_runs_nothing(run_pod: Callable[..., list[dict[str, Any]]], tmp_path: Path) -> None:
    statuses = run_pod(pod("a", image="example.com/kubectl-plus:v1"))
    assert statuses[-1]["phase"] == "Failed"
    assert not (tmp_path / "ran").exists()


def test_every_mode_has_an_example_to_rehearse() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.yaml")} >= set(MODES)
    for name in MODES:
        environment = load_without_variables(ROOT / "examples" / f"{name}.yaml")
        assert environment.mesh.control_plane == name
        assert len(environment.regions) == 2

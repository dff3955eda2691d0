"""Which faults a drill can inject into a service: by control plane mode, and by who sets its number of replicas."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from cli.errors import MeshError
from cli.sources.kubernetes import ClusterClient
from cli.sources.temporary import DRILL_ANNOTATION, DRILL_SIDECAR, TEMPORARY_LABEL
from cli.traffic.faults import FaultySubject
from cli.traffic.options import FaultKind
from config.loading.load import parse_environment
from config.naming import MANIFEST_ANNOTATION
from tests.cli.deployed_mesh import CONFIGURATION, FLEET, MANAGED

Object = dict[str, Any]

OWNED: Object = {"f:spec": {"f:replicas": {}}}
APPLIED: Object = {**OWNED, "f:metadata": {"f:annotations": {f"f:{MANIFEST_ANNOTATION}": {}}}}
CLIENT = ClusterClient("osaka", ("--context", "osaka"), {}, "kubectl --context osaka")


class Cluster:
    """A cluster's objects by kind, and the calls that were made.

    Attributes:
        objects: by kind, as `kubectl get` calls it.
        calls: of kubectl, with what was on its standard input.
    """

    def __init__(self) -> None:
        self.objects: dict[str, list[Object]] = {}
        self.calls: list[tuple[list[str], str]] = []

    def __call__(
        self, command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        arguments = list(command)[3:]
        self.calls.append((arguments, text))
        if arguments[0] != "get":
            return subprocess.CompletedProcess(arguments, 0, "", "")
        kind, slash, name = arguments[1].partition("/")
        found = self.objects.get(kind.partition(".")[0], [])
        if not slash:
            return subprocess.CompletedProcess(arguments, 0, json.dumps({"items": found}), "")
        one = [each for each in found if each["metadata"]["name"] == name]
        error = "" if one else f'Error from server (NotFound): {kind} "{name}" not found'
        return subprocess.CompletedProcess(arguments, int(not one), json.dumps(one[0]) if one else "", error)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    found.objects["deployment"] = [deployment("checkout-v1")]
    monkeypatch.setattr("cli.sources.kubernetes.run_kubectl", found)
    return found


def deployment(name: str, replicas: int = 3, **metadata: Any) -> Object:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "apps", **metadata},
        "spec": {"replicas": replicas},
    }


def managed_by(manager: str, fields: Object = OWNED) -> list[Object]:
    return [{"manager": manager, "fieldsV1": fields}]


def subject(mode: str = MANAGED, *, image: bool = True, **service: Any) -> FaultySubject:
    checkout = {"port": 8080, **({"image": "example.com/checkout:1", "user": 1000} | service if image else service)}
    content = CONFIGURATION | {"mesh": {"control_plane": mode}, "services": {"checkout": checkout}}
    if mode == MANAGED:
        content["mesh"] = {"control_plane": mode, "asmcli": {"version": "1.28.5-asm.12+config1"}}
    return FaultySubject(parse_environment(yaml.safe_dump(content), "mesh.yaml", {}), "checkout", CLIENT)


def refusal(found: FaultySubject, wanted: FaultKind | None = None) -> MeshError:
    with pytest.raises(MeshError) as caught:
        found.faults(wanted)
    return caught.value


def test_each_mode_has_the_faults_that_work_in_it(cluster: Cluster) -> None:
    assert [one.kind for one in subject(MANAGED).faults(None)] == [FaultKind.REMOVED, FaultKind.FAILING]
    assert [one.kind for one in subject(FLEET).faults(None)] == [FaultKind.REMOVED]
    for wanted in (FaultKind.FAILING, FaultKind.BOTH):
        error = refusal(subject(FLEET), wanted)
        assert "mesh.control_plane: fleet does not support the Sidecar" in str(error)
        assert error.fix == "mesh drill osaka --service checkout --fault removed"
    assert [one[0][0] for one in cluster.calls] == ["get"] * len(cluster.calls), "nothing is changed"


@pytest.mark.parametrize(
    ("change", "owner"),
    [
        ({"managedFields": managed_by("argocd-controller")}, "field manager argocd-controller"),
        ({"ownerReferences": [{"kind": "Rollout", "name": "checkout"}]}, "Rollout checkout"),
    ],
)
def test_replicas_with_another_owner_are_not_set(cluster: Cluster, change: Object, owner: str) -> None:
    cluster.objects["deployment"] = [deployment("checkout-v1", **change)]
    error = refusal(subject(), FaultKind.REMOVED)
    assert f"its replicas have another owner: {owner}" in str(error)
    assert error.fix == "mesh drill osaka --service checkout --fault failing"
    assert [one.kind for one in subject().faults(None)] == [FaultKind.FAILING]
    assert owner in str(refusal(subject(FLEET)))
    assert refusal(subject(FLEET)).fix == "drill the demo service: mesh drill osaka"


def test_an_autoscaler_owns_the_replicas_of_its_own_deployment_only(cluster: Cluster) -> None:
    scaler: Object = {
        "metadata": {"name": "by-load"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "other"}},
    }
    cluster.objects["horizontalpodautoscalers"] = [scaler]
    assert len(subject().faults(None)) == 2
    scaler["spec"]["scaleTargetRef"]["name"] = "checkout-v1"
    assert "HorizontalPodAutoscaler by-load" in str(refusal(subject(), FaultKind.BOTH))


@pytest.mark.parametrize(
    "owner", [managed_by("Terraform", APPLIED), managed_by("any", APPLIED), managed_by("kubectl-edit")]
)
def test_a_deploy_and_a_person_are_no_other_owners(cluster: Cluster, owner: list[Object]) -> None:
    cluster.objects["deployment"] = [deployment("checkout-v1", managedFields=owner)]
    assert len(subject().faults(FaultKind.BOTH)) == 2


def test_the_pods_of_another_pipeline_can_only_return_503(cluster: Cluster) -> None:
    found = subject(image=False)
    assert [one.kind for one in found.faults(None)] == [FaultKind.FAILING]
    assert "another pipeline" in str(refusal(found, FaultKind.REMOVED))


def test_the_number_of_replicas_is_noted_before_it_is_0(cluster: Cluster) -> None:
    [fault] = subject().faults(FaultKind.REMOVED)
    assert "checkout-v1 is scaled from 3 to 0 replicas: 3 pods stop" in fault.effect
    del cluster.calls[:]
    fault.prepare()
    fault.inject()
    where = ["deployment/checkout-v1", "--namespace", "apps"]
    assert [one[0] for one in cluster.calls] == [
        ["annotate", *where, f"{DRILL_ANNOTATION}=3", "--overwrite"],
        ["scale", *where, "--replicas=0"],
    ]
    assert [list(one.command) for one in fault.rollback[:2]] == [
        ["scale", *where, "--replicas=3"],
        ["annotate", *where, f"{DRILL_ANNOTATION}-"],
    ]


def test_the_sidecar_leads_every_port_nowhere(cluster: Cluster) -> None:
    [fault] = subject(protocol="grpc", ports={"metrics": {"port": 9090}}).faults(FaultKind.FAILING)
    del cluster.calls[:]
    fault.inject()
    [(arguments, text)] = cluster.calls
    sidecar = json.loads(text)
    assert arguments == ["apply", "--filename", "-"]
    assert sidecar["metadata"] == {
        "name": DRILL_SIDECAR,
        "namespace": "apps",
        "labels": {TEMPORARY_LABEL: "drill"},
    }
    assert sidecar["spec"]["workloadSelector"] == {"labels": {"app": "checkout"}}
    assert sidecar["spec"]["ingress"] == [
        {"port": {"number": 8080, "name": "grpc", "protocol": "GRPC"}, "defaultEndpoint": "127.0.0.1:1"},
        {"port": {"number": 9090, "name": "metrics", "protocol": "HTTP"}, "defaultEndpoint": "127.0.0.1:1"},
    ]


def test_a_sidecar_of_the_service_s_own_would_be_in_effect_instead(cluster: Cluster) -> None:
    own: Object = {"metadata": {"name": "own"}, "spec": {"workloadSelector": {"labels": {"app": "checkout"}}}}
    cluster.objects["sidecars"] = [own]
    assert "the Sidecar own selects its pods" in str(refusal(subject(), FaultKind.FAILING))
    own["spec"] = {"workloadSelector": {"labels": {"app": "other"}}}
    assert len(subject().faults(None)) == 2


def test_an_interrupted_drill_is_ended_first(cluster: Cluster) -> None:
    """Its command is the one that restores the service."""
    cluster.objects["deployment"] = [deployment("checkout-v1", 0, annotations={DRILL_ANNOTATION: "7"})]
    error = refusal(subject())
    assert "an earlier drill was interrupted" in str(error)
    kubectl = "kubectl --context osaka --namespace apps"
    assert error.fix == (
        f"{kubectl} scale deployment/checkout-v1 --replicas=7 && "
        f"{kubectl} annotate deployment/checkout-v1 {DRILL_ANNOTATION}-"
    )
    cluster.objects["deployment"] = [deployment("checkout-v1", 0)]
    assert "already has 0 replicas" in str(refusal(subject()))
    cluster.objects["deployment"] = [deployment("checkout-v1")]
    cluster.objects["sidecars"] = [{"metadata": {"name": DRILL_SIDECAR}, "spec": {}}]
    assert refusal(subject()).fix == f"{kubectl} delete sidecars.networking.istio.io {DRILL_SIDECAR}"

"""`mesh status --kubeconfig` without a response of Google's APIs: it checks the clusters, and says what it didn't."""

from collections.abc import Callable

import google.auth
import pytest
import yaml
from google.auth.exceptions import DefaultCredentialsError

from tests.cli.deployed_mesh import DeployedMesh, JsonReport

APIS = ("Google Cloud", "Google Cloud APIs")


@pytest.fixture
def alone(mesh: DeployedMesh, monkeypatch: pytest.MonkeyPatch) -> Callable[[], JsonReport]:
    """Give what reads the mesh with a kubeconfig of the serving clusters, and without credentials."""

    def refuse(**_: object) -> None:
        raise DefaultCredentialsError

    monkeypatch.setattr(google.auth, "default", refuse)
    mesh.variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = ""
    file = mesh.folder / "own.yaml"
    contexts = [{"name": name} for name in ("tokyo", "osaka")]
    file.write_text(yaml.safe_dump({"contexts": contexts}), encoding="utf-8")
    return lambda: mesh.run_json("status", "--kubeconfig", str(file))


def test_the_clusters_are_enough(mesh: DeployedMesh, alone: Callable[[], JsonReport]) -> None:
    report = alone()
    assert report.status == 0, report.findings("failure")
    assert set(report.findings("warning")) == {APIS}
    said = report.findings()[APIS]
    assert said["text"].startswith("not asked, as there are no application default credentials. Not checked: GKE")
    assert said["fix"] == "gcloud auth application-default login"
    assert "server https://192.168.8.2" in report.findings()["tokyo", "remote secret for osaka"]["text"]
    assert mesh.gcp.server.journal.unknown() == []


def test_what_is_wrong_in_a_cluster_is_found(mesh: DeployedMesh, alone: Callable[[], JsonReport]) -> None:
    mesh.remove("osaka", "Service", "helloworld")
    mesh.remove("tokyo", "ControlPlaneRevision")
    failures = alone().findings("failure")
    assert set(failures) == {("osaka", "Service sample/helloworld"), ("tokyo", "mesh control plane")}


def test_any_istio(mesh: DeployedMesh, alone: Callable[[], JsonReport]) -> None:
    """Without anything of Google's, such as in the lab: a webhook shows that there is a control plane."""
    for region in ("tokyo", "osaka"):
        mesh.remove(region, "ConfigMap")
        mesh.remove(region, "ControlPlaneRevision")
    del mesh.object("tokyo", "MultiClusterIngress")["status"]
    labels = {"istio.io/rev": "mine"}
    mesh.add("tokyo", {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "injector", "labels": labels}})
    report = alone()
    assert set(report.findings("failure")) == {("osaka", "mesh control plane")}
    assert "inject mine" in report.findings()["tokyo", "mesh control plane"]["text"]


def test_a_context_is_needed_for_each_cluster(mesh: DeployedMesh, alone: Callable[[], JsonReport]) -> None:
    (mesh.folder / "own.yaml").write_text(yaml.safe_dump({"contexts": [{"name": "tokyo"}]}), encoding="utf-8")
    failures = alone().findings("failure")
    assert set(failures) == {("osaka", "API server")}


def test_apis_that_do_not_respond_are_one_failure(mesh: DeployedMesh) -> None:
    """With credentials, and without a kubeconfig: nothing else can be told."""
    mesh.variables |= dict.fromkeys(
        (
            "GOOGLE_COMPUTE_CUSTOM_ENDPOINT",
            "GOOGLE_CONTAINER_CUSTOM_ENDPOINT",
            "GOOGLE_GKE_HUB2_CUSTOM_ENDPOINT",
            "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT",
        ),
        "http://127.0.0.1:9/",
    )
    report = mesh.run_json("status")
    assert set(report.findings("failure")) == {APIS}
    assert "no response from 127.0.0.1:9" in report.findings()[APIS]["text"]
    assert "can reach Google's APIs" in report.findings()[APIS]["fix"]

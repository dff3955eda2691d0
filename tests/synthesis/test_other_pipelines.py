"""Services and namespaces whose pods another pipeline deploys, and the examples of such a pipeline."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.environment import Environment
from config.workload_contract import workload_outputs
from tests.lab.pipeline import render_helm, render_kustomize
from tests.synthesis.test_manifests import problems
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables, sample_with

Data = dict[str, Any]
REGIONS = ("tokyo", "osaka")


@pytest.fixture(scope="module")
def workloads(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    return synthesized("workloads")


@pytest.fixture(scope="module")
def environment() -> Environment:
    return load_without_variables(ENVIRONMENTS["workloads"])


def identities(objects: list[Data], namespace: str) -> set[tuple[str, str]]:
    return {(one["kind"], one["metadata"]["name"]) for one in objects if one["metadata"].get("namespace") == namespace}


CATALOG = {
    ("Service", "catalog"),
    ("ServiceAccount", "catalog"),
    ("AuthorizationPolicy", "catalog"),
    ("PodDisruptionBudget", "catalog"),
    ("DestinationRule", "catalog"),
    ("VirtualService", "catalog"),
}
PRICES = {
    ("Service", "prices"),
    ("ServiceAccount", "prices"),
    ("AuthorizationPolicy", "prices"),
    ("PodDisruptionBudget", "prices"),
    ("DestinationRule", "prices"),
    ("VirtualService", "prices"),
}
EVERYWHERE = {("Service", "prices"), ("DestinationRule", "prices"), ("VirtualService", "prices")}


def test_a_service_without_an_image_has_everything_but_a_deployment(workloads: Synthesis) -> None:
    assert identities(workloads.objects("osaka"), "shop") == CATALOG | PRICES
    # The pipeline does not deploy prices in Tokyo, where clients resolve its name.
    assert identities(workloads.objects("tokyo"), "shop") == CATALOG | EVERYWHERE


def test_the_disruption_budget_covers_all_versions(workloads: Synthesis) -> None:
    budget = workloads.object("tokyo", "PodDisruptionBudget", "catalog")
    assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "catalog"}}}


@pytest.mark.parametrize("region", REGIONS)
def test_every_cluster_has_the_namespaces_with_all_labels(workloads: Synthesis, region: str) -> None:
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in workloads.objects(region, "Namespace")}
    for name in ("shop", "shop-jobs"):
        assert labels[name] == {"istio-injection": "enabled", "team": "shop"}
    held = workloads.all("ingress", "kubernetes_labels").values()
    assert [one["labels"] for one in held if one["metadata"]["name"] == "shop-jobs"] == [labels["shop-jobs"]] * 2


@pytest.mark.parametrize("region", REGIONS)
def test_callers_of_all_pods_of_a_namespace(workloads: Synthesis, region: str) -> None:
    policy = workloads.object(region, "AuthorizationPolicy", "namespace-allow-from")
    assert policy["metadata"]["namespace"] == "shop-jobs"
    assert policy["spec"] == {"action": "ALLOW", "rules": [{"from": [{"source": {"namespaces": ["shop"]}}]}]}


def test_default_deny_follows_the_policies_of_namespaces(workloads: Synthesis) -> None:
    manifests = workloads.all("ingress", "kubernetes_manifest")
    (policy,) = [name for name in manifests if "tokyo_namespace-policy-shop-jobs" in name]
    (default_deny,) = [one for name, one in manifests.items() if "tokyo_policies_default-deny" in name]
    assert f"kubernetes_manifest.{policy}" in default_deny["depends_on"]


def test_a_namespace_of_the_demo_without_default_deny(tmp_path: Path) -> None:
    own = "mesh:\n  default_deny: false\n  namespaces: {sample: {labels: {team: demo}, allow_from: [sample/sleep]}}\n"
    found = sample_with({"mesh:\n": own}, tmp_path)
    assert found.objects(kind="AuthorizationPolicy") == []
    labels = found.object("tokyo", "Namespace", "sample")["metadata"]["labels"]
    assert labels == {"istio.io/rev": "asm-managed-stable", "team": "demo"}
    assert found.stacks["ingress"]["output"]["workloads"]["value"] == {}


OUTPUTS = ("injection-labels", "namespaces", "workloads")


def test_outputs_have_all_names_of_the_contract(workloads: Synthesis) -> None:
    outputs = {name: workloads.stacks["ingress"]["output"][name]["value"] for name in OUTPUTS}
    labels = {"istio-injection": "enabled", "team": "shop"}
    assert outputs["injection-labels"] == {"istio-injection": "enabled"}
    assert outputs["namespaces"] == {"shop": labels, "shop-jobs": labels}
    assert outputs["workloads"].keys() == {"catalog", "prices"}
    assert outputs["workloads"]["prices"] == {
        "namespace": "shop",
        "service_account": "prices",
        "pod_labels": {"app": "prices"},
        "ports": {"http": 9090},
        "host": "prices.shop.svc.cluster.local",
        "regions": ["osaka"],
        "routes": [],
    }
    assert outputs["workloads"]["catalog"]["regions"] == ["tokyo", "osaka"]
    assert outputs["workloads"]["catalog"]["gateway"] == "istio-gateway/ingress"
    assert outputs["workloads"]["catalog"]["routes"] == [{"path": "/catalog", "match": "prefix", "host": "*"}]


def test_an_environment_without_other_pipelines_has_no_such_output(reference: Synthesis) -> None:
    assert not set(OUTPUTS) & reference.stacks["ingress"]["output"].keys()


def test_outputs_agree_with_the_objects(workloads: Synthesis) -> None:
    for name, one in workloads.stacks["ingress"]["output"]["workloads"]["value"].items():
        for region in REGIONS:
            service = workloads.object(region, "Service", name)
            assert service["spec"]["selector"] == one["pod_labels"]
            assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == one["ports"]
            assert service["metadata"]["namespace"] == one["namespace"]
            assert one["host"] == workloads.object(region, "DestinationRule", name)["spec"]["host"]
            if one["routes"]:
                namespace, gateway = one["gateway"].split("/")
                assert ("Gateway", gateway) in identities(workloads.objects(region), namespace)
            accounts = identities(workloads.objects(region, "ServiceAccount"), one["namespace"])
            assert (("ServiceAccount", one["service_account"]) in accounts) == (region in one["regions"])


@pytest.fixture(params=["kustomize", "helm"])
def pipeline(request: pytest.FixtureRequest) -> Callable[[str], list[Data]]:
    """What an example of a pipeline deploys to a region."""
    if request.param == "helm" and shutil.which("helm") is None:
        pytest.skip("helm is not installed")
    return {"kustomize": render_kustomize, "helm": render_helm}[request.param]


@pytest.mark.parametrize("region", REGIONS)
def test_the_example_fits_the_contract(
    environment: Environment, workloads: Synthesis, pipeline: Callable[[str], list[Data]], region: str
) -> None:
    objects = pipeline(region)
    contract = workload_outputs(environment)["workloads"]
    assert {one["metadata"]["name"] for one in objects} == {
        name for name, one in contract.items() if region in one["regions"]
    }
    assert problems(objects) == []
    for one in objects:
        wanted = contract[one["metadata"]["name"]]
        template = one["spec"]["template"]
        assert one["kind"] == "Deployment"
        assert one["metadata"]["namespace"] == wanted["namespace"]
        assert wanted["pod_labels"].items() <= template["metadata"]["labels"].items()
        assert "version" in template["metadata"]["labels"]
        assert "version" not in one["spec"]["selector"]["matchLabels"]
        assert template["spec"]["serviceAccountName"] == wanted["service_account"]
        listening = {port["containerPort"] for each in template["spec"]["containers"] for port in each["ports"]}
        assert set(wanted["ports"].values()) <= listening
        # Nothing that the stack also creates.
        assert (one["kind"], one["metadata"]["name"]) not in identities(workloads.objects(region), wanted["namespace"])

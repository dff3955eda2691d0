"""`mesh status` where another pipeline deploys pods of a service: it misses no object of the pipeline, only pods."""

from typing import Any

import pytest

from tests.cli.deployed_mesh import REVISION, DeployedMesh, condition, pod

SERVICE = ("tokyo", "service catalog")


def catalog(number: int = 1, ready: str = "True") -> dict[str, Any]:
    """Return a pod of the service, in a workload of any kind."""
    one = pod("shop", "anything", number)
    one["metadata"]["labels"] = {"app": "catalog", "version": "v7"}
    one["status"] |= condition("Ready", ready)
    return one


@pytest.fixture
def shop(mesh: DeployedMesh) -> DeployedMesh:
    """Return a mesh with a service without an image, which is ready in Tokyo, and is not to run in Osaka."""
    mesh.content["mesh"] = mesh.content["mesh"] | {
        "namespaces": {"shop": {"labels": {"team": "a"}}, "jobs": {"allow_from": ["shop/*"]}}
    }
    mesh.content["services"] = {
        "catalog": {"namespace": "shop", "port": 80, "allow_from": ["jobs/*"], "regions": {"tokyo": {}}}
    }
    for region in ("tokyo", "osaka"):
        for name in ("shop", "jobs"):
            mesh.apply(region, {"kind": "Namespace", "metadata": {"name": name, "labels": {"istio.io/rev": REVISION}}})
        metadata = {"name": "catalog", "namespace": "shop"}
        spec: dict[str, Any] = {"trafficPolicy": {"outlierDetection": {}}}
        mesh.apply(region, {"kind": "DestinationRule", "metadata": metadata, "spec": spec})
        mesh.apply(
            region, {"kind": "AuthorizationPolicy", "metadata": {"name": "namespace-allow-from", "namespace": "jobs"}}
        )
    mesh.apply("tokyo", {"kind": "AuthorizationPolicy", "metadata": {"name": "catalog", "namespace": "shop"}})
    mesh.add("tokyo", catalog())
    return mesh


def test_pods_of_any_workload_are_enough(shop: DeployedMesh) -> None:
    shop.add("tokyo", catalog(2, ready="False"))
    report = shop.run_json("status")
    assert report.status == 0, report.findings("failure")
    assert report.findings()[SERVICE]["text"] == "1 of 2 pods ready, deployed by another pipeline"
    assert report.findings()["osaka", "service catalog"]["text"] == "not in this region, as configured"
    assert report.findings()["tokyo", "authorization"]["text"] == "default deny, with 4 allow policies"


def test_no_ready_pod(shop: DeployedMesh) -> None:
    shop.object("tokyo", "Pod", "anything-5d4f8-1")["status"] |= {
        **condition("Ready", "False"),
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}],
    }
    (found,) = (failures := shop.run_json("status").findings("failure")).items()
    assert list(failures) == [SERVICE]
    text = "no pod with the label app=catalog is ready; pod anything-5d4f8-1: ImagePullBackOff"
    assert found[1]["text"] == text
    assert found[1]["fix"].startswith("deploy it with its own pipeline, then: kubectl --context ")


def test_no_pod(shop: DeployedMesh) -> None:
    shop.remove("tokyo", "Pod", "anything-5d4f8-1")
    failures = shop.run_json("status").findings("failure")
    assert {key: one["text"] for key, one in failures.items()} == {
        SERVICE: "no pod with the label app=catalog is ready"
    }


def test_a_pod_in_a_region_that_the_service_does_not_name(shop: DeployedMesh) -> None:
    shop.add("osaka", catalog())
    failures = shop.run_json("status").findings("failure")
    assert {key: one["text"] for key, one in failures.items()} == {
        ("osaka", "service catalog"): "1 pod of it here, but services.catalog.regions has no osaka"
    }


def test_a_namespace_that_is_missing_or_has_no_policy(shop: DeployedMesh) -> None:
    shop.remove("tokyo", "Namespace", "jobs")
    shop.remove("tokyo", "AuthorizationPolicy", "namespace-allow-from")
    shop.remove("osaka", "AuthorizationPolicy", "namespace-allow-from")
    failures = shop.run_json("status").findings("failure")
    assert {key: one["text"] for key, one in failures.items()} == {
        ("tokyo", "Namespace jobs"): "missing, and with it 1 object",
        ("osaka", "AuthorizationPolicy jobs/namespace-allow-from"): "missing",
    }

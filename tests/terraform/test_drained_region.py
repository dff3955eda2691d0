"""A region is drained and serves again, with the real provider and a real API server."""

from pathlib import Path
from typing import Any

from tests.synthesized import Synthesis, sample_with
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, Resources, region_resources

OBJECTS = {
    "tokyo": "MultiClusterService istio-ingressgateway",
    "osaka": "Service helloworld",
}
"""What changes, and where it is."""


def resources(synthesis: Synthesis) -> Resources:
    found = {}
    for region, wanted in OBJECTS.items():
        for name, one in region_resources(synthesis, region, "ingress")["kubernetes_manifest"].items():
            if f"{one['manifest']['kind']} {one['manifest']['metadata']['name']}" == wanted:
                one.pop("depends_on", None)
                found[name] = one
    return {"kubernetes_manifest": found}


def spec(cluster: ApiServer, kind: str, name: str, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get(kind, name, "--namespace", namespace)["spec"]
    return found


def test_its_objects_change_in_place_and_back(cluster: ApiServer, reference: Synthesis, tmp_path: Path) -> None:
    """The provider removes what the configuration does not have any more."""
    (tmp_path / "drained").mkdir()
    drained = sample_with({"    number: 8\n": "    number: 8\n    drained: true\n"}, tmp_path / "drained")
    for namespace in ("istio-gateway", "sample"):
        cluster.kubectl("create", "namespace", namespace)
    stack = KubernetesStack(tmp_path, reference, resources(reference), cluster.kubeconfig)
    stack.deploy()
    service = ("service", "helloworld", "sample")
    of_clusters = ("multiclusterservices.networking.gke.io", "istio-ingressgateway", "istio-gateway")
    before = spec(cluster, *of_clusters)

    stack.resources = resources(drained)
    assert "0 added, 2 changed, 0 destroyed" in stack.deploy()
    assert spec(cluster, *service)["selector"] == {"app": "helloworld", "multi-region-mesh/drained": "true"}
    clusters = [{"link": "asia-northeast1/matt-tokyo-cluster-1"}]
    assert spec(cluster, *of_clusters) == {**before, "clusters": clusters}

    stack.resources = resources(reference)
    assert "0 added, 2 changed, 0 destroyed" in stack.deploy()
    assert spec(cluster, *service)["selector"] == {"app": "helloworld"}
    assert spec(cluster, *of_clusters) == before

"""A drained region, as the API servers get it."""

from pathlib import Path

import pytest

from config.naming import STACKS
from config.synthesized import kubernetes_objects
from tests.synthesis.test_snapshots import masked
from tests.synthesized import Synthesis, sample_with


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """The sample environment, with osaka drained."""
    folder: Path = tmp_path_factory.mktemp("drained")
    return sample_with({"    number: 8\n": "    number: 8\n    drained: true\n"}, folder)


def test_the_load_balancer_has_the_clusters_of_other_regions(reference: Synthesis, drained: Synthesis) -> None:
    service = drained.object("tokyo", "MultiClusterService", "istio-ingressgateway")
    assert service["spec"]["clusters"] == [{"link": "asia-northeast1/matt-tokyo-cluster-1"}]
    before = reference.object("tokyo", "MultiClusterService", "istio-ingressgateway")
    assert "clusters" not in before["spec"]  # a new region gets requests without a change of the object
    assert service["spec"]["template"] == before["spec"]["template"]


def test_its_services_select_nothing(drained: Synthesis) -> None:
    selector = drained.object("osaka", "Service", "helloworld")["spec"]["selector"]
    assert selector == {"app": "helloworld", "multi-region-mesh/drained": "true"}
    assert drained.object("tokyo", "Service", "helloworld")["spec"]["selector"] == {"app": "helloworld"}
    for region in ("tokyo", "osaka"):
        for one in drained.objects(region, "Deployment"):
            assert "multi-region-mesh/drained" not in one["spec"]["template"]["metadata"]["labels"]


def test_its_pods_keep_a_service(drained: Synthesis) -> None:
    """Without one, their sidecars drop the ports, with requests that callers are still sending."""
    service, kept = (drained.object("osaka", "Service", name) for name in ("helloworld", "helloworld-drained"))
    assert kept["spec"] == {"clusterIP": "None", "selector": {"app": "helloworld"}, "ports": service["spec"]["ports"]}
    blocks = drained.all("ingress", "kubernetes_manifest")
    (name,) = (name for name in blocks if "service-helloworld_drained-service" in name)
    assert blocks[name]["lifecycle"] == {"create_before_destroy": True}, "it is deleted after the Service has changed"
    (called,) = (one for one in blocks.values() if one["manifest"] == service)
    assert f"kubernetes_manifest.{name}" in called["depends_on"]


def test_nothing_else_changes(reference: Synthesis, drained: Synthesis) -> None:
    added = set(drained.addresses()) - set(reference.addresses())
    assert [one for one in added if "service-helloworld_drained-service" not in one] == []
    assert set(reference.addresses()) < set(drained.addresses())
    for stack in STACKS[:-1]:
        assert masked(drained.stacks[stack]) == masked(reference.stacks[stack])
    before, after = (
        {address: (region, one) for address, region, one in kubernetes_objects(each.stacks["ingress"])}
        for each in (reference, drained)
    )
    changed = [
        (region, one["kind"]) for address, (region, one) in after.items() if before.get(address) != (region, one)
    ]
    assert sorted(changed) == [("osaka", "Service"), ("osaka", "Service"), ("tokyo", "MultiClusterService")]

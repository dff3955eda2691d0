"""Versions of a service, copies of its requests, and weights of regions, as the mesh gets them."""

from typing import Any

import pytest

from tests.synthesized import Synthesis

CLUSTERS = ("tokyo", "iowa")
CART, SEARCH = "cart.apps.svc.cluster.local", "search.apps.svc.cluster.local"
IMAGES = "asia-northeast1-docker.pkg.dev/shop-mesh-prod/shop/cart"
VERSIONS = {"v1.4": (f"{IMAGES}:1.4", 2), "v1.5": (f"{IMAGES}:1.5", 1), "v2": (f"{IMAGES}:2.0", 2)}
"""Image and number of pods."""

MIRROR = {"host": SEARCH, "port": {"number": 9200}}


def weighted(port: int) -> list[dict[str, Any]]:
    return [
        {"destination": {"host": CART, "port": {"number": port}, "subset": subset}, "weight": weight}
        for subset, weight in (("v1-4", 95), ("v1-5", 5))
    ]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_a_deployment_and_a_budget(three_regions: Synthesis, cluster: str, version: str) -> None:
    deployment = three_regions.object(cluster, "Deployment", f"cart-{version}")
    labels = {"app": "cart", "version": version}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (container["image"], deployment["spec"]["replicas"]) == VERSIONS[version]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    budgets = three_regions.objects(cluster, "PodDisruptionBudget")
    selectors = [one["spec"]["selector"]["matchLabels"] for one in budgets if "cart-" in one["metadata"]["name"]]
    template = deployment["spec"]["template"]["metadata"]["labels"]
    assert [one for one in selectors if one.items() <= template.items()] == [template]
    assert template.items() >= labels.items()


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_callers_in_the_mesh_get_versions_by_their_weights(three_regions: Synthesis, cluster: str) -> None:
    spec = three_regions.object(cluster, "VirtualService", "cart")["spec"]
    assert (spec["hosts"], "gateways" in spec) == ([CART], False)
    (requests,) = spec["http"]
    assert requests["route"] == weighted(8080)
    assert spec["tcp"] == [{"match": [{"port": 11211}], "route": weighted(11211)}]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_users_get_versions_by_the_same_weights(three_regions: Synthesis, cluster: str) -> None:
    for name in ("routes", "www.shop.example.com"):
        entries = three_regions.object(cluster, "VirtualService", name)["spec"]["http"]
        (cart,) = [one for one in entries if {"uri": {"exact": "/cart"}} in one["match"]]
        assert cart["route"] == weighted(8080)
        assert (cart["mirror"], cart["mirrorPercentage"]) == (MIRROR, {"value": 10})


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_subset_selects_the_pods_of_a_version(three_regions: Synthesis, cluster: str) -> None:
    spec = three_regions.object(cluster, "DestinationRule", "cart")["spec"]
    assert spec["subsets"] == [
        {"name": "v1-4", "labels": {"version": "v1.4"}},
        {"name": "v1-5", "labels": {"version": "v1.5"}},
        {"name": "v2", "labels": {"version": "v2"}},
    ]
    assert "outlierDetection" in spec["trafficPolicy"], "each version fails over by itself"


def test_weights_of_regions_are_those_of_the_clients_cluster(three_regions: Synthesis) -> None:
    settings = {
        cluster: three_regions.object(cluster, "DestinationRule", "cart")["spec"]["trafficPolicy"].get("loadBalancer")
        for cluster in CLUSTERS
    }
    to = {"asia-northeast1/*": 90, "us-central1/*": 10}
    assert settings["tokyo"] == {"localityLbSetting": {"distribute": [{"from": "asia-northeast1/*", "to": to}]}}
    assert settings["iowa"] is None


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_copies_go_to_the_main_port_and_their_senders_are_authorized(three_regions: Synthesis, cluster: str) -> None:
    (requests,) = three_regions.object(cluster, "VirtualService", "cart")["spec"]["http"]
    assert (requests["mirror"], requests["mirrorPercentage"]) == (MIRROR, {"value": 10})
    (rule,) = three_regions.object(cluster, "AuthorizationPolicy", "search")["spec"]["rules"]
    assert rule == {
        "from": [
            {
                "source": {
                    "principals": ["*/ns/istio-gateway/sa/istio-ingressgateway", "*/ns/apps/sa/checkout"],
                }
            }
        ],
        "to": [{"operation": {"ports": ["9200"]}}],
    }


def test_a_version_gets_requests_when_its_pods_are_healthy(three_regions: Synthesis) -> None:
    """And its Deployment is deleted after the last route to it."""
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    for cluster in CLUSTERS:
        own = {key: one for key, one in manifests.items() if one["provider"] == f"kubernetes.{cluster}"}
        needed = {
            f"kubernetes_manifest.{key}"
            for key in own
            if "service-cart_deployment" in key or "service-cart_rollout" in key or "service-cart_destination" in key
        }
        assert len(needed) == 7
        routes = [one for one in own.values() if one["manifest"]["kind"] == "VirtualService"]
        routes = [one for one in routes if CART in str(one["manifest"]["spec"])]
        assert len(routes) == 3
        for one in routes:
            assert needed <= set(one["depends_on"])
        deployments = [one for key, one in own.items() if "service-cart_deployment" in key]
        assert all(one["lifecycle"] == {"create_before_destroy": True} for one in deployments)


def test_the_objects_of_a_single_version_stay(three_regions: Synthesis) -> None:
    moved = {(one["from"].rpartition("_")[0], one["to"].rpartition("_")[0]) for one in _moved(three_regions)}
    assert moved == {
        (f"{stem}_{kind}", f"{stem}_{kind}-v14")
        for stem in (f"kubernetes_manifest.regions_{cluster}_service-cart" for cluster in CLUSTERS)
        for kind in ("deployment", "autoscaler", "rollout-see-mesh-status")
    }


def test_nothing_moves_without_versions(reference: Synthesis) -> None:
    assert _moved(reference) == []


def _moved(synthesis: Synthesis) -> list[dict[str, str]]:
    found: list[dict[str, str]] = synthesis.stacks["ingress"].get("moved", [])
    return found

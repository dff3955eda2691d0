"""Autoscaled services: the autoscaler, the Deployment and the wait for its rollout, by hand-written expectation."""

import re

import pytest

from tests.synthesized import Synthesis


def test_an_autoscaler_measures_the_services_own_container(three_regions: Synthesis) -> None:
    scaler = three_regions.object("tokyo", "HorizontalPodAutoscaler", "search-v1")
    assert scaler["metadata"]["namespace"] == "apps"
    assert scaler["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "search-v1"},
        "minReplicas": 3,
        "maxReplicas": 12,
        "metrics": [
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": resource,
                    "container": "search",
                    "target": {"type": "Utilization", "averageUtilization": percent},
                },
            }
            for resource, percent in (("cpu", 80), ("memory", 75))
        ],
    }
    (container,) = three_regions.pod("tokyo", "search-v1")["containers"]
    assert container["name"] == "search"
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_replicas_and_an_autoscaler_are_never_together(three_regions: Synthesis) -> None:
    autoscaled, fixed = (three_regions.object(key, "Deployment", "search-v1") for key in ("tokyo", "iowa"))
    assert "replicas" not in autoscaled["spec"]
    assert fixed["spec"].pop("replicas") == 4
    assert autoscaled["spec"] == fixed["spec"], "the switch restarts no pod"
    names = [one["metadata"]["name"] for one in three_regions.objects("iowa", "HorizontalPodAutoscaler")]
    assert names == ["istio-ingressgateway"]


def test_the_wait_is_for_the_autoscalers_minimum(three_regions: Synthesis) -> None:
    """The Deployment itself doesn't depend on it: what it depends on is deleted after its own update."""
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    found = {name.partition("tokyo_service-search_")[2]: (name, one) for name, one in manifests.items()}
    scaler, deployment, budget = (
        next(one for key, one in found.items() if key.startswith(part)) for part in ("autoscaler", "deployment", "roll")
    )
    addresses = [f"kubernetes_manifest.{one[0]}" for one in (deployment, scaler)]
    assert budget[1]["depends_on"] == addresses
    assert addresses[0] in scaler[1]["depends_on"]
    assert addresses[1] not in deployment[1]["depends_on"]


@pytest.mark.parametrize(
    ("healthy", "allowed", "done"),
    [("3", "1", True), ("12", "1", True), ("7", "1", True), ("2", "1", False), ("3", "0", False), ("1", "1", False)],
)
def test_a_deploy_waits_for_all_pods_however_many(
    three_regions: Synthesis, healthy: str, allowed: str, done: bool
) -> None:
    """A budget of one pod allows a disruption only while all are healthy."""
    budget = three_regions.one("ingress", "kubernetes_manifest", "tokyo_service-search_rollout")
    assert budget["manifest"]["spec"]["maxUnavailable"] == 1
    fields = budget["wait"]["fields"]
    found = {"status.currentHealthy": healthy, "status.disruptionsAllowed": allowed}
    assert fields.keys() == found.keys()
    assert all(re.search(pattern, found[key]) for key, pattern in fields.items()) == done


def test_the_expression_for_a_minimum() -> None:
    from constructs.service_scaling import at_least  # noqa: PLC0415 (it starts Node.js)

    for number in (1, 2, 9, 10, 19, 99, 100, 250, 999, 1000):
        found = [count for count in range(1200) if re.search(at_least(number), str(count))]
        assert found == list(range(number, 1200))

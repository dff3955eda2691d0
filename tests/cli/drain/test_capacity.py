"""What other regions serve without a region: every version, and the clients of every region with weights."""

from dataclasses import replace
from typing import Any

import pytest

from cli.drain.capacity import check_capacity, check_pods
from cli.drain.live import LiveRegion
from cli.errors import MeshError
from cli.sources.endpoint_slices import SERVICE_LABEL
from config import Environment
from config.loading.load import parse_environment

FILE = """
project: {id: acme-mesh-prod}
regions:
  tokyo: {region: asia-northeast1, number: 0}
  osaka: {region: asia-northeast2, number: 1}
  seoul: {region: asia-northeast3, number: 2}
mesh: {control_plane: asmcli-managed}
ingress: {config_cluster: tokyo, enabled: false}
demo: {enabled: false}
services:
  cart:
    image: example.com/cart:1
    port: 8080
    KEYS
"""


def environment(keys: str) -> Environment:
    return parse_environment(FILE.replace("KEYS", keys), "mesh.yaml", {}, lambda *_: None)


def live(configured: Environment, **versions: tuple[str, ...]) -> dict[str, LiveRegion]:
    """Return what runs in each region: a ready pod of each of these versions."""
    return {
        region.key: LiveRegion(region, objects=[*map(_pod, versions[region.key]), _endpoints(versions[region.key])])
        for region in configured.resolved_regions()
    }


def _pod(version: str) -> dict[str, Any]:
    labels = {"app": "cart", "version": version}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"kind": "Pod", "metadata": {"namespace": "apps", "name": version, "labels": labels}, "status": ready}


def _endpoints(versions: tuple[str, ...]) -> dict[str, Any]:
    addresses = [{"addresses": [f"10.0.0.{index}"]} for index, _ in enumerate(versions)]
    labels = {SERVICE_LABEL: "cart"}
    return {"kind": "EndpointSlice", "metadata": {"namespace": "apps", "labels": labels}, "endpoints": addresses}


CANARY = "versions: {v1: 95, v2: 5, v3: 0}"
WEIGHTS = "region_weights: {tokyo: {tokyo: 60, osaka: 40}, seoul: {seoul: 50, tokyo: 50}}"


@pytest.mark.parametrize(
    ("keys", "tokyo", "osaka", "seoul", "unserved"),
    [
        ("", "v1", "v1", "", ""),
        ("", "", "v1", "", "cart (none ready in tokyo, none ready in seoul)"),
        (CANARY, "v2", "v1 v2", "v1", ""),
        (CANARY, "v1", "v1 v2", "v1", "v2 of cart (none ready in tokyo, none ready in seoul)"),
        (CANARY, "v1 v2", "v1 v2 v3", "", ""),  # v3 gets no requests
        (CANARY, "v1", "v1", "v1", ""),  # v2 is not served as it is
        (WEIGHTS, "v1", "v1", "v1", ""),
        (WEIGHTS, "", "v1", "v1", "cart for clients in tokyo (none ready in tokyo)"),
        (WEIGHTS, "v1", "v1", "", ""),
    ],
)
def test_a_drain_of_osaka(keys: str, tokyo: str, osaka: str, seoul: str, unserved: str) -> None:
    configured = environment(keys)
    found = live(configured, tokyo=(*tokyo.split(),), osaka=(*osaka.split(),), seoul=(*seoul.split(),))
    if not unserved:
        assert [*check_capacity(configured, "osaka", found)]
        return
    with pytest.raises(MeshError) as refused:
        [*check_capacity(configured, "osaka", found)]
    assert str(refused.value).endswith(f"without osaka: {unserved}")


@pytest.mark.parametrize(
    ("here", "there", "most", "text"),
    [
        (2, 2, 10, ""),
        (2, 5, 10, "2 ready pods in osaka, and 5 in seoul; autoscaling adds up to 8, but only under load"),
        (2, 5, 2, ""),  # as many as it is to have
        (0, 5, 10, "no ready pod in osaka, so that its requests stay in other regions"),
    ],
)
def test_a_region_that_serves_again(here: int, there: int, most: int, text: str) -> None:
    configured = environment("")
    found = live(configured, tokyo=(), osaka=("v1",) * here, seoul=("v1",) * there)
    target = {"kind": "Deployment", "name": "cart-v1"}
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": "apps", "name": "cart-v1", "labels": {"app": "cart"}},
        "spec": {"maxReplicas": most, "scaleTargetRef": target},
        "status": {"currentReplicas": here},
    }
    found["osaka"] = replace(found["osaka"], objects=[*found["osaka"].objects, scaler])
    [finding] = check_pods(configured, "osaka", found)
    assert (finding.text if finding.is_problem else "") == text

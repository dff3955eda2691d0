"""Tests of the check that istiod leaves Google's Gateways alone."""

from typing import Any, cast

import pytest

from tests.rehearsal.gateway_class_check import check_classes
from tests.rehearsal.gateway_controller import CLASS_KIND, CONTROLLER, GATEWAYS, ROUTES


class Cluster:
    """A config cluster with a Gateway, whose route has a status of Google's controller."""

    def __init__(self, *, istio: bool = True, controllers: tuple[str, ...] = (CONTROLLER,), added: str = "") -> None:
        classes = [CONTROLLER, *(["istio.io/gateway-controller"] if istio else [])]
        names = ["istio-ingressgateway", *([added] if added else [])]
        self._items: dict[str, list[dict[str, Any]]] = {
            CLASS_KIND: [{"spec": {"controllerName": one}} for one in classes],
            GATEWAYS: [{"metadata": {"name": "external"}}],
            ROUTES: [{"status": {"parents": [{"controllerName": one} for one in controllers]}}],
            "deployments": [{"metadata": {"name": one}} for one in names],
        }

    def get(self, kind: str, *_: str) -> dict[str, Any]:
        return {"items": self._items[kind]}


@pytest.mark.parametrize(
    ("cluster", "ok"),
    [
        (Cluster(), True),
        (Cluster(istio=False), False),
        (Cluster(controllers=()), False),
        (Cluster(controllers=(CONTROLLER, "istio.io/gateway-controller")), False),
        (Cluster(added="external-istio"), False),
    ],
    ids=["left alone", "istiod does not serve the API", "no status", "status by istiod", "pods by istiod"],
)
def test_who_has_taken_a_gateway(cluster: Cluster, ok: bool) -> None:
    assert check_classes("", cast(Any, cluster)).ok is ok

"""Checks that istiod, which implements the Gateway API too, leaves objects of Google's classes alone."""

from typing import Any

from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.gateway_controller import CLASS_KIND, CONTROLLER, GATEWAYS, ROUTES
from tests.reporting.table import Table

ISTIO = "istio.io/"
"""How the names of istiod's controllers of the Gateway API begin.

Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/
"""


def check_classes(title: str, cluster: LocalCluster) -> Table:
    """Check who has written the status of Gateways and routes, and that istiod has made no pods for a Gateway.

    istiod adds its own classes when it serves the API; without them, the check would show nothing.

    Args:
        title: of the table.
        cluster: the config cluster.
    """
    columns = ["Classes of istiod", "Gateways and routes", "Other controllers' status", "Additional Deployments"]
    table = Table(title, columns)
    classes = [one for one in _items(cluster, CLASS_KIND) if one["spec"]["controllerName"].startswith(ISTIO)]
    namespace = ("--namespace", GATEWAY_NAMESPACE)
    gateways, routes = _items(cluster, GATEWAYS, *namespace), _items(cluster, ROUTES, *namespace)
    parents = [parent for route in routes for parent in route.get("status", {}).get("parents", [])]
    others = sorted({one["controllerName"] for one in parents} - {CONTROLLER})
    deployments = [one["metadata"]["name"] for one in _items(cluster, "deployments", *namespace)]
    added = [name for name in deployments if name != GATEWAY_NAME]
    good = bool(classes and gateways and parents) and not others and not added
    table.add(len(classes), len(gateways) + len(routes), len(others), len(added), ok=good)
    table.notes += [f"status by {one}" for one in others] + [f"Deployment {one}" for one in added]
    return table


def _items(cluster: LocalCluster, *arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cluster.get(*arguments)["items"]
    return items

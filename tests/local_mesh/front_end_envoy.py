"""The configuration of the Envoy that simulates a load balancer."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.local_mesh.front_end import Backend, Endpoints, FrontEnd, Route
from tests.local_mesh.network import REGIONAL_FRONT_END

ADDRESS = "127.0.0.1"

_TYPES = "type.googleapis.com/envoy"
_STATUSES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_ORDER = ("Exact", "RegularExpression", "PathPrefix")
"""Of the matches, most specific first."""


def bootstrap(ports: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """Return what never changes: a listener for the users of each region.

    Args:
        ports: of the listeners, by region.
        folder: of the file ``backends.json``, and of those of `routes_file` and `endpoints_file`.
    """
    return {
        "node": {"id": "load-balancer", "cluster": "load-balancer"},
        "dynamic_resources": {"cds_config": _file(folder / "backends.json")},
        "static_resources": {
            "listeners": [_listener(region, port, folder / routes_file(region)) for region, port in ports.items()]
        },
    }


def routes(front_end: FrontEnd, region: str) -> dict[str, Any]:
    """Return the routes of the users near a region. Envoy takes one such resource a file."""
    kind = f"{_TYPES}.config.route.v3.RouteConfiguration"
    return {"resources": [{"@type": kind, "name": region, "virtual_hosts": _virtual_hosts(front_end, region)}]}


def backends(front_end: FrontEnd, regions: Iterable[str], folder: Path) -> dict[str, Any]:
    """Return the backends of all regions' users."""
    kind = f"{_TYPES}.config.cluster.v3.Cluster"
    return {
        "resources": [
            {"@type": kind, **_cluster(backend, region, folder / endpoints_file(backend.key, region))}
            for region in regions
            for backend in front_end.backends.values()
        ]
    }


def assignment(backend: Backend, region: str, endpoints: Endpoints) -> dict[str, Any]:
    """Return the endpoints of the users near a region: its own first, then all others."""
    serving = {key: addresses for key, addresses in endpoints.get(backend.key, {}).items() if addresses}
    has_own = region in serving  # Envoy wants priorities from 0 on, without a gap
    found = [
        {
            "locality": {"region": key},
            "priority": int(has_own and key != region),
            "lb_endpoints": [{"endpoint": _endpoint(backend, address)} for address in addresses],
        }
        for key, addresses in serving.items()
    ]
    kind = f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment"
    return {"resources": [{"@type": kind, "cluster_name": _cluster_name(backend.key, region), "endpoints": found}]}


def routes_file(region: str) -> str:
    """Return the name of the file with the routes of the users near a region."""
    return f"routes.{region}.json"


def endpoints_file(key: str, region: str) -> str:
    """Return the name of the file with the endpoints of a backend for the users near a region."""
    return f"{_cluster_name(key, region).replace('/', '.')}.json"


def _virtual_hosts(front_end: FrontEnd, region: str) -> list[dict[str, Any]]:
    by_host: dict[str, list[Route]] = {}
    for route in front_end.routes:
        by_host.setdefault(route.host, []).append(route)
    return [
        {
            "name": host,
            "domains": [host],
            "routes": [_route(one, region, front_end) for one in sorted(found, key=_precedence)],
        }
        for host, found in by_host.items()
    ]


def _precedence(route: Route) -> tuple[int, int]:
    return _ORDER.index(route.match), -len(route.path)


def _route(route: Route, region: str, front_end: FrontEnd) -> dict[str, Any]:
    path: dict[str, Any] = {"prefix": "/"}
    if route.match == "Exact":
        path = {"path": route.path}
    elif route.match == "RegularExpression":
        path = {"safe_regex": {"regex": route.path}}
    elif route.path != "/":  # whole elements only
        path = {"path_separated_prefix": route.path.rstrip("/")}
    if route.redirect is not None:
        redirect = {"response_code": _STATUSES[route.redirect.status]}
        if route.redirect.scheme:
            redirect["scheme_redirect"] = route.redirect.scheme
        if route.redirect.host:
            redirect["host_redirect"] = route.redirect.host
        return {"match": path, "redirect": redirect}
    weights = [{"name": _cluster_name(key, region), "weight": weight} for key, weight in route.backends if weight]
    if not weights:
        return {"match": path, "direct_response": {"status": 500}}
    # Envoy has one for a route, and Google one for each backend.
    timeout = max(front_end.backends[key].timeout for key, weight in route.backends if weight)
    return {"match": path, "route": {"weighted_clusters": {"clusters": weights}, "timeout": f"{timeout}s"}}


def _listener(region: str, port: int, routes: Path) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": region,
        "strip_any_host_port": True,
        "rds": {"route_config_name": region, "config_source": _file(routes)},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": region,
        "address": {"socket_address": {"address": ADDRESS, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(backend: Backend, region: str, endpoints: Path) -> dict[str, Any]:
    check = {
        "timeout": f"{backend.check.timeout}s",
        "interval": f"{backend.check.seconds}s",
        "no_traffic_interval": f"{backend.check.seconds}s",
        "unhealthy_threshold": backend.check.unhealthy,
        "healthy_threshold": backend.check.healthy,
        # Not the cluster's name, which is no host: Go's servers refuse it.
        "http_health_check": {"path": backend.check.path, "host": backend.name},
    }
    return {
        "name": _cluster_name(backend.key, region),
        "type": "EDS",
        "connect_timeout": "1s",
        "upstream_bind_config": {"source_address": {"address": str(REGIONAL_FRONT_END), "port_value": 0}},
        "eds_cluster_config": {"eds_config": _file(endpoints)},
        "health_checks": [check],
        "ignore_health_on_host_removal": True,
        # Without a window, two gateways that fail leave at the same time: the second one would wait for a second.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
    }


def _endpoint(backend: Backend, address: str) -> dict[str, Any]:
    socket = {"address": address, "port_value": backend.port}
    return {"address": {"socket_address": socket}, "health_check_config": {"port_value": backend.check.port}}


def _cluster_name(key: str, region: str) -> str:
    return f"{key}/{region}"


def _file(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}

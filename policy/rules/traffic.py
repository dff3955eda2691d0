"""Traffic of services: how callers' proxies and the gateways send requests."""

from typing import Any

from config.environment import Environment, ResolvedRegion
from config.services.connections import Connections
from config.services.port import ServicePort
from config.services.service import Service
from policy.claims import Claims
from policy.objects import in_namespace, kubernetes_object
from policy.rule import rule
from policy.rules.services import needed_by_routes, services


def _seconds(number: float | None) -> str | None:
    """Return a number of seconds as Istio writes it."""
    return None if number is None else f"{number:.3f}".rstrip("0").rstrip(".") + "s"


def _host(name: str, service: Service) -> str:
    return f"{name}.{service.namespace}.svc.cluster.local"


def http_action(environment: Environment, name: str, port: ServicePort) -> dict[str, Any]:
    """Return what happens to the requests to a port: the configured timeout and retries, and none of Istio's own."""
    service = environment.all_services()[name]
    retries = service.retries
    elsewhere = service.failover and environment.mesh.control_plane != "fleet"
    retried = {
        "retryOn": ",".join(map(str, retries.retry_on)),
        "perTryTimeout": _seconds(retries.per_try_timeout_seconds),
        "retryRemoteLocalities": True if elsewhere else None,
    }
    return {
        "route": _destinations(name, service, port),
        **_copies(environment, service, name, port),
        "timeout": _seconds(service.timeout_of(port)),
        "retries": {"attempts": retries.attempts, **(retried if retries.attempts else {})},
    }


def _destinations(name: str, service: Service, port: ServicePort) -> list[dict[str, Any]]:
    """Return the destinations of requests: the service, or each of its versions with a weight."""
    to = {"host": _host(name, service), "port": {"number": port.port}}
    shares = {version: weight for version, weight in service.weights.items() if weight}
    return [
        {"destination": {**to, "subset": _subset(version)}, "weight": weight if len(shares) > 1 else None}
        for version, weight in shares.items()
    ] or [{"destination": to}]


def _subset(version: str) -> str:
    return version.replace(".", "-")


def _copies(environment: Environment, service: Service, name: str, port: ServicePort) -> dict[str, Any]:
    """Return where copies of requests go: a version, or the same port of another service of the configuration."""
    mirror = service.mirror
    if mirror is None:
        return {}
    to: dict[str, Any] = {"host": _host(name, service), "port": {"number": port.port}}
    if mirror.service is None:
        to["subset"] = _subset(str(mirror.version))
    else:
        other = environment.all_services()[mirror.service]
        number = service.mirrored_ports(other).get(port.port)
        if number is None:
            return {}
        to = {"host": _host(mirror.service, other), "port": {"number": number}}
    return {"mirror": to, "mirrorPercentage": {"value": mirror.percent}}


@rule("https://istio.io/latest/docs/reference/config/networking/virtual-service/")
def mesh_routes(environment: Environment) -> Claims:
    """Callers in the mesh reach each port of a service with the configured timeout and retries."""
    for region, path, name, service in services(environment):
        ports = [one for one in service.all_ports.values() if one.protocol != "tcp"]
        others = [one for one in service.all_ports.values() if one.protocol == "tcp" and service.versions]
        if name == environment.demo_name or not (ports or others):
            continue
        tcp = [{"match": [{"port": one.port}], "route": _destinations(name, service, one)} for one in others]
        http = [
            {"match": [{"port": one.port}] if len(ports) > 1 else None, **http_action(environment, name, one)}
            for one in ports
        ]
        spec = {"hosts": [_host(name, service)], "http": http or None, "tcp": tcp or None}
        before = [in_namespace(region.key, service.namespace), *needed_by_routes(environment, region, name)]
        names = (service.namespace, name)
        yield kubernetes_object(f"{path}/virtual-service", "VirtualService", names, {"spec": spec}, before)


@rule("https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings")
def certificates(environment: Environment) -> Claims:
    """Destination rules have the configured numbers of failover, and leave mutual TLS to the mesh.

    TLS settings of a DestinationRule override the mesh's automatic mutual TLS.
    """
    # The package that asmcli installs turns locality load balancing off.
    setting = environment.mesh.control_plane == "asmcli-in-cluster"
    for region, path, name, service in services(environment):
        if not service.failover and service.connections == Connections() and not service.versions:
            continue
        locality = {
            "enabled": True if setting and service.failover else None,
            "distribute": _distribution(environment, region, service),
        }
        policy = {
            "loadBalancer": {"localityLbSetting": locality} if any(locality.values()) else None,
            "connectionPool": _connection_pool(service),
            "outlierDetection": _outlier_detection(service) if service.failover else None,
        }
        subsets = [{"name": _subset(version), "labels": {"version": version}} for version in service.versions]
        spec = {"spec": {"host": _host(name, service), "trafficPolicy": policy, "subsets": subsets or None}}
        yield kubernetes_object(f"{path}/destination-rule", "DestinationRule", (service.namespace, name), spec)


def _distribution(environment: Environment, region: ResolvedRegion, service: Service) -> list[dict[str, Any]] | None:
    """Return where the requests of a region's clients go, if not to the nearest region."""
    weights = service.region_weights.get(region.key)
    if weights is None:
        return None
    to = {f"{environment.regions[key].region}/*": weight for key, weight in weights.items()}
    return [{"from": f"{region.location}/*", "to": to}]


def _connection_pool(service: Service) -> dict[str, Any]:
    given, protocols = service.connections, {one.protocol for one in service.all_ports.values()}
    idle, probing = _seconds(given.idle_timeout_seconds), given.keepalive
    keepalive = probing and {
        "time": _seconds(probing.time_seconds),
        "interval": _seconds(probing.interval_seconds),
        "probes": probing.probes,
    }
    http = {
        "http1MaxPendingRequests": given.max_pending_requests,
        "http2MaxRequests": given.max_requests,
        "maxRequestsPerConnection": given.max_requests_per_connection,
        "idleTimeout": idle if protocols - {"tcp"} else None,
    }
    tcp = {
        "connectTimeout": _seconds(given.connect_timeout_seconds),
        "maxConnections": given.max_connections,
        "idleTimeout": idle if "tcp" in protocols else None,
        "tcpKeepalive": keepalive,
    }
    return {"tcp": tcp, "http": http if any(http.values()) else None}


def _outlier_detection(service: Service) -> dict[str, Any]:
    given = service.outlier_detection
    split = given.consecutive_local_origin_failures
    return {
        "consecutive5xxErrors": given.consecutive_5xx,
        "consecutiveGatewayErrors": given.consecutive_gateway_errors or None,
        "splitExternalLocalOriginErrors": None if split is None else True,
        "consecutiveLocalOriginFailures": split,
        "interval": _seconds(given.interval_seconds),
        "baseEjectionTime": _seconds(given.ejection_seconds),
        "maxEjectionPercent": given.max_ejection_percent,
    }

"""How callers' proxies and the gateways send requests to a service: of a VirtualService and a DestinationRule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.naming import service_host, subset_name
from config.services.connections import Connections
from config.services.outlier_detection import OutlierDetection
from config.services.port import ServicePort
from config.services.service import Service
from constructs.manifest_file import render


@dataclass(frozen=True)
class LocalityWeights:
    """Where the requests of a region's clients go.

    Attributes:
        client: the Google Cloud region of the clients.
        servers: percentages of their requests, by Google Cloud region.
    """

    client: str
    servers: Mapping[str, int]

    @property
    def manifest(self) -> dict[str, Any]:
        """An item of `distribute`. Envoy removes the endpoints of all other regions."""
        return {"from": f"{self.client}/*", "to": {f"{region}/*": weight for region, weight in self.servers.items()}}


def http_action(
    name: str, services: Mapping[str, Service], port: ServicePort, *, retries_elsewhere: bool
) -> dict[str, Any]:
    """Return what happens to the requests to a port, as fields of an HTTP route.

    Args:
        name: the service's name.
        services: all services, by name.
        port: one of its ports, which the mesh reads as HTTP or gRPC.
        retries_elsewhere: a retry can go to another region.
    """
    service = services[name]
    action: dict[str, Any] = {"route": destinations(name, service, port), **_mirror(name, services, port)}
    timeout = service.timeout_of(port)
    if timeout is not None:
        action["timeout"] = duration(timeout)
    return {**action, "retries": _retries(service, elsewhere=retries_elsewhere and service.failover)}


def destinations(name: str, service: Service, port: ServicePort) -> list[dict[str, Any]]:
    """Return the destinations of the requests to a port: each version that has a weight, if there are several."""
    if not service.versions:
        return [{"destination": _destination(name, service, port.port)}]
    weighted = [
        {"destination": _destination(name, service, port.port, version), "weight": weight}
        for version, weight in service.weights.items()
        if weight
    ]
    return weighted if len(weighted) > 1 else [{"destination": weighted[0]["destination"]}]


def virtual_service(name: str, services: Mapping[str, Service], *, retries_elsewhere: bool) -> dict[str, Any] | None:
    """Return the VirtualService for callers in the mesh, without a gateway; None if nothing in it would have an effect.

    A port of HTTP or gRPC that the VirtualService leaves out would have no route. Connections to the others are routed
    without one, unless they are shared among versions.

    Args:
        name: the service's name.
        services: all services, by name.
        retries_elsewhere: a retry can go to another region.
    """
    service = services[name]
    ports = service.http_ports
    entries = [
        ({"match": [{"port": port.port}]} if len(ports) > 1 else {})
        | http_action(name, services, port, retries_elsewhere=retries_elsewhere)
        for port in ports
    ]
    connections = [
        {"match": [{"port": port.port}], "route": destinations(name, service, port)}
        for port in (service.tcp_ports if service.versions else ())
    ]
    if not entries and not connections:
        return None
    return render(
        "service/virtual-service.yaml",
        {
            "name": name,
            "namespace": service.namespace,
            "host": service_host(name, service.namespace),
            "routes": entries or None,
            "connections": connections or None,
        },
    )


def destination_rule(
    name: str, service: Service, *, locality_needs_setting: bool, weights: LocalityWeights | None
) -> dict[str, Any] | None:
    """Return the DestinationRule of a service, or None if it needs none.

    Args:
        name: the service's name.
        service: the service.
        locality_needs_setting: locality load balancing is off unless the DestinationRule enables it.
        weights: where the requests of the cluster's clients go, unless the nearest region serves them.
    """
    if not service.failover and service.connections == Connections() and not service.versions:
        return None
    locality: dict[str, Any] = {"enabled": True} if locality_needs_setting and service.failover else {}
    if weights is not None:
        locality["distribute"] = [weights.manifest]
    subsets = [{"name": subset_name(version), "labels": {"version": version}} for version in service.versions]
    return render(
        "service/destination-rule.yaml",
        {
            "name": name,
            "namespace": service.namespace,
            "load_balancer": {"localityLbSetting": locality} if locality else None,
            "connection_pool": _connection_pool(service),
            "outlier_detection": _outlier_detection(service.outlier_detection) if service.failover else None,
            "subsets": subsets or None,
        },
    )


def duration(seconds: float) -> str:
    """Return a number of seconds as Istio writes it: 15s, 0.25s."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _destination(name: str, service: Service, port: int, version: str | None = None) -> dict[str, Any]:
    destination = {"host": service_host(name, service.namespace), "port": {"number": port}}
    return destination if version is None else {**destination, "subset": subset_name(version)}


def _mirror(name: str, services: Mapping[str, Service], port: ServicePort) -> dict[str, Any]:
    """Return the fields of an HTTP route that send copies of its requests; none if there are no copies."""
    service = services[name]
    mirror = service.mirror
    if mirror is None:
        return {}
    if mirror.service is None:
        destination = _destination(name, service, port.port, mirror.version)
    else:
        target = services[mirror.service]
        copied = service.mirrored_ports(target).get(port.port)
        if copied is None:
            return {}
        destination = _destination(mirror.service, target, copied)
    return {"mirror": destination, "mirrorPercentage": {"value": mirror.percent}}


def _retries(service: Service, *, elsewhere: bool) -> dict[str, Any]:
    """Return the retries of a route. Without any in a VirtualService, Istio has its own, of responses with 503, too.

    Envoy sends a retry to the priority of the first try, so that none of 100 requests to a region that had gone, and
    was not ejected, was saved by two retries. With `retryRemoteLocalities`, the second retry leaves the region, and 100
    of 100 were (Envoy 1.40; Istio lets two tries of a request go to one priority). One retry stays in the region.
    https://github.com/istio/istio/blob/1.28.0/pilot/pkg/networking/core/route/retry/retry.go
    """
    retries = service.retries
    if retries.attempts == 0:
        return {"attempts": 0}
    fields: dict[str, Any] = {"attempts": retries.attempts, "retryOn": ",".join(map(str, retries.retry_on))}
    if retries.per_try_timeout_seconds is not None:
        fields["perTryTimeout"] = duration(retries.per_try_timeout_seconds)
    if elsewhere:
        fields["retryRemoteLocalities"] = True
    return fields


def _connection_pool(service: Service) -> dict[str, Any]:
    connections = service.connections
    idle = connections.idle_timeout_seconds
    idle_timeout = None if idle is None else duration(idle)
    tcp = _given(
        connectTimeout=duration(connections.connect_timeout_seconds),
        maxConnections=connections.max_connections,
        idleTimeout=idle_timeout if service.tcp_ports else None,
    )
    if connections.keepalive is not None:
        probing = connections.keepalive
        interval = probing.interval_seconds
        tcp["tcpKeepalive"] = _given(
            time=duration(probing.time_seconds),
            interval=None if interval is None else duration(interval),
            probes=probing.probes,
        )
    http = _given(
        http1MaxPendingRequests=connections.max_pending_requests,
        http2MaxRequests=connections.max_requests,
        maxRequestsPerConnection=connections.max_requests_per_connection,
        idleTimeout=idle_timeout if service.http_ports else None,
    )
    return {"tcp": tcp, "http": http} if http else {"tcp": tcp}


def _outlier_detection(detection: OutlierDetection) -> dict[str, Any]:
    fields: dict[str, Any] = {"consecutive5xxErrors": detection.consecutive_5xx}
    if detection.consecutive_gateway_errors:
        fields["consecutiveGatewayErrors"] = detection.consecutive_gateway_errors
    if detection.consecutive_local_origin_failures is not None:
        fields["splitExternalLocalOriginErrors"] = True
        fields["consecutiveLocalOriginFailures"] = detection.consecutive_local_origin_failures
    return fields | {
        "interval": duration(detection.interval_seconds),
        "baseEjectionTime": duration(detection.ejection_seconds),
        "maxEjectionPercent": detection.max_ejection_percent,
    }


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}

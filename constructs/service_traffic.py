"""How callers' proxies and the gateways send requests to a service: of a VirtualService and a DestinationRule."""

from typing import Any

from config.naming import service_host
from config.services.connections import Connections
from config.services.outlier_detection import OutlierDetection
from config.services.port import ServicePort
from config.services.service import Service
from constructs.manifest_file import render


def http_action(name: str, service: Service, port: ServicePort, *, retries_elsewhere: bool) -> dict[str, Any]:
    """Return what happens to the requests to a port, as fields of an HTTP route.

    Args:
        name: the service's name.
        service: the service.
        port: one of its ports, which the mesh reads as HTTP or gRPC.
        retries_elsewhere: a retry can go to another region.
    """
    action: dict[str, Any] = {"route": destinations(name, service, port)}
    timeout = service.timeout_of(port)
    if timeout is not None:
        action["timeout"] = duration(timeout)
    return {**action, "retries": _retries(service, elsewhere=retries_elsewhere and service.failover)}


def destinations(name: str, service: Service, port: ServicePort) -> list[dict[str, Any]]:
    """Return the destinations of the requests to a port."""
    return [{"destination": {"host": service_host(name, service.namespace), "port": {"number": port.port}}}]


def virtual_service(name: str, service: Service, *, retries_elsewhere: bool) -> dict[str, Any] | None:
    """Return the VirtualService for callers in the mesh, without a gateway; None if the mesh reads no port.

    A port that the VirtualService leaves out would have no route.

    Args:
        name: the service's name.
        service: the service.
        retries_elsewhere: a retry can go to another region.
    """
    ports = service.http_ports
    if not ports:
        return None
    entries = [
        ({"match": [{"port": port.port}]} if len(ports) > 1 else {})
        | http_action(name, service, port, retries_elsewhere=retries_elsewhere)
        for port in ports
    ]
    return render(
        "service/virtual-service.yaml",
        {
            "name": name,
            "namespace": service.namespace,
            "host": service_host(name, service.namespace),
            "routes": entries,
        },
    )


def destination_rule(name: str, service: Service, *, locality_needs_setting: bool) -> dict[str, Any] | None:
    """Return the DestinationRule of a service, or None if it needs none.

    Args:
        name: the service's name.
        service: the service.
        locality_needs_setting: locality load balancing is off unless the DestinationRule enables it.
    """
    if not service.failover and service.connections == Connections():
        return None
    balancer = {"localityLbSetting": {"enabled": True}} if locality_needs_setting and service.failover else None
    return render(
        "service/destination-rule.yaml",
        {
            "name": name,
            "namespace": service.namespace,
            "load_balancer": balancer,
            "connection_pool": _connection_pool(service),
            "outlier_detection": _outlier_detection(service.outlier_detection) if service.failover else None,
        },
    )


def duration(seconds: float) -> str:
    """Return a number of seconds as Istio writes it: 15s, 0.25s."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


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

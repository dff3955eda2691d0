"""What a load balancer does with requests, as the objects of the config cluster say."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Literal

from config.kinds import GATEWAY_API
from tests.local_mesh.fleet import derived_service
from tests.local_mesh.rendered import Object

PORT = 80
"""Of the listener that is simulated. HTTPS is not: no certificate of Google's is here."""

INGRESS, GATEWAY = "MultiClusterIngress", "Gateway"
IMPORT, EXPORT = "ServiceImport", "ServiceExport"
BACKEND_CONFIG = "cloud.google.com/backend-config"

CHECK_SECONDS = 1.0
FAILED_CHECKS = 2
"""A gateway gets no more requests after so many failed checks, unless a policy says otherwise. Google's default with
container-native load balancing is two checks, 15 s apart:
https://github.com/kubernetes/ingress-gce/blob/master/pkg/healthchecks/healthchecks.go"""

TIMEOUT_SECONDS = 30
"""For a response, unless a policy says otherwise: https://cloud.google.com/load-balancing/docs/https#timeouts_and_retries"""

FrontEndKey = tuple[str, str]
"""Kind and name of the object that describes a front end: `INGRESS` or `GATEWAY`."""

Select = Callable[[str, str, Mapping[str, str]], Sequence[IPv4Address]]
"""Returns the addresses of a region's pods, by region, namespace and labels."""


@dataclass(frozen=True)
class HealthCheck:
    """How the endpoints of a backend are checked.

    Attributes:
        port: that is checked.
        path: that has to return 200.
        seconds: from one check to the next.
        timeout: of a check, in seconds.
        healthy: checks after which an endpoint gets requests again.
        unhealthy: failed checks after which it gets none.
    """

    port: int
    path: str
    seconds: float = CHECK_SECONDS
    timeout: float = CHECK_SECONDS
    healthy: int = 1
    unhealthy: int = FAILED_CHECKS


@dataclass(frozen=True)
class Backend:
    """A service of the fleet.

    Attributes:
        kind: ``MultiClusterService`` or `IMPORT`.
        namespace: of the service.
        name: of the service.
        service: name of the Service that selects the pods in a cluster.
        port: of the pods.
        check: of the pods.
        timeout: for a response, in seconds.
    """

    kind: str
    namespace: str
    name: str
    service: str
    port: int
    check: HealthCheck
    timeout: int = TIMEOUT_SECONDS

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Redirect:
    """A response that sends the client to another URL.

    Attributes:
        status: of the response.
        scheme: of the URL; the request's if absent.
        host: of the URL; the request's if absent.
    """

    status: int
    scheme: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class Route:
    """Requests, and what they get: a redirect, or a response of a backend.

    Attributes:
        host: of the requests; ``*`` for all.
        match: how the path is compared.
        path: of the requests.
        backends: keys of backends, and their weights. With none, and without a redirect, the response is 500.
        redirect: of the requests.
    """

    host: str
    match: Literal["PathPrefix", "Exact", "RegularExpression"]
    path: str
    backends: tuple[tuple[str, int], ...] = ()
    redirect: Redirect | None = None


@dataclass(frozen=True)
class FrontEnd:
    """A load balancer's port `PORT`.

    Attributes:
        routes: in no order: the most specific one that fits holds. Other requests get 404.
        backends: by key.
    """

    routes: tuple[Route, ...] = ()
    backends: Mapping[str, Backend] = field(default_factory=dict)

    @property
    def hosts(self) -> list[str]:
        """The hosts that it serves, without patterns."""
        return [host for host in dict.fromkeys(route.host for route in self.routes) if not host.startswith("*")]


Endpoints = Mapping[str, Mapping[str, Sequence[str]]]
"""Addresses of pods, by a backend's key and by region."""


def front_ends(objects: Iterable[Object], services: Iterable[Object] = ()) -> dict[FrontEndKey, FrontEnd]:
    """Return what the objects of a config cluster say.

    Args:
        objects: of the config cluster; those that are being deleted do not count.
        services: exported ones, of any cluster, for the ports of imports.
    """
    present = [one for one in objects if "deletionTimestamp" not in one["metadata"]]
    exported = [*services, *(one for one in present if one["kind"] == "Service")]
    found = {(INGRESS, _name(one)): _ingress(one, present) for one in present if one["kind"] == INGRESS}
    gateways = [one for one in present if one["kind"] == GATEWAY and one["apiVersion"].startswith(f"{GATEWAY_API}/")]
    return found | {(GATEWAY, _name(one)): _gateway(one, present, exported) for one in gateways}


def key_of(address: str, objects: Iterable[Object]) -> FrontEndKey | None:
    """Return the object to which the controllers of the fleet have given an address, if there is one."""
    for one in objects:
        annotations, status = one["metadata"].get("annotations", {}), one.get("status", {})
        given = [found["value"] for found in status.get("addresses", [])]
        if one["kind"] == INGRESS and address in (annotations.get("networking.gke.io/static-ip"), status.get("VIP")):
            return INGRESS, _name(one)
        if one["kind"] == GATEWAY and address in given:
            return GATEWAY, _name(one)
    return None


def ordered_front_ends(objects: Mapping[str, Sequence[Object]]) -> dict[FrontEndKey, FrontEnd]:
    """Return the front ends of all regions' objects; first those that do not only redirect.

    Args:
        objects: by region.
    """
    everything = [one for found in objects.values() for one in found]
    found = front_ends(everything)
    return dict(sorted(found.items(), key=lambda one: not one[1].backends))


def endpoints(front_end: FrontEnd, regions: Mapping[str, Sequence[Object]], select: Select) -> Endpoints:
    """Return the pods that get requests.

    A region has some if it has the derived Service of a MultiClusterService, or exports the Service of an import.

    Args:
        front_end: with the backends.
        regions: Services and ServiceExports of each region.
        select: returns the pods of a region.
    """
    return {
        key: {region: _pods(backend, region, objects, select) for region, objects in regions.items()}
        for key, backend in front_end.backends.items()
    }


def _pods(backend: Backend, region: str, objects: Sequence[Object], select: Select) -> list[str]:
    found = {one["kind"]: one for one in objects if _is(one, backend.namespace, backend.service)}
    if "Service" not in found or (backend.kind == IMPORT and EXPORT not in found):
        return []
    selector = found["Service"]["spec"].get("selector") or {}
    return [str(address) for address in select(region, backend.namespace, selector)]


def _ingress(ingress: Object, objects: Sequence[Object]) -> FrontEnd:
    """Return the front end of a MultiClusterIngress, which has a default backend.

    Its redirect to HTTPS is not simulated. Its checks are as frequent as in the failover budget, whatever its
    BackendConfig says.
    """
    namespace = ingress["metadata"]["namespace"]
    default = ingress["spec"]["template"]["spec"]["backend"]
    services = (one for one in objects if one["kind"] == "MultiClusterService")
    service = next((one for one in services if _is(one, namespace, default["serviceName"])), None)
    if service is None:
        return FrontEnd()
    template = service["spec"]["template"]["spec"]
    config = _backend_config(service, objects)
    check: Mapping[str, Any] = config.get("healthCheck", {})
    port = _target(template["ports"], default["servicePort"])
    backend = Backend(
        service["kind"],
        namespace,
        _name(service),
        _name(derived_service(service)),
        port,
        HealthCheck(check.get("port", port), check.get("requestPath", "/")),
        config.get("timeoutSec", TIMEOUT_SECONDS),
    )
    return FrontEnd((Route("*", "PathPrefix", "/", ((backend.key, 1),)),), {backend.key: backend})


def _backend_config(service: Object, objects: Sequence[Object]) -> Mapping[str, Any]:
    """Return the content of the BackendConfig that a MultiClusterService names for all of its ports."""
    named = json.loads(service["metadata"].get("annotations", {}).get(BACKEND_CONFIG, "{}"))
    configs = (one for one in objects if one["kind"] == "BackendConfig")
    namespace = service["metadata"]["namespace"]
    found = (one["spec"] for one in configs if _is(one, namespace, named.get("default", "")))
    return next(found, {})


def _gateway(gateway: Object, objects: Sequence[Object], services: Sequence[Object]) -> FrontEnd:
    """Return the front end of a Gateway's HTTP listener, with the routes that are attached to it."""
    listeners = [one for one in gateway["spec"]["listeners"] if one["port"] == PORT]
    routes = [one for one in objects if one["kind"] == "HTTPRoute" and _is_attached(one, gateway, listeners)]
    found: list[Route] = []
    backends: dict[str, Backend] = {}
    for route in routes:
        for rule in route["spec"].get("rules", []):
            references = rule.get("backendRefs", [])
            used = [_backend(one, route["metadata"]["namespace"], objects, services) for one in references]
            backends |= {one.key: one for one in used}
            weights = tuple((one.key, given.get("weight", 1)) for one, given in zip(used, references, strict=True))
            for host in route["spec"].get("hostnames", ["*"]):
                for match in rule.get("matches", [{}]):
                    path = match.get("path", {})
                    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
                    found.append(Route(host, kind, value, weights, _redirect(rule)))
    return FrontEnd(tuple(found), backends)


def _is_attached(route: Object, gateway: Object, listeners: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a route names a Gateway, and no listener or one of these, which admits its namespace."""
    namespace = route["metadata"]["namespace"]
    return any(
        _is(gateway, parent.get("namespace", namespace), parent["name"])
        and parent.get("sectionName") in (None, listener["name"])
        and _is_admitted(namespace, gateway, listener)
        for parent in route["spec"].get("parentRefs", [])
        for listener in listeners
    )


def _is_admitted(namespace: str, gateway: Object, listener: Mapping[str, Any]) -> bool:
    """Return whether a listener takes the routes of a namespace: those of its own, unless it takes all."""
    origin = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
    return bool(origin == "All" or namespace == gateway["metadata"]["namespace"])


def _backend(
    reference: Mapping[str, Any], namespace: str, objects: Sequence[Object], services: Sequence[Object]
) -> Backend:
    namespace, name = reference.get("namespace", namespace), reference["name"]
    service = next((one for one in services if _is(one, namespace, name)), None)
    port = reference["port"] if service is None else _target(service["spec"]["ports"], reference["port"])
    check = _check(_policy("HealthCheckPolicy", namespace, name, objects), port)
    timeout = _policy("GCPBackendPolicy", namespace, name, objects).get("timeoutSec", TIMEOUT_SECONDS)
    return Backend(IMPORT, namespace, name, name, port, check, timeout)


def _policy(kind: str, namespace: str, name: str, objects: Sequence[Object]) -> Mapping[str, Any]:
    """Return the content of the oldest policy of a ServiceImport, which must be in its namespace; empty without one."""
    found = [
        one
        for one in objects
        if one["kind"] == kind
        and one["metadata"]["namespace"] == namespace
        and (one["spec"]["targetRef"]["kind"], one["spec"]["targetRef"]["name"]) == (IMPORT, name)
    ]
    oldest = sorted(found, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    content: Mapping[str, Any] = oldest[0]["spec"].get("default", {}) if oldest else {}
    return content


def _check(policy: Mapping[str, Any], port: int) -> HealthCheck:
    """Return the check of a HealthCheckPolicy; without one, that of the path ``/`` of the serving port."""
    http = policy.get("config", {}).get("httpHealthCheck", {})
    return HealthCheck(
        http.get("port", port),
        http.get("requestPath", "/"),
        policy.get("checkIntervalSec", CHECK_SECONDS),
        policy.get("timeoutSec", CHECK_SECONDS),
        policy.get("healthyThreshold", 1),
        policy.get("unhealthyThreshold", FAILED_CHECKS),
    )


def _redirect(rule: Mapping[str, Any]) -> Redirect | None:
    for one in rule.get("filters", []):
        if one["type"] == "RequestRedirect":
            given = one["requestRedirect"]
            return Redirect(given.get("statusCode", 302), given.get("scheme"), given.get("hostname"))
    return None


def _target(ports: Sequence[Mapping[str, Any]], port: int) -> int:
    """Return the pods' port of a Service's port."""
    return next((int(one.get("targetPort", port)) for one in ports if one["port"] == port), port)


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])


def _is(one: Object, namespace: str, name: str) -> bool:
    return (one["metadata"].get("namespace"), one["metadata"]["name"]) == (namespace, name)

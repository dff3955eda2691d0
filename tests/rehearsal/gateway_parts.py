"""The resources of a Gateway's load balancers: their names, and their content as the objects have it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.local_mesh.fleet import digest

EXTERNAL_CLASS = "gke-l7-global-external-managed-mc"
INTERNAL_CLASS = "gke-l7-cross-regional-internal-managed-mc"
SCHEMES = {EXTERNAL_CLASS: "EXTERNAL_MANAGED", INTERNAL_CLASS: "INTERNAL_MANAGED"}
"""Load balancing schemes by the classes that are emulated."""

CLASSES = (
    *SCHEMES,
    "gke-l7-gxlb-mc",
    "gke-l7-regional-external-managed-mc",
    "gke-l7-rilb-mc",
)
"""All classes of several clusters."""

PREFIX = "gkemcg1-"
CERTIFICATE_MAP = "networking.gke.io/certmap"
EPHEMERAL = "networking.gke.io/ephemeral-ipv4-address/"
"""Beginning of the type of an address in a region, of the internal class."""

HEALTH_CHECKERS = ["130.211.0.0/22", "35.191.0.0/16"]
"""Source: https://cloud.google.com/load-balancing/docs/firewall-rules"""

Object = Mapping[str, Any]
Place = str
"""Of a resource, such as ``global/urlMaps/NAME``."""


@dataclass(frozen=True)
class Backend:
    """A ServiceImport that a route leads to.

    Attributes:
        namespace: of the import.
        name: of the import.
        port: of the Service.
        groups: links of its endpoint groups.
        policy: content of its GCPBackendPolicy; empty without one.
        health: content of its HealthCheckPolicy; empty without one.
    """

    namespace: str
    name: str
    port: int
    groups: Sequence[str]
    policy: Object = field(default_factory=dict)
    health: Object = field(default_factory=dict)


@dataclass(frozen=True)
class GatewayParts:
    """A Gateway, and what it needs.

    Attributes:
        gateway: the object.
        addresses: its addresses, each with the fields of a forwarding rule that depend on it.
        backends: of its routes, by the name of the listener.
        routes: HTTPRoutes, by the name of the listener.
        ssl_policy: name of the SSL policy; empty for that of the load balancer.
        certificate_map: name of the certificate map; empty without HTTPS.
        cluster: path of the config cluster.
        project: id of the project.
        link: returns the link of a resource.
    """

    gateway: Object
    addresses: Mapping[str, Object]
    backends: Mapping[str, Sequence[Backend]]
    routes: Mapping[str, Sequence[Object]]
    ssl_policy: str
    certificate_map: str
    cluster: str
    project: str
    link: Callable[[Place], str]

    @property
    def scheme(self) -> str:
        return SCHEMES[self.gateway["spec"]["gatewayClassName"]]

    def resources(self) -> dict[Place, dict[str, Any]]:
        """Return the content of all resources, by their place, in the order of their creation."""
        found: dict[Place, dict[str, Any]] = {}
        missing = self._name("kube-system", "gw-serve404", "80", visible="80")
        found |= self._service(missing, Backend("kube-system", "gw-serve404", 80, ()))
        for backend in [one for listener in self.backends.values() for one in listener]:
            found |= self._service(self._backend_name(backend), backend)
        for listener in self.gateway["spec"]["listeners"]:
            found |= dict(self._frontend(listener, missing))
        return found

    def _service(self, name: str, backend: Backend) -> dict[Place, dict[str, Any]]:
        policy = backend.policy
        service: dict[str, Any] = {
            "loadBalancingScheme": self.scheme,
            "protocol": "HTTP",
            "healthChecks": [self.link(f"global/healthChecks/{name}")],
            "backends": [
                {"group": one, "balancingMode": "RATE", "maxRatePerEndpoint": 100000000.0}
                for one in sorted(backend.groups)
            ],
            "connectionDraining": policy.get("connectionDraining", {"drainingTimeoutSec": 0}),
            "logConfig": {"enable": policy.get("logging", {}).get("enabled", False)},
            "timeoutSec": policy.get("timeoutSec", 30),
        }
        if security := policy.get("securityPolicy"):
            service["securityPolicy"] = self.link(f"global/securityPolicies/{security}")
        return {f"global/healthChecks/{name}": _health_check(backend.health), f"global/backendServices/{name}": service}

    def _frontend(self, listener: Object, missing: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield the URL map, the proxy and the forwarding rules of a listener."""
        namespace, gateway = self._identity()
        name = self._name(namespace, gateway, listener["name"])
        about = {"k8sResource": f"/namespaces/{namespace}/gateways/{gateway}", "k8sCluster": f"/{self.cluster}"}
        description = {"description": json.dumps(about, separators=(",", ":"))}
        routes = self.routes.get(listener["name"], ())
        yield f"global/urlMaps/{name}", {**description, **self._routing(routes, missing)}
        proxy: dict[str, Any] = {"urlMap": self.link(f"global/urlMaps/{name}")}
        kind = "targetHttpProxies"
        if listener["protocol"] == "HTTPS":
            kind = "targetHttpsProxies"
            home = f"//certificatemanager.googleapis.com/projects/{self.project}/locations/global"
            proxy["certificateMap"] = f"{home}/certificateMaps/{self.certificate_map}"
            if self.ssl_policy:
                proxy["sslPolicy"] = self.link(f"global/sslPolicies/{self.ssl_policy}")
        yield f"global/{kind}/{name}", proxy
        for address, fields in self.addresses.items():
            rule = self._name(namespace, gateway, f"{listener['name']} {fields.get('subnetwork', '')}")
            yield (
                f"global/forwardingRules/{rule}",
                {
                    "target": self.link(f"global/{kind}/{name}"),
                    "IPAddress": address,
                    "IPProtocol": "TCP",
                    "portRange": f"{listener['port']}-{listener['port']}",
                    "loadBalancingScheme": self.scheme,
                    **description,
                    **fields,
                },
            )

    def _routing(self, routes: Sequence[Object], missing: str) -> dict[str, Any]:
        """Return a path matcher for each host, with the most specific path first; other requests get 404."""
        default = {"defaultService": self.link(f"global/backendServices/{missing}")}
        rules: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
        for route in routes:
            namespace = route["metadata"]["namespace"]
            for host in route["spec"].get("hostnames") or ("*",):
                for rule in route["spec"]["rules"]:
                    action = self._action(rule, namespace)
                    found = [one for match in rule.get("matches", ({},)) for one in _paths(match.get("path", {}))]
                    rules.setdefault(host, []).extend((kind, path, action) for kind, path in found)
        matchers = {host: f"host{digest(host, 32)}" for host in rules}
        return {
            **default,
            "hostRules": [{"hosts": [host], "pathMatcher": name} for host, name in matchers.items()],
            "pathMatchers": [
                {
                    "name": name,
                    **default,
                    "routeRules": [
                        {"priority": number, "matchRules": [{kind: path}], **action}
                        for number, (kind, path, action) in enumerate(sorted(rules[host], key=_precedence), 1)
                    ],
                }
                for host, name in matchers.items()
            ],
        }

    def _action(self, rule: Object, namespace: str) -> dict[str, Any]:
        """Return what a URL map does with the requests of a route's rule."""
        for one in rule.get("filters", ()):
            if one["type"] == "RequestRedirect":
                redirect = one["requestRedirect"]
                status = "FOUND" if redirect.get("statusCode", 302) == 302 else "MOVED_PERMANENTLY_DEFAULT"
                is_https = redirect.get("scheme") == "https"
                return {"urlRedirect": {"httpsRedirect": is_https, "redirectResponseCode": status}}
        weighted = []
        for one in rule.get("backendRefs", ()):
            name = self._backend_name(Backend(one.get("namespace", namespace), one["name"], one["port"], ()))
            link = self.link(f"global/backendServices/{name}")
            weighted.append({"backendService": link, "weight": one.get("weight", 1)})
        if len(weighted) == 1:
            return {"service": weighted[0]["backendService"]}
        return {"routeAction": {"weightedBackendServices": weighted}}

    def _identity(self) -> tuple[str, str]:
        metadata = self.gateway["metadata"]
        return metadata["namespace"], metadata["name"]

    def _backend_name(self, backend: Backend) -> str:
        return self._name(backend.namespace, backend.name, str(backend.port), visible=str(backend.port))

    def _name(self, namespace: str, name: str, of: str, *, visible: str = "") -> str:
        """Return a name, whose end differs for everything that the load balancers of a fleet have."""
        text = "/".join((self.scheme, *self._identity(), namespace, name, of))
        return f"{PREFIX}{namespace}-{name}-{f'{visible}-' if visible else ''}{digest(text, 12)}"


def _paths(path: Object) -> Iterator[tuple[str, str]]:
    """Yield a match of an HTTPRoute as a URL map has it: a prefix ends at a slash, and the path without it is a rule.

    Seen in a URL map of a public repository.
    """
    value = path.get("value", "/")
    if path.get("type", "PathPrefix") == "Exact":
        yield "fullPathMatch", value
        return
    yield "prefixMatch", f"{value.rstrip('/')}/"
    if value.rstrip("/"):
        yield "fullPathMatch", value.rstrip("/")


def _precedence(rule: tuple[str, str, Any]) -> tuple[bool, int]:
    kind, path, _ = rule
    return kind == "prefixMatch", -len(path)


def firewall(network: str) -> Place:
    """Return the place of the firewall rule that all Gateways of a network share."""
    return f"global/firewalls/{PREFIX}l7-{network}-global"


def _health_check(policy: Object) -> dict[str, Any]:
    """Return the health check of a policy; without one, it is on the port of the endpoints."""
    config = policy.get("config", {"type": "HTTP"})
    timing = {key: value for key, value in policy.items() if key in ("checkIntervalSec", "timeoutSec")}
    check = config.get("httpHealthCheck", {"portSpecification": "USE_SERVING_PORT", "requestPath": "/"})
    return {"type": config["type"], "httpHealthCheck": dict(check), **timing}

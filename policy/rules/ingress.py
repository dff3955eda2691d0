"""Ingress: the public load balancer, the gateways behind it, and their routes."""

import hashlib
from typing import Any

from config.environment import Environment, ResolvedRegion
from config.routing import ANY_HOST, DEFAULT_ROUTES, RoutedPath, host_routes, routed_paths
from config.services.headers import HeaderChanges
from config.services.service import Service
from policy.addresses import address, literal, ref, resource
from policy.claims import Claims, Sentence
from policy.objects import GATEWAY_NAMESPACE, applied, autoscaling, kubernetes_object, spread
from policy.rule import rule
from policy.rules.mesh import GATEWAY, injection_labels, namespaces
from policy.rules.scripts import members
from policy.rules.services import needed_by_routes
from policy.rules.traffic import http_action

GATEWAY_LABELS = {"app": GATEWAY, "istio": "ingressgateway"}
FRONT_ENDS = ["130.211.0.0/22", "35.191.0.0/16"]
"""The source ranges of Google's front ends: https://cloud.google.com/load-balancing/docs/https#firewall-rules"""

ADDRESS = ref("google_compute_global_address", "address", "address")
NAMES = (GATEWAY_NAMESPACE, GATEWAY)
FRONTEND_CONFIG = "ingress-frontendconfig"
DELETED_LAST = {"lifecycle": {"create_before_destroy": True}}
"""Of what a load balancer uses: it is deleted only after the load balancer has changed."""


def gateways(environment: Environment) -> list[ResolvedRegion]:
    """Return the regions that have gateways."""
    return members(environment) if environment.ingress.enabled else []


def _load_balancer(environment: Environment) -> str:
    """Return the path of the load balancer's objects."""
    return f"regions/{environment.ingress.config_cluster}/multi-cluster-ingress"


def _before_load_balancer(environment: Environment) -> list[str]:
    scripts = environment.mesh.control_plane != "fleet"
    cleanup = "null_resource.cleanup" if scripts else "google_compute_global_address.address"
    labels = f"regions/{environment.ingress.config_cluster}/gateway-namespace/labels"
    return [address("kubernetes_labels", labels), cleanup]


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress")
def https_only(environment: Environment) -> Claims:
    """The load balancer serves HTTPS with a certificate for each domain, and redirects plain HTTP, unless configured.

    Every network in between can read and change plain text.
    """
    ingress = environment.ingress
    if not ingress.uses_mci:
        return
    path = _load_balancer(environment)
    yield (
        resource("ingress", "google_compute_global_address", "address"),
        {"name": environment.names.ingress_address, "description": Sentence()},
    )
    certificates = [f"certificates/{domain}" for domain in ingress.domains]
    for domain, certificate in zip(ingress.domains, certificates, strict=True):
        named = {"name": certificate_name(environment, domain), "description": Sentence()}
        content = {**named, "managed": {"domains": [domain]}, **DELETED_LAST}
        yield resource("ingress", "google_compute_managed_ssl_certificate", certificate), content
    names = [ref("google_compute_managed_ssl_certificate", one, "name") for one in certificates]
    annotations = {
        "networking.gke.io/static-ip": ADDRESS,
        "networking.gke.io/frontend-config": FRONTEND_CONFIG if names else None,
        "networking.gke.io/pre-shared-certs": ",".join(names) or None,
    }
    parts = [applied(f"{path}/service"), *([applied(f"{path}/frontend-config")] if names else [])]
    backend, metadata = {"serviceName": GATEWAY, "servicePort": 80}, {"annotations": annotations}
    content = {"spec": {"template": {"spec": {"backend": backend}}}}
    yield kubernetes_object(f"{path}/ingress", "MultiClusterIngress", NAMES, content, parts, metadata=metadata)
    if names:
        redirect = {"enabled": not ingress.plain_http, "responseCodeName": "PERMANENT_REDIRECT"}
        policy = ref("google_compute_ssl_policy", "certificates/policy", "name")
        spec, before = {"sslPolicy": policy, "redirectToHttps": redirect}, _before_load_balancer(environment)
        own = (GATEWAY_NAMESPACE, FRONTEND_CONFIG)
        yield kubernetes_object(f"{path}/frontend-config", "FrontendConfig", own, {"spec": spec}, before)


def certificate_name(environment: Environment, domain: str) -> str:
    """Return the name of a domain's certificate."""
    prefix, digest = environment.project.name_prefix, hashlib.sha256(domain.encode()).hexdigest()[:8]
    readable = domain.replace(".", "-")[: 63 - len(prefix) - len(digest) - 2].rstrip("-")
    return f"{prefix}-{readable}-{digest}"


@rule("https://cloud.google.com/load-balancing/docs/ssl-policies-concepts")
def modern_tls(environment: Environment) -> Claims:
    """The load balancer requires TLS 1.2 or later, with modern ciphers.

    Without a policy, Google's default accepts old TLS versions.
    """
    if environment.ingress.domains and (environment.ingress.uses_mci or environment.has_certificate_map):
        policy = {"profile": "MODERN", "min_tls_version": "TLS_1_2", "description": Sentence(), **DELETED_LAST}
        name = {"name": f"{environment.project.name_prefix}-ingress"}
        yield resource("ingress", "google_compute_ssl_policy", "certificates/policy"), name | policy


@rule("https://cloud.google.com/armor/docs/cloud-armor-overview")
def cloud_armor(environment: Environment) -> Claims:
    """The configured Cloud Armor policy protects the gateways.

    It rejects floods and known attacks before they reach the mesh.
    """
    if not environment.ingress.uses_mci:
        return
    policy, intervals = environment.ingress.security_policy, {"checkIntervalSec": 5, "timeoutSec": 5}
    path = _load_balancer(environment)
    spec = {
        "securityPolicy": {"name": policy} if policy else None,
        "timeoutSec": environment.load_balancer_seconds,
        "connectionDraining": {"drainingTimeoutSec": 40},
        "healthCheck": {"type": "HTTP", "requestPath": "/healthz/ready", "port": 15021, **intervals},
    }
    names, before = (GATEWAY_NAMESPACE, "ingress-backendconfig"), _before_load_balancer(environment)
    yield kubernetes_object(f"{path}/backend-config", "BackendConfig", names, {"spec": spec}, before)


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress")
def load_balanced(environment: Environment) -> Claims:
    """The load balancer sends requests to the gateways of every cluster of this environment but those that are drained.

    A list can name every cluster of the fleet, and whoever has the namespace there gets the requests of users.
    """
    if not environment.ingress.uses_mci:
        return
    path = _load_balancer(environment)
    ports = {"status-port": 15021, "http2": 80, "https": 443}
    serving = [one for one in members(environment) if not environment.regions[one.key].drained]
    links = [{"link": f"{one.location}/{one.names.cluster}"} for one in serving]
    drained = any(region.drained for region in environment.regions.values())
    service = {
        "selector": GATEWAY_LABELS,
        "ports": [{"name": name, "protocol": "TCP", "port": one, "targetPort": one} for name, one in ports.items()],
    }
    spec = {"template": {"spec": service}, "clusters": links if drained else None}
    metadata = {"annotations": {"cloud.google.com/backend-config": '{"default": "ingress-backendconfig"}'}}
    before = [applied(f"{path}/backend-config")]
    yield kubernetes_object(f"{path}/service", "MultiClusterService", NAMES, {"spec": spec}, before, metadata=metadata)


@rule("https://cloud.google.com/load-balancing/docs/https#firewall-rules")
def gateway_callers(environment: Environment) -> Claims:
    """Only the load balancer's source ranges are authorized to call the gateways.

    Requests from other addresses bypass TLS and Cloud Armor.
    """
    proxies = [str(region.proxies) for region in environment.resolved_regions() if region.proxies]
    rules = [{"from": [{"source": {"ipBlocks": [*FRONT_ENDS, *proxies]}}], "to": [{"operation": {"ports": ["80"]}}]}]
    selector = {"matchLabels": {"istio": "ingressgateway"}}
    spec = {"spec": {"action": "ALLOW", "selector": selector, "rules": rules}}
    for region in gateways(environment) if environment.mesh.default_deny else ():
        path = f"regions/{region.key}/gateway/authorization-policy"
        yield kubernetes_object(path, "AuthorizationPolicy", NAMES, spec)


@rule("https://istio.io/latest/docs/setup/additional-setup/gateway/")
def gateway_pods(environment: Environment) -> Claims:
    """Gateways run the mesh's own proxy, and go on until the load balancer has drained them."""
    container = {
        "name": "istio-proxy",
        "image": "auto",
        "lifecycle": {"preStop": {"sleep": {"seconds": 60}}},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    }
    over_zones = spread("topology.kubernetes.io/zone", "DoNotSchedule", {"istio": "ingressgateway"})
    spec = {
        "progressDeadlineSeconds": 900,
        "selector": {"matchLabels": GATEWAY_LABELS},
        "template": {
            "metadata": {
                "labels": {**GATEWAY_LABELS, "sidecar.istio.io/inject": "true"},
                "annotations": {"inject.istio.io/templates": "gateway"},
            },
            "spec": {
                "serviceAccountName": GATEWAY,
                "terminationGracePeriodSeconds": 90,
                "topologySpreadConstraints": [over_zones],
                "containers": [container],
            },
        },
    }
    for region in gateways(environment):
        home = f"regions/{region.key}/gateway"
        before, wait = [applied(f"{home}/role-binding")], {"rollout": True}
        yield kubernetes_object(f"{home}/deployment", "Deployment", NAMES, {"spec": spec}, before, wait=wait)


@rule("https://kubernetes.io/docs/concepts/workloads/pods/disruptions/")
def gateway_count(environment: Environment) -> Claims:
    """Gateways have the configured number of pods, two or more by default, and evictions take one at a time."""
    ingress = environment.ingress
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    metrics = [{"type": "Resource", "resource": cpu}]
    scaling = autoscaling(GATEWAY, ingress.min_replicas, ingress.max_replicas, metrics)
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": GATEWAY_LABELS}}
    for region in gateways(environment):
        home = f"regions/{region.key}/gateway"
        for path, kind, spec in (
            ("autoscaler", "HorizontalPodAutoscaler", scaling),
            ("disruption-budget", "PodDisruptionBudget", budget),
        ):
            yield kubernetes_object(f"{home}/{path}", kind, NAMES, {"spec": spec})


def _gateway(name: str) -> dict[str, Any]:
    """Return a Gateway: TLS ends at the load balancer, and nothing passes through unread."""
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    return {"spec": {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": ["*"]}]}}


@rule("https://istio.io/latest/docs/reference/config/networking/virtual-service/")
def routes(environment: Environment) -> Claims:
    """Gateways take plain HTTP from the load balancer, and route the configured paths only."""
    services, of_hosts = environment.all_services(), host_routes(environment)
    demo = services[environment.demo_name] if environment.demo_name else None
    for region in gateways(environment):
        home = f"regions/{region.key}"
        if demo is not None:
            name, namespace = str(environment.demo_name), demo.namespace
            path = f"{home}/service-{name}"
            yield kubernetes_object(f"{path}/gateway", "Gateway", (namespace, f"{name}-gateway"), _gateway(name))
            host = f"{name}.{namespace}.svc.cluster.local"
            to = {"destination": {"host": host, "port": {"number": demo.port}}}
            http = [{"match": [{"uri": {"exact": demo.routes[0].path[0]}}], "route": [to]}]
            spec = {"spec": {"hosts": ["*"], "gateways": [f"{name}-gateway"], "http": http}}
            yield kubernetes_object(f"{path}/virtual-service", "VirtualService", (namespace, name), spec)
        if not of_hosts:
            continue
        names = (GATEWAY_NAMESPACE, "ingress")
        yield kubernetes_object(f"{home}/routes/gateway", "Gateway", names, _gateway("ingress"))
        named = [one for one in of_hosts if one.name != DEFAULT_ROUTES]
        needed = [one for name in services for one in needed_by_routes(environment, region, name)]
        for one in of_hosts:
            http = [entry for path in one.paths for entry in _entries(environment, path, services[path.service])]
            # A host's routes exist before the others give the host up.
            others = [f"virtual-service-{host.name}" for host in named] if one.name == DEFAULT_ROUTES else []
            before = [*(applied(f"{home}/routes/{path}") for path in ("gateway", *others)), *needed]
            rules = {"spec": {"hosts": list(one.hosts), "gateways": ["ingress"], "http": http}}
            path, names = f"{home}/routes/virtual-service-{one.name}", (GATEWAY_NAMESPACE, one.name)
            yield kubernetes_object(path, "VirtualService", names, rules, before, create_before_destroy=one in named)


def _entries(environment: Environment, path: RoutedPath, service: Service) -> list[dict[str, Any]]:
    """Return the routes of a path: a prefix is the path itself, and everything below it."""
    route = path.route
    common: dict[str, Any] = {"headers": _headers(route.request_headers, route.response_headers), "corsPolicy": None}
    if route.redirect is not None:
        secure = environment.ingress.domains and environment.ingress.exposures != ("internal",)
        https = bool(secure) if route.redirect.https is None else route.redirect.https
        common["redirect"] = {
            "uri": route.redirect.path,
            "authority": route.redirect.host,
            "scheme": "https" if https else "http",
            "redirectCode": route.redirect.status,
        }
    else:
        common |= http_action(environment, path.service, service.all_ports[route.port or service.protocol])
    if route.cors is not None:
        cors = route.cors
        common["corsPolicy"] = {
            "allowOrigins": [{"exact": literal(origin)} for origin in cors.allow_origins],
            "allowMethods": list(cors.allow_methods) or None,
            "allowHeaders": list(cors.allow_headers) or None,
            "exposeHeaders": list(cors.expose_headers) or None,
            "allowCredentials": cors.allow_credentials,
            "maxAge": f"{cors.max_age_seconds}s" if cors.max_age_seconds else None,
        }
    exact, below = {"uri": {"exact": literal(path.path)}}, {"uri": {"prefix": literal(f"{path.path.rstrip('/')}/")}}
    matches = [exact] if route.match == "exact" else [below] if path.path.endswith("/") else [exact, below]
    if route.rewrite is None:
        return [{**common, "match": matches}]
    inner = {"uri": literal(f"{route.rewrite.rstrip('/')}/")}
    rewrites = [inner if match is below else {"uri": literal(route.rewrite)} for match in matches]
    if rewrites[0] == rewrites[-1]:
        return [{**common, "match": matches, "rewrite": inner if len(matches) > 1 else rewrites[0]}]
    return [{**common, "match": [one], "rewrite": to} for one, to in zip(matches, rewrites, strict=True)]


def _headers(request: HeaderChanges, response: HeaderChanges) -> dict[str, Any] | None:
    found = {
        kind: {
            "set": {name: literal(value) for name, value in one.set.items()} or None,
            "add": {name: literal(value) for name, value in one.add.items()} or None,
            "remove": list(one.remove) or None,
        }
        for kind, one in (("request", request), ("response", response))
        if one.set or one.add or one.remove
    }
    return found or None


@rule("https://developer.hashicorp.com/terraform/language/values/outputs")
def pipeline_outputs(environment: Environment) -> Claims:
    """Other pipelines learn from outputs what their pods have to be."""
    services = {name: one for name, one in environment.services.items() if one.image is None}
    if not services and not environment.mesh.namespaces:
        return
    values = {
        "injection-labels": injection_labels(environment),
        "namespaces": namespaces(environment),
        "workloads": {name: _contract(environment, name, one) for name, one in services.items()},
    }
    for name, value in values.items():
        yield ("ingress", "output", name), {"value": value}


def _contract(environment: Environment, name: str, service: Service) -> dict[str, Any]:
    paths = list(routed_paths({name: service})) if environment.ingress.enabled else []
    routed = [{"path": one.path, "match": one.route.match, "host": one.route.host or ANY_HOST} for one in paths]
    return {
        "namespace": service.namespace,
        "service_account": name,
        "pod_labels": {"app": name},
        "versions": service.weights or None,
        "ports": {key: one.port for key, one in service.all_ports.items()},
        "host": f"{name}.{service.namespace}.svc.cluster.local",
        "regions": list(environment.deployments(service)),
        "gateway": f"{GATEWAY_NAMESPACE}/ingress" if paths else None,
        "routes": routed,
    }

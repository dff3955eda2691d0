"""Multi-cluster Gateway: its listeners, certificates and routes, the exports behind it, and the roles that it needs."""

from typing import Any

from config.environment import Environment
from policy.addresses import address, after, ref, resource
from policy.claims import Claims, Sentence
from policy.objects import GATEWAY_API, GATEWAY_NAMESPACE, applied, in_namespace, kubernetes_object
from policy.rule import rule
from policy.rules.ingress import DELETED_LAST, GATEWAY_LABELS, certificate_name
from policy.rules.mesh import GATEWAY, endpoints_of
from policy.rules.scripts import members, used_by_gateways
from policy.rules.terraform import ADDRESS

IMPORT = {"group": "net.gke.io", "kind": "ServiceImport", "name": GATEWAY}
"""The gateways of all clusters, to the load balancer."""

CLASSES = {"external": "gke-l7-global-external-managed-mc", "internal": "gke-l7-cross-regional-internal-managed-mc"}
DRAIN_SECONDS = 40


def _home(environment: Environment) -> str:
    return f"regions/{environment.ingress.config_cluster}/multi-cluster-gateway"


def _target(name: str) -> dict[str, str]:
    return {"group": GATEWAY_API.partition("/")[0], "kind": "Gateway", "name": name}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/enabling-multi-cluster-gateways")
def gateway_roles(environment: Environment) -> Claims:
    """The controller of multi-cluster Gateway has its documented role, and the importers read the network."""
    if not environment.ingress.uses_gateway:
        return
    project = environment.project.id
    yield ("mesh", "data", "google_project", "project"), {"project_id": project}
    number = "${data.google_project.project.number}"
    tools = after("null_resource.tools") if environment.mesh.control_plane != "fleet" else None
    services = {"project": project, "location": "global", "name": "multiclusterservicediscovery", "depends_on": tools}
    yield resource("mesh", "google_gke_hub_feature", "multi-cluster-services"), services
    pool = f"iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    importer = f"principal://{pool}/subject/ns/gke-mcs/sa/gke-mcs-importer"
    agent = f"serviceAccount:service-{number}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
    for path, feature, role, member in (
        ("multi-cluster-services/importer", "multi-cluster-services", "roles/compute.networkViewer", importer),
        ("gateway-controller", "multi-cluster-ingress", "roles/container.admin", agent),
    ):
        grant = {"project": project, "role": role, "member": member}
        feature_enabled = after(address("google_gke_hub_feature", feature))
        yield resource("mesh", "google_project_iam_member", path), {**grant, "depends_on": feature_enabled}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-services")
def exported_gateways(environment: Environment) -> Claims:
    """Each cluster exports its gateways to the load balancer; a drained one has no endpoint there."""
    names, ports = (GATEWAY_NAMESPACE, GATEWAY), {"status-port": 15021, "http2": 80}
    for region in members(environment) if environment.ingress.uses_gateway else ():
        home = f"regions/{region.key}/exported-gateway"
        spec = {
            "type": "ClusterIP",
            "selector": endpoints_of(environment, region, GATEWAY_LABELS),
            "ports": [
                {"name": name, "protocol": "TCP", "appProtocol": "HTTP", "port": port, "targetPort": port}
                for name, port in ports.items()
            ],
        }
        yield kubernetes_object(f"{home}/service", "Service", names, {"spec": spec})
        yield kubernetes_object(f"{home}/export", "ServiceExport", names, {}, [applied(f"{home}/service")])


@rule("https://cloud.google.com/certificate-manager/docs/deploy-google-managed-dns-auth")
def certificate_map(environment: Environment) -> Claims:
    """Multi-cluster Gateway has a certificate for each domain, which Google issues by a DNS authorization."""
    if not environment.has_certificate_map:
        return
    kind = "google_certificate_manager_{}".format
    name = {"name": environment.names.certificate_map, "description": Sentence(), **DELETED_LAST}
    yield resource("ingress", kind("certificate_map"), "certificate-map/map"), name
    for domain in environment.ingress.domains:
        home = f"certificate-map/{domain}"
        name = {"name": certificate_name(environment, domain), "description": Sentence()}
        authorization = ref(kind("dns_authorization"), f"{home}/authorization", "id")
        yield resource("ingress", kind("dns_authorization"), f"{home}/authorization"), {**name, "domain": domain}
        managed = {"domains": [domain], "dns_authorizations": [authorization]}
        yield resource("ingress", kind("certificate"), f"{home}/certificate"), {**name, "managed": managed}
        entry = {
            "map": ref(kind("certificate_map"), "certificate-map/map", "name"),
            "hostname": domain,
            "certificates": [ref(kind("certificate"), f"{home}/certificate", "id")],
        }
        yield resource("ingress", kind("certificate_map_entry"), f"{home}/entry"), {**name, **entry}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/secure-gateway")
def gateway_listeners(environment: Environment) -> Claims:
    """A Gateway for each kind of clients takes HTTPS with the domains' certificates, and routes of its namespace only.

    Plain HTTP is for the redirect, for clients of the VPC, and where the configuration serves it.
    """
    home, names = _home(environment), environment.names
    scripts = environment.mesh.control_plane != "fleet"
    needed = [address("null_resource", "gateway-cleanup")] if scripts else used_by_gateways(environment)
    first = in_namespace(environment.ingress.config_cluster, GATEWAY_NAMESPACE)
    listeners = {"http": 80} | ({"https": 443} if environment.has_certificate_map else {})
    addresses: dict[str, Any] = {}
    certificates, policies = None, []
    if "external" in environment.ingress.exposures:
        described = {"name": names.gateway_address, "description": Sentence()}
        yield resource("ingress", ADDRESS, "gateway-address"), described
        addresses["external"] = [{"type": "NamedAddress", "value": ref(ADDRESS, "gateway-address", "name")}]
    if environment.has_certificate_map:
        certificates = ref("google_certificate_manager_certificate_map", "certificate-map/map", "name")
        policies = [applied(f"{home}/gateway-policy")]
        tls = {"sslPolicy": ref("google_compute_ssl_policy", "certificates/policy", "name")}
        spec = {"spec": {"default": tls, "targetRef": _target("external")}}
        yield kubernetes_object(f"{home}/gateway-policy", "GCPGatewayPolicy", (GATEWAY_NAMESPACE, "external"), spec)
    if "internal" in environment.ingress.exposures:
        ephemeral = "networking.gke.io/ephemeral-ipv4-address"
        locations = [region.location for region in members(environment)]
        addresses["internal"] = [{"type": f"{ephemeral}/{one}", "value": one} for one in locations]
    for name in environment.ingress.exposures:
        external = name == "external"
        taken = [
            {"name": key, "protocol": key.upper(), "port": port, "allowedRoutes": {"namespaces": {"from": "Same"}}}
            for key, port in listeners.items()
            if key == "http" or external
        ]
        content = {"gatewayClassName": CLASSES[name], "addresses": addresses[name], "listeners": taken}
        yield kubernetes_object(
            f"{home}/{name}",
            f"{GATEWAY_API}/Gateway",
            (GATEWAY_NAMESPACE, name),
            {"spec": content},
            [first, *needed, *(policies if external else [])],
            metadata={"annotations": {"networking.gke.io/certmap": certificates}} if external else None,
        )


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/deploying-multi-cluster-gateways")
def gateway_routes(environment: Environment) -> Claims:
    """All requests go to the mesh's gateways, and plain HTTP of the internet is redirected, unless configured.

    A route to a service would bypass mutual TLS and default deny.
    """
    home, hosts = _home(environment), list(environment.ingress.domains) or None
    redirected = environment.has_certificate_map and not environment.ingress.plain_http
    every = [{"path": {"type": "PathPrefix", "value": "/"}}]
    policies = [applied(f"{home}/{policy}") for policy in ("health-check", "backend-policy")]
    to_https = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    for name in environment.ingress.exposures:
        redirect = redirected and name == "external"
        backend = {**IMPORT, "port": 80, "weight": 1}
        routes: dict[str, Any] = {name: ("route", "https" if redirect else None, {"backendRefs": [backend]}, policies)}
        if redirect:
            routes[f"{name}-redirect"] = ("redirect", "http", {"filters": [to_https]}, [])
        for route, (path, listener, action, before) in routes.items():
            parent = {**_target(name), "sectionName": listener}
            spec: dict[str, Any] = {"parentRefs": [parent], "hostnames": hosts, "rules": [{"matches": every, **action}]}
            names, needed = (GATEWAY_NAMESPACE, route), [applied(f"{home}/{name}"), *before]
            yield kubernetes_object(f"{home}/{name}-{path}", "HTTPRoute", names, {"spec": spec}, needed)


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources")
def gateway_backends(environment: Environment) -> Claims:
    """The gateways behind multi-cluster Gateway have the configured Cloud Armor policy, logs and a health check."""
    if not environment.ingress.uses_gateway:
        return
    home = _home(environment)
    http = {"portSpecification": "USE_FIXED_PORT", "port": 15021, "requestPath": "/healthz/ready"}
    check = {"checkIntervalSec": 5, "timeoutSec": 5, "config": {"type": "HTTP", "httpHealthCheck": http}}
    policy = {
        "securityPolicy": environment.ingress.security_policy,
        "timeoutSec": environment.load_balancer_seconds,
        "connectionDraining": {"drainingTimeoutSec": DRAIN_SECONDS},
        "logging": {"enabled": True},
    }
    for path, kind, default in (
        ("health-check", "HealthCheckPolicy", check),
        ("backend-policy", "GCPBackendPolicy", policy),
    ):
        spec = {"default": default, "targetRef": IMPORT}
        yield kubernetes_object(f"{home}/{path}", kind, (GATEWAY_NAMESPACE, GATEWAY), {"spec": spec})

"""A deployed mesh behind multi-cluster Gateway, as Google's controllers leave it when all is well."""

from typing import Any

import yaml

from config.loading.load import parse_environment
from config.naming import ProjectNames
from tests.cli.deployed_mesh import (
    GATEWAY,
    LOCATIONS,
    PARENT,
    PROJECT,
    VERSIONS,
    VPC,
    DeployedMesh,
    endpoints,
    membership_key,
)
from tests.fake_cloud.cloud import PROJECT_NUMBER
from tests.fake_cloud.testing import enable

Object = dict[str, Any]

NAMESPACE = "istio-gateway"
GATEWAY_ADDRESS = "198.51.100.2"
INTERNAL_ADDRESSES = {"tokyo": "172.16.0.9", "osaka": "172.24.0.9"}
DOMAIN = "shop.example.com"
NAMES = ProjectNames("matt")
MANAGER = f"{PARENT}/locations/global"
CERTIFICATE = f"{MANAGER}/certificates/{NAMES.certificate(DOMAIN)}"
ENTRY = f"{MANAGER}/certificateMaps/{NAMES.certificate_map}/certificateMapEntries/{NAMES.certificate(DOMAIN)}"
RECORD = {"name": f"_acme-challenge.{DOMAIN}.", "type": "CNAME", "data": "1.2.authorize.certificatemanager.goog."}
POOL = f"projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog"
AGENT = f"service-{PROJECT_NUMBER}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
BINDINGS = {
    "roles/compute.networkViewer": f"principal://iam.googleapis.com/{POOL}/subject/ns/gke-mcs/sa/gke-mcs-importer",
    "roles/container.admin": f"serviceAccount:{AGENT}",
}
GATEWAY_API = "gateway.networking.k8s.io/v1"
CLASSES = {
    "external": "gke-l7-global-external-managed-mc",
    "internal": "gke-l7-cross-regional-internal-managed-mc",
}
CRDS = (
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "serviceimports.net.gke.io",
    "healthcheckpolicies.networking.gke.io",
    "gcpbackendpolicies.networking.gke.io",
    "gcpgatewaypolicies.networking.gke.io",
)


def _object(version: str, kind: str, name: str, **content: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, **content.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def conditions(*kinds: str) -> list[Object]:
    return [{"type": kind, "status": "True", "reason": kind.rpartition("/")[2]} for kind in kinds]


def use_gateway(mesh: DeployedMesh, *, api: str = "gateway", exposure: str = "external", domain: bool = False) -> None:
    """Turn a mesh behind Multi Cluster Ingress into one behind multi-cluster Gateway, or behind both."""
    mesh.content["ingress"] |= {"api": api, "exposure": exposure}
    if domain:
        mesh.content["ingress"] |= {"domains": [DOMAIN]}
        del mesh.content["ingress"]["plain_http"]
    exposures = ["external", "internal"] if exposure == "both" else [exposure]
    if api == "gateway":
        _leave_multi_cluster_ingress(mesh)
    _change_cloud(mesh, exposures, domain)
    for region in VERSIONS:
        _export(mesh, region)
    for name in CRDS:
        mesh.add("tokyo", _definition(name))
    for name in exposures:
        _add_gateway(mesh, name, domain)
    _add_backend(mesh)


def _leave_multi_cluster_ingress(mesh: DeployedMesh) -> None:
    for kind in ("MultiClusterIngress", "MultiClusterService"):
        mesh.apply_no_more("tokyo", kind)
        crds = f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
        mesh.remove("tokyo", "CustomResourceDefinition", crds)
    mesh.remove("tokyo", "Event")
    for path in [path for path in mesh.cloud if "/mci-8se3df" in path and "shop" not in path]:
        del mesh.cloud[path]
    for path in [path for path in mesh.cloud if "-istio-gate-mci-" in path or path.endswith("/addresses/matt-ingress")]:
        if "/regions/" not in path:
            del mesh.cloud[path]
    state = mesh.states["ingress"]
    assert isinstance(state, dict)
    del state["google_compute_global_address.address"]


def _change_cloud(mesh: DeployedMesh, exposures: list[str], domain: bool) -> None:
    """Create what the stacks create in Google Cloud."""
    ingress, network = mesh.states["ingress"], mesh.states["network"]
    assert isinstance(ingress, dict)
    assert isinstance(network, dict)
    features = f"{PARENT}/locations/global/features"
    name = f"{features}/multiclusterservicediscovery"
    states = {membership_key(region): {"state": {"code": "OK"}} for region in VERSIONS}
    mesh.cloud[name] = {"name": name, "resourceState": {"state": "ACTIVE"}, "membershipStates": states}
    state = mesh.states["mesh"]
    assert isinstance(state, dict)
    state["google_gke_hub_feature.multi-cluster-services"] = {"id": name}
    if "external" in exposures:
        path = f"{PARENT}/global/addresses/matt-gateway"
        link = f"{mesh.gcp.base}/compute/v1/{path}"
        mesh.cloud[path] = {"name": "matt-gateway", "selfLink": link, "address": GATEWAY_ADDRESS}
        ingress["google_compute_global_address.gateway-address"] = {"id": path}
    if "internal" in exposures:
        _add_proxies(mesh, network)
    manager = mesh.gcp.server.resource_manager
    bindings = [{"role": role, "members": [member]} for role, member in BINDINGS.items()]
    manager._policy = {"version": 1, "etag": manager._policy["etag"], "bindings": bindings}
    if domain:
        _add_certificate(mesh)


def _add_proxies(mesh: DeployedMesh, state: Object) -> None:
    """Create the subnets of the internal load balancer's proxies, and the rule that admits them."""
    ranges = {}
    for region in parse_environment(yaml.safe_dump(mesh.content), "mesh.yaml", {}).resolved_regions():
        ranges[region.key] = str(region.proxies)
        path = f"{PARENT}/regions/{region.location}/subnetworks/matt-proxies"
        mesh.cloud[path] = {
            **{"name": "matt-proxies", "selfLink": f"{mesh.gcp.base}/compute/v1/{path}", "network": VPC},
            **{"purpose": "GLOBAL_MANAGED_PROXY", "role": "ACTIVE", "ipCidrRange": ranges[region.key]},
        }
        state[f"google_compute_subnetwork.proxies-{region.key}"] = {"id": path}
    path = f"{PARENT}/global/firewalls/matt-vpc-internal-load-balancer"
    mesh.cloud[path] = {
        **{"name": path.rpartition("/")[2], "selfLink": f"{mesh.gcp.base}/compute/v1/{path}", "network": VPC},
        **{"priority": 900, "direction": "INGRESS", "sourceRanges": [*ranges.values()]},
        "allowed": [{"IPProtocol": "tcp", "ports": ["80", "15021"]}],
        "targetTags": [f"matt-{region}-node" for region in LOCATIONS],
    }
    state["google_compute_firewall.internal"] = {"id": path}


def _add_certificate(mesh: DeployedMesh) -> None:
    enable(mesh.gcp.client(), "certificatemanager")
    mesh.gcp.server.certificates.records.add(RECORD["name"])
    name = NAMES.certificate(DOMAIN)
    authorization = f"{MANAGER}/dnsAuthorizations/{name}"
    mesh.cloud[authorization] = {"name": authorization, "domain": DOMAIN, "dnsResourceRecord": RECORD}
    managed = {"domains": [DOMAIN], "dnsAuthorizations": [authorization], "state": "ACTIVE"}
    mesh.cloud[CERTIFICATE] = {"name": CERTIFICATE, "managed": managed}
    certificates = f"{MANAGER}/certificateMaps/{NAMES.certificate_map}"
    mesh.cloud[certificates] = {"name": certificates}
    mesh.cloud[ENTRY] = {"name": ENTRY, "hostname": DOMAIN, "certificates": [CERTIFICATE], "state": "ACTIVE"}
    state = mesh.states["ingress"]
    assert isinstance(state, dict)
    for kind, path in (
        ("dns_authorization", authorization),
        ("certificate", CERTIFICATE),
        ("certificate_map", certificates),
        ("certificate_map_entry", ENTRY),
    ):
        state[f"google_certificate_manager_{kind}.{kind}"] = {"id": path}


def _export(mesh: DeployedMesh, region: str) -> None:
    """Export the gateways of a cluster, which has no ServiceImport unless it is the config cluster."""
    ports = [{"name": "http2", "port": 80}]
    mesh.add(region, _definition("serviceexports.net.gke.io"))
    mesh.apply(region, _object("v1", "Service", GATEWAY, spec={"selector": {"app": GATEWAY}, "ports": ports}))
    mesh.apply(region, _object("net.gke.io/v1", "ServiceExport", GATEWAY))
    mesh.add(region, endpoints(NAMESPACE, GATEWAY))


def _add_gateway(mesh: DeployedMesh, name: str, domain: bool) -> None:
    """Apply a Gateway and its routes, with what the controller reports of them."""
    secure = domain and name == "external"
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80}]
    listeners += [{"name": "https", "protocol": "HTTPS", "port": 443}] if secure else []
    if name == "external":
        addresses = [{"type": "NamedAddress", "value": "matt-gateway"}]
        values = [GATEWAY_ADDRESS]
    else:
        prefix = "networking.gke.io/ephemeral-ipv4-address/"
        addresses = [{"type": f"{prefix}{LOCATIONS[one]}", "value": LOCATIONS[one]} for one in VERSIONS]
        values = list(INTERNAL_ADDRESSES.values())
    spec = {"gatewayClassName": CLASSES[name], "addresses": addresses, "listeners": listeners}
    annotations = {"networking.gke.io/certmap": NAMES.certificate_map} if secure else {}
    gateway = _object(GATEWAY_API, "Gateway", name, metadata={"annotations": annotations, "generation": 1}, spec=spec)
    mesh.apply("tokyo", gateway)
    gateway["status"] = {
        "addresses": [{"type": "IPAddress", "value": one} for one in values],
        "conditions": conditions("Accepted", "Programmed", "networking.gke.io/GatewayHealthy"),
        "listeners": [
            {
                "name": one["name"],
                "attachedRoutes": 1,
                "conditions": conditions("Accepted", "Programmed", "ResolvedRefs"),
            }
            for one in listeners
        ],
    }
    _add_route(mesh, name, name, "https" if secure else "")
    if secure:
        _add_route(mesh, f"{name}-redirect", name, "http")


def _add_route(mesh: DeployedMesh, name: str, gateway: str, listener: str) -> None:
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}
    parent |= {"sectionName": listener} if listener else {}
    backends = [{"group": "net.gke.io", "kind": "ServiceImport", "name": GATEWAY, "port": 80}]
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": backends}]}
    route = _object(GATEWAY_API, "HTTPRoute", name, metadata={"generation": 1}, spec=spec)
    mesh.apply("tokyo", route)
    accepted = conditions("Accepted", "ResolvedRefs")
    route["status"] = {"parents": [{"parentRef": parent, "conditions": accepted}]}


def _add_backend(mesh: DeployedMesh) -> None:
    """Add what the Gateways share: the imported Service, its policies, and events."""
    clusters = [{"cluster": membership_key(region)} for region in VERSIONS]
    derived = {"annotations": {"net.gke.io/derived-service": "gke-mcs-1a2b3c"}}
    mesh.add(
        "tokyo", _object("net.gke.io/v1", "ServiceImport", GATEWAY, metadata=derived, status={"clusters": clusters})
    )
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy"):
        policy = _object("networking.gke.io/v1", kind, GATEWAY, spec={"targetRef": {"kind": "ServiceImport"}})
        mesh.apply("tokyo", policy)
        policy["status"] = {"conditions": conditions("Attached")}
    about = {"involvedObject": {"kind": "Gateway", "name": "external"}}
    mesh.add("tokyo", _object("v1", "Event", "external.1", type="Normal", reason="SYNC", message="ok", **about))


def _definition(name: str) -> Object:
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}, "status": established}

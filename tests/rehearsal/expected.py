"""The expected objects in each cluster, by the description of the system, independent of the stacks."""

import re
from collections.abc import Collection, Mapping
from itertools import permutations
from typing import Any

from config.environment import DEMO_SERVICE, Environment
from config.naming import remote_secret_name
from tests.fake_cloud.store import Resource
from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.traffic_director import is_of_the_mesh

ObjectKey = tuple[str, str, str]
"""Kind, namespace (empty for none) and name."""

GATEWAY = "istio-ingressgateway"
GATEWAY_NAMESPACE = "istio-gateway"
DEMO_NAMESPACE = "sample"
ROOT_NAMESPACE = "istio-system"
ROOT_KINDS = ("AuthorizationPolicy", "PeerAuthentication")
"""Kinds of the stacks' objects in the root namespace, which has other objects of the mesh, too."""

KINDS = (
    "namespaces",
    "services",
    "serviceaccounts",
    "deployments.apps",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
)
ISTIO_KINDS = (
    "destinationrules.networking.istio.io",
    "gateways.networking.istio.io",
    "virtualservices.networking.istio.io",
    "authorizationpolicies.security.istio.io",
    "peerauthentications.security.istio.io",
)
GKE_KINDS = (
    "backendconfigs.cloud.google.com",
    "frontendconfigs.networking.gke.io",
    "gateways.gateway.networking.k8s.io",
    "gcpbackendpolicies.networking.gke.io",
    "gcpgatewaypolicies.networking.gke.io",
    "gcptrafficdistributionpolicies.networking.gke.io",
    "healthcheckpolicies.networking.gke.io",
    "httproutes.gateway.networking.k8s.io",
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
    "secretproviderclasses.secrets-store.csi.x-k8s.io",
    "serviceexports.net.gke.io",
)
TEMPLATE_CHECKSUM = re.compile("-[0-9a-f]{8}$")
"""At the end of the name of a service's disruption budget."""

OF_CONTROLLERS = ("mci-", "gke-mcs-")
"""Beginnings of the names of Services that the fleet's controllers derive."""

IGNORED_NAMES = frozenset({"kube-root-ca.crt", "default", "kubernetes"})
"""Names of objects that Kubernetes creates by itself."""


def expected_objects(environment: Environment, region: str) -> set[ObjectKey]:
    """Return the objects of the demo and the ingress in a region's cluster."""
    demo, name = DEMO_NAMESPACE, DEMO_SERVICE
    found: set[ObjectKey] = {
        ("Namespace", "", demo),
        ("Service", demo, name),
        ("Deployment", demo, "sleep"),
        ("ServiceAccount", demo, "sleep"),
        ("PeerAuthentication", ROOT_NAMESPACE, "default"),
    }
    default_deny = environment.mesh.default_deny
    if default_deny:
        found.add(("AuthorizationPolicy", ROOT_NAMESPACE, "default-deny"))
    if region in environment.demo.versions:
        found.add(("Deployment", demo, f"{name}-{environment.demo.versions[region]}"))
        found.add(("PodDisruptionBudget", demo, f"{name}-{environment.demo.versions[region]}"))
        found.add(("ServiceAccount", demo, name))
        if default_deny:
            found.add(("AuthorizationPolicy", demo, name))
    if environment.demo.failover:
        found.add(("DestinationRule", demo, name))
    if environment.ingress.enabled:
        found |= {
            ("Namespace", "", GATEWAY_NAMESPACE),
            ("Gateway", demo, f"{name}-gateway"),
            ("VirtualService", demo, name),
        }
        kinds = (
            "Deployment",
            "HorizontalPodAutoscaler",
            "PodDisruptionBudget",
            "Role",
            "RoleBinding",
            "ServiceAccount",
        )
        found |= {(kind, GATEWAY_NAMESPACE, GATEWAY) for kind in kinds}
        if default_deny:
            found.add(("AuthorizationPolicy", GATEWAY_NAMESPACE, GATEWAY))
        found |= _expected_entry(environment, region)
    return found


def _expected_entry(environment: Environment, region: str) -> set[ObjectKey]:
    """Return the objects of the load balancers, of which most are in the config cluster."""
    ingress, found = environment.ingress, set[ObjectKey]()
    in_config_cluster = region == ingress.config_cluster
    if ingress.api != "multi-cluster-ingress":
        found |= {(kind, GATEWAY_NAMESPACE, GATEWAY) for kind in ("Service", "ServiceExport")}
    if in_config_cluster and ingress.api != "gateway":
        found |= {(f"MultiCluster{kind}", GATEWAY_NAMESPACE, GATEWAY) for kind in ("Ingress", "Service")}
        found.add(("BackendConfig", GATEWAY_NAMESPACE, "ingress-backendconfig"))
        if ingress.domains:
            found.add(("FrontendConfig", GATEWAY_NAMESPACE, "ingress-frontendconfig"))
    if in_config_cluster and ingress.api != "multi-cluster-ingress":
        found |= {(kind, GATEWAY_NAMESPACE, GATEWAY) for kind in ("HealthCheckPolicy", "GCPBackendPolicy")}
        external = ingress.exposure != "internal"
        for name in ("external",) * external + ("internal",) * (ingress.exposure != "external"):
            found |= {(kind, GATEWAY_NAMESPACE, name) for kind in ("Gateway", "HTTPRoute")}
        if external and ingress.domains:
            found.add(("GCPGatewayPolicy", GATEWAY_NAMESPACE, "external"))
            if not ingress.plain_http:
                found.add(("HTTPRoute", GATEWAY_NAMESPACE, "external-redirect"))
    return found


def found_objects(
    cluster: LocalCluster, kinds: tuple[str, ...], ours: Collection[str] = (DEMO_NAMESPACE, GATEWAY_NAMESPACE)
) -> dict[ObjectKey, Resource]:
    """Return the objects in the stacks' namespaces of a cluster, without Services of Google's controllers."""
    found: dict[ObjectKey, Resource] = {}
    for item in cluster.get(",".join(kinds), "--all-namespaces")["items"]:
        kind, namespace, name = key = object_key(item)
        in_root = namespace == ROOT_NAMESPACE and kind in ROOT_KINDS
        # The mesh creates one that is called default, too.
        if not in_root and (name in IGNORED_NAMES or name.startswith(OF_CONTROLLERS) or is_of_the_mesh(item)):
            continue
        if namespace in ours or in_root or (kind == "Namespace" and name in ours):
            found[key] = item
    return found


def object_key(item: Resource) -> ObjectKey:
    """Return an object's key, without the checksum in the name of a service's disruption budget."""
    kind, metadata = item["kind"], item["metadata"]
    name = TEMPLATE_CHECKSUM.sub("", metadata["name"]) if kind == "PodDisruptionBudget" else metadata["name"]
    return kind, metadata.get("namespace", ""), name


def served_kinds(cluster: LocalCluster) -> tuple[str, ...]:
    """Return the kinds of the stacks' objects that a cluster serves."""
    crds = {item["metadata"]["name"] for item in cluster.get("customresourcedefinitions")["items"]}
    return (*KINDS, *(kind for kind in (*ISTIO_KINDS, *GKE_KINDS) if kind in crds))


def unready_deployments(objects: Mapping[ObjectKey, Resource]) -> list[str]:
    """Return the names of Deployments whose pods are not all ready."""
    return [
        name
        for (kind, _, name), item in objects.items()
        if kind == "Deployment" and item.get("status", {}).get("readyReplicas", 0) < item["spec"]["replicas"]
    ]


def expected_secrets(environment: Environment) -> dict[str, dict[str, str]]:
    """Return, by region, the names of the remote secrets in its cluster, each with the remote region."""
    present = [region for region in environment.resolved_regions() if not region.retired]
    secrets: dict[str, dict[str, str]] = {region.key: {} for region in present}
    if environment.mesh.control_plane == "fleet":  # Google provides endpoint discovery
        return secrets
    for holder, remote in permutations(present, 2):
        secrets[holder.key][remote_secret_name(remote.remote_name)] = remote.key
    return secrets


def remote_secrets(cluster: LocalCluster) -> dict[str, dict[str, Any]]:
    """Return the remote secrets in a cluster, by name."""
    items = cluster.get("secrets", "--namespace", "istio-system", "--selector", "istio/multiCluster=true")["items"]
    return {item["metadata"]["name"]: item for item in items}


def expected_peer_clients(environment: Environment) -> dict[str, set[str]]:
    """Return, by region, the pod ranges of other clusters whose istiod calls its GKE control plane."""
    present = [region for region in environment.resolved_regions() if not region.retired]
    clients: dict[str, set[str]] = {region.key: set() for region in present}
    if environment.mesh.control_plane == "asmcli-in-cluster":
        for server, client in permutations(present, 2):
            clients[server.key].add(str(client.ranges.pods))
    return clients

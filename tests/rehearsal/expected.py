"""What has to be in each cluster, as the system is described; not as the stacks make it."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from config.environment import DEMO_SERVICE, Environment
from config.naming import remote_secret_name
from tests.fake_cloud.store import Resource
from tests.local_mesh.cluster import LocalCluster

Identity = tuple[str, str, str]
"""Kind, namespace (empty for none) and name."""

GATEWAY = "istio-ingressgateway"
GATEWAY_NAMESPACE = "istio-gateway"
DEMO_NAMESPACE = "sample"
ROOT_NAMESPACE = "istio-system"
OF_THE_ROOT = ("AuthorizationPolicy", "PeerAuthentication")
"""Kinds of the stacks' objects in the mesh's own namespace, which has much of the mesh's besides."""

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
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
)
NOT_OURS = frozenset({"kube-root-ca.crt", "default", "kubernetes"})
"""Names of what Kubernetes makes by itself."""


def expected_objects(environment: Environment, region: str) -> set[Identity]:
    """Return the demo's and the entry's objects in a region's cluster."""
    demo, name = DEMO_NAMESPACE, DEMO_SERVICE
    found: set[Identity] = {
        ("Namespace", "", demo),
        ("Service", demo, name),
        ("Deployment", demo, "sleep"),
        ("ServiceAccount", demo, "sleep"),
        ("PeerAuthentication", ROOT_NAMESPACE, "default"),
    }
    guarded = environment.mesh.default_deny
    if guarded:
        found.add(("AuthorizationPolicy", ROOT_NAMESPACE, "default-deny"))
    if region in environment.demo.versions:
        found.add(("Deployment", demo, f"{name}-{environment.demo.versions[region]}"))
        found.add(("ServiceAccount", demo, name))
        if guarded:
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
        if guarded:
            found.add(("AuthorizationPolicy", GATEWAY_NAMESPACE, GATEWAY))
        if region == environment.ingress.config_cluster:
            found |= {(f"MultiCluster{kind}", GATEWAY_NAMESPACE, GATEWAY) for kind in ("Ingress", "Service")}
            found.add(("BackendConfig", GATEWAY_NAMESPACE, "ingress-backendconfig"))
            if environment.ingress.domains:
                found.add(("FrontendConfig", GATEWAY_NAMESPACE, "ingress-frontendconfig"))
    return found


def found_objects(cluster: LocalCluster, kinds: tuple[str, ...]) -> dict[Identity, Resource]:
    """Return what is in a cluster's namespaces of ours; the derived Services of the fleet are not."""
    ours = (DEMO_NAMESPACE, GATEWAY_NAMESPACE)
    found: dict[Identity, Resource] = {}
    for item in cluster.get(",".join(kinds), "--all-namespaces")["items"]:
        metadata = item["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        of_the_root = namespace == ROOT_NAMESPACE and item["kind"] in OF_THE_ROOT
        # One of the mesh's own is called default, too.
        if not of_the_root and (name in NOT_OURS or name.startswith("mci-")):
            continue
        if namespace in ours or of_the_root or (item["kind"] == "Namespace" and name in ours):
            found[item["kind"], namespace, name] = item
    return found


def served_kinds(cluster: LocalCluster) -> tuple[str, ...]:
    """Return those of our kinds that a cluster serves."""
    crds = {item["metadata"]["name"] for item in cluster.get("customresourcedefinitions")["items"]}
    return (*KINDS, *(kind for kind in (*ISTIO_KINDS, *GKE_KINDS) if kind in crds))


def unready_deployments(objects: Mapping[Identity, Resource]) -> list[str]:
    """Return the names of Deployments whose pods are not all ready."""
    return [
        name
        for (kind, _, name), item in objects.items()
        if kind == "Deployment" and item.get("status", {}).get("readyReplicas", 0) < item["spec"]["replicas"]
    ]


def expected_secrets(environment: Environment) -> dict[str, dict[str, str]]:
    """Return, by region, the names of the remote secrets that its cluster holds, each with the region that it names."""
    present = [region for region in environment.resolved_regions() if not region.retired]
    secrets: dict[str, dict[str, str]] = {region.key: {} for region in present}
    if environment.mesh.control_plane == "fleet":  # clusters find each other by themselves
        return secrets
    for holder, remote in permutations(present, 2):
        secrets[holder.key][remote_secret_name(remote.remote_name)] = remote.key
    return secrets


def remote_secrets(cluster: LocalCluster) -> dict[str, dict[str, Any]]:
    """Return the remote secrets in a cluster, by name."""
    items = cluster.get("secrets", "--namespace", "istio-system", "--selector", "istio/multiCluster=true")["items"]
    return {item["metadata"]["name"]: item for item in items}


def expected_peer_clients(environment: Environment) -> dict[str, set[str]]:
    """Return, by region, the other clusters' pod ranges that its control plane admits: where pods watch it."""
    present = [region for region in environment.resolved_regions() if not region.retired]
    watchers: dict[str, set[str]] = {region.key: set() for region in present}
    if environment.mesh.control_plane == "asmcli-in-cluster":
        for watched, watcher in permutations(present, 2):
            watchers[watched.key].add(str(watcher.ranges.pods))
    return watchers

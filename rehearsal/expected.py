"""What has to be in each cluster, as the system is described; not as the stacks make it."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from config.environment import DEMO_SERVICE, Environment
from config.naming import remote_secret_name
from emulator.store import Resource
from harness.cluster import Cluster

Identity = tuple[str, str, str]
"""Kind, namespace (empty for none) and name."""

GATEWAY = "istio-ingressgateway"
GATEWAY_NAMESPACE = "istio-gateway"
DEMO_NAMESPACE = "sample"

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
)
GKE_KINDS = (
    "backendconfigs.cloud.google.com",
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
    }
    if region in environment.demo.versions:
        found.add(("Deployment", demo, f"{name}-{environment.demo.versions[region]}"))
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
        if region == environment.ingress.config_cluster:
            found |= {(f"MultiCluster{kind}", GATEWAY_NAMESPACE, GATEWAY) for kind in ("Ingress", "Service")}
            found.add(("BackendConfig", GATEWAY_NAMESPACE, "ingress-backendconfig"))
    return found


def found_objects(cluster: Cluster, kinds: tuple[str, ...]) -> dict[Identity, Resource]:
    """Return what is in a cluster's namespaces of ours; the derived Services of the fleet are not."""
    ours = (DEMO_NAMESPACE, GATEWAY_NAMESPACE)
    found: dict[Identity, Resource] = {}
    for item in cluster.get(",".join(kinds), "--all-namespaces")["items"]:
        metadata = item["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if name in NOT_OURS or name.startswith("mci-"):
            continue
        if namespace in ours or (item["kind"] == "Namespace" and name in ours):
            found[item["kind"], namespace, name] = item
    return found


def served_kinds(cluster: Cluster) -> tuple[str, ...]:
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
    for holder, remote in permutations(present, 2):
        secrets[holder.key][remote_secret_name(remote.remote_name)] = remote.key
    return secrets


def remote_secrets(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the remote secrets in a cluster, by name."""
    items = cluster.get("secrets", "--namespace", "istio-system", "--selector", "istio/multiCluster=true")["items"]
    return {item["metadata"]["name"]: item for item in items}

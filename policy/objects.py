"""Kubernetes objects: how terraform applies each kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from policy.addresses import address, after, resource
from policy.claims import Path

GATEWAY_API = "gateway.networking.k8s.io/v1"
_KINDS = {
    "apps/v1": "Deployment",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "batch/v1": "Job",
    "cloud.google.com/v1": "BackendConfig",
    GATEWAY_API: "HTTPRoute",
    "net.gke.io/v1": "ServiceExport",
    "networking.gke.io/v1": "GCPBackendPolicy GCPGatewayPolicy GCPTrafficDistributionPolicy "
    "HealthCheckPolicy MultiClusterIngress MultiClusterService",
    "networking.gke.io/v1beta1": "FrontendConfig",
    "networking.istio.io/v1beta1": "DestinationRule Gateway VirtualService",
    "policy/v1": "PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "secrets-store.csi.x-k8s.io/v1": "SecretProviderClass",
    "security.istio.io/v1beta1": "AuthorizationPolicy PeerAuthentication",
    "v1": "ConfigMap Namespace Service ServiceAccount",
}
API_VERSIONS = {kind: version for version, kinds in _KINDS.items() for kind in kinds.split()}
RESTORED = {
    *("AuthorizationPolicy", "BackendConfig", "ClusterRole", "ClusterRoleBinding", "FrontendConfig"),
    *("GCPBackendPolicy", "GCPGatewayPolicy", "HTTPRoute", "HealthCheckPolicy", "MultiClusterIngress"),
    *("MultiClusterService", "PeerAuthentication", "Role", "RoleBinding", "ServiceExport", f"{GATEWAY_API}/Gateway"),
}
"""Kinds whose fields every deploy restores, whoever changed them: those that carry security."""

GATEWAY_NAMESPACE = "istio-gateway"

TIMEOUTS = {
    "Deployment": {"create": "10m", "update": "10m"},
    "Job": {"create": "30m", "update": "30m"},
    "MultiClusterIngress": {"delete": "20m"},
    "MultiClusterService": {"delete": "20m"},
    "Namespace": {"delete": "30m"},
    "ServiceExport": {"delete": "20m"},
    f"{GATEWAY_API}/Gateway": {"delete": "20m"},
}


def manifest_path(stack: str, path: str) -> Path:
    """Return where a stack's JSON has an object."""
    return (*resource(stack, "kubernetes_manifest", path), "manifest")


def applied(path: str) -> str:
    """Return the address of an object."""
    return address("kubernetes_manifest", path)


def in_namespace(region: str, name: str) -> str:
    """Return the address that objects in a namespace of a region's cluster depend on."""
    path = "gateway-namespace" if name == GATEWAY_NAMESPACE else f"namespace-{name}"
    return address("kubernetes_labels", f"regions/{region}/{path}/labels")


def spread(key: str, when_unsatisfiable: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the constraint that spreads pods over the values of a node's label."""
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": when_unsatisfiable,
        "nodeTaintsPolicy": "Honor",
        "matchLabelKeys": ["pod-template-hash"],
        "labelSelector": {"matchLabels": labels},
    }


def bound(kind: str, name: str, namespace: str) -> dict[str, Any]:
    """Return the content of the binding of a role to the service account of the same name."""
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}, "subjects": [account]}


def held(kind: str, path: str, of: str, content: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the claim of fields of an object that every deploy restores; `of` is the object's path."""
    scope, region = path.split("/")[:2]
    common = {"provider": f"kubernetes.{region}", "field_manager": "multi-region-mesh", "force": True}
    stack = "mesh" if scope == "fleet-mesh" else "ingress"
    return resource(stack, kind, path), {**common, "depends_on": after(applied(of)), **content}


def autoscaling(name: str, least: int, most: int, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the spec of the autoscaler of a Deployment."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": metrics}


def kubernetes_object(
    path: str,
    kind: str,
    names: tuple[str | None, Any],
    content: Mapping[str, Any],
    depends_on: Sequence[str] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    create_before_destroy: bool = False,
    wait: Mapping[str, Any] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Return the claim of an object in a region's cluster: its manifest, and how terraform applies it.

    Args:
        path: of the object in the tree of constructs, which names the region.
        kind: its kind, after the API version if `API_VERSIONS` has another one.
        names: its namespace, or None for an object of the whole cluster, and its name.
        content: its fields but the metadata.
        depends_on: addresses; by default, the namespace's.
        metadata: labels and annotations.
        create_before_destroy: a new object is created before the old one is deleted.
        wait: what a deploy waits for.
    """
    scope, region = path.split("/")[:2]
    if depends_on is None:
        depends_on = [in_namespace(region, str(names[0]))]
    version, _, short = kind.rpartition("/")
    named = {"namespace": names[0], "name": names[1], **(metadata or {})}
    scaled = kind == "Deployment" and content["spec"].get("replicas") is None
    computed = ["metadata", *([] if kind in RESTORED else sorted(content))]
    return resource("mesh" if scope == "fleet-mesh" else "ingress", "kubernetes_manifest", path), {
        "provider": f"kubernetes.{region}",
        "depends_on": after(*depends_on),
        "computed_fields": computed,
        "field_manager": {"force_conflicts": True, "name": "multi-region-mesh" if scaled else None},
        "lifecycle": {"create_before_destroy": True} if create_before_destroy else None,
        "timeouts": TIMEOUTS.get(kind),
        "wait": wait,
        "manifest": {"apiVersion": version or API_VERSIONS[kind], "kind": short, "metadata": named, **content},
    }

"""Kinds of Kubernetes objects, by what a deploy does about a change that somebody has made by hand."""

GATEWAY_API = "gateway.networking.k8s.io"
"""Group of the Gateway API. Its Gateway is the load balancer, and Istio's Gateway what the mesh's gateways serve."""

RESTORED_KINDS = frozenset(
    {
        "AuthorizationPolicy",
        "BackendConfig",
        "ClusterRole",
        "ClusterRoleBinding",
        "FrontendConfig",
        "GCPBackendPolicy",
        "GCPGatewayPolicy",
        "HealthCheckPolicy",
        "MultiClusterIngress",
        "MultiClusterService",
        "PeerAuthentication",
        "Role",
        "RoleBinding",
        "ServiceExport",
    }
)
"""They carry security, or decide what the load balancer serves: every deploy restores their fields.

Fields of other kinds are restored when the file changes the object, and so are labels and annotations of all kinds,
but for a Namespace's labels."""


def is_restored(group: str, kind: str) -> bool:
    """Return whether every deploy restores the fields of a kind: one of `RESTORED_KINDS`, or of the Gateway API."""
    return kind in RESTORED_KINDS or group == GATEWAY_API

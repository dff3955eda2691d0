"""Kinds of Kubernetes objects, by what a deploy does about a change that somebody has made by hand."""

RESTORED_KINDS = frozenset(
    {
        "AuthorizationPolicy",
        "BackendConfig",
        "ClusterRole",
        "ClusterRoleBinding",
        "FrontendConfig",
        "MultiClusterIngress",
        "MultiClusterService",
        "PeerAuthentication",
        "Role",
        "RoleBinding",
    }
)
"""They carry security, or decide what the load balancer serves: every deploy restores their fields.

Fields of other kinds are restored when the file changes the object, and so are labels and annotations of all kinds,
but for a Namespace's labels."""

"""RBAC and object kinds inside a cluster."""

from policy.environment import Block, Entity
from policy.rule import OBJECT, rule

KINDS = frozenset(
    {
        "AuthorizationPolicy",
        "BackendConfig",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "DestinationRule",
        "FrontendConfig",
        "GCPTrafficDistributionPolicy",
        "Gateway",
        "HorizontalPodAutoscaler",
        "Job",
        "MultiClusterIngress",
        "MultiClusterService",
        "Namespace",
        "PeerAuthentication",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "SecretProviderClass",
        "Service",
        "ServiceAccount",
        "VirtualService",
    }
)
"""Kinds of objects that have been reviewed."""

PROBE_NAMESPACE = "mesh-readiness"
PROBE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
"""What the Job that waits for the mesh's injector may do, in a namespace of its own that holds nothing."""


@rule("Role", "ClusterRole")
def narrow_roles(role: Block, _: Entity) -> bool:
    """Roles in a cluster are read-only and name their resources.

    A wildcard includes resources that are added later, and an account with write access can create a pod with more
    permissions. The probe of the mesh's injector is the exception.
    Source: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
    """
    if role["kind"] == "Role" and role["metadata"]["namespace"] == PROBE_NAMESPACE:
        return bool(role["rules"] == [PROBE])
    return all(
        set(one["verbs"]) <= {"get", "list", "watch"} and "*" not in [*one["resources"], *one["apiGroups"]]
        for one in role["rules"]
    )


@rule(OBJECT)
def no_cluster_admin(manifest: Block, _: Entity) -> bool:
    """No account administers a cluster, and groups of unnamed users have no role.

    An administrator of one cluster can read the remote secrets, which give access to every other cluster.
    Source: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
    """
    if manifest["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
        return True
    everybody = {"system:anonymous", "system:unauthenticated", "system:authenticated", "system:masters"}
    return manifest["roleRef"]["name"] not in {"cluster-admin", "admin", "edit"} and not everybody & {
        one["name"] for one in manifest["subjects"]
    }


@rule(OBJECT)
def known_objects(manifest: Block, _: Entity) -> bool:
    """Every Kubernetes object is of a reviewed kind.

    To use another kind, add rules for it, and then its name to `KINDS`.
    """
    return manifest["kind"] in KINDS


@rule("Service")
def inner_services(service: Block, _: Entity) -> bool:
    """Every Service is internal to its cluster.

    A load balancer or a node port of its own bypasses the gateway.
    Source: https://kubernetes.io/docs/concepts/services-networking/service/
    """
    return service["spec"].get("type", "ClusterIP") == "ClusterIP" and not service["spec"].get("externalIPs")

"""What accounts may do inside a cluster."""

from policy.environment import Block, Place
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
        "Service",
        "ServiceAccount",
        "VirtualService",
    }
)
"""Kinds of objects that somebody has thought about."""


@rule("Role", "ClusterRole")
def narrow_roles(role: Block, _: Place) -> bool:
    """A role in a cluster only reads, and names what.

    A star is also what comes later, and who may write can make a pod that may do more.
    Source: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
    """
    return all(
        set(one["verbs"]) <= {"get", "list", "watch"} and "*" not in [*one["resources"], *one["apiGroups"]]
        for one in role["rules"]
    )


@rule(OBJECT)
def no_cluster_admin(manifest: Block, _: Place) -> bool:
    """Nothing in a cluster is its administrator, and nobody without a name may do anything.

    An administrator of one cluster reads the remote secrets, and so reaches every other cluster.
    Source: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
    """
    if manifest["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
        return True
    everybody = {"system:anonymous", "system:unauthenticated", "system:authenticated", "system:masters"}
    return manifest["roleRef"]["name"] not in {"cluster-admin", "admin", "edit"} and not everybody & {
        one["name"] for one in manifest["subjects"]
    }


@rule(OBJECT)
def known_objects(manifest: Block, _: Place) -> bool:
    """Every object is of a kind that the rules know.

    Who adds a kind adds its rules, and then its name to `KINDS`.
    """
    return manifest["kind"] in KINDS


@rule("Service")
def inner_services(service: Block, _: Place) -> bool:
    """No Service has an entry of its own.

    A load balancer or a port of the node is a way in around the gateway.
    Source: https://kubernetes.io/docs/concepts/services-networking/service/
    """
    return service["spec"].get("type", "ClusterIP") == "ClusterIP" and not service["spec"].get("externalIPs")

"""The mesh's gateway in one cluster."""

from collections.abc import Sequence
from ipaddress import IPv4Network

from config.naming import GATEWAY_NAME
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace

LOAD_BALANCER_RANGES = ("130.211.0.0/22", "35.191.0.0/16")
"""Sources of requests and health checks from Google's front ends.

Source: https://cloud.google.com/load-balancing/docs/https#firewall-rules
"""

DRAIN_SECONDS = 40
"""How long the load balancer lets requests end that are under way to a gateway that leaves."""

PRE_STOP_SECONDS = 60
"""How long a terminating gateway accepts requests: until the load balancer has taken its endpoint out, and drained it.

Source: https://cloud.google.com/kubernetes-engine/docs/troubleshooting/load-balancing
"""

GRACE_SECONDS = 90
"""The hook, and then the proxy's own draining (TERMINATION_DRAIN_DURATION_SECONDS, 5 by default) with time to spare."""


class IngressGateway(ObjectGroup):
    """An Istio ingress gateway: a Deployment into which the mesh injects its proxy, and what it needs.

    Attributes:
        allow_policies: the policies that authorize the load balancer; empty without default deny.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        namespace: MeshNamespace,
        min_replicas: int,
        max_replicas: int,
        default_deny: bool,
        proxies: Sequence[IPv4Network],
        access: ClusterAccess,
    ) -> None:
        """Add the gateway's objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            namespace: the namespace of the objects, applied.
            min_replicas: fewest gateway pods.
            max_replicas: most gateway pods.
            default_deny: the mesh denies what no policy allows, so that the load balancer needs a policy.
            proxies: ranges of the internal load balancer's proxies, in all regions; empty without one.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)
        self.allow_policies: list[ITerraformDependable] = []
        names = {"name": GATEWAY_NAME, "namespace": namespace.name}
        account = ManifestFile(
            self,
            "service-account",
            manifest=render("gateway/service-account.yaml", names),
            access=access,
            depends_on=[namespace.applied],
        )
        role = ManifestFile(
            self,
            "role",
            manifest=render("gateway/role.yaml", names),
            access=access,
            depends_on=[namespace.applied],
        )
        binding = ManifestFile(
            self,
            "role-binding",
            manifest=render("gateway/role-binding.yaml", names),
            access=access,
            depends_on=[account.applied, role.applied],
        )
        ManifestFile(
            self,
            "deployment",
            manifest=render(
                "gateway/deployment.yaml",
                {**names, "drain_seconds": PRE_STOP_SECONDS, "grace_seconds": GRACE_SECONDS},
            ),
            access=access,
            depends_on=[binding.applied],
        )
        ManifestFile(
            self,
            "autoscaler",
            manifest=render(
                "gateway/horizontal-pod-autoscaler.yaml",
                {**names, "min_replicas": min_replicas, "max_replicas": max_replicas},
            ),
            access=access,
            depends_on=[namespace.applied],
        )
        ManifestFile(
            self,
            "disruption-budget",
            manifest=render("gateway/pod-disruption-budget.yaml", names),
            access=access,
            depends_on=[namespace.applied],
        )
        if default_deny:
            policy = ManifestFile(
                self,
                "authorization-policy",
                manifest=render(
                    "gateway/authorization-policy.yaml",
                    {**names, "load_balancer_ranges": [*LOAD_BALANCER_RANGES, *map(str, proxies)]},
                ),
                access=access,
                depends_on=[namespace.applied],
            )
            self.allow_policies.append(policy.applied)

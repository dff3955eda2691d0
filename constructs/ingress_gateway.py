"""The mesh's gateway in one cluster."""

from config.naming import GATEWAY_NAME
from constructs import Construct
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class IngressGateway(Construct):
    """An Istio ingress gateway: a Deployment that the mesh fills with its proxy, and what it needs."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        namespace: MeshNamespace,
        min_replicas: int,
        max_replicas: int,
        access: ClusterAccess,
    ) -> None:
        super().__init__(scope, id_)
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
            manifest=render("gateway/deployment.yaml", names),
            access=access,
            depends_on=[binding.applied],
            wait_for_rollout=True,
            shared_with_autoscaler=True,
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

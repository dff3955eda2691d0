"""The global load balancer in front of all gateways."""

from collections.abc import Sequence

from config.ingress import Ingress
from config.naming import GATEWAY_NAME
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.ingress_certificates import IngressCertificates
from constructs.ingress_gateway import DRAIN_SECONDS
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class MultiClusterIngress(ObjectGroup):
    """Multi Cluster Ingress and its service, in the config cluster only.

    The controller adds a finalizer and removes it when the load balancer is deleted,
    which can take many minutes.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        namespace: MeshNamespace,
        ingress: Ingress,
        timeout_seconds: int | None,
        address: str,
        clusters: Sequence[str] | None,
        certificates: IngressCertificates | None,
        cleanup_ready: ITerraformDependable,
        access: ClusterAccess,
    ) -> None:
        """Add the objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            namespace: the namespace of the objects, applied.
            ingress: the ingress, as configured.
            timeout_seconds: the load balancer's timeout; None for Google's default.
            address: the reserved global address.
            clusters: ``LOCATION/CLUSTER`` of each cluster that gets requests; None for all of the fleet.
            certificates: certificates of the domains; None for plain HTTP only.
            cleanup_ready: the clean-up that waits for the load balancer's deletion; the objects are deleted before
                it runs.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)
        names = {"name": GATEWAY_NAME, "namespace": namespace.name}
        links = None if clusters is None else [{"link": cluster} for cluster in clusters]
        policy = None if ingress.security_policy is None else {"name": ingress.security_policy}
        backend = ManifestFile(
            self,
            "backend-config",
            manifest=render(
                "ingress/backend-config.yaml",
                {
                    "namespace": namespace.name,
                    "security_policy": policy,
                    "timeout_seconds": timeout_seconds,
                    "drain_seconds": DRAIN_SECONDS,
                },
            ),
            access=access,
            depends_on=[namespace.applied, cleanup_ready],
        )
        service = ManifestFile(
            self,
            "service",
            manifest=render("ingress/multi-cluster-service.yaml", {**names, "clusters": links}),
            access=access,
            depends_on=[backend.applied],
        )
        frontend_config = None
        before = [service.applied]
        if certificates is not None:
            frontend_config = "ingress-frontendconfig"
            frontend = ManifestFile(
                self,
                "frontend-config",
                manifest=render(
                    "ingress/frontend-config.yaml",
                    {
                        "name": frontend_config,
                        "namespace": namespace.name,
                        "ssl_policy": certificates.ssl_policy,
                        "redirect": not ingress.plain_http,
                    },
                ),
                access=access,
                depends_on=[namespace.applied, cleanup_ready],
            )
            before.append(frontend.applied)
        ManifestFile(
            self,
            "ingress",
            manifest=render(
                "ingress/multi-cluster-ingress.yaml",
                {
                    **names,
                    "address": address,
                    "frontend_config": frontend_config,
                    "certificates": ",".join(certificates.names) if certificates else None,
                },
            ),
            access=access,
            depends_on=before,
        )

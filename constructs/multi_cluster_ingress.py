"""The one entry in front of all gateways."""

from config.ingress import Ingress
from config.naming import GATEWAY_NAME
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.ingress_certificates import IngressCertificates
from constructs.manifest_file import ManifestFile, Values, render
from constructs.mesh_namespace import MeshNamespace


class MultiClusterIngress(Construct):
    """Multi Cluster Ingress and its service, in the config cluster only.

    The controller adds a finalizer, which goes when the load balancer is gone:
    deleting can take many minutes.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        namespace: MeshNamespace,
        ingress: Ingress,
        address: str,
        certificates: IngressCertificates | None,
        cleanup_ready: ITerraformDependable,
        access: ClusterAccess,
    ) -> None:
        """
        Args:
            certificates: of its domains; None without one, and it serves plain HTTP only.
        """
        super().__init__(scope, id_)
        names = {"name": GATEWAY_NAME, "namespace": namespace.name}
        backend_config = render("ingress/backend-config.yaml", {"namespace": namespace.name})
        if ingress.security_policy is not None:
            backend_config["spec"]["securityPolicy"] = {"name": ingress.security_policy}
        backend = ManifestFile(
            self,
            "backend-config",
            manifest=backend_config,
            access=access,
            depends_on=[namespace.applied, cleanup_ready],
        )
        service = ManifestFile(
            self,
            "service",
            manifest=render("ingress/multi-cluster-service.yaml", names),
            access=access,
            depends_on=[backend.applied],
            delete_timeout="20m",
            controller_writes_metadata=True,
        )
        entry = render("ingress/multi-cluster-ingress.yaml", {**names, "address": address})
        before = [service.applied]
        if certificates is not None:
            values: Values = {
                "namespace": namespace.name,
                "ssl_policy": certificates.ssl_policy,
                "redirect": not ingress.plain_http,
            }
            frontend_config = render("ingress/frontend-config.yaml", values)
            frontend = ManifestFile(
                self,
                "frontend-config",
                manifest=frontend_config,
                access=access,
                depends_on=[namespace.applied, cleanup_ready],
            )
            before.append(frontend.applied)
            entry["metadata"]["annotations"] |= {
                "networking.gke.io/frontend-config": frontend_config["metadata"]["name"],
                "networking.gke.io/pre-shared-certs": ",".join(certificates.names),
            }
        ManifestFile(
            self,
            "ingress",
            manifest=entry,
            access=access,
            depends_on=before,
            delete_timeout="20m",
            controller_writes_metadata=True,
        )

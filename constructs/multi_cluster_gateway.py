"""The load balancers of multi-cluster Gateway in front of all gateways."""

from collections.abc import Sequence
from typing import Any

from config.ingress import EXTERNAL, INTERNAL, Ingress
from config.naming import GATEWAY_NAME
from constructs.bindings import ITerraformDependable
from constructs.certificate_map import CertificateMap
from constructs.cluster_access import ClusterAccess
from constructs.ingress_gateway import DRAIN_SECONDS
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace

HTTPS = "https"
"""Name of the listener."""


class MultiClusterGateway(ObjectGroup):
    """A Gateway for each kind of clients, with their routes and policies, in the config cluster only.

    All routes lead to the mesh's gateways, not to services: mutual TLS, default deny, locality and
    failover by outlier detection begin there, and the VirtualServices decide the routes of both APIs.

    The controller adds a finalizer to a Gateway and removes it when the load balancer is deleted.
    Nothing waits for the conditions of an object, which can take ten minutes: `mesh status` shows them.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        namespace: MeshNamespace,
        ingress: Ingress,
        timeout_seconds: int | None,
        address: str | None,
        locations: Sequence[str],
        certificates: CertificateMap | None,
        ssl_policy: str | None,
        needed: Sequence[ITerraformDependable],
        access: ClusterAccess,
    ) -> None:
        """Add the objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            namespace: the namespace of the objects, applied.
            ingress: the ingress, as configured.
            timeout_seconds: the load balancers' timeout; None for Google's default.
            address: name of the reserved global address; None without an external Gateway.
            locations: regions in which the internal Gateway has an address.
            certificates: certificates of the domains; None for plain HTTP only.
            ssl_policy: name of the SSL policy; None for plain HTTP only.
            needed: what has to be applied before the Gateways, and is deleted after them.
            access: the cluster's kubernetes provider.
        """
        super().__init__(scope, id_)

        def apply(id_: str, file: str, after: Sequence[ITerraformDependable], **values: Any) -> ITerraformDependable:
            manifest = render(f"ingress/{file}.yaml", {"namespace": namespace.name, **values})
            return ManifestFile(self, id_, manifest=manifest, access=access, depends_on=after).applied

        first = [namespace.applied]
        policies = [
            apply("health-check", "health-check-policy", first, name=GATEWAY_NAME),
            apply(
                "backend-policy",
                "backend-policy",
                first,
                name=GATEWAY_NAME,
                security_policy=ingress.security_policy,
                timeout_seconds=timeout_seconds,
                drain_seconds=DRAIN_SECONDS,
            ),
        ]
        gateways = {}
        redirected = certificates is not None and not ingress.plain_http
        if EXTERNAL in ingress.exposures:
            before = [*first, *needed]
            if ssl_policy is not None:
                before.append(apply("gateway-policy", "gateway-policy", first, gateway=EXTERNAL, ssl_policy=ssl_policy))
            gateways[EXTERNAL] = apply(
                EXTERNAL,
                "external-gateway",
                before,
                name=EXTERNAL,
                address=address,
                certificate_map=certificates.name if certificates else None,
                https=_HTTPS_LISTENER if certificates else None,
            )
        if INTERNAL in ingress.exposures:
            gateways[INTERNAL] = apply(
                INTERNAL,
                "internal-gateway",
                [*first, *needed],
                name=INTERNAL,
                addresses=[_address_in(one) for one in locations],
            )
        hosts = ingress.domains or None
        for name, gateway in gateways.items():
            apply(
                f"{name}-route",
                "http-route",
                [gateway, *policies],
                gateway=name,
                listener=HTTPS if name == EXTERNAL and redirected else None,
                hostnames=hosts,
                service=GATEWAY_NAME,
            )
        if EXTERNAL in gateways and redirected:
            apply("external-redirect", "redirect-route", [gateways[EXTERNAL]], gateway=EXTERNAL, hostnames=hosts)


_HTTPS_LISTENER = {
    "name": HTTPS,
    "protocol": "HTTPS",
    "port": 443,
    "allowedRoutes": {"namespaces": {"from": "Same"}},
}
"""Without `tls`: the certificates are those of the certificate map, by annotation.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/secure-gateway
"""


def _address_in(location: str) -> dict[str, str]:
    """Return an internal address that the controller chooses in the region's subnet.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/deploy-internal-multi-cluster-gateway
    """
    return {"type": f"networking.gke.io/ephemeral-ipv4-address/{location}", "value": location}

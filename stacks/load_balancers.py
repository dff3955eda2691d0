"""The load balancers in front of the gateways of all regions, and what they use."""

from collections.abc import Mapping, Sequence

from config.environment import Environment
from config.routing import routed_paths
from constructs.bindings import ComputeGlobalAddress, ITerraformDependable, TerraformOutput
from constructs.certificate_map import CertificateMap
from constructs.cluster_access import ClusterAccess
from constructs.ingress_certificates import IngressCertificates
from constructs.load_balancer_cleanup import GATEWAY, MCI, LoadBalancerCleanup
from constructs.mesh_namespace import MeshNamespace
from constructs.multi_cluster_gateway import MultiClusterGateway
from constructs.multi_cluster_ingress import MultiClusterIngress
from stacks.base import MeshStack


class LoadBalancers:
    """The load balancer of each configured API, and the outputs with their addresses.

    Each API has an address of its own, so that one can be added before the other is removed.
    """

    def __init__(
        self,
        stack: MeshStack,
        *,
        environment: Environment,
        namespaces: Mapping[str, MeshNamespace],
        exported: Sequence[ITerraformDependable],
        access: Mapping[str, ClusterAccess],
    ) -> None:
        """Add everything.

        Args:
            stack: the stack of the objects in the clusters.
            environment: the configuration.
            namespaces: the gateways' namespaces, by region key; empty without an ingress.
            exported: the exports of the gateways in all clusters, for multi-cluster Gateway.
            access: the clusters' kubernetes providers, by region key.
        """
        self._stack = stack
        self._environment = environment
        self._namespaces = namespaces
        self._access = access
        ingress = environment.ingress
        certificates = None
        if ingress.domains and (ingress.uses_mci or environment.has_certificate_map):
            certificates = IngressCertificates(
                stack,
                "certificates",
                names=environment.names,
                domains=ingress.domains if ingress.uses_mci else (),
            )
        address = self._multi_cluster_ingress(certificates)
        certificate_map = None
        if environment.has_certificate_map:
            certificate_map = CertificateMap(stack, "certificate-map", names=environment.names, domains=ingress.domains)
        gateway_address = self._multi_cluster_gateway(certificates, certificate_map, exported)
        if address and gateway_address:
            TerraformOutput(stack, "gateway-vip", value=gateway_address)
        vip = address or gateway_address
        if vip is None:
            return
        TerraformOutput(stack, "vip", value=vip)
        TerraformOutput(stack, "url", value=self._first_url(vip))
        if ingress.domains:
            records = [f"{domain}. A {vip}" for domain in ingress.domains]
            TerraformOutput(
                stack, "dns-records", value=[*records, *(certificate_map.records if certificate_map else [])]
            )

    def _multi_cluster_ingress(self, certificates: IngressCertificates | None) -> str | None:
        """Add the load balancer of Multi Cluster Ingress, if it is configured, and return its address."""
        ingress = self._environment.ingress
        address = None
        if ingress.uses_mci:
            address = ComputeGlobalAddress(
                self._stack,
                "address",
                name=self._environment.names.ingress_address,
                description="Where the multi-region mesh answers.",
            )
        used: list[ITerraformDependable] = [] if address is None else [address]
        if certificates is not None:
            used += certificates.all
        # With no instance, too, when there is no load balancer any more: the removal of its instance waits.
        cleanup = self._cleanup("cleanup", MCI, used, exists=address is not None)
        if address is None:
            return None
        # In the region's scope: another config cluster means other objects.
        MultiClusterIngress(
            self._stack.region_scope(ingress.config_cluster),
            "multi-cluster-ingress",
            namespace=self._namespaces[ingress.config_cluster],
            ingress=ingress,
            address=address.address,
            clusters=self._load_balanced_clusters(),
            certificates=certificates,
            cleanup_ready=cleanup or address,
            access=self._access[ingress.config_cluster],
        )
        return address.address

    def _multi_cluster_gateway(
        self,
        certificates: IngressCertificates | None,
        certificate_map: CertificateMap | None,
        exported: Sequence[ITerraformDependable],
    ) -> str | None:
        """Add the load balancers of multi-cluster Gateway, if they are configured.

        Returns:
            The address of the external one, if there is one.
        """
        environment, ingress = self._environment, self._environment.ingress
        if ingress.api == "multi-cluster-ingress":
            return None
        address = None
        if "external" in ingress.exposures:
            address = ComputeGlobalAddress(
                self._stack,
                "gateway-address",
                name=environment.names.gateway_address,
                description="Where the multi-region mesh answers.",
            )
        used = [*exported, *([address] if address is not None else [])]
        if certificate_map is not None and certificates is not None:
            used += [certificates.policy, *certificate_map.entries]
        cleanup = self._cleanup("gateway-cleanup", GATEWAY, used, exists=ingress.uses_gateway)
        if not ingress.uses_gateway:
            return None
        MultiClusterGateway(
            self._stack.region_scope(ingress.config_cluster),
            "multi-cluster-gateway",
            namespace=self._namespaces[ingress.config_cluster],
            ingress=ingress,
            address=None if address is None else address.name,
            # In drained regions, too: their clients keep their address, and other regions serve it.
            locations=[region.location for region in environment.resolved_regions() if not region.retired],
            certificates=certificate_map,
            ssl_policy=certificates.ssl_policy if certificate_map and certificates else None,
            needed=[cleanup] if cleanup is not None else used,
            access=self._access[ingress.config_cluster],
        )
        return None if address is None else address.address

    def _cleanup(
        self, id_: str, controller: str, used: Sequence[ITerraformDependable], *, exists: bool
    ) -> ITerraformDependable | None:
        """Add the wait for a load balancer's deletion. Without local scripts, the finalizers of the objects suffice."""
        if not self._environment.control_plane.runs_local_scripts:
            return None
        return LoadBalancerCleanup(
            self._stack,
            id_,
            scripts=self._stack.scripts,
            context=self._stack.script_context,
            vpc=self._environment.names.vpc,
            controller=controller,
            exists=exists,
            used=used,
        ).ready

    def _load_balanced_clusters(self) -> list[str] | None:
        """Return the links of the clusters that get requests; None if all do, as those of later regions then do.

        A region that was drained before it is retired stays left out.
        """
        regions = self._environment.resolved_regions()
        if not any(region.drained for region in self._environment.regions.values()):
            return None
        return [f"{region.location}/{region.names.cluster}" for region in regions if region.serves]

    def _first_url(self, address: str) -> str:
        """Return the URL of the first path that a service serves."""
        environment, ingress = self._environment, self._environment.ingress
        paths = routed_paths(environment.all_services())
        first = next((one for one in paths if one.route.redirect is None), None)
        host = (first and first.route.host) or (ingress.domains[0] if ingress.domains else address)
        return f"{ingress.scheme}://{host}{first.path if first else '/'}"

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
from constructs.multi_cluster_gateway import EXTERNAL, MultiClusterGateway
from constructs.multi_cluster_ingress import MultiClusterIngress
from stacks.base import MeshStack


class LoadBalancers:
    """The load balancer of each configured API: its cloud resources first, then its objects and the outputs.

    Each API has an address of its own, so that one can be added before the other is removed.

    Attributes:
        before_exports: what the exports of the gateways need. They are deleted after the load balancer, and before the
            wait for the deletion of its cloud resources and theirs.
    """

    def __init__(self, stack: MeshStack, environment: Environment) -> None:
        self._stack = stack
        self._environment = environment
        ingress, names = environment.ingress, environment.names
        self._certificates: IngressCertificates | None = None
        if ingress.domains and (ingress.uses_mci or environment.has_certificate_map):
            self._certificates = IngressCertificates(
                stack, "certificates", names=names, domains=ingress.domains if ingress.uses_mci else ()
            )
        self._certificate_map: CertificateMap | None = None
        if environment.has_certificate_map:
            self._certificate_map = CertificateMap(stack, "certificate-map", names=names, domains=ingress.domains)

        self._address = self._reserve("address", names.ingress_address) if ingress.uses_mci else None
        used: list[ITerraformDependable] = [] if self._address is None else [self._address]
        if self._certificates is not None:
            used += self._certificates.all
        # Without a load balancer, too: its instance is removed, which waits.
        cleanup = self._cleanup("cleanup", MCI, used, exists=ingress.uses_mci)
        self._before_ingress = used[:1] if cleanup is None else [cleanup]

        is_external = EXTERNAL in ingress.exposures
        self._gateway_address = self._reserve("gateway-address", names.gateway_address) if is_external else None
        used = [] if self._gateway_address is None else [self._gateway_address]
        if self._certificates is not None and self._certificate_map is not None:
            used += [self._certificates.policy, *self._certificate_map.entries]
        cleanup = None
        if ingress.api != "multi-cluster-ingress":
            cleanup = self._cleanup("gateway-cleanup", GATEWAY, used, exists=ingress.uses_gateway)
        self._before_gateway = used if cleanup is None else [cleanup]
        self.before_exports: list[ITerraformDependable] = [] if cleanup is None else [cleanup]

    def _reserve(self, id_: str, name: str) -> ComputeGlobalAddress:
        return ComputeGlobalAddress(self._stack, id_, name=name, description="Where the multi-region mesh answers.")

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

    def add_objects(
        self,
        *,
        namespaces: Mapping[str, MeshNamespace],
        exported: Sequence[ITerraformDependable],
        access: Mapping[str, ClusterAccess],
    ) -> None:
        """Add the objects in the config cluster, and the outputs.

        Args:
            namespaces: the gateways' namespaces, by region key; empty without an ingress.
            exported: the exports of the gateways in all clusters, for multi-cluster Gateway.
            access: the clusters' kubernetes providers, by region key.
        """
        environment, ingress = self._environment, self._environment.ingress
        if not ingress.enabled:
            return
        # In the region's scope: another config cluster means other objects.
        scope, namespace = self._stack.region_scope(ingress.config_cluster), namespaces[ingress.config_cluster]
        if self._address is not None:
            (cleanup_ready,) = self._before_ingress
            MultiClusterIngress(
                scope,
                "multi-cluster-ingress",
                namespace=namespace,
                ingress=ingress,
                address=self._address.address,
                clusters=self._load_balanced_clusters(),
                certificates=self._certificates,
                cleanup_ready=cleanup_ready,
                access=access[ingress.config_cluster],
            )
        if ingress.uses_gateway:
            has_map = self._certificates is not None and self._certificate_map is not None
            MultiClusterGateway(
                scope,
                "multi-cluster-gateway",
                namespace=namespace,
                ingress=ingress,
                address=None if self._gateway_address is None else self._gateway_address.name,
                # In drained regions, too: their clients keep their address, and other regions serve it.
                locations=[region.location for region in environment.resolved_regions() if not region.retired],
                certificates=self._certificate_map,
                ssl_policy=self._certificates.ssl_policy if has_map and self._certificates else None,
                needed=[*exported, *self._before_gateway],
                access=access[ingress.config_cluster],
            )
        self._add_outputs()

    def _add_outputs(self) -> None:
        domains = self._environment.ingress.domains
        addresses = [one.address for one in (self._address, self._gateway_address) if one is not None]
        if not addresses:
            return
        TerraformOutput(self._stack, "vip", value=addresses[0])
        TerraformOutput(self._stack, "url", value=self._first_url(addresses[0]))
        if len(addresses) > 1:
            TerraformOutput(self._stack, "gateway-vip", value=addresses[1])
        if domains:
            records = [f"{domain}. A {addresses[0]}" for domain in domains]
            authorizations = [] if self._certificate_map is None else self._certificate_map.records
            TerraformOutput(self._stack, "dns-records", value=[*records, *authorizations])

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

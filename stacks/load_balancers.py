"""The load balancers in front of the gateways of all regions, and what they use."""

from collections.abc import Mapping, Sequence

from config.environment import Environment
from config.ingress import EXTERNAL
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
            exported: the exports of the gateways in all clusters, for multi-cluster Gateway. They are deleted after
                it, as the endpoint groups at the end of its cloud resources are theirs.
            access: the clusters' kubernetes providers, by region key.
        """
        self._stack = stack
        self._environment = environment
        self._namespaces = namespaces
        self._access = access
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
        is_external = EXTERNAL in ingress.exposures
        self._gateway_address = self._reserve("gateway-address", names.gateway_address) if is_external else None
        self._add_multi_cluster_ingress()
        if ingress.api != "multi-cluster-ingress":
            self._add_multi_cluster_gateway(exported)
        self._add_outputs()

    def _reserve(self, id_: str, name: str) -> ComputeGlobalAddress:
        return ComputeGlobalAddress(self._stack, id_, name=name, description="Where the multi-region mesh answers.")

    def _add_multi_cluster_ingress(self) -> None:
        """Add its objects. Without them, the wait for their deletion has no instance, and an earlier one runs."""
        ingress, address = self._environment.ingress, self._address
        used: list[ITerraformDependable] = [] if address is None else [address]
        used += [] if self._certificates is None else self._certificates.all
        cleanup = self._cleanup("cleanup", MCI, used, exists=address is not None)
        if address is None:
            return
        # In the region's scope: another config cluster means other objects.
        MultiClusterIngress(
            self._stack.region_scope(ingress.config_cluster),
            "multi-cluster-ingress",
            namespace=self._namespaces[ingress.config_cluster],
            ingress=ingress,
            timeout_seconds=self._environment.load_balancer_seconds,
            address=address.address,
            clusters=self._load_balanced_clusters(),
            certificates=self._certificates,
            cleanup_ready=address if cleanup is None else cleanup,
            access=self._access[ingress.config_cluster],
        )

    def _add_multi_cluster_gateway(self, exported: Sequence[ITerraformDependable]) -> None:
        environment, ingress = self._environment, self._environment.ingress
        address, ssl_policy = self._gateway_address, None
        used = [*exported, *([] if address is None else [address])]
        if self._certificates is not None and self._certificate_map is not None:
            ssl_policy = self._certificates.ssl_policy
            used += [self._certificates.policy, *self._certificate_map.entries]
        cleanup = self._cleanup("gateway-cleanup", GATEWAY, used, exists=ingress.uses_gateway)
        if not ingress.uses_gateway:
            return
        MultiClusterGateway(
            self._stack.region_scope(ingress.config_cluster),
            "multi-cluster-gateway",
            namespace=self._namespaces[ingress.config_cluster],
            ingress=ingress,
            timeout_seconds=environment.load_balancer_seconds,
            address=None if address is None else address.name,
            # In drained regions, too: their clients keep their address, and other regions serve it.
            locations=[region.location for region in environment.resolved_regions() if not region.retired],
            certificates=self._certificate_map,
            ssl_policy=ssl_policy,
            needed=used if cleanup is None else [cleanup],
            access=self._access[ingress.config_cluster],
        )

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

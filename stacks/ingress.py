"""Stack `ingress`: services on the mesh, and the one entry in front of them."""

from bindings import ComputeGlobalAddress, GoogleProvider, NullProvider, TerraformOutput
from config.environment import DEMO_SERVICE, Environment, ResolvedRegion
from config.naming import GATEWAY_NAMESPACE
from constructs import Construct
from constructs.cluster_access import CALLER, ClusterAccess
from constructs.ingress_gateway import IngressGateway
from constructs.load_balancer_cleanup import LoadBalancerCleanup
from constructs.mesh_namespace import MeshNamespace
from constructs.mesh_service import MeshService
from constructs.multi_cluster_ingress import MultiClusterIngress
from constructs.script_folder import ScriptFolder
from constructs.sleep_client import SleepClient
from stacks.base import LEAST_TERRAFORM, LEAST_TERRAFORM_WITH_EPHEMERAL, MeshStack, StateLocation
from stacks.clusters import ClustersStack
from stacks.mesh import MeshControlStack


class IngressStack(MeshStack):
    """Everything in the clusters that the mesh serves.

    A retired region keeps its provider and has no resources: what it had can then
    be deleted, which terraform can't do without the provider.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        state: StateLocation,
        clusters: ClustersStack,
        mesh: MeshControlStack,
    ) -> None:
        account = environment.project.impersonate_service_account
        super().__init__(
            scope,
            "ingress",
            environment=environment,
            state=state,
            terraform=LEAST_TERRAFORM if account is None else LEAST_TERRAFORM_WITH_EPHEMERAL,
        )
        NullProvider(self, "null")
        self._environment = environment
        if account is not None:
            # The stack's own provider acts as the account already, which may not make tokens for itself.
            GoogleProvider(self, "google-caller", alias=CALLER, project=environment.project.id)
        access = {
            region.key: ClusterAccess(
                self.region_scope(region.key),
                "access",
                alias=region.key,
                cluster=clusters.clusters[region.key],
                service_account=account,
            )
            for region in environment.resolved_regions()
        }
        gateways: dict[str, MeshNamespace] = {}
        for region in environment.resolved_regions():
            TerraformOutput(self, f"cluster-{region.key}", value=region.names.cluster)
            TerraformOutput(self, f"connect-{region.key}", value=self._connect_command(region))
            if region.retired:
                continue
            if environment.ingress.enabled:
                gateways[region.key] = self._gateway(region, access[region.key])
            self._services(region, access[region.key])

        self._entry(gateways, access)
        self.add_dependency(mesh)

    def _entry(self, gateways: dict[str, MeshNamespace], access: dict[str, ClusterAccess]) -> None:
        environment = self._environment
        address = None
        if environment.ingress.enabled:
            address = ComputeGlobalAddress(
                self,
                "address",
                name=environment.names.ingress_address,
                description="Where the multi-region mesh answers.",
            )
        cleanup = LoadBalancerCleanup(
            self,
            "cleanup",
            scripts=ScriptFolder(self, "scripts"),
            reach=self.reach,
            vpc=environment.names.vpc,
            address=address,
        )
        if address is None:
            return
        config_cluster = environment.ingress.config_cluster
        # In the region's scope: another config cluster is another set of objects.
        MultiClusterIngress(
            self.region_scope(config_cluster),
            "multi-cluster-ingress",
            namespace=gateways[config_cluster],
            address=address.address,
            cleanup_ready=cleanup.ready,
            access=access[config_cluster],
        )
        TerraformOutput(self, "vip", value=address.address)
        TerraformOutput(self, "url", value=f"http://{address.address}{self._first_path()}")

    def _gateway(self, region: ResolvedRegion, access: ClusterAccess) -> MeshNamespace:
        ingress = self._environment.ingress
        namespace = MeshNamespace(
            self.region_scope(region.key),
            "gateway-namespace",
            name=GATEWAY_NAMESPACE,
            revision=self._environment.revision,
            access=access,
        )
        IngressGateway(
            self.region_scope(region.key),
            "gateway",
            namespace=namespace,
            min_replicas=ingress.min_replicas,
            max_replicas=ingress.max_replicas,
            access=access,
        )
        return namespace

    def _services(self, region: ResolvedRegion, access: ClusterAccess) -> None:
        environment = self._environment
        namespaces: dict[str, MeshNamespace] = {}
        for name, service in environment.all_services().items():
            if service.namespace not in namespaces:
                namespaces[service.namespace] = MeshNamespace(
                    self.region_scope(region.key),
                    f"namespace-{service.namespace}",
                    name=service.namespace,
                    revision=environment.revision,
                    access=access,
                )
            MeshService(
                self.region_scope(region.key),
                f"service-{name}",
                name=name,
                service=service,
                deployment=environment.deployments(service).get(region.key),
                routed=environment.ingress.enabled,
                namespace=namespaces[service.namespace],
                access=access,
            )
        if environment.demo.enabled:
            SleepClient(
                self.region_scope(region.key),
                "sleep",
                image=environment.demo.client_image,
                namespace=namespaces[environment.all_services()[DEMO_SERVICE].namespace],
                access=access,
            )

    def _connect_command(self, region: ResolvedRegion) -> str:
        flags = {"public": "", "private": " --internal-ip", "dns": " --dns-endpoint"}
        return (
            f"gcloud container clusters get-credentials {region.names.cluster} --location {region.location} "
            f"--project {self._environment.project.id}{flags[self._environment.cluster.endpoint]}"
        )

    def _first_path(self) -> str:
        routes = (service.route for service in self._environment.all_services().values())
        return next((route.path for route in routes if route is not None), "/")

"""Stack `ingress`: services on the mesh, and the load balancer in front of them."""

from config.authorization import authorized_callers, namespace_callers
from config.environment import DEMO_SERVICE, Environment, ResolvedRegion
from config.naming import GATEWAY_NAMESPACE
from config.routing import host_routes
from config.services.service import Service
from config.workload_contract import workload_outputs
from constructs import Construct
from constructs.bindings import ITerraformDependable, NullProvider, TerraformOutput
from constructs.cluster_access import ClusterAccess
from constructs.exported_gateway import ExportedGateway
from constructs.ingress_gateway import IngressGateway
from constructs.mesh_namespace import MeshNamespace
from constructs.mesh_policies import MeshPolicies
from constructs.mesh_routes import MeshRoutes
from constructs.mesh_service import MeshService
from constructs.namespace_policy import NamespacePolicy
from constructs.service_traffic import LocalityWeights
from constructs.sleep_client import SleepClient
from constructs.workload_identity import WorkloadIdentity
from stacks.base import MeshStack, StateLocation
from stacks.cluster_access import add_cluster_access
from stacks.clusters import ClustersStack
from stacks.load_balancers import LoadBalancers
from stacks.mesh import MeshControlStack


class IngressStack(MeshStack):
    """Every object in the clusters that the mesh serves.

    A retired region keeps its provider and has no resources: terraform needs the
    provider to delete the region's objects.
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
        super().__init__(scope, "ingress", environment=environment, state=state)
        NullProvider(self, "null")
        self._environment = environment
        access = add_cluster_access(self, environment, clusters)
        self._identities = {
            name: WorkloadIdentity(
                self,
                f"workload-identity-{name}",
                project=environment.project.id,
                namespace=service.namespace,
                account=name,
                google_account=service.service_account,
            )
            for name, service in environment.services.items()
            if service.service_account is not None
        }
        gateways: dict[str, MeshNamespace] = {}
        exported: list[ITerraformDependable] = []
        services, routes = environment.all_services(), host_routes(environment)
        for region in environment.resolved_regions():
            TerraformOutput(self, f"cluster-{region.key}", value=region.names.cluster)
            TerraformOutput(self, f"connect-{region.key}", value=self._connect_command(region))
            if region.retired:
                continue
            allow_policies: list[ITerraformDependable] = []
            if environment.ingress.enabled:
                gateways[region.key] = self._gateway(region, access[region.key], allow_policies)
            if environment.ingress.uses_gateway:
                export = ExportedGateway(
                    self.region_scope(region.key),
                    "exported-gateway",
                    namespace=gateways[region.key],
                    drained=region.drained,
                    access=access[region.key],
                )
                exported.append(export.exported)
            needed_by_routes = self._services(region, access[region.key], allow_policies)
            if region.key in gateways and routes:
                MeshRoutes(
                    self.region_scope(region.key),
                    "routes",
                    routes=routes,
                    services=services,
                    ingress=environment.ingress,
                    retries_elsewhere=environment.control_plane.retries_elsewhere,
                    namespace=gateways[region.key],
                    depends_on=needed_by_routes,
                    access=access[region.key],
                )
            MeshPolicies(
                self.region_scope(region.key),
                "policies",
                mesh=environment.mesh,
                allow_policies=allow_policies,
                access=access[region.key],
            )

        for name, value in workload_outputs(environment).items():
            TerraformOutput(self, name, value=value)
        LoadBalancers(self, environment=environment, namespaces=gateways, exported=exported, access=access)
        self.objects.write()
        self.add_dependency(mesh)

    def _gateway(
        self, region: ResolvedRegion, access: ClusterAccess, allow_policies: list[ITerraformDependable]
    ) -> MeshNamespace:
        ingress = self._environment.ingress
        namespace = MeshNamespace(
            self.region_scope(region.key),
            "gateway-namespace",
            name=GATEWAY_NAMESPACE,
            labels=self._environment.injection_labels,
            access=access,
        )
        gateway = IngressGateway(
            self.region_scope(region.key),
            "gateway",
            namespace=namespace,
            min_replicas=ingress.min_replicas,
            max_replicas=ingress.max_replicas,
            default_deny=self._environment.mesh.default_deny,
            proxies=[one.proxies for one in self._environment.resolved_regions() if one.proxies is not None],
            access=access,
        )
        allow_policies += gateway.allow_policies
        return namespace

    def _services(
        self, region: ResolvedRegion, access: ClusterAccess, allow_policies: list[ITerraformDependable]
    ) -> list[ITerraformDependable]:
        """Add the services of a region, and return what routes to them need."""
        environment = self._environment
        namespaces = {
            name: MeshNamespace(
                self.region_scope(region.key), f"namespace-{name}", name=name, labels=labels, access=access
            )
            for name, labels in environment.namespaces().items()
        }
        for name, namespace in namespaces.items():
            callers = namespace_callers(environment, name) if environment.mesh.default_deny else ()
            if callers:
                policy = NamespacePolicy(
                    self.region_scope(region.key),
                    f"namespace-policy-{name}",
                    namespace=namespace,
                    callers=callers,
                    access=access,
                )
                allow_policies.append(policy.applied)
        services = environment.all_services()
        needed_by_routes: list[ITerraformDependable] = []
        for name, service in services.items():
            of_mesh = MeshService(
                self.region_scope(region.key),
                f"service-{name}",
                name=name,
                services=services,
                deployments=environment.deployments(service).get(region.key, ()),
                drained=region.drained,
                demo_routed=environment.ingress.enabled if name == environment.demo_name else None,
                weights=self._locality_weights(region, service),
                locality_needs_setting=environment.control_plane.locality_needs_setting,
                retries_elsewhere=environment.control_plane.retries_elsewhere,
                callers=authorized_callers(environment, name) if environment.mesh.default_deny else (),
                namespace=namespaces[service.namespace],
                access=access,
                identity=self._identities[name].granted if name in self._identities else None,
            )
            allow_policies += of_mesh.allow_policies
            needed_by_routes += of_mesh.needed_by_routes
        if environment.demo.enabled:
            SleepClient(
                self.region_scope(region.key),
                "sleep",
                image=environment.demo.client_image,
                namespace=namespaces[services[DEMO_SERVICE].namespace],
                access=access,
            )
        return needed_by_routes

    def _locality_weights(self, region: ResolvedRegion, service: Service) -> LocalityWeights | None:
        weights = service.region_weights.get(region.key)
        if weights is None:
            return None
        regions = self._environment.regions
        return LocalityWeights(region.location, {regions[key].region: weight for key, weight in weights.items()})

    def _connect_command(self, region: ResolvedRegion) -> str:
        flags = {"public": "", "private": " --internal-ip", "dns": " --dns-endpoint"}
        return (
            f"gcloud container clusters get-credentials {region.names.cluster} --location {region.location} "
            f"--project {self._environment.project.id}{flags[self._environment.cluster.endpoint]}"
        )

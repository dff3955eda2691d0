"""The whole configuration, and each region with everything resolved."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from math import ceil

from pydantic import Field

from config.apis import ANTHOS, APIS, CERTIFICATE_MANAGER, GATEWAY_APIS, SECRET_MANAGER
from config.backend import Backend, CloudState, GcsState, LocalState
from config.cluster import AuthorizedNetwork, Channel, Cluster, NodePoolShape
from config.control_plane import ControlPlane, control_plane, managed_revision, pinned_revision
from config.demo import Demo
from config.effects import ADDS_OR_DELETES
from config.fields import Model, RegionKey, ServiceName
from config.ingress import EXTERNAL, INTERNAL, Ingress
from config.maintenance import MaintenanceWindow, staggered
from config.mesh import Mesh
from config.naming import INJECTION_LABEL, REVISION_LABEL, ProjectNames, RegionNames, remote_cluster_name
from config.network import Network
from config.project import Project
from config.region import Region
from config.services.pods import RegionalDeployment
from config.services.service import Service

DEMO_SERVICE = "helloworld"

LOAD_BALANCER_SECONDS, LONGEST_LOAD_BALANCER_SECONDS = 30, 86400
"""Google's load balancer: the timeout of a response by default, which also ends a WebSocket, and the longest that
Google recommends, as its proxies restart.

https://cloud.google.com/compute/docs/reference/rest/v1/backendServices (timeoutSec)
https://gcpdiag.dev/rules/lb/BP/2025_002/
"""


@dataclass(frozen=True)
class Ranges:
    """The four ranges of a region."""

    nodes: IPv4Network
    pods: IPv4Network
    services: IPv4Network
    control_plane: IPv4Network


@dataclass(frozen=True)
class ResolvedRegion:
    """A region with its ranges, its names and its cluster's shape.

    Attributes:
        key: the short name in the configuration, stable over the region's life.
        location: the Google Cloud region.
        remote_name: the cluster's name in other clusters' meshes.
        secrets_key: resource name of the Cloud KMS key for the cluster's Secrets; None for Google's own.
        maintenance: when GKE may upgrade the cluster; None for any time.
        proxies: range of the internal load balancer's proxies; None without one.
        drained: no request goes to the region, and its pods stay ready; a retired region is not drained.
        retired: the region's cluster has left the mesh and the ingress.
    """

    key: str
    location: str
    zones: tuple[str, ...]
    ranges: Ranges
    names: RegionNames
    nodes: NodePoolShape
    remote_name: str
    secrets_key: str | None
    maintenance: MaintenanceWindow | None
    proxies: IPv4Network | None
    drained: bool
    retired: bool

    @property
    def serves(self) -> bool:
        """Whether requests go to the region."""
        return not self.drained and not self.retired


class Environment(Model):
    """One environment: a project, its regions, the mesh over them, the ingress in front."""

    project: Project
    regions: dict[RegionKey, Region] = Field(
        min_length=1,
        max_length=64,
        description="The regions, by a key of your choice that never changes.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    ingress: Ingress
    network: Network = Network()
    cluster: Cluster = Cluster()
    mesh: Mesh = Mesh()
    demo: Demo = Demo()
    services: dict[ServiceName, Service] = Field(
        default={},
        max_length=200,
        description="Your services on the mesh, by name.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    backend: Backend = LocalState()

    @property
    def apis(self) -> tuple[str, ...]:
        """The Google Cloud APIs to enable: names before ``.googleapis.com``."""
        chosen = {
            ANTHOS: self.project.anthos_api,
            SECRET_MANAGER: self.cluster.secret_manager,
            **dict.fromkeys(GATEWAY_APIS, self.ingress.uses_gateway),
            CERTIFICATE_MANAGER: self.has_certificate_map,
        }
        return (*APIS, *(name for name, wanted in chosen.items() if wanted))

    @property
    def names(self) -> ProjectNames:
        return ProjectNames(self.project.name_prefix)

    def range_of(self, key: str, kind: str) -> IPv4Network:
        """Return a region's range: the given one, else the one that follows from its number.

        Args:
            key: the region's key.
            kind: ``nodes``, ``pods``, ``services``, ``control_plane`` or ``proxies``.

        Raises:
            ValueError: the range is neither given nor to be derived.
        """
        region = self.regions[key]
        given: IPv4Network | None = getattr(region, kind)
        if given is not None:
            return given
        if region.number is None:
            raise ValueError("give it, or a number for the region")
        pool = getattr(self.network.address_plan, kind)
        derived: IPv4Network = pool.range_of(region.number)
        return derived

    def resolved_regions(self) -> tuple[ResolvedRegion, ...]:
        """Return all regions, the retired ones too, in the order of the file."""
        windows = self.maintenance_windows()
        return tuple(self._resolve(key, region, windows.get(key)) for key, region in self.regions.items())

    def maintenance_windows(self) -> dict[str, MaintenanceWindow]:
        """Return when GKE may upgrade each region's cluster; a region without an entry has no window."""
        if not self.cluster.maintenance_windows:
            return {}
        own = {
            key: MaintenanceWindow.at(region.maintenance_start)
            for key, region in self.regions.items()
            if region.maintenance_start is not None
        }
        numbers = {key: region.number for key, region in self.regions.items()}
        return staggered(MaintenanceWindow.at(self.cluster.maintenance_start), own, numbers)

    def region_names(self, key: str) -> RegionNames:
        """Return the names of a region's resources."""
        if self.cluster.node_pool_rollout == "together":
            return RegionNames(self.project.name_prefix, key)
        nodes = self.cluster.node_pool(self.regions[key].cluster)
        return RegionNames(self.project.name_prefix, key, pool_suffix=f"-{nodes.replaced_by}")

    def _resolve(self, key: str, region: Region, maintenance: MaintenanceWindow | None) -> ResolvedRegion:
        names = self.region_names(key)
        return ResolvedRegion(
            key=key,
            location=region.region,
            zones=region.zones,
            ranges=Ranges(
                nodes=self.range_of(key, "nodes"),
                pods=self.range_of(key, "pods"),
                services=self.range_of(key, "services"),
                control_plane=self.range_of(key, "control_plane"),
            ),
            names=names,
            nodes=self.cluster.node_pool(region.cluster),
            remote_name=remote_cluster_name(self.project.id, region.region, names.cluster),
            secrets_key=region.secrets_key,
            maintenance=maintenance,
            proxies=self.range_of(key, "proxies") if INTERNAL in self.ingress.exposures else None,
            drained=region.drained and not region.retired,
            retired=region.retired,
        )

    def peer_api_clients(self, key: str) -> list[AuthorizedNetwork]:
        """Return the ranges from which other clusters' istiods watch a region's API server.

        Empty where no istiod runs as a pod. A retired region is in no mesh.
        """
        if not self.control_plane.runs_on_nodes or self.regions[key].retired:
            return []
        return [
            AuthorizedNetwork(name=f"pods-{one.key}", cidr=one.ranges.pods)
            for one in self.resolved_regions()
            if one.key != key and not one.retired
        ]

    def state_name(self, stack: str) -> str:
        """Return the name of a stack's workspace, or of its folder in the bucket.

        By default it is unique to the environment: the underscore between project id and name
        prefix is in neither, so that no other pair makes the same name.
        """
        given = None
        match self.backend:
            case CloudState(workspace_prefix=prefix) | GcsState(prefix=prefix):
                given = prefix
            case LocalState():
                pass
        return f"{given or f'{self.project.id}_{self.project.name_prefix}'}-{stack}"

    @property
    def control_plane(self) -> ControlPlane:
        """What the chosen control plane mode implies."""
        return control_plane(self.mesh.control_plane)

    @property
    def channel(self) -> Channel:
        """Release channel of the mesh control planes that Google runs: they follow the clusters' own."""
        return self.cluster.release_channel

    @property
    def injection_labels(self) -> dict[str, str]:
        """The labels of a namespace whose pods get sidecars."""
        if self.control_plane.selected_by_revision:
            return {REVISION_LABEL: self.revision}
        return {INJECTION_LABEL: "enabled"}

    @property
    def revision(self) -> str:
        """The revision of the mesh control planes."""
        if self.control_plane.runs_on_nodes:
            return pinned_revision(self.mesh.asmcli.version)
        return managed_revision(self.channel)

    @property
    def demo_name(self) -> str | None:
        """Name of the service that is the demo, if it is enabled."""
        return DEMO_SERVICE if self.demo.enabled else None

    def all_services(self) -> dict[str, Service]:
        """Return the services by name, the demo first where it is on."""
        demo = {} if self.demo_name is None else {self.demo_name: self.demo.service(self.regions)}
        return demo | self.services

    def namespaces(self) -> dict[str, dict[str, str]]:
        """Return the labels of the namespaces for services and other workloads, by name; the gateways' is not one."""
        names = [*(one.namespace for one in self.all_services().values()), *self.mesh.namespaces]
        own = {name: one.labels for name, one in self.mesh.namespaces.items()}
        return {name: self.injection_labels | own.get(name, {}) for name in names}

    @property
    def has_failover_threshold(self) -> bool:
        """Whether a service has a failover threshold, which is an object of GKE's Gateway API."""
        return any(service.failover_threshold is not None for service in self.services.values())

    @property
    def gateway_api(self) -> bool:
        """Whether the clusters serve GKE's Gateway API."""
        return self.has_failover_threshold or self.ingress.uses_gateway

    @property
    def has_certificate_map(self) -> bool:
        """Whether Certificate Manager has certificates of the domains, for the external Gateway."""
        return bool(self.ingress.domains) and EXTERNAL in self.ingress.exposures

    @property
    def load_balancer_seconds(self) -> int | None:
        """The load balancer's timeout, which all services share; None if its own is long enough.

        It is longer than the timeout of each service with routes, so that the gateways respond first.
        """
        timeouts = [
            service.timeout_of(service.routed_port(route))
            for service in self.services.values()
            for route in service.routes
            if route.redirect is None
        ]
        if None in timeouts:
            return LONGEST_LOAD_BALANCER_SECONDS
        longest = max((ceil(seconds) + 1 for seconds in timeouts if seconds is not None), default=0)
        return longest if longest > LOAD_BALANCER_SECONDS else None

    def deployments(self, service: Service) -> dict[str, tuple[RegionalDeployment, ...]]:
        """Return what a service runs in each of its regions, whoever deploys its pods."""
        return {key: service.deployments_in(key) for key in self.regions_of(service)}

    def regions_of(self, service: Service) -> tuple[str, ...]:
        """Return the keys of the regions where a service runs: those that are not retired."""
        wanted = service.regions or self.regions
        known = (key for key in wanted if key in self.regions)  # check_services refuses the others
        return tuple(key for key in known if not self.regions[key].retired)

    def serving_deployments(self, service: Service) -> dict[str, tuple[RegionalDeployment, ...]]:
        """Return what of a service's deployments gets requests: those of regions that are not drained."""
        return {key: one for key, one in self.deployments(service).items() if not self.regions[key].drained}

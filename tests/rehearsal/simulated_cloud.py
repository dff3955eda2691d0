"""The simulated cloud: the fake APIs, the clusters behind them, Google's controllers."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from config.environment import ResolvedRegion
from tests.fake_cloud.cloud import PROJECT_NUMBER, Body, Cloud, Endpoints
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.server import FakeCloudServer
from tests.local_mesh.authority import Authority
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.istiod import istio_manifests
from tests.local_mesh.toolchain import Toolchain
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.control_planes import GkeControlPlanes
from tests.rehearsal.endpoint_groups import EndpointGroups, endpoint_health
from tests.rehearsal.fake_istiod import FakeIstiod
from tests.rehearsal.gateway_controller import AGENT_ROLE, GatewayController
from tests.rehearsal.ingress_controller import IngressController
from tests.rehearsal.job_runner import JobRunner
from tests.rehearsal.mesh_controller import FEATURE, MeshController, managed_memberships
from tests.rehearsal.service_controller import IMPORTER_ROLE, ServiceController
from tests.rehearsal.traffic_director import TrafficDirector, digest_of, is_around_cluster

PORT = 8080
BASE = f"http://127.0.0.1:{PORT}"
EVERY_ADDRESS = "0.0.0.0"
"""The clusters review tokens at the fake APIs, over links of the rehearsal's own network."""


class SimulatedCloud:
    """A Google Cloud project, empty at first, with everything that would happen in it.

    Attributes:
        fake: state of the fake cloud.
        server: serves its APIs.
        planes: GKE control planes.
        install: called with a region whose cluster gets a mesh control plane.
        balance: called with the address of a load balancer.
        mesh_delay: seconds that managed control planes take longer than usual.
    """

    def __init__(
        self,
        project: str,
        regions: Iterable[ResolvedRegion],
        *,
        revision: str,
        tools: Toolchain,
        state: Path,
        latencies: Latencies,
        authority: Authority,
        account: str | None = None,
        pods_run: bool = False,
    ) -> None:
        """Start nothing yet.

        Args:
            project: id of the project.
            regions: all regions that may ever have a cluster.
            revision: of the mesh; Istio's CRDs are rendered in it.
            tools: programs of the local mesh.
            state: folder of the clusters.
            latencies: durations of the cloud.
            authority: signs certificates of the control planes' DNS endpoints.
            account: service account that the caller impersonates; None for none.
            pods_run: pods really run, and the caller sets `install`; else kwok simulates them, without sidecars.
        """
        self.install: Callable[[str], None] = lambda region: None
        self.balance: Callable[[str], None] = lambda address: None
        self.mesh_delay = 0.0
        self._revision = revision
        self._tools = tools
        self._pods_run = pods_run
        self._meshes: dict[tuple[str, str], MeshController] = {}
        self.planes = GkeControlPlanes(
            regions, tools=tools, state=state, simulates_pods=not pods_run, port=PORT, authority=authority
        )
        self.fake = Cloud.create(project, BASE, latencies, self, account)
        parts = CloudParts(self.fake)
        self._ingress = IngressController(parts, self.planes.by_region, self._balance)
        self._services = ServiceController(
            parts,
            self.planes.by_region,
            membership=self._membership,
            authorized=self._importer_is_authorized,
            changed=self._services_changed,
        )
        self._gateway = GatewayController(
            parts,
            self.planes.by_region,
            self._services,
            authorized=self._agent_is_authorized,
            cluster_path=lambda cluster: self._path(*self._place(cluster)),
            balance=self._balance,
        )
        self.server = FakeCloudServer(
            self.fake, changed=self._feature_changed, has_resources=self._has_resources, host=EVERY_ADDRESS
        )
        parts.compute = self.server.compute
        self.server.compute.endpoint_health = self._endpoint_health
        self._crds = [one for one in istio_manifests(tools, revision, tools.envoy) if one["kind"] == _CRD]

    def start_apis(self) -> None:
        """Create the networks and serve the APIs."""
        self.planes.network.build()
        self.server.start()

    def clusters(self) -> Mapping[str, LocalCluster]:
        """Return the running clusters by region."""
        return self.planes.by_region()

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        endpoints = self.planes.start(location, name, control_plane_range)
        cluster = self.planes.running[location, name]
        region = cluster.site.key
        mesh = MeshController(
            cluster,
            self._crds,
            self.fake.latencies,
            channel=lambda: self._channel(location, name),
            delay=lambda: self.mesh_delay,
            injects=not self._pods_run,
            install=lambda: self.install(region),
            direct=TrafficDirector(cluster, self._path(location, name), self.fake.store, self.server.compute).start,
            report=lambda state: self.server.gkehub.set_membership_state(FEATURE, location, name, state),
        )
        mesh.start()
        self._meshes[location, name] = mesh
        EndpointGroups(cluster, self.fake.store).start()
        if not self._pods_run:
            FakeIstiod(cluster, self._revision).start()
        JobRunner(cluster, self._tools).start()
        for controller in (self._ingress, self._services, self._gateway):
            controller.cluster_started(cluster)
        return endpoints

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        self.planes.serve_kinds(location, name, of)

    def add_nodes(self, location: str, name: str) -> None:
        self.planes.add_nodes(location, name)

    def stop(self, location: str, name: str) -> None:
        cluster = self.planes.running.get((location, name))
        self.planes.stop(location, name)
        self._meshes.pop((location, name), None)
        self.server.gkehub.remove_membership(location, name)
        self._ingress.cluster_stopped(location)
        if cluster is not None:
            self._services.cluster_stopped(cluster)

    def _balance(self, address: str) -> None:
        self.balance(address)

    def _feature_changed(self, feature: str, content: Body | None) -> None:
        for controller in (self._ingress, self._services, self._gateway):
            controller.feature_changed(feature, content)
        if feature == FEATURE:
            managed = managed_memberships(content)
            for place, mesh in list(self._meshes.items()):
                mesh.manage(place in managed)

    def _has_resources(self, feature: str) -> bool:
        return any(one.has_resources(feature) for one in (self._ingress, self._services, self._gateway))

    def _services_changed(self) -> None:
        self._gateway.wake()

    def _endpoint_health(self, group: str) -> list[Body]:
        """Return the health of the endpoints of an endpoint group."""
        zone = group.split("/")[3]
        cluster = next((one for one in self.clusters().values() if zone in one.site.zones), None)
        return [] if cluster is None else endpoint_health(cluster, self.fake.store.get(group), zone)

    def _agent_is_authorized(self) -> bool:
        """Return whether the agent of the fleet's ingress has the role that multi-cluster Gateway needs."""
        agent = f"serviceAccount:service-{PROJECT_NUMBER}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
        return (AGENT_ROLE, agent) in self.server.resource_manager.grants()

    def _importer_is_authorized(self) -> bool:
        """Return whether the importer of multi-cluster services, by its Kubernetes account, may read the network."""
        pool = f"projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{self.fake.project}.svc.id.goog"
        importer = f"principal://iam.googleapis.com/{pool}/subject/ns/gke-mcs/sa/gke-mcs-importer"
        return (IMPORTER_ROLE, importer) in self.server.resource_manager.grants()

    def _place(self, cluster: LocalCluster) -> tuple[str, str]:
        """Return the location and the name of a running cluster."""
        return next(place for place, one in self.planes.running.items() if one is cluster)

    def _membership(self, cluster: LocalCluster) -> str:
        location, name = self._place(cluster)
        return f"projects/{PROJECT_NUMBER}/locations/{location}/memberships/{name}"

    def _channel(self, location: str, name: str) -> str:
        """Return a cluster's release channel."""
        cluster = self.fake.store.get(self._path(location, name))
        return str(cluster["releaseChannel"]["channel"])

    def _path(self, location: str, name: str) -> str:
        """Return the path of a cluster among the cloud's resources."""
        return f"projects/{self.fake.project}/locations/{location}/clusters/{name}"

    def left_by_mesh(self) -> set[str]:
        """Return the names of what the mesh has left of clusters that are deleted."""
        used = [digest_of(self._path(*place)) for place in self._meshes]
        found = {path.rpartition("/")[2] for path in self.fake.store.all() if is_around_cluster(path)}
        return {name for name in found if not any(digest in name for digest in used)}

    def delete(self, path: str) -> None:
        """Delete a resource behind terraform's back."""
        parts = path.split("/")
        if parts[-2] == "clusters":
            self.stop(parts[3], parts[-1])
            self.fake.store.remove(f"{'/'.join(parts[:-2])}/memberships/{parts[-1]}")
        self.fake.store.remove(path)


_CRD = "CustomResourceDefinition"

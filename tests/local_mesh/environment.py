"""An environment on this machine: its clusters, its mesh, its workloads."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import permutations
from pathlib import Path
from typing import Any, TypeVar

from config.environment import Environment, ResolvedRegion
from config.kinds import GATEWAY_API
from tests.local_mesh.api_reader import ApiReader
from tests.local_mesh.authority import Authority
from tests.local_mesh.cluster import ClusterSite, LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.fake_kubelet import serve_pods
from tests.local_mesh.fleet import derived_services
from tests.local_mesh.front_end import Endpoints, FrontEnd, FrontEndKey, endpoints, front_ends, key_of
from tests.local_mesh.gke_crds import gke_crds
from tests.local_mesh.istiod import Istiod, istio_manifests
from tests.local_mesh.load_balancer import FIRST_PORT, LoadBalancer
from tests.local_mesh.network import REGIONAL_FRONT_END, LabNetwork, RegionAddresses
from tests.local_mesh.node_agent import NodeAgent
from tests.local_mesh.pod import Pod, PodContext
from tests.local_mesh.remote_secrets import ScriptCluster, ScriptRunner
from tests.local_mesh.rendered import Object
from tests.local_mesh.toolchain import Toolchain
from tests.local_mesh.traffic import Client

T = TypeVar("T")
Report = Callable[[str], None]

ZONES = "abc"
"""Suffixes of the zones of a region whose zones GKE chooses."""

PARALLEL = 4

APPLIED_SECONDS = 0.5
"""How often a load balancer follows objects that the lab itself has applied."""

CLUSTER_SECONDS = 3
"""How often it reads those in the clusters. A change of the real one takes minutes."""

LOAD_BALANCING = (
    "backendconfigs.cloud.google.com",
    "gateways.gateway.networking.k8s.io",
    "healthcheckpolicies.networking.gke.io",
    "httproutes.gateway.networking.k8s.io",
    "multiclusteringresses.networking.gke.io",
    "multiclusterservices.networking.gke.io",
    "serviceexports.net.gke.io",
)
"""CRDs of the objects that load balancers follow; the version of all of them is v1."""


class LocalRegion:
    """One region: its cluster, its istiod, its pods.

    Attributes:
        key: of the region in mesh.yaml.
        cluster: the Kubernetes control plane.
        reader: reads its objects often.
        istiod: the mesh control plane.
        agent: runs the pods.
        member: the cluster for the project's scripts.
        hosts: file that pods read as ``/etc/hosts``.
        services: the cluster's Services.
        public: addresses of public hosts, which pods find as by DNS.
        applied: objects of the last `LocalMesh.apply`.
    """

    def __init__(
        self, region: ResolvedRegion, cluster: LocalCluster, istiod: Istiod, agent: NodeAgent, hosts: Path
    ) -> None:
        self.key = region.key
        self.cluster = cluster
        self.reader = ApiReader(cluster.kubeconfig)
        self.istiod = istiod
        self.agent = agent
        self.member = ScriptCluster(cluster, region.names.cluster, region.location, region.remote_name)
        self.hosts = hosts
        self.services: list[Object] = []
        self.public: dict[str, IPv4Address] = {}
        self.applied: list[Object] = []

    @property
    def link(self) -> str:
        """The cluster, as a MultiClusterService names it."""
        return f"{self.member.location}/{self.member.name}"

    def read_services(self) -> None:
        """Write the names of istiod and of the Services for the region's pods, and note the Services."""
        self.services = services = self.cluster.get("services", "--all-namespaces")["items"]
        lines = ["127.0.0.1 localhost", f"{self.istiod.address} {self.istiod.service_name}"]
        for service in services:
            name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
            names = (f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")
            if service["spec"]["clusterIP"] != "None":
                lines.append(f"{service['spec']['clusterIP']} {' '.join(names)}")
        lines += [f"{address} {host}" for host, address in self.public.items()]
        self.hosts.parent.mkdir(parents=True, exist_ok=True)
        self.hosts.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def delete_others(self, applied: Iterable[Object], wanted: Iterable[Object]) -> None:
        """Delete those of the applied objects that are not wanted."""
        names = {_identity(one) for one in wanted}
        if others := [one for one in applied if _identity(one) not in names]:
            self.cluster.delete(others)
            self.read_services()

    def service_address(self, namespace: str, name: str) -> str:
        address: str = self.cluster.get("service", name, "--namespace", namespace)["spec"]["clusterIP"]
        return address


class LocalMesh:
    """Starts an environment's regions and joins them to one mesh.

    Attributes:
        network: of the regions and pods.
        regions: by key, without retired ones.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        tools: Toolchain,
        state: Path,
        logs: Path,
        report: Report,
        network: LabNetwork | None = None,
        clusters: Mapping[str, LocalCluster] | None = None,
    ) -> None:
        """Prepare the regions; nothing is started.

        Args:
            environment: of the regions.
            tools: the toolchain.
            state: folder of everything that is deleted with the lab.
            logs: folder of the programs' logs.
            report: prints a line.
            network: an existing one; `install` then replaces `start`.
            clusters: existing ones, by region.
        """
        self._environment = environment
        self._tools = tools
        self._state = state
        self._logs = logs
        self._report = report
        self._failures: list[Exception] = []
        self._rendering = threading.Lock()
        self._connecting = threading.Lock()
        self._installed: list[LocalRegion] = []
        self._balanced: dict[IPv4Address, tuple[FrontEndKey | None, LoadBalancer]] = {}
        self._istio: list[Object] = []
        self._authority = Authority.create()
        present = [region for region in environment.resolved_regions() if not region.retired]
        self.network = network or LabNetwork([_addresses(region) for region in present], state / "namespaces")
        self._clusters = clusters or {}
        self._connected = bool(clusters) and not environment.control_plane.uses_remote_secrets
        self.regions = {region.key: self._build_region(region) for region in present}

    def start(self) -> None:
        """Start the mesh without workloads.

        Raises:
            LocalMeshError: a program failed.
        """
        self.network.build()
        regions = list(self.regions.values())
        self._report(f"starting {len(regions)} Kubernetes control planes")
        self._each(lambda region: region.cluster.start_with_nodes(), regions)
        self._report("installing istiod in each cluster")
        served = self._environment.gateway_api
        crds = [one for one in gke_crds() if served or one["spec"]["group"] != GATEWAY_API]
        self._each(lambda region: region.istiod.install(self._manifests()), regions)
        self._each(lambda region: region.cluster.apply(crds), regions)
        self._each(lambda region: region.istiod.wait_until_ready(), regions)
        pairs = list(permutations(regions, 2))
        self._report(f"creating {len(pairs)} remote secrets")
        scripts = self.scripts()
        self._each(lambda pair: scripts.enable_endpoint_discovery(pair[0].member, pair[1].member), pairs)
        self._each(lambda region: region.read_services(), regions)
        for region in regions:
            self._run_pods(region)

    def scripts(self) -> ScriptRunner:
        """Return what runs the project's scripts in the regions' clusters."""
        members = [region.member for region in self.regions.values()]
        return ScriptRunner(
            self._environment.project.id, members, tools=self._tools, folder=self._state / "credentials"
        )

    def install(self, key: str) -> None:
        """Install the mesh in one running cluster, and run its pods.

        Where no remote secrets tell it of the other clusters, it finds them as Google's own control planes do.

        Raises:
            LocalMeshError: a program failed.
        """
        region = self.regions[key]
        region.istiod.install(self._manifests())
        region.istiod.wait_until_ready()
        if self._connected:
            with self._connecting:
                for one, other in ((a, b) for peer in self._installed for a, b in permutations((region, peer))):
                    one.istiod.connect(other.member.remote_name, other.cluster)
                self._installed.append(region)
        region.read_services()
        self._run_pods(region)
        threading.Thread(target=self._follow_services, args=(region,), daemon=True).start()

    def _run_pods(self, region: LocalRegion) -> None:
        """Run a region's pods, and serve ``kubectl exec``, ``logs`` and ``port-forward``."""
        serve_pods(
            region.cluster.site,
            self.network.region(region.key),
            network=self.network,
            hosts=region.hosts,
            tools=self._tools,
            folder=self._state / "regions" / region.key / "kubelet",
            logs=self._pod_logs(region.key),
            log=self._logs / region.key / "fake-kubelet.log",
        )
        region.agent.start()

    def balance(self, address: IPv4Address, key: FrontEndKey | None = None) -> None:
        """Serve an address in every region from now on, as an object of the config cluster says.

        Its hosts, if no other load balancer has them, resolve to it from now on.

        Args:
            address: of the load balancer.
            key: kind and name of the object; by default, it is the one to which controllers have given the address.
        """
        if address in self._balanced:
            return
        if not self._balanced:
            self.network.add_front_end(REGIONAL_FRONT_END)
        number = len(self._balanced)
        balancer = LoadBalancer(
            self._tools,
            list(self.regions),
            self._state / "load-balancers" / str(address),
            self._logs / f"load-balancer-{address}.log",
            first_port=FIRST_PORT + number * len(self.regions),
        )
        front_end, found = self._front_end(self._objects(), address, key)
        balancer.start(front_end, found)
        self._balanced[address] = key, balancer
        for region in self.regions.values():
            self.network.add_address(region.key, address)
            balancer.serve(region.key, self.network.region(region.key), address)
            region.public = dict.fromkeys(front_end.hosts, address) | region.public
            if region.services:
                region.read_services()
        if not number:
            threading.Thread(target=self._follow_objects, daemon=True).start()

    def _follow_objects(self) -> None:
        """Let the load balancers serve what the objects say now, again and again."""
        try:
            while True:
                time.sleep(CLUSTER_SECONDS if self._clusters else APPLIED_SECONDS)
                objects = self._objects()
                for address, (key, balancer) in list(self._balanced.items()):
                    balancer.check()
                    balancer.configure(*self._front_end(objects, address, key))
        except Exception as error:
            self._failures.append(error)

    def _front_end(
        self, objects: Mapping[str, Sequence[Object]], address: IPv4Address, key: FrontEndKey | None
    ) -> tuple[FrontEnd, Endpoints]:
        """Return what an object says, and the pods to which that leads; without the object, nothing is served."""
        everything = [one for region in self.regions for one in objects[region]]
        services = [one for region in self.regions.values() for one in region.services]
        key = key or key_of(str(address), everything)
        front_end = front_ends(everything, services).get(key, FrontEnd()) if key else FrontEnd()
        regions = {region.key: [*objects[region.key], *region.services] for region in self.regions.values()}
        return front_end, endpoints(front_end, regions, self._select)

    def _select(self, region: str, namespace: str, labels: Mapping[str, str]) -> list[IPv4Address]:
        pods = self.regions[region].agent.selected(namespace, labels)
        return [pod.address for pod in pods if not pod.terminating.is_set()]

    def _objects(self) -> dict[str, list[Object]]:
        """Return what was applied; where somebody else applies objects, those of the load balancers in the clusters."""
        for region in self.regions.values() if self._clusters else ():
            with suppress(LocalMeshError):  # it does not run, or is busy: what was read last still holds
                region.applied = _read_load_balancing(region.reader)
        return {region.key: region.applied for region in self.regions.values()}

    def _follow_services(self, region: LocalRegion) -> None:
        """Read the Services again when they change."""
        with suppress(LocalMeshError):  # the cluster was deleted
            for _ in region.cluster.watch("services", "--all-namespaces"):
                region.read_services()

    def _manifests(self) -> list[Object]:
        with self._rendering:
            if not self._istio:
                self._istio = istio_manifests(self._tools, self._environment.revision, self._tools.envoy)
            return self._istio

    def apply(self, objects: dict[str, list[Object]]) -> None:
        """Apply each region's objects, and then delete those that only an earlier call applied."""
        configured = [one for wanted in objects.values() for one in wanted]

        def converge(region: LocalRegion) -> None:
            wanted = [*objects.get(region.key, []), *derived_services(configured, region.link)]
            region.cluster.apply([one for one in wanted if one["kind"] == "Namespace"])
            region.cluster.apply([one for one in wanted if one["kind"] == "Service"])
            region.read_services()
            region.cluster.apply([one for one in wanted if one["kind"] not in ("Namespace", "Service")])
            region.delete_others(region.applied, wanted)
            region.applied = wanted

        self._each(converge, list(self.regions.values()))

    def apply_changes(self, old: Mapping[str, Sequence[Object]], new: Mapping[str, Sequence[Object]]) -> None:
        """Apply only the objects of each region that differ, and then delete those that are not in it any more."""

        def converge(region: LocalRegion) -> None:
            if changed := [one for one in new[region.key] if one not in old[region.key]]:
                region.cluster.apply(changed)
            region.delete_others(old[region.key], new[region.key])

        self._each(converge, list(self.regions.values()))

    def wait_for_rollout(self, seconds: float = 120) -> None:
        """Wait until all Deployments are complete.

        Raises:
            LocalMeshError: they are not in time, or a program failed.
        """
        deadline = time.monotonic() + seconds
        for region in self.regions.values():
            while waiting := _incomplete(region.cluster.get("deployments", "--all-namespaces")["items"]):
                self.check()
                if time.monotonic() > deadline:
                    raise LocalMeshError(
                        f"after {seconds:g} s {region.key} still waits for pods of {', '.join(waiting)}"
                    )
                time.sleep(0.5)

    def wait_for_autoscalers(self, seconds: float = 120) -> None:
        """Wait until each HorizontalPodAutoscaler has its minimum of ready pods.

        Raises:
            LocalMeshError: one has not in time, or a program failed.
        """
        deadline = time.monotonic() + seconds
        for region in self.regions.values():
            while any(
                one.get("status", {}).get("currentReplicas", 0) < one["spec"]["minReplicas"]
                for one in region.cluster.get("horizontalpodautoscalers", "--all-namespaces")["items"]
            ):
                self.check()
                if time.monotonic() > deadline:
                    raise LocalMeshError(f"after {seconds:g} s {region.key} still waits for an autoscaler")
                time.sleep(1)
        self.wait_for_rollout(seconds)

    def check(self) -> None:
        """Raise the first error of a background thread."""
        if self._failures:
            raise self._failures[0]
        for region in self.regions.values():
            region.istiod.check()

    def client(self, region: str, *, namespace: str, app: str, service: str, port: int) -> Client:
        """Return a client that sends requests to a service from inside a pod."""
        home = self.regions[region]
        pod = self.pod(region, namespace, app)
        return Client(
            address=home.service_address(namespace, service),
            port=port,
            host=f"{service}.{namespace}:{port}",
            where=self.network.pod(f"{region}.{pod.name}"),
        )

    def pod(self, region: str, namespace: str, app: str) -> Pod:
        """Return a running pod by its label ``app``.

        Raises:
            LocalMeshError: none is running.
        """
        pods = self.regions[region].agent.pods(namespace, app)
        if not pods:
            raise LocalMeshError(f"there is no pod {app} in {namespace} of {region}")
        return pods[0]

    def _each(self, work: Callable[[T], None], items: Sequence[T]) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(work, items))

    def _pod_logs(self, key: str) -> Path:
        return self._logs / key / "pods"

    def _build_region(self, region: ResolvedRegion) -> LocalRegion:
        folder, logs = self._state / "regions" / region.key, self._logs / region.key
        place = ClusterSite(
            _addresses(region),
            region.location,
            region.zones or tuple(f"{region.location}-{zone}" for zone in ZONES),
            region.ranges.services,
        )
        cluster = self._clusters.get(region.key) or LocalCluster(
            place, namespace=self.network.region(region.key), tools=self._tools, folder=folder / "cluster"
        )
        istiod = Istiod(
            cluster,
            name=region.remote_name,
            revision=self._environment.revision,
            authority=self._authority,
            tools=self._tools,
            folder=folder / "istiod",
            log=logs / "istiod.log",
            connected=self._connected,
            is_pod=not self._clusters,
        )
        context = PodContext(
            services=region.ranges.services,
            hosts=folder / "hosts",
            agent=self._tools.path("pilot-agent"),
            bootstrap=self._tools.bootstrap,
            root=self._authority.certificate,
            logs=self._pod_logs(region.key),
        )
        agent = NodeAgent(
            cluster, self.network, context, folder=folder / "pods", on_error=self._failures.append, istiod=istiod
        )
        return LocalRegion(region, cluster, istiod, agent, folder / "hosts")


def _read_load_balancing(reader: ApiReader) -> list[Object]:
    """Return a cluster's objects of the kinds that it has."""
    found: list[Object] = []
    for kind in LOAD_BALANCING:
        resource, _, group = kind.partition(".")
        found += reader.objects(group, "v1", resource)
    return found


def _addresses(region: ResolvedRegion) -> RegionAddresses:
    return RegionAddresses(region.key, region.ranges.pods, region.ranges.control_plane)


def _identity(manifest: Object) -> tuple[Any, ...]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"]


def _incomplete(deployments: Iterable[Object]) -> list[str]:
    """Return the names of the Deployments without the wanted pods, or with additional ones."""

    def complete(deployment: Object) -> bool:
        wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
        current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        return current and counts == {wanted}

    return [deployment["metadata"]["name"] for deployment in deployments if not complete(deployment)]

"""What runs in each region's cluster now: the pods, the endpoints and the autoscalers of services."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import MeshError
from cli.sources.cluster_objects import Object, condition
from cli.sources.endpoint_slices import ready_endpoints
from cli.sources.google import ApiError, GoogleClient, LookupResult
from cli.sources.kubernetes import ClusterClient, KubectlError, cluster_path, reachable_clusters, served_by_proxies
from cli.sources.worker_pool import worker_pool
from config import Environment, ResolvedRegion
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

NO_CLUSTER = "the cluster does not exist"
"""Problem of a region that was not deployed yet, or is lost for good."""

KINDS = "endpointslices.discovery.k8s.io,horizontalpodautoscalers.autoscaling,pods"


@dataclass(frozen=True)
class LiveRegion:
    """A region's cluster.

    Attributes:
        region: The region.
        cluster: The client; None if the cluster can't be read.
        problem: Why it can't be read; empty if it can.
        objects: Its objects of `KINDS`.
    """

    region: ResolvedRegion
    cluster: ClusterClient | None = None
    problem: str = ""
    objects: Sequence[Object] = ()

    @property
    def key(self) -> str:
        """The region's key."""
        return self.region.key

    def of_kind(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def ready_endpoints(self, namespace: str, service: str) -> int:
        """Return how many endpoints of a Service are ready."""
        return ready_endpoints(self.of_kind("EndpointSlice"), namespace, service)

    def ready_pods(self, namespace: str, app: str, version: str | None = None) -> int:
        """Return how many pods with a label `app` are ready, whether or not a Service selects them.

        Args:
            namespace: Of the pods.
            app: Value of the label.
            version: Value of their label `version`; None for all.
        """
        pods = [one for one in self.of_kind("Pod") if _is_of(one, namespace, app)]
        if version is not None:
            pods = [one for one in pods if one["metadata"]["labels"].get("version") == version]
        return sum(condition(one, "Ready") == "True" for one in pods)

    @property
    def ready_gateways(self) -> int:
        return self.ready_pods(GATEWAY_NAMESPACE, GATEWAY_NAME)

    def more_pods(self, namespace: str, app: str) -> int:
        """Return how many pods the autoscalers of a service, or of a Deployment called like it, can add."""
        scalers = (
            one
            for one in self.of_kind("HorizontalPodAutoscaler")
            if _is_of(one, namespace, app)
            or (one["metadata"]["namespace"], one["spec"]["scaleTargetRef"]["name"]) == (namespace, app)
        )
        limits = ((one["spec"]["maxReplicas"], one.get("status", {}).get("currentReplicas", 0)) for one in scalers)
        return sum(max(0, most - current) for most, current in limits)


LiveRegions = Mapping[str, LiveRegion]
"""By key, without retired regions."""


def _is_of(one: Object, namespace: str, app: str) -> bool:
    metadata = one["metadata"]
    return bool(metadata["namespace"] == namespace and metadata.get("labels", {}).get("app") == app)


@contextmanager
def live_clusters(environment: Environment, kubeconfig: Path | None) -> Iterator[dict[str, ClusterClient | str]]:
    """Yield a client of each cluster that is not retired, or why there is none: a region may be lost.

    Args:
        environment: The environment.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.

    Raises:
        MeshError: There are no credentials, or a tool is missing.
    """
    regions = [region for region in environment.resolved_regions() if not region.retired]
    found: Mapping[str, LookupResult] = {region.key: {} for region in regions}
    if kubeconfig is None:
        google = GoogleClient.of(environment)
        paths = (cluster_path(environment, region) for region in regions)
        with worker_pool(8) as pool:
            results = pool.map(lambda path: google.try_find("container", path), paths)
            found = dict(zip((region.key for region in regions), results, strict=True))
    described = {key: one for key, one in found.items() if isinstance(one, dict)}
    problems = {
        key: f"the GKE API: {one}" if isinstance(one, ApiError) else NO_CLUSTER
        for key, one in found.items()
        if key not in described
    }
    with reachable_clusters(environment, described, kubeconfig) as reachable, served_by_proxies(reachable) as clusters:
        clients = {key: str(one) if isinstance(one, MeshError) else one for key, one in clusters.items()}
        yield {region.key: problems.get(region.key) or clients[region.key] for region in regions}


def read_regions(environment: Environment, clusters: Mapping[str, ClusterClient | str]) -> LiveRegions:
    """Read every cluster, all at the same time."""
    regions = [region for region in environment.resolved_regions() if region.key in clusters]
    with worker_pool(len(regions)) as pool:
        found = pool.map(lambda region: _read(region, clusters[region.key]), regions)
        return {one.key: one for one in found}


def _read(region: ResolvedRegion, cluster: ClusterClient | str) -> LiveRegion:
    if isinstance(cluster, str):
        return LiveRegion(region, problem=cluster)
    try:
        return LiveRegion(region, cluster, objects=cluster.get(KINDS, "--all-namespaces")["items"])
    except KubectlError as error:
        return LiveRegion(region, problem=str(error))

"""The GKE control planes: real Kubernetes, run by the local mesh."""

import threading
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from config.environment import ResolvedRegion
from tests.fake_cloud.cloud import Endpoints
from tests.fake_cloud.container import dns_endpoint
from tests.fake_cloud.errors import CloudError
from tests.local_mesh.authority import Authority
from tests.local_mesh.cluster import ClusterOptions, ClusterSite, LocalCluster, SniCertificate
from tests.local_mesh.gke_crds import gke_crds
from tests.local_mesh.network import LabNetwork, RegionAddresses
from tests.local_mesh.toolchain import Toolchain

PUBLIC = IPv4Network("192.0.2.0/24")
"""Range of public endpoints: for documentation (RFC 5737), so that no environment uses it."""

ZONES = "abc"
WITH_EVERY_CLUSTER = ("BackendConfig", "FrontendConfig", "ServiceNetworkEndpointGroup")
"""Kinds that every new GKE cluster serves."""

WITH_FEATURES = {
    "Gateway API": (
        *("GatewayClass", "Gateway", "HTTPRoute"),
        *("GCPBackendPolicy", "GCPGatewayPolicy", "GCPTrafficDistributionPolicy", "HealthCheckPolicy"),
    ),
    "Secret Manager": ("SecretProviderClass",),
}
"""Kinds of GKE's features that the stacks use."""


class GkeControlPlanes:
    """Starts a Kubernetes control plane when the fake GKE creates a cluster, and ends it when that is deleted.

    Attributes:
        network: network namespaces of all regions.
        clusters: all clusters by region, whether they run or not.
        running: running clusters by location and name.
    """

    def __init__(
        self,
        regions: Iterable[ResolvedRegion],
        *,
        tools: Toolchain,
        state: Path,
        simulates_pods: bool,
        port: int,
        authority: Authority,
    ) -> None:
        """Create the clusters, without starting them.

        Args:
            regions: all regions that may ever have a cluster.
            tools: programs of the local mesh.
            state: folder of the clusters.
            simulates_pods: whether kwok simulates the pods.
            port: of the fake cloud's token reviews.
            authority: signs certificates of the DNS endpoints; their clients have to trust it.
        """
        self._regions = {(region.location, region.names.cluster): region for region in regions}
        self._tools = tools
        self._state = state
        self._simulates_pods = simulates_pods
        self._port = port
        self._authority = authority
        self._lock = threading.Lock()
        self._addresses = {
            region.key: RegionAddresses(region.key, region.ranges.pods, region.ranges.control_plane, PUBLIC[number])
            for number, region in enumerate(self._regions.values(), start=1)
        }
        self.network = LabNetwork(list(self._addresses.values()), state / "namespaces")
        self.clusters = {region.key: self._cluster(region) for region in self._regions.values()}
        self.running: dict[tuple[str, str], LocalCluster] = {}

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        """Start a control plane and return when it serves.

        Raises:
            CloudError: no region has this cluster with this range.
        """
        region = self._regions.get((location, name))
        if region is None or control_plane_range != str(region.ranges.control_plane):
            raise CloudError(
                400, "invalid", f"no region has a cluster {name} with the control plane range {control_plane_range}"
            )
        cluster = self.clusters[region.key]
        cluster.start()
        cluster.apply(_crds(WITH_EVERY_CLUSTER))
        with self._lock:
            self.running[location, name] = cluster
        addresses = self._addresses[region.key]
        return Endpoints(str(addresses.public), str(addresses.api_server), cluster.certificate)

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        self.running[location, name].apply(_crds(WITH_FEATURES[of]))

    def add_nodes(self, location: str, name: str) -> None:
        self.running[location, name].add_nodes()

    def stop(self, location: str, name: str) -> None:
        with self._lock:
            cluster = self.running.pop((location, name), None)
        if cluster is not None:
            cluster.stop()

    def dns_names(self) -> dict[str, str]:
        """Return the addresses of all possible DNS endpoints, by name."""
        return {
            dns_endpoint(location, name): str(self._addresses[region.key].public)
            for (location, name), region in self._regions.items()
        }

    def by_region(self) -> Mapping[str, LocalCluster]:
        """Return the running clusters by their region's key."""
        with self._lock:
            return {self._regions[place].key: cluster for place, cluster in self.running.items()}

    def _cluster(self, region: ResolvedRegion) -> LocalCluster:
        site = ClusterSite(
            self._addresses[region.key],
            region.location,
            region.zones or tuple(f"{region.location}-{zone}" for zone in ZONES),
            region.ranges.services,
        )
        review = f"http://{self.network.hub(region.key)}:{self._port}/tokenreview"
        return LocalCluster(
            site,
            namespace=self.network.region(region.key),
            tools=self._tools,
            folder=self._state / "clusters" / region.key,
            options=ClusterOptions(
                token_review=review,
                audit=True,
                simulates_pods=self._simulates_pods,
                sni_certificate=self._dns_certificate(region),
            ),
        )

    def _dns_certificate(self, region: ResolvedRegion) -> SniCertificate:
        """Write the certificate of a control plane's DNS endpoint."""
        folder = self._state / "certificates"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = dns_endpoint(region.location, region.names.cluster)
        leaf = self._authority.issue([name])
        certificate, key = folder / f"{region.key}.pem", folder / f"{region.key}.key"
        certificate.write_bytes(leaf.certificate)
        key.touch(mode=0o600)
        key.write_bytes(leaf.key)
        return SniCertificate(name, certificate, key)


def _crds(kinds: Collection[str]) -> list[dict[str, Any]]:
    return [one for one in gke_crds() if one["spec"]["names"]["kind"] in kinds]

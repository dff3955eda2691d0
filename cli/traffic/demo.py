"""The demo as configured: its service, and the versions that respond."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from cli.errors import MeshError
from cli.sources.kubernetes import ClusterClient, KubectlError
from config import Environment
from config.environment import DEMO_SERVICE
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.services.service import Service

INGRESS = "multiclusteringresses.networking.gke.io"


@dataclass(frozen=True)
class DeployedDemo:
    """The demo's service.

    Attributes:
        service: As configured.
        path: Of its URL.
        versions: Of each region; a region without one only sends requests.
        pods: The number of pods of each version, in all regions.
    """

    service: Service
    path: str
    versions: dict[str, str]
    pods: dict[str, int]

    @classmethod
    def of(cls, environment: Environment) -> "DeployedDemo":
        """Return the demo of an environment.

        Raises:
            MeshError: The configuration has none.
        """
        if not environment.demo.enabled:
            raise MeshError("the demo service is disabled: demo.enabled is false", "set demo.enabled: true, and deploy")
        service = environment.all_services()[DEMO_SERVICE]
        deployments = environment.deployments(service)
        pods: Counter[str] = Counter()
        for one in deployments.values():
            pods[one.version] += service.replicas if one.replicas is None else one.replicas
        return cls(
            service, service.routes[0].path[0], {key: one.version for key, one in deployments.items()}, dict(pods)
        )

    @property
    def url(self) -> str:
        """Where the client in a cluster sends requests."""
        return f"http://{DEMO_SERVICE}.{self.service.namespace}:{self.service.port}{self.path}"

    @property
    def shares(self) -> dict[str, float]:
        """Each version's share of the responses where requests are spread evenly over all pods."""
        total = sum(self.pods.values())
        return {version: pods / total for version, pods in sorted(self.pods.items())}

    def deployment(self, region: str) -> str:
        """Return the name of a region's Deployment."""
        return f"{DEMO_SERVICE}-{self.versions[region]}"

    def shared_versions(self) -> dict[str, list[str]]:
        """Return the versions that several regions have, whose responses do not identify the region."""
        regions: dict[str, list[str]] = {}
        for region, version in self.versions.items():
            regions.setdefault(version, []).append(region)
        return {version: keys for version, keys in regions.items() if len(keys) > 1}


def public_url(environment: Environment, config_cluster: ClusterClient, path: str) -> str:
    """Return the URL for users: the first domain, or else the address that Multi Cluster Ingress reports.

    Raises:
        MeshError: There is none yet.
    """
    if environment.ingress.enabled and environment.ingress.domains:
        return f"https://{environment.ingress.domains[0]}{path}"
    if not environment.ingress.enabled:
        raise MeshError("the ingress is disabled: ingress.enabled is false", "set ingress.enabled: true, and deploy")
    try:
        found: dict[str, Any] | None = config_cluster.find(INGRESS, GATEWAY_NAME, "--namespace", GATEWAY_NAMESPACE)
    except KubectlError as error:
        raise MeshError(
            f"can't read the address in {environment.ingress.config_cluster}: {error}", "mesh status"
        ) from None
    address = (found or {}).get("status", {}).get("VIP", "")
    if not address:
        raise MeshError("Multi Cluster Ingress has no address yet", "mesh status")
    return f"http://{address}{path}"

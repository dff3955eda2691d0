"""A service: its pods, its port, who calls it, and how it fails over."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, RESTARTS_PODS
from config.fields import CallerName, NamespaceName, Port, PortName, RegionKey, Seconds, ServiceAccountEmail, Version
from config.services.connections import Connections
from config.services.mirror import Mirror
from config.services.outlier_detection import OutlierDetection
from config.services.pods import Pods, RegionalDeployment
from config.services.port import Protocol, ServicePort
from config.services.probe import Probe
from config.services.retries import Retries
from config.services.route import Route
from config.services.scaling import Autoscaling
from config.services.versions import ServiceVersion, VersionSettings, version_settings

DEFAULT_DEPLOYMENT = RegionalDeployment()
"""Of a region without settings of its own."""

TIMEOUT_SECONDS = 15
"""Default of `timeout_seconds`."""

WITH_TIMEOUT = ("http", "http2")
"""Protocols of ports whose requests have a timeout. Streams of gRPC may be open for as long as they like."""


class Service(Pods):
    """A service with one name in every cluster, served by the nearest region."""

    port: Port = Field(
        description="Main port of the container and of the Service. Its name in the Service is its `protocol`.",
        json_schema_extra=RESTARTS_PODS,
    )
    protocol: Protocol = Field(
        default="http",
        description="Protocol of the main port: HTTP/1.1, HTTP/2 without TLS, gRPC, or `tcp` for any protocol that "
        "the mesh does not read.",
        json_schema_extra=RESTARTS_PODS,
    )
    ports: dict[PortName, ServicePort] = Field(
        default={},
        description="Further ports, by name.",
        json_schema_extra=RESTARTS_PODS,
    )
    namespace: NamespaceName = Field(
        default="apps", description="Namespace, which is created in every cluster.", json_schema_extra=ADDS_OR_DELETES
    )
    routes: tuple[Route, ...] = Field(
        default=(),
        strict=False,
        description="Requests of users that are routed to the service. If empty, only clients in the mesh can call it.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    allow_from: tuple[CallerName, ...] = Field(
        default=(),
        strict=False,
        description="Callers that are authorized to call the service, in addition to the gateways of a service with "
        "`routes`: a service of this file by its name, a Kubernetes service account as `NAMESPACE/ACCOUNT`, or all "
        "accounts of a namespace as `NAMESPACE/*`.",
        json_schema_extra=IN_PLACE,
    )
    service_account: ServiceAccountEmail | None = Field(
        default=None,
        description="Google service account as which the pods call Google's APIs, by Workload Identity Federation for "
        "GKE. It must exist, in any project, and its owner grants its roles. Without it, the pods have the "
        "identity of their Kubernetes service account alone.",
        json_schema_extra=RESTARTS_PODS,
    )
    failover: bool = Field(
        default=True,
        description="Serves requests from the nearest region, and from another one when that region fails. With "
        "`fleet`, the control plane does this in any case, and `false` only turns outlier detection off.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    timeout_seconds: Seconds | None = Field(
        default=TIMEOUT_SECONDS,
        description="Seconds after which a request to a port of `http` or `http2` without a complete response gets a "
        "504, retries included. `null` for none, which streamed responses need. Requests of gRPC have the deadline "
        "that their caller sets. Of services with routes, the longest is the load balancer's, too.",
        json_schema_extra=IN_PLACE,
    )
    retries: Retries = Field(default=Retries(), description="Retries of requests of HTTP and gRPC.")
    outlier_detection: OutlierDetection = Field(
        default=OutlierDetection(), description="When callers' proxies take an endpoint for failing, and for how long."
    )
    connections: Connections = Field(
        default=Connections(), description="Connections of callers' proxies to the service, and their limits."
    )
    # The CRD takes 0 to 100, and the policy of Network Services that is made from it 1 to 99:
    # https://cloud.google.com/service-mesh/docs/reference/network-services/rest/v1/projects.locations.serviceLbPolicies
    failover_threshold: int | None = Field(
        default=None,
        ge=1,
        le=99,
        description="With `fleet`: percentage of healthy endpoints in a region below which requests also go to other "
        "regions. If unset, Google's default, 70, applies: then one of two pods that is not ready makes requests leave "
        "the region.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    regions: dict[RegionKey, RegionalDeployment] = Field(
        default={},
        description="Regions where the service runs, and their settings. If empty, it runs in every region.",
        json_schema_extra=ADDS_OR_DELETES,
    )

    versions: dict[Version, ServiceVersion] = Field(
        default={},
        max_length=20,
        description="Versions of the service in each of its regions, and the percentage of the requests that each "
        "gets: `{v1: 95, v2: 5}`. If empty, each region has one version, which gets all of its requests.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    mirror: Mirror | None = Field(
        default=None,
        description="Sends copies of the requests to another service or version. Clients get no response to a copy.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    region_weights: dict[RegionKey, dict[RegionKey, Annotated[int, Field(ge=1, le=100)]]] = Field(
        default={},
        description="Where the requests of a region's clients and gateways go, as percentages that add up to 100: "
        "`{tokyo: {tokyo: 90, osaka: 10}}`. When one of these regions fails, the others serve its share; a region "
        "without a percentage serves none. Clients in regions that are not listed use the nearest region.",
        json_schema_extra=IN_PLACE,
    )

    @property
    def weights(self) -> dict[str, int]:
        """The percentage of the requests by version; empty if a region has one version only."""
        return {version: version_settings(one).weight for version, one in self.versions.items()}

    @property
    def main_version(self) -> str:
        """Of several versions, the one that gets most of the requests, or the first of those."""
        return max(self.weights, key=lambda version: self.weights[version])

    def deployments_in(self, region: str) -> tuple[RegionalDeployment, ...]:
        """Return what the service runs in a region, retired or not: a Deployment for each version."""
        regional = self.regions.get(region, DEFAULT_DEPLOYMENT)
        if not self.versions:
            return (regional,)
        if id(regional) not in self._deployments:
            versions = {version: version_settings(one) for version, one in self.versions.items()}
            deployments = tuple(_of_version(version, one, regional) for version, one in versions.items())
            self._deployments[id(regional)] = deployments
        return self._deployments[id(regional)]

    def scalings_in(self, region: str) -> Iterator[Autoscaling | int]:
        """Yield what sets the number of pods of each Deployment in a region, or the number, as `deployments_in`."""
        of_region = self.scaling_in(self.regions.get(region, DEFAULT_DEPLOYMENT))
        if not self.versions:
            yield of_region
        for one in self.versions.values():
            replicas = one.replicas if isinstance(one, VersionSettings) else None
            yield of_region if replicas is None else replicas

    @cached_property
    def _deployments(self) -> dict[int, tuple[RegionalDeployment, ...]]:
        """The versions as they run in a region, by the id of its settings: many regions have none of their own."""
        return {}

    @property
    def all_ports(self) -> dict[str, ServicePort]:
        """The ports by their names in the Service, the main one first."""
        return {self.protocol: ServicePort(port=self.port, protocol=self.protocol), **self.ports}

    @property
    def http_ports(self) -> tuple[ServicePort, ...]:
        """The ports whose requests the mesh reads: HTTP and gRPC."""
        return tuple(port for port in self.all_ports.values() if port.protocol != "tcp")

    @property
    def tcp_ports(self) -> tuple[ServicePort, ...]:
        """The ports of which the mesh reads no request."""
        return tuple(port for port in self.all_ports.values() if port.protocol == "tcp")

    def timeout_of(self, port: ServicePort) -> float | None:
        """Return the timeout of requests to a port in seconds, or None if they have none."""
        return self.timeout_seconds if port.protocol in WITH_TIMEOUT else None

    def mirrored_ports(self, target: "Service") -> dict[int, int]:
        """Return the ports of a service that get copies of this one's requests, by the ports that get the requests.

        The main port corresponds to the main port, and a further one to that of the same name.
        """
        pairs = {self.port: target.all_ports[target.protocol]}
        pairs |= {one.port: target.ports[name] for name, one in self.ports.items() if name in target.ports}
        read = {one.port for one in self.http_ports}
        return {port: copy.port for port, copy in pairs.items() if port in read and copy.protocol != "tcp"}

    def probed_port(self, probe: Probe) -> int:
        """Return the number of the port that a probe connects to."""
        if isinstance(probe.port, str):
            return self.all_ports[probe.port].port
        return self.port if probe.port is None else probe.port

    def routed_port(self, route: Route) -> ServicePort:
        """Return the port that gets the requests of a route."""
        return self.all_ports[route.port or self.protocol]


def _of_version(version: str, settings: VersionSettings, regional: RegionalDeployment) -> RegionalDeployment:
    """Return what runs of a version in a region. The number of pods of a version has precedence over a region's."""
    own = settings.replicas is not None
    return RegionalDeployment.model_construct(  # all of it has been validated
        version=version,
        image=settings.image,
        replicas=settings.replicas if own else regional.replicas,
        autoscaling=None if own else regional.autoscaling,
        env=regional.env,
    )

"""`services`: your own services on the mesh; the demo is one too."""

from typing import Literal

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, RESTARTS_PODS
from config.fields import CallerName, EnvName, EnvValue, Image, Model, NamespaceName, Port, RegionKey, UrlPath, Version


class Route(Model):
    """A path that the gateways route to the service."""

    path: UrlPath = Field(description="The path.", json_schema_extra=IN_PLACE)
    match: Literal["exact", "prefix"] = Field(
        default="exact",
        description="Whether the path has to match as a whole (`exact`) or at its start (`prefix`).",
        json_schema_extra=IN_PLACE,
    )


class RegionalDeployment(Model):
    """The settings of a service in one region."""

    version: Version = Field(
        default="v1", description="Value of the label `version` of the pods.", json_schema_extra=ADDS_OR_DELETES
    )
    image: Image | None = Field(
        default=None, description="Overrides the `image` of the service.", json_schema_extra=RESTARTS_PODS
    )
    replicas: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Overrides the `replicas` of the service.",
        json_schema_extra=ADDS_OR_DELETES,
    )


class Service(Model):
    """A service with one name in every cluster, served by the nearest region."""

    image: Image = Field(description="Container image.", json_schema_extra=RESTARTS_PODS)
    port: Port = Field(
        description="Port of the container and of the Service. The mesh treats it as HTTP/1.1: gRPC is not supported.",
        json_schema_extra=RESTARTS_PODS,
    )
    namespace: NamespaceName = Field(
        default="apps", description="Namespace, which is created in every cluster.", json_schema_extra=ADDS_OR_DELETES
    )
    replicas: int = Field(
        default=2, ge=0, le=1000, description="Number of pods per region.", json_schema_extra=ADDS_OR_DELETES
    )
    env: dict[EnvName, EnvValue] = Field(
        default={}, description="Environment variables of the container.", json_schema_extra=RESTARTS_PODS
    )
    version_env: EnvName | None = Field(
        default=None,
        description="Name of an environment variable that holds the version.",
        json_schema_extra=RESTARTS_PODS,
    )
    route: Route | None = Field(
        default=None,
        description="Path on the public address. If unset, the service is available inside the mesh only.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    allow_from: tuple[CallerName, ...] = Field(
        default=(),
        strict=False,
        description="Callers that are authorized to call the service, in addition to the gateways of a service with "
        "a `route`: a service of this file by its name, a Kubernetes service account as `NAMESPACE/ACCOUNT`, or all "
        "accounts of a namespace as `NAMESPACE/*`.",
        json_schema_extra=IN_PLACE,
    )
    user: int | None = Field(
        default=None,
        ge=1,
        le=4294967294,
        description="Numeric user ID of the container. If unset, the image has to set one, other than 0.",
        json_schema_extra=RESTARTS_PODS,
    )
    root: bool = Field(
        default=False,
        description="Permits the container to run as root. A container escape then has root on the node.",
        json_schema_extra=RESTARTS_PODS,
    )
    writable_root: bool = Field(
        default=False,
        description="Makes the root file system writable. By default, only `/tmp` is writable.",
        json_schema_extra=RESTARTS_PODS,
    )
    failover: bool = Field(
        default=True,
        description="Serves requests from the nearest region, and from another one when that region fails.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    # The CRD takes 0 to 100, and the policy of Network Services that is made from it 1 to 99:
    # https://cloud.google.com/service-mesh/docs/reference/network-services/rest/v1/projects.locations.serviceLbPolicies
    failover_threshold: int | None = Field(
        default=None,
        ge=1,
        le=99,
        description="With `fleet`: percentage of healthy endpoints in a region below which requests also go to other "
        "regions. If unset, Google's default, 70, applies: then one of two pods that is not ready is enough.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    regions: dict[RegionKey, RegionalDeployment] = Field(
        default={},
        description="Regions where the service runs, and their settings. If empty, it runs in every region.",
        json_schema_extra=ADDS_OR_DELETES,
    )

    def replicas_in(self, deployment: RegionalDeployment) -> int:
        """Return the number of pods in a region: the region's own one, or the service's."""
        return self.replicas if deployment.replicas is None else deployment.replicas

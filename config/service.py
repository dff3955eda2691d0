"""`services`: your own services on the mesh; the demo is one too."""

from typing import Literal

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, RESTARTS_PODS
from config.fields import CallerName, EnvName, EnvValue, Image, Model, ObjectName, Port, RegionKey, UrlPath, Version


class Route(Model):
    """A path that the gateways send to the service."""

    path: UrlPath = Field(description="The path.", json_schema_extra=IN_PLACE)
    match: Literal["exact", "prefix"] = Field(
        default="exact", description="The whole path, or its start.", json_schema_extra=IN_PLACE
    )


class RegionalDeployment(Model):
    """What runs in one region."""

    version: Version = Field(
        default="v1", description="Label `version` of the pods.", json_schema_extra=ADDS_OR_DELETES
    )
    image: Image | None = Field(default=None, description="As the service's image.", json_schema_extra=RESTARTS_PODS)
    replicas: int | None = Field(
        default=None, ge=0, le=1000, description="As the service's replicas.", json_schema_extra=ADDS_OR_DELETES
    )


class Service(Model):
    """A service that is reachable under one name from every cluster, and answers from the nearest."""

    image: Image = Field(description="Container image.", json_schema_extra=RESTARTS_PODS)
    port: Port = Field(
        description="Port that the container listens on; the service has the same one.", json_schema_extra=RESTARTS_PODS
    )
    namespace: ObjectName = Field(
        default="apps", description="Namespace; made in every cluster.", json_schema_extra=ADDS_OR_DELETES
    )
    replicas: int = Field(default=2, ge=0, le=1000, description="Pods in a region.", json_schema_extra=ADDS_OR_DELETES)
    env: dict[EnvName, EnvValue] = Field(
        default={}, description="Environment of the container.", json_schema_extra=RESTARTS_PODS
    )
    version_env: EnvName | None = Field(
        default=None,
        description="Environment variable that tells the container its version.",
        json_schema_extra=RESTARTS_PODS,
    )
    route: Route | None = Field(
        default=None, description="Path on the public address; none if absent.", json_schema_extra=ADDS_OR_DELETES
    )
    allow_from: tuple[CallerName, ...] = Field(
        default=(),
        strict=False,
        description="Who may ask it besides the gateways, which may if it has a route: services of this file by name, "
        "others as NAMESPACE/ACCOUNT (a Kubernetes service account), or a whole namespace as NAMESPACE/*.",
        json_schema_extra=IN_PLACE,
    )
    user: int | None = Field(
        default=None,
        ge=1,
        le=4294967294,
        description="Number of the user that the container runs as; the image's own if absent, which then has to be "
        "a number and not root's.",
        json_schema_extra=RESTARTS_PODS,
    )
    root: bool = Field(default=False, description="The container may run as root.", json_schema_extra=RESTARTS_PODS)
    writable_root: bool = Field(
        default=False,
        description="The container may write everywhere in its file system; else in /tmp only.",
        json_schema_extra=RESTARTS_PODS,
    )
    failover: bool = Field(
        default=True,
        description="Answer from the nearest region, and from another when that one fails.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    # The CRD takes 0 to 100, and the policy of Network Services that is made from it 1 to 99:
    # https://cloud.google.com/service-mesh/docs/reference/network-services/rest/v1/projects.locations.serviceLbPolicies
    failover_threshold: int | None = Field(
        default=None,
        ge=1,
        le=99,
        description="With `fleet`: requests go to other regions, too, when less than this percentage of a region's "
        "endpoints is healthy; Google's default, 70, if absent.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    regions: dict[RegionKey, RegionalDeployment] = Field(
        default={},
        description="Where it runs, and what differs there; in every region if empty.",
        json_schema_extra=ADDS_OR_DELETES,
    )

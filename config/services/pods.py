"""What runs in a service's pods, and how many there are."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, RESTARTS_PODS
from config.fields import ContainerText, EnvName, Image, Model, Version
from config.services.probe import Probes
from config.services.resources import Resources


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


class Pods(Model):
    """The part of a service that describes its pods."""

    image: Image | None = Field(
        default=None,
        description="Container image. If unset, another pipeline deploys the pods (docs/workloads.md), and no other "
        "key of the pods can be set. Removing it deletes the Deployment.",
        json_schema_extra=RESTARTS_PODS,
    )
    replicas: int = Field(
        default=2, ge=0, le=1000, description="Number of pods per region.", json_schema_extra=ADDS_OR_DELETES
    )
    env: dict[EnvName, ContainerText] = Field(
        default={}, description="Environment variables of the container.", json_schema_extra=RESTARTS_PODS
    )
    version_env: EnvName | None = Field(
        default=None,
        description="Name of an environment variable that holds the version.",
        json_schema_extra=RESTARTS_PODS,
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
    resources: Resources = Field(default=Resources(), description="Requests and limits of the container.")
    probes: Probes = Field(default=Probes(), description="How the kubelet checks the container.")

    def replicas_in(self, deployment: RegionalDeployment) -> int:
        """Return the number of pods in a region: the region's own one, or the service's."""
        return self.replicas if deployment.replicas is None else deployment.replicas

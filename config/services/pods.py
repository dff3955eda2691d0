"""What runs in a service's pods, and how many there are."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, RESTARTS_PODS
from config.fields import ContainerText, EnvName, Image, LabelName, LabelValue, Model, MountPath, Version
from config.services.probe import Probes
from config.services.resources import Resources
from config.services.scaling import Autoscaling
from config.services.topology_spread import TopologySpread
from config.services.variable import EnvSource, EnvVariable
from config.services.volume import Volume

KUBERNETES_GRACE_SECONDS = 30
"""Default of `terminationGracePeriodSeconds`."""

LARGEST_USER = 2**31 - 1
"""Largest user ID that the API server accepts.

https://github.com/kubernetes/apimachinery/blob/v0.34.2/pkg/util/validation/validation.go (IsValidUserID)
"""


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
        description="Overrides the `replicas` or the `autoscaling` of the service.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Overrides the `autoscaling` or the `replicas` of the service, as a whole.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    env: dict[EnvName, EnvVariable] = Field(
        default={},
        description="Further environment variables, such as the address of a database in this region. They have "
        "precedence over the `env` of the service.",
        json_schema_extra=RESTARTS_PODS,
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
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Sets the number of pods per region by their load, in place of `replicas`.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    command: tuple[ContainerText, ...] = Field(
        default=(),
        strict=False,
        max_length=100,
        description="Program to run instead of the one of the image, and its first arguments. Text is literal: "
        "`$(NAME)` "
        "is not replaced.",
        json_schema_extra=RESTARTS_PODS,
    )
    args: tuple[ContainerText, ...] = Field(
        default=(),
        strict=False,
        max_length=100,
        description="Arguments of the program, instead of those of the image. Text is literal.",
        json_schema_extra=RESTARTS_PODS,
    )
    env: dict[EnvName, EnvVariable] = Field(
        default={},
        description="Environment variables of the container: text, a reference to a key of a Secret or a "
        "ConfigMap, which docs/security.md explains, or a field of the pod. Text is literal.",
        json_schema_extra=RESTARTS_PODS,
    )
    env_from: tuple[EnvSource, ...] = Field(
        default=(),
        strict=False,
        max_length=50,
        description="Secrets and ConfigMaps of which each key becomes an environment variable. `env` has precedence "
        "over them, and a later one over those before.",
        json_schema_extra=RESTARTS_PODS,
    )
    version_env: EnvName | None = Field(
        default=None,
        description="Name of an environment variable that holds the version.",
        json_schema_extra=RESTARTS_PODS,
    )
    labels: dict[LabelName, LabelValue] = Field(
        default={},
        max_length=60,
        description="Further labels of the pods, such as a team or a cost center. Those of the mesh, of Kubernetes and "
        "of the service can't be set.",
        json_schema_extra=RESTARTS_PODS,
    )
    user: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_USER,
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
        description="Makes the root file system writable. By default, only `/tmp` and `volumes` are writable.",
        json_schema_extra=RESTARTS_PODS,
    )
    volumes: dict[MountPath, Volume] = Field(
        default={},
        max_length=50,
        description="Volumes of the container, by the path at which they are mounted.",
        json_schema_extra=RESTARTS_PODS,
    )
    resources: Resources = Field(default=Resources(), description="Requests and limits of the container.")
    probes: Probes = Field(default=Probes(), description="How the kubelet checks the container.")

    topology_spread: TopologySpread = Field(
        default=TopologySpread(), description="How the pods of a region are spread over its zones and nodes."
    )
    drain_seconds: int = Field(
        default=5,
        ge=0,
        le=600,
        description="Seconds for which a terminating pod keeps serving, until every proxy has stopped sending it "
        "requests.",
        json_schema_extra=RESTARTS_PODS,
    )
    grace_seconds: int = Field(
        default=KUBERNETES_GRACE_SECONDS,
        ge=1,
        le=3600,
        description="Seconds until a terminating pod is killed, those of `drain_seconds` included.",
        json_schema_extra=RESTARTS_PODS,
    )

    def scaling_in(self, deployment: RegionalDeployment) -> Autoscaling | int:
        """Return what sets the number of pods in a region, or the number: the region's own one, or the service's."""
        if deployment.autoscaling is not None:
            return deployment.autoscaling
        if deployment.replicas is not None:
            return deployment.replicas
        return self.replicas if self.autoscaling is None else self.autoscaling

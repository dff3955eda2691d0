"""`services.*.probes`: how the kubelet decides that a container is up, ready and alive."""

from typing import Annotated, ClassVar

from pydantic import Discriminator, Field, Tag

from config.effects import RESTARTS_PODS
from config.fields import (
    TAG_MARK,
    Alternatives,
    ContainerText,
    Model,
    OnlyTrue,
    Port,
    PortName,
    ProbePath,
    ProbeService,
)

KUBERNETES_PERIOD = 10
"""Default of `periodSeconds`: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#probe-v1-core"""

NUMBER, NAME = f"{TAG_MARK}number)", f"{TAG_MARK}name)"


def _kind(value: object) -> str:
    return NAME if isinstance(value, str) else NUMBER


ProbePort = Annotated[Annotated[Port, Tag(NUMBER)] | Annotated[PortName, Tag(NAME)], Discriminator(_kind)]
"""The number of a port, or the name of one of the service's ports."""


class Probe(Alternatives):
    """A check that the kubelet makes again and again."""

    alternatives: ClassVar[tuple[str, ...]] = ("http", "tcp", "grpc", "exec")

    http: ProbePath | None = Field(
        default=None,
        description="Path of an HTTP request. A status from 200 to 399 is a success.",
        json_schema_extra=RESTARTS_PODS,
    )
    tcp: OnlyTrue | None = Field(
        default=None, description="`true` for a TCP connection.", json_schema_extra=RESTARTS_PODS
    )
    grpc: ProbeService | None = Field(
        default=None,
        description='Name of a service in the gRPC health checking protocol; `""` for the server as a whole.',
        json_schema_extra=RESTARTS_PODS,
    )
    exec: tuple[ContainerText, ...] | None = Field(
        default=None,
        strict=False,
        min_length=1,
        max_length=100,
        description="Program to run in the container, without a shell, and its arguments. Exit status 0 is a success.",
        json_schema_extra=RESTARTS_PODS,
    )
    port: ProbePort | None = Field(
        default=None,
        description="Port of the container to probe; without it, the `port` of the service. A name is one of `ports`; "
        "a number may be of a port that the Service does not have.",
        json_schema_extra=RESTARTS_PODS,
    )
    initial_delay_seconds: int = Field(
        default=0,
        ge=0,
        le=300,
        description="Seconds from the start of the container to the first probe.",
        json_schema_extra=RESTARTS_PODS,
    )
    period_seconds: int = Field(
        default=KUBERNETES_PERIOD,
        ge=1,
        le=300,
        description="Seconds between probes.",
        json_schema_extra=RESTARTS_PODS,
    )
    timeout_seconds: int = Field(
        default=1,
        ge=1,
        le=300,
        description="Seconds after which a probe has failed.",
        json_schema_extra=RESTARTS_PODS,
    )
    failure_threshold: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Failed probes in a row after which the kubelet acts.",
        json_schema_extra=RESTARTS_PODS,
    )


class ReadinessProbe(Probe):
    """While it fails, the pod receives no requests."""

    period_seconds: int = Field(
        default=2, ge=1, le=300, description="Seconds between probes.", json_schema_extra=RESTARTS_PODS
    )
    success_threshold: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Successful probes in a row after which the pod receives requests again.",
        json_schema_extra=RESTARTS_PODS,
    )


class Probes(Model):
    """The probes of the container."""

    readiness: ReadinessProbe = Field(
        default=ReadinessProbe(tcp=True),
        description="While it fails, the pod receives no requests. By default, the container is ready when it listens "
        "on `port`.",
        json_schema_extra=RESTARTS_PODS,
    )
    liveness: Probe | None = Field(
        default=None,
        description="When it fails, the kubelet restarts the container.",
        json_schema_extra=RESTARTS_PODS,
    )
    startup: Probe | None = Field(
        default=None,
        description="Until it succeeds, the other probes wait. When it fails, the kubelet restarts the container.",
        json_schema_extra=RESTARTS_PODS,
    )

    def given(self) -> dict[str, Probe]:
        """Return the probes that the container has, by their key."""
        found = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: probe for key, probe in found.items() if probe is not None}

"""`services.*.resources`: what the container of a service requests, and may use."""

from pydantic import Field

from config.effects import RESTARTS_PODS
from config.fields import Bytes, Cpu, Model


class Requests(Model):
    """What a node reserves for each pod."""

    cpu: Cpu = Field(
        default="100m",
        description="Number of CPUs, such as `2`, or `500m` for half of one.",
        json_schema_extra=RESTARTS_PODS,
    )
    memory: Bytes = Field(default="64Mi", description="Memory, such as `512Mi`.", json_schema_extra=RESTARTS_PODS)
    ephemeral_storage: Bytes | None = Field(
        default=None,
        description="Disk space for logs and volumes of a `size`. If unset, the limit.",
        json_schema_extra=RESTARTS_PODS,
    )


class Limits(Model):
    """What the container can't exceed."""

    cpu: Cpu | None = Field(
        default=None,
        description="CPUs above which the container is throttled. If unset, it can use all free CPUs of the node.",
        json_schema_extra=RESTARTS_PODS,
    )
    memory: Bytes | None = Field(
        default=None,
        description="Memory above which the container is killed. If unset, a memory leak affects other pods on the "
        "node.",
        json_schema_extra=RESTARTS_PODS,
    )
    ephemeral_storage: Bytes | None = Field(
        default=None, description="Disk space above which the pod is evicted.", json_schema_extra=RESTARTS_PODS
    )


class Resources(Model):
    """Requests and limits of the container. The sidecar has its own."""

    requests: Requests = Field(default=Requests(), description="What a node reserves for each pod.")
    limits: Limits = Field(default=Limits(), description="What the container can't exceed.")

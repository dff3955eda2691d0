"""`services.*.ports`: the ports of a service, and the protocol of each."""

from typing import Literal

from pydantic import Field

from config.effects import RESTARTS_PODS
from config.fields import Model, Port

Protocol = Literal["http", "http2", "grpc", "tcp"]
"""What the mesh reads on a port. Other protocols of Istio are either TCP with details or end at the proxy.

Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
"""


class ServicePort(Model):
    """A port of the container and of the Service."""

    port: Port = Field(description="Number of the port.", json_schema_extra=RESTARTS_PODS)
    protocol: Protocol = Field(
        default="http",
        description="Protocol of the port. `tcp` is for any protocol that the mesh does not read.",
        json_schema_extra=RESTARTS_PODS,
    )

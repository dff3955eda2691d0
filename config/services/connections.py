"""`services.*.connections`: connections of the callers' proxies to a service, and their limits."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES
from config.fields import Model, Seconds

CONNECT_TIMEOUT_SECONDS = 1
"""Connections to a lost region are not refused, they hang. With Istio's default, 10, a region whose requests the lost
one had served was slow for more than 30 s, and with 1 for 16 s (`make lab REGIONS=3`). The round trip between regions
is far below 1 s."""

MOST = 2**31 - 1
"""Largest number of a field of type int32."""


class Keepalive(Model):
    """Keepalive probes of TCP on idle connections."""

    time_seconds: int = Field(
        ge=1,
        le=32767,
        description="Seconds without traffic on a connection before the first probe.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    interval_seconds: int | None = Field(
        default=None,
        ge=1,
        le=32767,
        description="Seconds between probes. If unset, it is the setting of the operating system: 75 in Linux.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    probes: int | None = Field(
        default=None,
        ge=1,
        le=127,
        description="Probes without a response after which a connection is closed. If unset, it is the setting of the "
        "operating system: 9 in Linux.",
        json_schema_extra=ADDS_OR_DELETES,
    )


class Connections(Model):
    """Connections of each proxy to each cluster of endpoints."""

    connect_timeout_seconds: Seconds = Field(
        default=CONNECT_TIMEOUT_SECONDS,
        description="Seconds after which a connection that is not established has failed.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    max_connections: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Maximum number of connections of a proxy to the service. With HTTP/1.1, further requests wait; of "
        "`tcp`, further connections are closed. If unset, there is no limit.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    max_pending_requests: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Maximum number of requests of a proxy that wait for a connection. Further ones get a 503. If "
        "unset, there is no limit.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    max_requests: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Maximum number of requests of a proxy at the same time. Further ones get a 503. If unset, there "
        "is no limit.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    max_requests_per_connection: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Number of requests after which a connection is replaced. If unset, there is no limit.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    idle_timeout_seconds: Seconds | None = Field(
        default=None,
        description="Seconds without a request, or with `tcp` without a byte, after which a connection is closed. If "
        "unset, it is one hour.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    keepalive: Keepalive | None = Field(
        default=None,
        description="Keepalive probes of TCP, which close idle connections to pods that no longer exist.",
        json_schema_extra=ADDS_OR_DELETES,
    )

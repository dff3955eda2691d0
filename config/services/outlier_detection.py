"""`outlier_detection`: when the proxies of callers stop sending requests to an endpoint, and for how long."""

from pydantic import Field

from config.effects import IN_PLACE
from config.fields import Model, Seconds

CONSECUTIVE_5XX = 5
INTERVAL_SECONDS = 1
EJECTION_SECONDS = 3
"""Short, so that a region is back within 10 s of a fault of some seconds, and longer faults cost more failed requests:
docs/failover.md has the curve (`make lab BUDGET=curve`)."""
MAX_EJECTION_PERCENT = 100
"""The default of Istio, 10, rounds down to no endpoint of a service's few: 160 of 160 requests failed when the pods of
a region refused connections, and 1 or 2 with 100 (`make lab`)."""


class OutlierDetection(Model):
    """Outlier detection of a service's endpoints, by the proxy of each caller.

    Envoy ejects an endpoint for `ejection_seconds` times the number of its ejections, which is reduced by one per
    interval without an ejection: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier
    """

    consecutive_5xx: int = Field(
        default=CONSECUTIVE_5XX,
        ge=0,
        le=1000,
        description="Consecutive responses with a status from 500 to 599 after which an endpoint is ejected; requests "
        "and connections that get no response count, too. 0 turns it off.",
        json_schema_extra=IN_PLACE,
    )
    consecutive_gateway_errors: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Consecutive responses with the status 502, 503 or 504 after which an endpoint is ejected; "
        "requests without a response count, too. With `consecutive_5xx: 0`, a 500 ejects nothing. 0 turns it off.",
        json_schema_extra=IN_PLACE,
    )
    consecutive_local_origin_failures: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Consecutive connections that fail and requests that time out after which an endpoint is ejected. "
        "If set, `consecutive_5xx` and `consecutive_gateway_errors` count responses of the endpoint only.",
        json_schema_extra=IN_PLACE,
    )
    interval_seconds: Seconds = Field(
        default=INTERVAL_SECONDS,
        description="Seconds between two checks of whether the ejection of an endpoint is over.",
        json_schema_extra=IN_PLACE,
    )
    ejection_seconds: Seconds = Field(
        default=EJECTION_SECONDS,
        description="Seconds of the first ejection of an endpoint. Each further one in a row is longer by as much, up "
        "to 300 seconds.",
        json_schema_extra=IN_PLACE,
    )
    max_ejection_percent: int = Field(
        default=MAX_EJECTION_PERCENT,
        ge=1,
        le=100,
        description="Maximum percentage of endpoints that are ejected at a time. With less than 100, a region whose "
        "pods all fail gets requests.",
        json_schema_extra=IN_PLACE,
    )

    @property
    def least_errors(self) -> int:
        """Consecutive responses with 503 after which an endpoint is ejected; 0 if no response ejects one."""
        return min(filter(None, (self.consecutive_5xx, self.consecutive_gateway_errors)), default=0)

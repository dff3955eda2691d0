"""`services.*.retries`: which requests the proxies of callers and the gateways send again."""

from pydantic import Field

from config.effects import IN_PLACE
from config.fields import Model, RetryCondition, Seconds
from config.grammar import retry_condition


class Retries(Model):
    """Retries of requests of HTTP and gRPC."""

    attempts: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Maximum number of retries per request. The first stays in the region, and later ones leave it "
        "(not with `fleet`). 0 turns them off.",
        json_schema_extra=IN_PLACE,
    )
    retry_on: tuple[RetryCondition, ...] = Field(
        default=("connect-failure", "refused-stream"),
        strict=False,
        min_length=1,
        max_length=len(retry_condition.ALL),
        description="Conditions of Envoy, and HTTP status codes, on which a request is sent again. By default, the "
        "request can't have reached the application. With conditions other than `connect-failure`, `refused-stream` "
        "and `reset-before-request`, the application may process a request more than once.",
        json_schema_extra=IN_PLACE,
    )
    per_try_timeout_seconds: Seconds | None = Field(
        default=None,
        description="Seconds to wait for the response to each try. A try that takes longer is retried only with "
        "`5xx`, `gateway-error` or `reset` in `retry_on`, so one of them is required.",
        json_schema_extra=IN_PLACE,
    )

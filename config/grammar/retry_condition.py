"""The grammar of a condition of retries.

Sources: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on, and
`supportedRetryOnPolicies` in pkg/config/validation/validation.go of istio/istio. Conditions that need what Istio can't
configure are left out.
"""

from http import HTTPStatus

NOT_REACHED = ("connect-failure", "refused-stream", "reset-before-request")
"""Conditions of requests that can't have reached the application."""

TIMED_OUT = ("5xx", "gateway-error", "reset")
"""Conditions that a try without a response in time fulfils (`wouldRetryFromReset` of Envoy)."""

OF_GRPC = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")
"""Conditions about a status of gRPC."""

CONDITIONS = (*NOT_REACHED, *TIMED_OUT, "retriable-4xx", *OF_GRPC)

STATUS_CODES = tuple(status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)

ALL: dict[str | int, None] = dict.fromkeys((*CONDITIONS, *STATUS_CODES))
"""Both, in this order."""

RULE = f"must be one of {', '.join(CONDITIONS)}, or a status code from 400 such as 503"

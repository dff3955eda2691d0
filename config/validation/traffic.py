"""`timeout_seconds`, `retries`, `outlier_detection` and `connections` of `services`, and of the demo."""

from collections.abc import Iterator

from config.environment import Environment
from config.grammar.retry_condition import OF_GRPC, TIMED_OUT
from config.problems import Problem
from config.services.outlier_detection import OutlierDetection
from config.services.service import WITH_TIMEOUT, Service
from config.validation.duplicates import check_duplicates

OF_CONNECTIONS = {"connect-failure", *TIMED_OUT}
"""Conditions on which Envoy retries a request whose connection has failed."""

OF_REQUESTS = ("max_pending_requests", "max_requests", "max_requests_per_connection")
"""Keys of ``connections`` that limit requests, which only ports of HTTP and gRPC have."""


def check_traffic(environment: Environment) -> Iterator[Problem]:
    yield from _check_outlier_detection("demo", environment.demo.outlier_detection)
    for name, service in environment.services.items():
        path = f"services.{name}"
        yield from _check_timeout(path, service)
        yield from _check_retries(path, service)
        yield from _check_connections(path, service)
        yield from _check_outlier_detection(path, service.outlier_detection)


def check_connect_timeouts(environment: Environment) -> Iterator[Problem]:
    """Warn of requests that time out while a connection is tried, as to a lost region: none of them is retried.

    A try with a timeout of its own ends earlier, and is retried.
    """
    for name, service in environment.services.items():
        retries, limit = service.retries, service.connections.connect_timeout_seconds
        retried = retries.attempts and not OF_CONNECTIONS.isdisjoint(retries.retry_on)
        if not retried or retries.per_try_timeout_seconds:
            continue
        timeouts = [timeout for port in service.http_ports if (timeout := service.timeout_of(port)) is not None]
        if timeouts and timeouts[0] <= limit:
            rule = (
                "is over before a connection to a lost region has failed (connections.connect_timeout_seconds, "
                f"{limit:g}), so that these requests are not retried elsewhere; set that to less"
            )
            yield Problem(f"services.{name}.timeout_seconds", rule, service.timeout_seconds)


def _check_timeout(path: str, service: Service) -> Iterator[Problem]:
    given = "timeout_seconds" in service.model_fields_set and service.timeout_seconds is not None
    if given and not any(port.protocol in WITH_TIMEOUT for port in service.http_ports):
        rule = (
            f"is for ports of http and http2, and {path} has none: gRPC streams can stay open for any time, "
            "and TCP has no requests; remove it"
        )
        yield Problem(f"{path}.timeout_seconds", rule, service.timeout_seconds)


def _check_retries(path: str, service: Service) -> Iterator[Problem]:
    retries = service.retries
    at = f"{path}.retries"
    if retries.model_fields_set and not service.http_ports:
        yield Problem(at, f"needs a port with HTTP or gRPC, and {path} has none; remove it")
        return
    if retries.attempts == 0:
        for key in ("retry_on", "per_try_timeout_seconds"):
            if key in retries.model_fields_set:
                yield Problem(
                    f"{at}.{key}", "can't be combined with attempts: 0, which turns retries off; remove one of them"
                )
        return
    yield from check_duplicates(f"{at}.retry_on", retries.retry_on)
    if not any(port.protocol in ("http2", "grpc") for port in service.http_ports):
        for condition in OF_GRPC:
            if condition in retries.retry_on:
                rule = f"is a gRPC status, and {path} has no port with the protocol grpc or http2; remove it"
                yield Problem(f"{at}.retry_on[{retries.retry_on.index(condition)}]", rule, condition)
    yield from _check_tries(path, service)


def _check_tries(path: str, service: Service) -> Iterator[Problem]:
    limit = service.retries.per_try_timeout_seconds
    if limit is None:
        return
    at = f"{path}.retries.per_try_timeout_seconds"
    if not {*TIMED_OUT} & {*service.retries.retry_on}:
        rule = f"ends a try that retry_on does not retry; add one of {', '.join(TIMED_OUT)} to retry_on, or remove it"
        yield Problem(at, rule, limit)
    timeouts = [timeout for port in service.http_ports if (timeout := service.timeout_of(port)) is not None]
    if timeouts and limit >= timeouts[0]:
        rule = f"must be less than timeout_seconds, {timeouts[0]:g}, which includes all tries"
        yield Problem(at, rule, limit)


def _check_connections(path: str, service: Service) -> Iterator[Problem]:
    for key in OF_REQUESTS:
        if getattr(service.connections, key) is not None and not service.http_ports:
            rule = f"limits requests, and {path} has no port with HTTP or gRPC; remove it"
            yield Problem(f"{path}.connections.{key}", rule)


def _check_outlier_detection(path: str, detection: OutlierDetection) -> Iterator[Problem]:
    at = f"{path}.outlier_detection"
    errors, gateway_errors = detection.consecutive_5xx, detection.consecutive_gateway_errors
    if not errors and not gateway_errors and detection.consecutive_local_origin_failures is None:
        rule = "turns off every ejection; set consecutive_gateway_errors, or failover: false instead"
        yield Problem(f"{at}.consecutive_5xx", rule, errors)
    if errors and gateway_errors >= errors:
        rule = (
            f"must be less than consecutive_5xx, {errors}, which counts the same responses, or set consecutive_5xx: 0"
        )
        yield Problem(f"{at}.consecutive_gateway_errors", rule, gateway_errors)

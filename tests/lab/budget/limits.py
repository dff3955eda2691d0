"""The failover budget: what the project promises of its defaults. docs/failover.md explains the limits."""

from dataclasses import dataclass

from tests.lab.budget.faults import (
    CONNECTION_REFUSED,
    GATEWAYS_KILLED,
    HANGING,
    ONE_OF_THREE_PODS,
    REGION_CUT_OFF,
    RETURNS_503,
)

FAILOVER_SECONDS = 2.0
FAILBACK_SECONDS = 10.0
HANGING_TIMEOUT_SECONDS = 2.0
"""Of the service whose requests hang, in services.yaml."""

HANGING_MARGIN_SECONDS = 0.5
"""In addition to the timeout: the time in which five requests are sent."""

LOAD_BALANCER_SECONDS = 5.0
"""Failover time where the fake load balancer has to notice the fault: its health checks, and their timeouts."""

LONG_FAULT_SHARE = 0.001
"""Failed requests of those of a fault that lasts `LONG_FAULT_SECONDS`."""

LONG_FAULT_SECONDS = 300
LONG_FAULT_RATE = 200
"""Requests a second to the service with the defaults, in addition to those at the rate of all others."""

SIDECAR, LOAD_BALANCER, OTHER_REGION = "sidecar", "load balancer", "other region"
"""Clients: a pod and users in the region with the fault, and a pod in another region."""


@dataclass(frozen=True)
class Limits:
    """Limits of one client's figures of a fault.

    Attributes:
        failover: seconds.
        failed: requests, at 20 a second.
        failback: seconds.
        errors: failed requests during failback.
    """

    failover: float = FAILOVER_SECONDS
    failed: int = 0
    failback: float = FAILBACK_SECONDS
    errors: int = 0


DRAIN_SECONDS = 10.0
DRAIN_LIMITS = Limits(failover=DRAIN_SECONDS)
"""Of a drain: no request fails. It takes as long as the control planes need."""


EJECTIONS = 2
"""Ejections of an endpoint in the longest fault of a run: at its start, and when the first ejection has ended."""

FAILED = EJECTIONS * 25
"""Five errors, and the requests of the second in which Envoy gathers changes of endpoints (`update_merge_window`)."""

HANGING_FAILED = EJECTIONS * 50
"""All requests that are sent until the timeout of the first ones."""

LOAD_BALANCER_FAILED = 100
"""All requests of `LOAD_BALANCER_SECONDS`."""

_FAILED = dict.fromkeys((CONNECTION_REFUSED, RETURNS_503, ONE_OF_THREE_PODS), FAILED) | {HANGING: HANGING_FAILED}


def limits(fault: str, client: str) -> Limits:
    """Return the limits of a client."""
    if client == OTHER_REGION:
        return Limits()
    if fault == HANGING:
        return Limits(HANGING_TIMEOUT_SECONDS + HANGING_MARGIN_SECONDS, _FAILED[fault])
    if client == LOAD_BALANCER and fault in (REGION_CUT_OFF, GATEWAYS_KILLED):
        return Limits(LOAD_BALANCER_SECONDS, LOAD_BALANCER_FAILED)
    return Limits(failed=_FAILED.get(fault, 0))


def budget() -> list[tuple[str, str]]:
    """Return what docs/failover.md says of the limits."""
    load_balancer = "over the load balancer, of killed gateways or a region that is cut off"
    return [
        ("failover time", f"{FAILOVER_SECONDS:g} s; while requests hang, the timeout and {HANGING_MARGIN_SECONDS:g} s"),
        (f"failover time {load_balancer}", f"{LOAD_BALANCER_SECONDS:g} s"),
        ("failover time, of a drain", f"{DRAIN_SECONDS:g} s"),
        ("failback time", f"{FAILBACK_SECONDS:g} s, also the third time within three minutes"),
        ("errors during failback", "none"),
        (
            "failed requests, of pods that refuse connections or return 503",
            f"{FAILED}; of pods that hang, {HANGING_FAILED}",
        ),
        (f"failed requests {load_balancer}", str(LOAD_BALANCER_FAILED)),
        ("failed requests, of any other fault", "none"),
        (
            f"failed requests, of {LONG_FAULT_SECONDS / 60:g} minutes of 503, with `retries` on 503",
            f"{100 * LONG_FAULT_SHARE:g} %",
        ),
        ("failed requests, of a drain", "none"),
        ("failed requests, of two faults at once", "the sum of both alone"),
        ("failed requests of clients in other regions", "none"),
    ]

"""An outage, as a series of responses in the order of time shows it."""

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Timed(Protocol):
    """A response.

    Attributes:
        sent: When the request was sent, in seconds.
        seconds: How long it took.
        ok: Whether it is a success.
    """

    @property
    def sent(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def ok(self) -> bool: ...


T = TypeVar("T", bound=Timed)


def count_failed(responses: Sequence[T]) -> int:
    return sum(not one.ok for one in responses)


def slowest(responses: Sequence[T]) -> float:
    """Return the longest time of a response, in seconds; 0 without any."""
    return max((one.seconds for one in responses), default=0.0)


def first_arrival(responses: Sequence[T], condition: Callable[[T], bool]) -> float | None:
    """Return when the first response arrived that meets a condition."""
    return next((one.sent + one.seconds for one in responses if condition(one)), None)


def start_of_last_run(responses: Sequence[T], condition: Callable[[T], bool]) -> float | None:
    """Return when the run began with which a series ends, of responses that meet a condition; None without one."""
    run = list(itertools.takewhile(condition, reversed(responses)))
    return run[-1].sent if run else None


def is_steady(responses: Sequence[T], condition: Callable[[T], bool], number: int) -> bool:
    """Return whether the last responses, in that number, all meet a condition."""
    last = responses[-number:]
    return len(last) == number and all(map(condition, last))


def seconds_of_failure(responses: Sequence[T], since: float, now: float) -> float:
    """Return for how many seconds nothing but failures has arrived; 0 if nothing has failed.

    Args:
        responses: In the order of their arrival.
        since: The moment from which on they count.
        now: The present.
    """
    arrivals = [(one.sent + one.seconds, one.ok) for one in responses]
    succeeded = max((moment for moment, ok in arrivals if ok), default=since)
    failed = any(not ok and moment >= succeeded for moment, ok in arrivals)
    return now - max(succeeded, since) if failed else 0.0

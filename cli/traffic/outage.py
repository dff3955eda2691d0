"""What answers, in the order of time, say of something that failed and came back."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Timed(Protocol):
    """An answer.

    Attributes:
        sent: when, in seconds
        seconds: how long it took
        ok: whether it is a success.
    """

    @property
    def sent(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def ok(self) -> bool: ...


T = TypeVar("T", bound=Timed)


def count_failed(answers: Sequence[T]) -> int:
    return sum(not answer.ok for answer in answers)


def slowest(answers: Sequence[T]) -> float:
    """Return the longest time of an answer, in seconds; 0 without any."""
    return max((answer.seconds for answer in answers), default=0.0)


def first_arrival(answers: Sequence[T], condition: Callable[[T], bool]) -> float | None:
    """Return when the first answer came that is as it should be."""
    return next((answer.sent + answer.seconds for answer in answers if condition(answer)), None)


def start_of_last_run(answers: Sequence[T], condition: Callable[[T], bool]) -> float | None:
    """Return when the run of good answers began with which a series ends, if it ends with one."""
    run = 0
    for answer in reversed(answers):
        if not condition(answer):
            break
        run += 1
    return answers[-run].sent if run else None


def is_steady(answers: Sequence[T], condition: Callable[[T], bool], number: int) -> bool:
    """Whether the last so many answers are all as they should be."""
    last = answers[-number:]
    return len(last) == number and all(map(condition, last))

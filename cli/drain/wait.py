"""Reads the proxies again and again, until a region is empty or serves again."""

import time
from collections.abc import Callable
from typing import Protocol

from cli.drain.proxy_traffic import Reading

SECONDS_BETWEEN_READINGS = 2.0
SECONDS_BETWEEN_LINES = 5.0


class Observed(Protocol):
    """What readings are compared with."""

    @property
    def complete(self) -> bool:
        """Whether the region is as it is to be, by the last reading."""

    def add(self, reading: Reading) -> None:
        """Take a reading."""

    def summary(self) -> str:
        """Return the state in one line."""


def wait_until_complete(
    observed: Observed, read: Callable[[], Reading], timeout: float, log: Callable[[str], None]
) -> None:
    """Read, and tell how it goes, until it is complete or the time is over.

    Args:
        observed: Takes the readings.
        read: Makes one.
        timeout: In seconds.
        log: Prints a line.
    """
    start = time.monotonic()
    told_at, told = start - SECONDS_BETWEEN_LINES, ""
    while True:
        observed.add(read())
        now, text = time.monotonic(), observed.summary()
        if text != told and (now - told_at >= SECONDS_BETWEEN_LINES or observed.complete):
            log(text)
            told_at, told = now, text
        if observed.complete or now - start >= timeout:
            return
        time.sleep(SECONDS_BETWEEN_READINGS)

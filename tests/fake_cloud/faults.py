"""Injected faults."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

F = TypeVar("F", "RequestFault", "OperationFault")


@dataclass
class RequestFault:
    """Error responses to some requests.

    Attributes:
        match: pattern for ``METHOD /path``.
        status: HTTP status; 0 closes the connection without a response.
        times: number of requests that fail.
    """

    match: str
    status: int
    times: int


@dataclass
class OperationFault:
    """Operations that end in an error.

    Attributes:
        match: pattern for ``TYPE path-of-its-target``.
        times: number of operations that fail.
    """

    match: str
    times: int = 1


class Faults:
    """The faults that have not happened yet.

    Attributes:
        taken: number of faults that have happened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[RequestFault] = []
        self._operations: list[OperationFault] = []
        self._events: list[tuple[str, Callable[[], None]]] = []
        self.taken = 0
        self._silent_until = 0.0

    def add(self, fault: RequestFault | OperationFault) -> None:
        with self._lock:
            if isinstance(fault, RequestFault):
                self._requests.append(fault)
            else:
                self._operations.append(fault)

    def on_request(self, match: str, event: Callable[[], None]) -> None:
        """Call a function when the first request matches a pattern, before the response."""
        with self._lock:
            self._events.append((match, event))

    def silence(self, seconds: float) -> None:
        """Let every request close its connection without a response for a while; an event may call this."""
        self._silent_until = time.monotonic() + seconds

    def stop(self) -> None:
        """Remove all faults; the number of those that have happened stays."""
        with self._lock:
            self._silent_until = 0.0
            self._requests.clear()
            self._operations.clear()
            self._events.clear()

    def clear(self) -> None:
        self.stop()
        self.taken = 0

    def take_request(self, request: str) -> int | None:
        """Return the status with which a request fails; None if it does not."""
        with self._lock:
            for match, event in [one for one in self._events if re.search(one[0], request)]:
                self._events.remove((match, event))
                self.taken += 1
                event()
            if time.monotonic() < self._silent_until:
                return 0
            fault = self._take(self._requests, request)
            return fault.status if fault else None

    def take_operation(self, operation: str) -> int | None:
        """Return the status with which an operation fails; None if it does not."""
        with self._lock:
            return 500 if self._take(self._operations, operation) else None

    def _take(self, faults: list[F], text: str) -> F | None:
        for fault in faults:
            if fault.times > 0 and re.search(fault.match, text):
                fault.times -= 1
                self.taken += 1
                return fault
        return None

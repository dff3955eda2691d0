"""What goes wrong on purpose."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class RequestFault:
    """Answers to requests that are not what they would be.

    Attributes:
        match: pattern for ``METHOD /path``.
        status: HTTP status of the answer; 0 for no answer at all, the connection is closed.
        times: to so many requests.
    """

    match: str
    status: int
    times: int


@dataclass
class OperationFault:
    """An operation that ends in an error.

    Attributes:
        match: pattern for ``TYPE path-of-its-target``.
    """

    match: str
    times: int = 1


class Faults:
    """The faults that are still to come.

    Attributes:
        taken: how many have happened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[RequestFault] = []
        self._operations: list[OperationFault] = []
        self._events: list[tuple[str, Callable[[], None]]] = []
        self.taken = 0

    def add(self, fault: RequestFault | OperationFault) -> None:
        with self._lock:
            if isinstance(fault, RequestFault):
                self._requests.append(fault)
            else:
                self._operations.append(fault)

    def on_request(self, match: str, event: Callable[[], None]) -> None:
        """Let something happen when the first request comes that matches, before it is answered."""
        with self._lock:
            self._events.append((match, event))

    def stop(self) -> None:
        """Let nothing go wrong any more; what has is still counted."""
        with self._lock:
            self._requests.clear()
            self._operations.clear()
            self._events.clear()

    def clear(self) -> None:
        self.stop()
        self.taken = 0

    def take_request(self, request: str) -> int | None:
        """Return the status that a request is answered with in place of its own; None if it is served."""
        with self._lock:
            for match, event in [one for one in self._events if re.search(one[0], request)]:
                self._events.remove((match, event))
                self.taken += 1
                event()
            for fault in self._requests:
                if fault.times > 0 and re.search(fault.match, request):
                    fault.times -= 1
                    self.taken += 1
                    return fault.status
        return None

    def take_operation(self, operation: str) -> int | None:
        """Return the status that an operation ends with in place of its success."""
        with self._lock:
            for fault in self._operations:
                if fault.times > 0 and re.search(fault.match, operation):
                    fault.times -= 1
                    self.taken += 1
                    return 500
        return None

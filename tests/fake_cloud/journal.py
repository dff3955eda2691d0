"""The calls, and the status of each."""

import threading
import time
from dataclasses import dataclass, field

READING = (":generateAccessToken", ":getIamPolicy", ":testIamPermissions", "/wait")
"""Ends of the paths of calls that change nothing although their method is not GET."""


@dataclass(frozen=True)
class RecordedCall:
    """One request and the status of its response.

    Attributes:
        method: of HTTP.
        path: of the URL.
        status: of the response.
        moment: of the response, by the monotonic clock.
    """

    method: str
    path: str
    status: int
    moment: float = field(default_factory=time.monotonic)

    @property
    def changes(self) -> bool:
        """Whether it may have changed a resource."""
        return self.method != "GET" and not self.path.endswith(READING)

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.path}"


class Journal:
    """All calls so far, in the order of their responses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[RecordedCall] = []

    def add(self, call: RecordedCall) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self, start: int = 0) -> list[RecordedCall]:
        """Return the calls from a number on, which an earlier `count` returned."""
        with self._lock:
            return self._calls[start:]

    def count(self) -> int:
        with self._lock:
            return len(self._calls)

    def unknown(self) -> list[RecordedCall]:
        """Return the calls that the server does not know."""
        return [call for call in self.calls() if call.status == 501]

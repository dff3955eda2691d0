"""The response to one request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Response:
    """The response to one request.

    Attributes:
        received: When it was read here, by the monotonic clock.
        seconds: How long it took, as the client measured it.
        status: Of HTTP; 0 if there was no response.
        region: Key of the region whose pod responded, by the counters of the client's proxy; empty if it is unknown.
        problem: Why it is no success; empty if it is one.
    """

    received: float
    seconds: float
    status: int
    region: str
    problem: str

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def sent(self) -> float:
        """When the request was sent, by the monotonic clock; the connection to the client delays it."""
        return self.received - self.seconds

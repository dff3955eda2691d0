"""Requests, and what came back."""

import http.client
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.namespace import Namespace

TIMEOUT_SECONDS = 5.0

_VERSION = re.compile(r"version: ([^,\s]+)")


@dataclass(frozen=True)
class Answer:
    """One request and its answer.

    Attributes:
        sent: when it was sent, in seconds since the first of its series.
        seconds: how long the answer took.
        status: HTTP status; 0 if there was no answer.
        body: the text.
    """

    sent: float
    seconds: float
    status: int
    body: str

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def version(self) -> str:
        """Which version answered; the status if none did, or a word if nothing came back."""
        found = _VERSION.search(self.body)
        if self.ok and found is not None:
            return found[1]
        return str(self.status or "no answer")


@dataclass(frozen=True)
class Client:
    """Sends requests as curl does, each over a connection of its own.

    Attributes:
        where: namespace that it sends from; the lab's own if absent.
        address: to which it connects.
        host: header ``Host``.
    """

    address: str
    port: int
    host: str
    where: Namespace | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def send(
        self,
        path: str,
        *,
        count: int,
        every: float = 0.0,
        until: Callable[[Sequence[Answer]], bool] = lambda answers: False,
    ) -> list[Answer]:
        """Send requests one after the other.

        Args:
            count: how many at most.
            every: seconds from one to the next; a slow answer delays the next request.
            until: asked after each answer whether that is enough.
        """

        def work() -> list[Answer]:
            answers: list[Answer] = []
            start = time.monotonic()
            for number in range(count):
                wait = start + number * every - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                answers.append(self._ask(path, start))
                if until(answers):
                    break
            return answers

        return work() if self.where is None else self.where.run(work)

    def _ask(self, path: str, start: float) -> Answer:
        sent = time.monotonic()
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path, headers={"Host": self.host, **self.headers})
            response = connection.getresponse()
            status, body = response.status, response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            status, body = 0, ""
        finally:
            connection.close()
        return Answer(sent - start, time.monotonic() - sent, status, body)


def tally(answers: Sequence[Answer]) -> Counter[str]:
    """Count the answers by version."""
    return Counter(answer.version for answer in answers)

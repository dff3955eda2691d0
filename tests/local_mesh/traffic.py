"""Requests, and what came back."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from config.demo import VERSION_IN_RESPONSE
from tests.local_mesh.demo_server import PEER_HEADER
from tests.local_mesh.namespace import Namespace

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Response:
    """One request and its answer.

    Attributes:
        sent: when it was sent, by the monotonic clock, in seconds.
        seconds: how long the answer took.
        status: HTTP status; 0 if there was no answer.
        body: the text.
        peer: whom the application was asked by, as its sidecar has it from a certificate.
    """

    sent: float
    seconds: float
    status: int
    body: str
    peer: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def version(self) -> str:
        """Which version answered; the status if it was no success, or a word if nothing came back."""
        found = VERSION_IN_RESPONSE.search(self.body)
        if self.ok and found is not None:
            return found[1]
        return str(self.status or "no answer")


@dataclass(frozen=True)
class Client:
    """Sends requests as curl does, each over a connection of its own.

    Attributes:
        address: to which it connects.
        host: header ``Host``.
        where: namespace that it sends from; the lab's own if absent.
    """

    address: str
    port: int
    host: str
    where: Namespace | None = None

    def send(self, path: str, count: int) -> list[Response]:
        """Send requests one after the other."""

        def work() -> list[Response]:
            return [self._ask(path) for _ in range(count)]

        return work() if self.where is None else self.where.run(work)

    def stream(self, path: str, every: float) -> "Stream":
        """Send requests until told to stop.

        Args:
            every: seconds from one to the next; a slow answer delays it.
        """
        return Stream(self, path, every)

    def _ask(self, path: str) -> Response:
        sent = time.monotonic()
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path, headers={"Host": self.host})
            response = connection.getresponse()
            status, body = response.status, response.read().decode("utf-8", "replace")
            peer = response.getheader(PEER_HEADER, "")
        except (OSError, http.client.HTTPException):
            status, body, peer = 0, "", ""
        finally:
            connection.close()
        return Response(sent, time.monotonic() - sent, status, body, peer)


class Stream:
    """Requests in the background, from ``with`` to the end of its block.

    Attributes:
        answers: so far; only ever appended to.
    """

    def __init__(self, client: Client, path: str, every: float) -> None:
        self.answers: list[Response] = []
        self._client = client
        self._path = path
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def since(self, moment: float) -> list[Response]:
        """Return the answers to what was sent after a moment of the monotonic clock."""
        return [answer for answer in list(self.answers) if answer.sent >= moment]

    def _send(self) -> None:
        if self._client.where is not None:
            self._client.where.enter()
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.answers.append(self._client._ask(self._path))
            due = max(due + self._every, time.monotonic())


def tally(answers: Sequence[Response]) -> Counter[str]:
    """Count the answers by version."""
    return Counter(answer.version for answer in answers)

"""Requests and responses."""

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
class DemoResponse:
    """The response to one request.

    Attributes:
        sent: time of the request, by the monotonic clock, in seconds.
        seconds: duration.
        status: of HTTP; 0 without a response.
        body: the text.
        peer: identity of the client, which the application's sidecar takes from its certificate.
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
        """The version that responded, or the error: its status, or that there was no response."""
        found = VERSION_IN_RESPONSE.search(self.body)
        if self.ok and found is not None:
            return found[1]
        return str(self.status or "no response")


@dataclass(frozen=True)
class Client:
    """Sends requests as curl does, each over a connection of its own.

    Attributes:
        address: of the server.
        port: of the server.
        host: the ``Host`` header.
        where: namespace of the client; the lab's own if absent.
    """

    address: str
    port: int
    host: str
    where: Namespace | None = None

    def send(self, path: str, count: int) -> list[DemoResponse]:
        """Send requests one after the other, and return the responses."""

        def work() -> list[DemoResponse]:
            return [self.get(path) for _ in range(count)]

        return work() if self.where is None else self.where.run(work)

    def stream(self, path: str, every: float) -> "Stream":
        """Send requests in the background.

        Args:
            path: of the requests.
            every: seconds from one to the next; a slow response delays it.
        """
        return Stream(self, path, every)

    def get(self, path: str) -> DemoResponse:
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
        return DemoResponse(sent, time.monotonic() - sent, status, body, peer)


class Stream:
    """Sends requests in the background while its ``with`` block runs.

    Attributes:
        responses: all so far.
    """

    def __init__(self, client: Client, path: str, every: float) -> None:
        self.responses: list[DemoResponse] = []
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

    def since(self, moment: float) -> list[DemoResponse]:
        """Return the responses to requests that were sent after a moment of the monotonic clock."""
        return [response for response in list(self.responses) if response.sent >= moment]

    def _send(self) -> None:
        if self._client.where is not None:
            self._client.where.enter()
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.responses.append(self._client.get(self._path))
            due = max(due + self._every, time.monotonic())


def tally(responses: Sequence[DemoResponse]) -> Counter[str]:
    """Count the responses by version."""
    return Counter(response.version for response in responses)

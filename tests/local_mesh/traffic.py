"""Requests and responses."""

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from config.demo import VERSION_IN_RESPONSE
from tests.local_mesh.application.facts import PEER_HEADER
from tests.local_mesh.namespace import Namespace

TIMEOUT_SECONDS = 5.0
PIECE = 65_536


@dataclass(frozen=True)
class DemoResponse:
    """The response to one request.

    Attributes:
        sent: time of the request, by the monotonic clock, in seconds.
        seconds: duration.
        status: of HTTP; 0 without a response.
        body: the text.
        headers: of the response, with names in lower case.
    """

    sent: float
    seconds: float
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def peer(self) -> str:
        """Identity of the client, which the application's sidecar takes from its certificate."""
        return self.headers.get(PEER_HEADER.lower(), "")

    @property
    def facts(self) -> dict[str, Any]:
        """What the application describes as JSON; empty if it does not."""
        found: dict[str, Any] = json.loads(self.body) if self.ok and self.body.startswith("{") else {}
        return found

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def version(self) -> str:
        """The version that responded, or the error: its status, or that there was no response."""
        found = VERSION_IN_RESPONSE.search(self.body)
        if self.ok and found is not None:
            return found[1]
        if self.facts:
            return str(self.facts["version"])
        return str(self.status or "no response")


@dataclass(frozen=True)
class Client:
    """Sends requests as curl does, each over a connection of its own.

    Attributes:
        address: of the server.
        port: of the server.
        host: the ``Host`` header.
        where: namespace of the client; the lab's own if absent.
        headers: other request headers.
        method: of the requests.
    """

    address: str
    port: int
    host: str
    where: Namespace | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"

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
            connection.request(self.method, path, headers={"Host": self.host, **self.headers})
            response = connection.getresponse()
            status, body = response.status, response.read().decode("utf-8", "replace")
            headers = {name.lower(): value for name, value in response.getheaders()}
        except (OSError, http.client.HTTPException):
            status, body, headers = 0, "", {}
        finally:
            connection.close()
        return DemoResponse(sent, time.monotonic() - sent, status, body, headers)


@dataclass(frozen=True)
class TcpClient:
    """Sends lines of text, each over a connection of its own. A response has the status 200.

    Attributes:
        address: of the server.
        port: of the server.
        where: namespace of the client.
    """

    address: str
    port: int
    where: Namespace

    def send(self, count: int) -> list[DemoResponse]:
        """Send lines one after the other, and return the responses."""
        return self.where.run(lambda: [self.get("line") for _ in range(count)])

    def send_over_one_connection(self, count: int) -> list[DemoResponse]:
        """Send lines over one connection, and return the responses."""

        def work() -> list[DemoResponse]:
            with socket.create_connection((self.address, self.port), timeout=TIMEOUT_SECONDS) as connection:
                return [_exchange(connection) for _ in range(count)]

        return self.where.run(work)

    def stream(self, every: float) -> "Stream":
        """Send lines in the background."""
        return Stream(self, "line", every)

    def get(self, text: str) -> DemoResponse:
        sent = time.monotonic()
        try:
            with socket.create_connection((self.address, self.port), timeout=TIMEOUT_SECONDS) as connection:
                return _exchange(connection, text, sent)
        except OSError:
            return DemoResponse(sent, time.monotonic() - sent, 0, "")


def _exchange(connection: socket.socket, text: str = "line", sent: float | None = None) -> DemoResponse:
    """Send a line and return the response; its status is 0 if the server hangs up."""
    sent = time.monotonic() if sent is None else sent
    body = b""
    with suppress(OSError):
        connection.sendall(f"{text}\n".encode())
        while not body.endswith(b"\n") and (piece := connection.recv(PIECE)):
            body += piece
    return DemoResponse(sent, time.monotonic() - sent, 200 if body.endswith(b"\n") else 0, body.decode())


class Sender(Protocol):
    """A client that sends one request after the other."""

    @property
    def where(self) -> Namespace | None: ...
    def get(self, path: str) -> DemoResponse: ...


class Recorded:
    """Responses that arrive in the background.

    Attributes:
        responses: all so far.
    """

    def __init__(self) -> None:
        self.responses: list[DemoResponse] = []

    def since(self, moment: float) -> list[DemoResponse]:
        """Return the responses to requests that were sent after a moment of the monotonic clock."""
        return [response for response in list(self.responses) if response.sent >= moment]


class Stream(Recorded):
    """Sends requests in the background while its ``with`` block runs."""

    def __init__(self, client: Sender, path: str, every: float) -> None:
        super().__init__()
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

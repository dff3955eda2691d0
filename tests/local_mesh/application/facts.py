"""What the application knows of itself, and the faults that are injected into it."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

UNHEALTHY_FILE = "unhealthy"
"""While this file exists in a pod's folder, the application responds to every request with an error."""

SLOW_FILE = "slow"
"""While this file exists in a pod's folder, each response takes `SLOW_SECONDS`."""

SLOW_SECONDS = 1.0

HANGING_FILE = "hanging"
"""While this file exists in a pod's folder, the application does not respond."""

UNREADY_FILE = "unready"
"""While this file exists in a pod's folder, the application fails its readiness probes, of any type."""

READY_FILE = "ready"
"""The application has this file in its working directory while it is ready: for probes of the type ``exec``."""

READY_PATH = "/ready"
"""Path of HTTP readiness probes: 200 while the application is ready, else 503."""

BAD_TAG = "bad"
"""Tag of an image whose application is never ready, and responds to every request with an error."""

SLOW_PATH = "/slow"
"""Path whose responses take `SLOW_SECONDS`."""

FLAKY_PATH = "/flaky"
"""Path that is a 503 at the first try of a request; a retry gets a response."""

ATTEMPT = "x-envoy-attempt-count"
"""Request header of a client's proxy, with the number of the try."""

JSON = "application/json"
"""With this ``Accept`` header, a response describes its request; else it is the demo's text."""

PEER_HEADER = "X-Peer"
"""Response header with the client's identity, which the sidecar takes from the mutual TLS certificate."""

FORWARDED_IDENTITY = "x-forwarded-client-cert"
"""Request header in which the sidecar passes on that identity."""

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Request:
    """A request to the application.

    Attributes:
        port: of the application.
        protocol: such as ``HTTP/1.1``.
        method: of HTTP.
        path: of HTTP, with the query; of TCP, the line.
        headers: with names in lower case; several values of one name are joined by commas.
    """

    port: int
    protocol: str
    method: str
    path: str
    headers: Mapping[str, str]


def join_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of a `Request`."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


@dataclass(frozen=True)
class Application:
    """An application.

    Attributes:
        folder: its working directory.
        image: that its container names.
        version: the variable SERVICE_VERSION, or the tag of the image.
        instance: name of its pod.
    """

    folder: Path
    image: str
    version: str
    instance: str

    @classmethod
    def from_environment(cls, folder: Path, variables: Mapping[str, str]) -> "Application":
        image = variables.get("IMAGE", "")
        version = variables.get("SERVICE_VERSION") or image.rpartition(":")[2] or "unknown"
        return cls(folder, image, version, variables.get("HOSTNAME", ""))

    @property
    def healthy(self) -> bool:
        return not (self._is_bad or (self.folder / UNHEALTHY_FILE).exists())

    @property
    def ready(self) -> bool:
        return not (self._is_bad or (self.folder / UNREADY_FILE).exists())

    @property
    def _is_bad(self) -> bool:
        return self.image.rpartition(":")[2] == BAD_TAG

    def greet(self) -> str:
        """Return the demo's text."""
        return f"Hello version: {self.version}, instance: {self.instance}\n"

    def describe(self, request: Request) -> str:
        """Return a line of JSON about the application and a request to it."""
        return (
            json.dumps({"image": self.image, "version": self.version, "instance": self.instance} | asdict(request))
            + "\n"
        )

    def respond(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Return the status, the headers and the body of the response to an HTTP request."""
        path = request.path.partition("?")[0]
        if path == READY_PATH:
            status, body = (200, "ready\n") if self.ready else (503, "not ready\n")
            return self._answer(request, status, body)
        self._delay(path)
        if not self.healthy or (path == FLAKY_PATH and request.headers.get(ATTEMPT, "1") == "1"):
            status, body = 503, "unhealthy\n"
        elif request.headers.get("accept") == JSON:
            status, body = 200, self.describe(request)
        else:
            status, body = 200, self.greet()
        return self._answer(request, status, body)

    def _delay(self, path: str) -> None:
        """Wait, if the application is slow or hangs. It still is ready then."""
        if path == SLOW_PATH or (self.folder / SLOW_FILE).exists():
            time.sleep(SLOW_SECONDS)
        while (self.folder / HANGING_FILE).exists():
            time.sleep(POLL_SECONDS)

    def _answer(self, request: Request, status: int, body: str) -> tuple[int, dict[str, str], bytes]:
        content = body.encode()
        answer = {
            "content-type": JSON if body.startswith("{") else "text/plain",
            "content-length": str(len(content)),
            PEER_HEADER.lower(): request.headers.get(FORWARDED_IDENTITY, ""),
        }
        return status, answer, content

    def follow_readiness(self) -> None:
        """Create and delete the ready file, for ever."""
        file = self.folder / READY_FILE
        while True:
            if self.ready:
                file.touch()
            else:
                file.unlink(missing_ok=True)
            time.sleep(POLL_SECONDS)

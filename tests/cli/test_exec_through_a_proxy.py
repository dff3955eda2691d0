"""A command in a pod, run by a WebSocket behind a `kubectl proxy`: what the API server sends becomes the output."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.sources.api_server import FAILURES, ApiServer

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
STDOUT, STDERR, STATUS = b"\x01", b"\x02", b"\x03"
SUCCESS = STATUS + json.dumps({"status": "Success"}).encode()
LAST, BINARY, CONTINUED, CLOSE, PING = 0x80, 2, 0, 8, 9


def frame(content: bytes, kind: int = BINARY, last: int = LAST) -> bytes:
    """Return a frame of a server.

    Source: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    """
    length = len(content)
    if length < 126:
        return bytes([last | kind, length]) + content
    if length < 1 << 16:
        return bytes([last | kind, 126]) + struct.pack(">H", length) + content
    return bytes([last | kind, 127]) + struct.pack(">Q", length) + content


class Server:
    """Sends what it is told on the first connection.

    Attributes:
        path: Of its socket.
        request: What it has received.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request = b""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()

    def respond(self, data: bytes) -> None:
        threading.Thread(target=self._respond, args=(data,), daemon=True).start()

    def _respond(self, data: bytes) -> None:
        connection, _ = self._listening.accept()
        with connection:
            while not self.request.endswith(b"\r\n\r\n"):
                self.request += connection.recv(4096)
            connection.sendall(data)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path / "s")
    yield one
    one.close()


def run(server: Server, *frames: bytes, head: bytes = SWITCHING) -> str:
    server.respond(head + b"".join(frames))
    return ApiServer(server.path).execute("sample", "sleep-x", "istio-proxy", ("pilot-agent", "a?b=c"), 5)


def test_the_output(server: Server) -> None:
    """In frames of each length, also in several; what is on standard error, and pings, are left out."""
    parts = [b"a" * 7, b"b" * 300, b"c" * 70_000]
    frames = [frame(STDOUT + one) for one in parts]
    split = [frame(STDOUT + b"d", last=0), frame(b"", PING), frame(b"e", CONTINUED)]
    others = [frame(STDOUT), frame(STDERR + b"warning"), frame(SUCCESS), frame(b"", CLOSE)]
    assert run(server, *frames, *split, *others) == b"".join(parts).decode() + "de"
    first, *_ = server.request.splitlines()
    assert b"/api/v1/namespaces/sample/pods/sleep-x/exec?container=istio-proxy" in first
    assert b"command=pilot-agent&command=a%3Fb%3Dc" in first


@pytest.mark.parametrize(
    ("head", "frames"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", []),
        (SWITCHING, [frame(STDOUT + b"x"), frame(STATUS + b'{"status": "Failure", "message": "exit 1"}')]),
        (SWITCHING, [frame(STDOUT + b"x")]),
        (SWITCHING, [frame(STDOUT + b"x" * 300)[:50]]),
        (b"", []),
    ],
    ids=["refused", "failed", "ended early", "cut off", "closed"],
)
def test_what_is_no_output(server: Server, head: bytes, frames: list[bytes]) -> None:
    with pytest.raises(FAILURES):
        run(server, *frames, head=head)


def test_no_proxy(tmp_path: Path) -> None:
    with pytest.raises(FAILURES):
        ApiServer(tmp_path / "none").get("pods", "--all-namespaces")

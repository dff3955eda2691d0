"""A gRPC client, in a process of its own: gRPC opens its connections in threads that it makes itself.

``python -m tests.local_mesh.grpc_client ADDRESS AUTHORITY COUNT EVERY`` sends requests over one connection, and
prints a line of JSON for each: the time of the request, the duration, the name of the status, the response.
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from config.paths import ROOT
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.traffic import TIMEOUT_SECONDS, DemoResponse, Recorded

ENDLESS = 0
OK, UNAVAILABLE, DENIED = 200, 503, 403
STATUSES = {"OK": OK, "PERMISSION_DENIED": DENIED}
"""The statuses of HTTP that stand for those of gRPC; all others are 503."""


@dataclass(frozen=True)
class GrpcClient:
    """Sends requests over one connection.

    Attributes:
        address: of the server.
        port: of the server.
        authority: the server's name, in the requests.
        where: namespace of the client.
    """

    address: str
    port: int
    authority: str
    where: Namespace

    def send(self, count: int) -> list[DemoResponse]:
        """Send requests one after the other, and return the responses."""
        result = subprocess.run(self._command(count, 0), capture_output=True, text=True, check=True, cwd=ROOT)
        return [_parse(line) for line in result.stdout.splitlines()]

    def stream(self, every: float) -> "GrpcStream":
        """Send requests in the background.

        Args:
            every: seconds from one to the next; a slow response delays it.
        """
        return GrpcStream(self._command(ENDLESS, every))

    def _command(self, count: int, every: float) -> list[str]:
        program = [sys.executable, "-m", "tests.local_mesh.grpc_client"]
        return self.where.command([*program, f"{self.address}:{self.port}", self.authority, str(count), str(every)])


class GrpcStream(Recorded):
    """Sends requests in the background while its ``with`` block runs."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._command = command
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "GrpcStream":
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.responses.append(_parse(line))


def _parse(line: str) -> DemoResponse:
    sent, seconds, status, body = json.loads(line)
    return DemoResponse(sent, seconds, STATUSES.get(status, UNAVAILABLE), body)


def main(address: str, authority: str, count: str, every: str) -> None:
    import grpc  # noqa: PLC0415 - never in the process of the lab, whose threads are in several networks

    from tests.local_mesh.application.grpc_service import METHOD, SERVICE  # noqa: PLC0415

    with grpc.insecure_channel(address, options=[("grpc.default_authority", authority)]) as channel:
        describe = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        due = time.monotonic()
        number = 0
        while number < int(count) or int(count) == ENDLESS:
            time.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            try:
                status, body = "OK", describe(b"", timeout=TIMEOUT_SECONDS).decode()
            except grpc.RpcError as error:
                status, body = error.code().name, error.details()
            print(json.dumps([sent, time.monotonic() - sent, status, body]), flush=True)
            due = max(due + float(every), time.monotonic())
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])

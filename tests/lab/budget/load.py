"""Load at a constant rate: requests do not wait for the responses of earlier ones, as those of many users do not."""

import base64
import csv
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.demo import VERSION_IN_RESPONSE
from tests.local_mesh import processes
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.processes import Program
from tests.local_mesh.toolchain import Toolchain

TIMEOUT_SECONDS = 10
"""Of the client; the mesh's own timeouts are shorter where the budget measures them."""

STOP_SECONDS = TIMEOUT_SECONDS + 5

MOST_BYTES = 128
"""Of a body: the demo's text is shorter."""

_INSTANCE = re.compile(r"instance: (\S+)")


@dataclass(frozen=True)
class Target:
    """Where requests are sent.

    Attributes:
        service: that gets them; also the path of the URL.
        address: of the server, with the port.
        host: the ``Host`` header.
    """

    service: str
    address: str
    host: str

    def __str__(self) -> str:
        """Return the target in the format of vegeta."""
        return f"GET http://{self.address}/{self.service}\nHost: {self.host}\n"


@dataclass(frozen=True)
class Response:
    """The response to one request.

    Attributes:
        sent: time of the request, in seconds of the epoch.
        seconds: duration.
        status: of HTTP; 0 without a response.
        version: of the service that responded: the region. Empty after an error.
        instance: pod that responded. Empty after an error.
    """

    sent: float
    seconds: float
    status: int
    version: str
    instance: str

    @property
    def ok(self) -> bool:
        return self.status == 200


class Load:
    """Sends requests in the background while its ``with`` block runs.

    Attributes:
        responses: by service, in the order of their requests; known after the block.
    """

    def __init__(
        self, tools: Toolchain, targets: Sequence[Target], rate: int, folder: Path, where: Namespace | None
    ) -> None:
        """Prepare it; nothing is sent.

        Args:
            tools: the toolchain.
            targets: get requests in turn.
            rate: requests a second to each target.
            folder: for its files.
            where: namespace of the client; the lab's own if absent.
        """
        self.responses: dict[str, list[Response]] = {target.service: [] for target in targets}
        self._vegeta = str(tools.path("vegeta"))
        self._rate = rate * len(targets)
        self._folder = folder
        self._where = where
        self._targets = targets
        self._program: Program | None = None

    def __enter__(self) -> "Load":
        self._folder.mkdir(parents=True, exist_ok=True)
        targets = self._folder / "targets"
        targets.write_text("\n".join(map(str, self._targets)), encoding="utf-8")
        self._program = Program(
            "load generator",
            [
                *(self._vegeta, "attack", "-targets", str(targets), "-rate", f"{self._rate}/s"),
                *("-timeout", f"{TIMEOUT_SECONDS}s", "-max-body", str(MOST_BYTES), "-output", str(self._results)),
            ],
            log=self._folder / "log",
            namespace=self._where,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._program is not None
        self._program.check()
        self._program.interrupt()  # it waits for the responses to requests under way
        self._program.wait(STOP_SECONDS)
        text = processes.run([self._vegeta, "encode", "-to", "csv", str(self._results)])
        for row in csv.reader(text.splitlines()):
            service, response = parse(row)
            self.responses[service].append(response)
        for responses in self.responses.values():
            responses.sort(key=lambda response: response.sent)

    @property
    def _results(self) -> Path:
        return self._folder / "results"


def parse(row: Sequence[str]) -> tuple[str, Response]:
    """Return the service and the response of a row of vegeta's CSV.

    Source: https://github.com/tsenart/vegeta/blob/v12.12.0/README.md (``encode``).
    """
    timestamp, code, latency, _, _, _, encoded, _, _, _, url, *_ = row
    body = base64.b64decode(encoded).decode("utf-8", "replace")
    version, instance = VERSION_IN_RESPONSE.search(body), _INSTANCE.search(body)
    good = code == "200"
    return url.rpartition("/")[2], Response(
        int(timestamp) / 1e9,
        int(latency) / 1e9,
        int(code),
        version[1] if good and version else "",
        instance[1] if good and instance else "",
    )


def now() -> float:
    """Return the present by the clock of `Response.sent`."""
    return time.time()

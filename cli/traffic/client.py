"""Load from a client in each cluster, whose responses are read as they arrive."""

import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.sources.kubernetes import ClusterClient
from cli.traffic.attribution import Attribution, FindRegion
from cli.traffic.response import Response

SCRIPT = (Path(__file__).parent / "client.sh").read_text(encoding="utf-8")
TIMEOUT_SECONDS = 5.0
"""Of one request."""

SECONDS_TO_END = 5.0

CONTAINER = "client"
"""Of the client's pod: client_job.yaml."""

GRPC_SUCCESSES = ("0", "3", "5", "6", "9", "10", "11")
"""gRPC statuses that the application returns for a request that it does not like, and OK.

The others may be the mesh's own, such as 14 (UNAVAILABLE) and 7 (PERMISSION_DENIED).
https://grpc.github.io/grpc/core/md_doc_statuscodes.html
"""

GRPC_COUNTED = (*GRPC_SUCCESSES, "1", "7", "8", "16")
"""gRPC statuses that the proxy counts as a response of the endpoint: those for which HTTP has a status below 500.

https://github.com/envoyproxy/envoy/blob/main/source/common/grpc/status.cc
"""

GRPC_NAMES = {
    "1": "CANCELLED",
    "2": "UNKNOWN",
    "4": "DEADLINE_EXCEEDED",
    "7": "PERMISSION_DENIED",
    "8": "RESOURCE_EXHAUSTED",
    "12": "UNIMPLEMENTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
    "15": "DATA_LOSS",
    "16": "UNAUTHENTICATED",
}

_AFTER = re.compile(r" after \d+ (ms|milliseconds)")
_COMMAND = re.compile(r"\?command=[^\s\"]+")


@dataclass(frozen=True)
class LoadProfile:
    """How many requests are sent, and how.

    Attributes:
        requests: In total.
        workers: The number of requests at a time.
        piece: Requests of one curl, over one connection where the server keeps it.
        pause: Seconds after each piece.
        count_every: Seconds between two readings of the counters that tell the regions of responses; 0 for none.
    """

    requests: int
    workers: int
    piece: int = 40
    pause: float = 0.0
    count_every: float = 0.5

    def counts(self) -> list[int]:
        """Return how many requests each worker sends."""
        workers = min(self.workers, self.requests)
        each, more = divmod(self.requests, workers)
        return [each + (number < more) for number in range(workers)]


@dataclass(frozen=True)
class TrafficClient:
    """A pod in one cluster that sends requests.

    Attributes:
        cluster: Its cluster.
        namespace: Its namespace.
        pod: Its name.
        account: Its service account.
    """

    cluster: ClusterClient
    namespace: str
    pod: str
    account: str


@dataclass(frozen=True)
class Requests:
    """What is sent.

    Attributes:
        url: Where to.
        grpc: Whether it is a gRPC method.
        host: The name by which proxies know the service whose endpoints they count.
        port: Of that service.
        mirror: The subset of it that gets copies of requests, which do not count; empty if there is none.
        connect: The address that requests go to; empty for that of the URL's host.
    """

    url: str
    grpc: bool
    host: str
    port: int
    mirror: str = ""
    connect: str = ""


class LoadGenerator:
    """Requests from one cluster, in the background.

    Attributes:
        responses: So far; only ever appended to. The region of one is known up to `LoadProfile.count_every` after it
            arrived, and only then it is here.
    """

    def __init__(
        self, process: "subprocess.Popen[str]", mark: str, grpc: bool, load: LoadProfile, find_region: FindRegion
    ) -> None:
        self.responses: list[Response] = []
        self._process = process
        self._mark = mark
        self._grpc = grpc
        self._load = load
        self._attribution = Attribution(find_region)
        self._stopped = False
        self._error_lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()

    @property
    def running(self) -> bool:
        return self._reader.is_alive()

    @property
    def problem(self) -> str:
        """Why it has ended before all responses were there; empty if it hasn't, or was stopped."""
        if self.running or self._stopped or len(self.responses) >= self._load.requests:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        self._error_reader.join(SECONDS_TO_END)
        ended = f"the connection to the client pod ended, exit status {self._process.poll()}"
        return self._error_lines[-1] if self._error_lines else ended

    def since(self, moment: float) -> list[Response]:
        """Return the responses to what was sent after a moment of the monotonic clock."""
        return [response for response in list(self.responses) if response.sent >= moment]

    def stop(self) -> None:
        """End it, if it has not ended: the script in the cluster ends when its input does."""
        self._stopped = self._stopped or self.running
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(SECONDS_TO_END)
        self._error_reader.join(SECONDS_TO_END)

    def _read(self) -> None:
        assert self._process.stdout is not None
        grpc_status = ""
        with self._process.stdout as lines:
            for line in lines:
                name, _, text = line.strip().partition(" ")
                if name == "grpc-status:":
                    grpc_status = text
                elif name == self._mark and text.partition(" ")[0] == "counters":
                    self.responses += self._attribution.count(text.split()[1:])
                elif name == self._mark:
                    response, counted = read_response(text, grpc_status, self._grpc)
                    grpc_status = ""
                    if self._load.count_every:
                        self._attribution.add(response, counted)
                    else:
                        self.responses.append(response)
        # After a stop nothing has counted the last ones: they are no finding, and are left out.
        if not self._stopped:
            self.responses += self._attribution.end()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        # kubectl repeats the command in the address that it could not reach.
        with self._process.stderr as lines:
            self._error_lines += [_COMMAND.sub("", line.strip()) for line in lines if line.strip()]


def start_load(client: TrafficClient, requests: Requests, load: LoadProfile, find_region: FindRegion) -> LoadGenerator:
    """Start to send requests from a client."""
    # What the server sends must not look like a line of the script.
    mark = secrets.token_hex(8)
    # curl 7.88 can't send a second request over an HTTP/2 connection of --http2-prior-knowledge (curl 16; tried).
    piece = 1 if requests.grpc else load.piece
    arguments = [
        *(requests.url, "grpc" if requests.grpc else "http", mark, f"{TIMEOUT_SECONDS:g}"),
        *(str(piece), f"{load.pause:g}", f"{load.count_every:g}", requests.host, str(requests.port), requests.mirror),
        *(requests.connect, *map(str, load.counts())),
    ]
    process = client.cluster.popen(
        *("exec", client.pod, "--namespace", client.namespace, "--container", CONTAINER, "--stdin"),
        *("--", "sh", "-c", SCRIPT, "client", *arguments),
    )
    return LoadGenerator(process, mark, requests.grpc, load, find_region)


def wait_for_all(generators: Sequence[LoadGenerator], watch: Callable[[], None], every: float = 0.1) -> None:
    """Wait until all generators have ended, and stop them if an exception ends this earlier.

    Args:
        generators: Of all clusters.
        watch: Called again and again.
        every: Seconds between two calls.
    """
    try:
        while any(one.running for one in generators):
            watch()
            time.sleep(every)
        watch()
    finally:
        stop_all(generators)


def stop_all(generators: Sequence[LoadGenerator]) -> None:
    """Stop all generators, at the same time."""
    threads = [threading.Thread(target=one.stop) for one in generators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_response(text: str, grpc_status: str, grpc: bool) -> tuple[Response, bool]:
    """Return the response that a line of the script describes, and whether an endpoint's counter has it.

    Args:
        text: The line, without the mark.
        grpc_status: Of gRPC; empty if there was none.
        grpc: Whether it has to have one.
    """
    status, seconds, code, message = [*text.split(" ", 3), "", "", ""][:4]
    counted = code == "0" and (grpc_status in GRPC_COUNTED if grpc_status else 0 < int(status) < 500)
    if code != "0":
        # Without the time that it took, equal problems count as one.
        problem = f"curl {code}: {_AFTER.sub('', message)}" if message else f"curl {code}"
    elif not 200 <= int(status) < 400:
        problem = f"HTTP {status}"
    elif not grpc or grpc_status in GRPC_SUCCESSES:
        problem = ""
    else:
        problem = (
            f"gRPC status {grpc_status} {GRPC_NAMES.get(grpc_status, '')}".rstrip() if grpc_status else "no gRPC status"
        )
    return Response(time.monotonic(), float(seconds), int(status), "", problem), counted

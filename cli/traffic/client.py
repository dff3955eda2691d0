"""Load from the demo's client in each cluster, whose responses are read as they arrive."""

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
from config.demo import CLIENT_APP, VERSION_IN_RESPONSE

SCRIPT = (Path(__file__).parent / "client.sh").read_text(encoding="utf-8")
TIMEOUT_SECONDS = 5.0
"""Of one request."""

SECONDS_TO_END = 5.0

UNVERSIONED = "no version"

_AFTER = re.compile(r" after \d+ (ms|milliseconds)")
_COMMAND = re.compile(r"\?command=[^\s\"]+")


@dataclass(frozen=True)
class DemoResponse:
    """The response to one request.

    Attributes:
        received: When it was read here, by the monotonic clock.
        seconds: How long it took, as the client measured it.
        status: Of HTTP; 0 if there was no response.
        version: Of the demo that responded; empty unless it was a success.
        problem: Why it is no success; empty if it is one.
    """

    received: float
    seconds: float
    status: int
    version: str
    problem: str

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def sent(self) -> float:
        """When the request was sent, by the monotonic clock; the connection to the client delays it."""
        return self.received - self.seconds


@dataclass(frozen=True)
class LoadProfile:
    """How many requests are sent, and how.

    Attributes:
        requests: In total.
        workers: The number of requests at a time.
        piece: Requests of one curl, over one connection where the server keeps it.
        pause: Seconds after each piece.
    """

    requests: int
    workers: int
    piece: int = 50
    pause: float = 0.0

    def counts(self) -> list[int]:
        """Return how many requests each worker sends."""
        workers = min(self.workers, self.requests)
        each, more = divmod(self.requests, workers)
        return [each + (number < more) for number in range(workers)]


class LoadGenerator:
    """Requests from one cluster, in the background.

    Attributes:
        responses: So far; only ever appended to.
    """

    def __init__(self, process: "subprocess.Popen[str]", mark: str, load: LoadProfile) -> None:
        self.responses: list[DemoResponse] = []
        self._process = process
        self._mark = mark
        self._wanted = load.requests
        self._bodies: dict[str, list[str]] = {}
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
        if self.running or self._stopped or len(self.responses) >= self._wanted:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        self._error_reader.join(SECONDS_TO_END)
        ended = f"the connection to the client pod ended, exit status {self._process.poll()}"
        return self._error_lines[-1] if self._error_lines else ended

    def since(self, moment: float) -> list[DemoResponse]:
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
        with self._process.stdout as lines:
            for line in lines:
                worker, _, text = line.rstrip("\n").partition(" ")
                if text.startswith(f"{self._mark} "):
                    status, seconds, code, message = [*text.split(" ", 4)[1:], "", "", "", ""][:4]
                    body = "\n".join(self._bodies.pop(worker, []))
                    self.responses.append(_response(int(status), float(seconds), code, message, body))
                else:
                    self._bodies.setdefault(worker, []).append(text)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        # kubectl repeats the command in the address that it could not reach.
        with self._process.stderr as lines:
            self._error_lines += [_COMMAND.sub("", line.strip()) for line in lines if line.strip()]


def start_load(cluster: ClusterClient, namespace: str, url: str, load: LoadProfile) -> LoadGenerator:
    """Start to send requests to a URL from the client in a cluster."""
    # A response's text is the server's: it must not look like the end of one.
    mark = secrets.token_hex(8)
    arguments = [url, mark, f"{TIMEOUT_SECONDS:g}", str(load.piece), f"{load.pause:g}", *map(str, load.counts())]
    process = cluster.popen(
        *("exec", f"deployment/{CLIENT_APP}", "--namespace", namespace, "--container", CLIENT_APP, "--stdin"),
        *("--", "sh", "-c", SCRIPT, "client", *arguments),
    )
    return LoadGenerator(process, mark, load)


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


def _response(status: int, seconds: float, code: str, message: str, body: str) -> DemoResponse:
    found = VERSION_IN_RESPONSE.search(body)
    if code != "0":
        # Without the time that it took, equal problems count as one.
        problem = f"curl {code}: {_AFTER.sub('', message)}" if message else f"curl {code}"
    elif status != 200:
        problem = f"HTTP {status}"
    else:
        problem = "" if found else UNVERSIONED
    version = found[1] if found is not None and not problem else ""
    return DemoResponse(time.monotonic(), seconds, status, version, problem)

"""The demo's client in each cluster: sends requests from there and tells what came back, as it comes."""

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
"""For one answer."""

SECONDS_TO_END = 5.0

UNVERSIONED = "no version"

_AFTER = re.compile(r" after \d+ (ms|milliseconds)")
_COMMAND = re.compile(r"\?command=[^\s\"]+")


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        received: by the monotonic clock, when it was told here.
        seconds: how long it took, as the client measured it.
        status: of HTTP; 0 for no answer.
        version: who answered; empty if it was no success, or did not say.
        problem: why it is no success; empty if it is one.
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
        """When the request was sent, by our monotonic clock: what the way of the news took makes it later."""
        return self.received - self.seconds


@dataclass(frozen=True)
class Load:
    """How many requests, and how.

    Attributes:
        requests: all in all.
        workers: so many at a time.
        piece: requests of one curl, over one connection where the server keeps it.
        pause: seconds after each piece.
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


class Conversation:
    """Requests from one cluster, in the background.

    Attributes:
        answers: so far; only ever appended to.
    """

    def __init__(self, process: "subprocess.Popen[str]", mark: str, load: Load) -> None:
        self.answers: list[Answer] = []
        self._process = process
        self._mark = mark
        self._wanted = load.requests
        self._bodies: dict[str, list[str]] = {}
        self._stopped = False
        self._words: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        return self._reader.is_alive()

    @property
    def problem(self) -> str:
        """Why it has ended before all requests were answered; empty if it hasn't, or was stopped."""
        if self.running or self._stopped or len(self.answers) >= self._wanted:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        self._listener.join(SECONDS_TO_END)
        return self._words[-1] if self._words else f"the connection to the client ended, status {self._process.poll()}"

    def since(self, moment: float) -> list[Answer]:
        """Return the answers to what was sent after a moment of the monotonic clock."""
        return [answer for answer in list(self.answers) if answer.sent >= moment]

    def stop(self) -> None:
        """End it, if it has not ended: what is under way in the cluster ends when its input does."""
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
        self._listener.join(SECONDS_TO_END)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                worker, _, text = line.rstrip("\n").partition(" ")
                if text.startswith(f"{self._mark} "):
                    status, seconds, code, message = [*text.split(" ", 4)[1:], "", "", "", ""][:4]
                    body = "\n".join(self._bodies.pop(worker, []))
                    self.answers.append(_answer(int(status), float(seconds), code, message, body))
                else:
                    self._bodies.setdefault(worker, []).append(text)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        # kubectl repeats the command in the address that it could not reach.
        with self._process.stderr as lines:
            self._words += [_COMMAND.sub("", line.strip()) for line in lines if line.strip()]


def converse(cluster: ClusterClient, namespace: str, url: str, load: Load) -> Conversation:
    """Start to send requests to a URL from the client in a cluster."""
    # An answer's text is the server's: it must not look like the end of one.
    mark = secrets.token_hex(8)
    arguments = [url, mark, f"{TIMEOUT_SECONDS:g}", str(load.piece), f"{load.pause:g}", *map(str, load.counts())]
    process = cluster.popen(
        *("exec", f"deployment/{CLIENT_APP}", "--namespace", namespace, "--container", CLIENT_APP, "--stdin"),
        *("--", "sh", "-c", SCRIPT, "client", *arguments),
    )
    return Conversation(process, mark, load)


def wait(conversations: Sequence[Conversation], watch: Callable[[], None], every: float = 0.1) -> None:
    """Wait until all have ended, and stop them on every other way out.

    Args:
        watch: is called time and again.
    """
    try:
        while any(one.running for one in conversations):
            watch()
            time.sleep(every)
        watch()
    finally:
        stop(conversations)


def stop(conversations: Sequence[Conversation]) -> None:
    """Stop all, at the same time."""
    threads = [threading.Thread(target=one.stop) for one in conversations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answer(status: int, seconds: float, code: str, message: str, body: str) -> Answer:
    found = VERSION_IN_RESPONSE.search(body)
    if code != "0":
        # Without how long it took: the same problem is to be counted as the same.
        problem = f"curl {code}: {_AFTER.sub('', message)}" if message else f"curl {code}"
    elif status != 200:
        problem = f"HTTP {status}"
    else:
        problem = "" if found else UNVERSIONED
    version = found[1] if found is not None and not problem else ""
    return Answer(time.monotonic(), seconds, status, version, problem)

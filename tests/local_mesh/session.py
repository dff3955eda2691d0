"""A program that runs twice: outside, where it prepares what needs the machine, and then again, isolated."""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import run_isolated
from tests.local_mesh.prerequisites import Prerequisite, check_prerequisites

STARTED = "LOCAL_MESH_STARTED"
"""Environment variable that holds the start of the run outside, for the run inside."""


class Session:
    """A program's folder in the checkout, and its messages to the user.

    Attributes:
        name: of the program, in messages.
        folder: its folder in the checkout.
        logs: folder of what its programs print; it stays.
        state: where a file system in memory is mounted inside; outside it stays empty.
    """

    def __init__(self, name: str, root: Path) -> None:
        """Take the time of the start.

        Args:
            name: of the module in `tests`, which ``python -m`` runs.
            root: the checkout.
        """
        self.name = name
        self.folder = root / f".{name}"
        self.logs = self.folder / "logs"
        self.state = self.folder / "state"
        self._start = float(os.environ.setdefault(STARTED, str(time.monotonic())))

    def report(self, text: str) -> None:
        print(f"{self.name}: {text} ({time.monotonic() - self._start:.0f} s)", flush=True)

    def run_inside(
        self, arguments: list[str], prerequisites: Iterable[Prerequisite], prepare: Callable[[], object]
    ) -> int:
        """Prepare what needs the machine, run the program again inside, and return its status.

        Args:
            arguments: of the program.
            prerequisites: checked before anything else.
            prepare: builds and collects, outside, what the program needs.

        Raises:
            LocalMeshError: a prerequisite is missing, or another run of this checkout is going on.
        """
        check_prerequisites(prerequisites)
        with self._only_one():
            shutil.rmtree(self.logs, ignore_errors=True)
            self.logs.mkdir()
            self.state.mkdir(exist_ok=True)
            prepare()
            return run_isolated([sys.executable, "-m", f"tests.{self.name}", *arguments])

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Keep out a second run of this checkout. The kernel releases the lock when this process ends, in any case."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalMeshError(f"a {self.name} of this checkout is running; wait for it, or end it") from None
            yield

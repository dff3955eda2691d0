"""A program that runs twice: outside, where it makes ready what needs the machine, and then again, isolated."""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import check_isolation, run_isolated

STARTED = "LOCAL_MESH_STARTED"
"""Set for the run inside: when the run outside was started."""


class Session:
    """A program's folder in the checkout, and its words to the user.

    Attributes:
        logs: for what its programs print; stays.
        state: where a file system in memory is mounted inside; outside it stays empty.
    """

    def __init__(self, name: str, root: Path) -> None:
        """
        Args:
            name: of the module, which ``python -m`` runs.
        """
        self.name = name
        self.folder = root / f".{name}"
        self.logs = self.folder / "logs"
        self.state = self.folder / "state"
        self._start = float(os.environ.setdefault(STARTED, str(time.monotonic())))

    def say(self, text: str) -> None:
        print(f"{self.name}: {text} ({time.monotonic() - self._start:.0f} s)", flush=True)

    def run_inside(self, arguments: list[str], prepare: Callable[[], object]) -> int:
        """Make ready what needs the machine, run the program again inside, and return its status.

        Raises:
            LocalMeshError: this machine has no namespaces, or another run of this checkout goes on.
        """
        check_isolation()
        if shutil.which("node") is None:
            raise LocalMeshError(f"Node.js is missing, which cdktf runs on: run `make {self.name}`, which brings it")
        with self._only_one():
            shutil.rmtree(self.logs, ignore_errors=True)
            self.logs.mkdir()
            self.state.mkdir(exist_ok=True)
            prepare()
            return run_isolated([sys.executable, "-m", f"tests.{self.name}", *arguments])

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Keep a second run of the same checkout out. The kernel lets go of the lock when we end, however that is."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = f"a {self.name} of this checkout is running"
                raise LocalMeshError(f"{what}; wait for it, or end it") from None
            yield

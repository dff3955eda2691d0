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
from tests.reporting.report import Report

STARTED = "LOCAL_MESH_STARTED"
"""Environment variable that holds the start of the run outside, for the run inside."""


class Session:
    """A program's folder in the checkout, its progress on standard error, and its report on standard output.

    Attributes:
        name: of the program, in messages.
        folder: its folder in the checkout.
        logs: folder of what its programs print; it stays.
        state: where a file system in memory is mounted inside; outside it stays empty.
        report_file: holds the report of the run inside, also if that is killed.
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
        self.report_file = self.folder / "report.txt"
        self._start = float(os.environ.setdefault(STARTED, str(time.monotonic())))

    def elapsed(self) -> float:
        """Return the seconds since the start of the run outside."""
        return time.monotonic() - self._start

    def progress(self, text: str) -> None:
        """Print what is done now."""
        print(f"{self.name}: {text} ({self.elapsed():.0f} s)", file=sys.stderr, flush=True)

    def start_report(self, title: str) -> Report:
        """Return the report of a run, which `run_inside` prints when the run has ended.

        Args:
            title: what is run.
        """
        report = Report(title, show=self.progress, clock=self.elapsed, file=self.report_file)
        report.logs = str(self.logs)
        return report

    def run_inside(
        self, arguments: list[str], prerequisites: Iterable[Prerequisite], prepare: Callable[[], object]
    ) -> int:
        """Prepare what needs the machine, run the program again inside, print its report, and return its status.

        Args:
            arguments: of the program.
            prerequisites: checked before anything else.
            prepare: builds and collects, outside, what the program needs.

        Raises:
            LocalMeshError: a prerequisite is missing, or another run of this checkout is going on.
        """
        with self._only_one():
            check_prerequisites(prerequisites)  # in the lock: it replaces the mirror of the providers
            shutil.rmtree(self.logs, ignore_errors=True)
            self.logs.mkdir()
            self.state.mkdir(exist_ok=True)
            self.report_file.unlink(missing_ok=True)
            prepare()
            status = run_isolated([sys.executable, "-m", f"tests.{self.name}", *arguments])
            if self.report_file.exists():
                print(f"\n{self.report_file.read_text(encoding='utf-8')}", end="", flush=True)
            return status

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Keep out a second run of this checkout. The kernel releases the lock when this process ends, in any case."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalMeshError(
                    f"another {self.name} of this checkout is running; wait for it, or stop it"
                ) from None
            yield

"""One network namespace."""

import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.local_mesh.errors import LocalMeshError

T = TypeVar("T")


@dataclass(frozen=True)
class Namespace:
    """A network namespace that is mounted on a file.

    Attributes:
        path: the file, for ``nsenter --net=PATH``.
    """

    path: Path

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        _run(["unshare", f"--net={self.path}", "true"], f"could not create namespace {self.path.name}")

    def remove(self) -> None:
        _run(["umount", str(self.path)], f"could not remove namespace {self.path.name}")
        self.path.unlink()

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs another command inside."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def run(self, work: Callable[[], T]) -> T:
        """Call a function inside, in a new thread: a thread creates its sockets in its own namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                self.enter()
                results.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside, daemon=True)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def enter(self) -> None:
        """Move the calling thread inside, permanently. Never call it in the main thread."""
        # Not at the top: tests that only count responses do not need it.
        from pyroute2 import netns  # noqa: PLC0415

        netns.setns(str(self.path), flags=0, fork=False)


def _run(command: Sequence[str], failure: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalMeshError(f"{failure}: {result.stderr.strip()}")

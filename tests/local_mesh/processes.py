"""Processes of a local mesh."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.namespace import Namespace

LAST_LINES = 5


class Program:
    """A process that runs until it is stopped, or until the lab ends.

    Attributes:
        name: in messages.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        namespace: Namespace | None = None,
        hosts: Path | None = None,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            name: in messages.
            command: with its arguments.
            log: file of its output.
            namespace: the current one if absent.
            hosts: file that it reads as ``/etc/hosts``.
            folder: its working directory.
            variables: its whole environment; the current one if absent.
        """
        self.name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                inside(command, namespace, hosts),
                cwd=folder,
                env=None if variables is None else dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def check(self) -> None:
        """Raise a LocalMeshError with its last lines if it ended."""
        if not self.running:
            raise LocalMeshError(f"{self.name} ended by itself:\n{last_lines(self._log)}")

    def terminate(self) -> None:
        """Send it SIGTERM, but not its children."""
        self._process.terminate()

    def interrupt(self) -> None:
        """Send it SIGINT, but not its children."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> None:
        """Wait until it ended, and kill it if that takes too long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def run(
    command: Sequence[str],
    *,
    namespace: Namespace | None = None,
    variables: Mapping[str, str] | None = None,
    text: str | None = None,
    seconds: float = 120,
) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        LocalMeshError: it failed; the message has its last lines.
    """
    program = Path(command[0]).name
    try:
        result = subprocess.run(
            inside(command, namespace, None),
            env=None if variables is None else dict(variables),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalMeshError(f"{program} {command[1]} took longer than {seconds:g} s") from error
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()[-LAST_LINES:]
        raise LocalMeshError(f"{program} {command[1]} failed:\n" + "\n".join(f"  {line}" for line in lines))
    return result.stdout


def inside(command: Sequence[str], namespace: Namespace | None, hosts: Path | None) -> list[str]:
    """Return the command that runs another one in a namespace and with its own /etc/hosts."""
    wrapped = list(command)
    if namespace is not None:
        wrapped = namespace.command(wrapped)
    if hosts is not None:
        script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        wrapped = ["unshare", "--mount", "sh", "-c", script, "sh", str(hosts), *wrapped]
    return wrapped


def last_lines(log: Path) -> str:
    """Return the last lines of a log, and its path."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n".join([*(f"  {line}" for line in lines), f"  ({log})"])

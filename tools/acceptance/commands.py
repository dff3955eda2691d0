"""Runs commands that survive this process, and stops them without loss.

The output goes to a file, which is followed here: a command that writes to a closed pipe would die in the middle of
its work. While it runs it holds a lock, by which a later run notices it.
"""

import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.acceptance.progress import CommandRecord
from tools.acceptance.workspace import Workspace

PAUSE = 0.2
TERRAFORM = "terraform"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class InterruptedRunError(Exception):
    """A signal has ended the checks."""


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP, in place of dying by them.

    Attributes:
        received: The first signal; 0 for none.
    """

    def __init__(self) -> None:
        self.received = 0

    def catch(self) -> None:
        """Note signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _: object) -> None:
        if self.received:
            say("destroying the environment; further signals are ignored")
        self.received = self.received or number


def say(text: str) -> None:
    """Print a line, unless the terminal is gone."""
    with suppress(OSError):
        print(f"acceptance: {text}", flush=True)


def show(text: str) -> None:
    """Print output of a command, unless the terminal is gone."""
    with suppress(OSError):
        sys.stdout.write(text)
        sys.stdout.flush()


def json_report(output: str) -> dict[str, Any]:
    """Return the report that a command of `mesh` has printed with ``--json``, between its other lines.

    Raises:
        ValueError: There is none.
    """
    text = f"\n{output}"
    report: dict[str, Any] = json.JSONDecoder().raw_decode(text, text.index("\n{") + 1)[0]
    return report


class CommandRunner:
    """Runs commands, one at a time."""

    def __init__(self, workspace: Workspace, signals: Signals) -> None:
        self._workspace = workspace
        self._signals = signals

    def run(
        self, words: Sequence[str], record: CommandRecord, started: Callable[[], None], *, stoppable: bool = True
    ) -> str:
        """Run a command to its end, and return its output.

        Args:
            words: The command.
            record: Gets its process id, status and duration.
            started: Is called when the process id is known.
            stoppable: Whether a signal stops the command; else it is awaited.

        Raises:
            InterruptedRunError: A signal has stopped it.
        """
        log = self._workspace.logs / record.log
        begin = time.monotonic()
        with self._workspace.command_lock.open("w", encoding="utf-8") as lock, log.open("wb") as output:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                process = subprocess.Popen(
                    words,
                    env=self._workspace.variables(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # The terminal's Ctrl-C is for this process alone, which stops the command in its own way.
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                )
            except OSError as error:
                record.status = 127
                return f"{words[0]}: {error.strerror}"
        record.pid = process.pid
        started()
        stopper = Stopper(process.pid, Path(words[0]).name)
        with log.open(encoding="utf-8", errors="replace") as output:
            ended = False
            while not ended:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PAUSE)
                    ended = True
                show(output.read())
                if stoppable and self._signals.received and not ended:
                    stopper.stop()
        record.status = process.returncode
        record.seconds = round(time.monotonic() - begin, 1)
        if stoppable and self._signals.received:
            raise InterruptedRunError
        return _COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace"))

    def wait_for_earlier(self, last: CommandRecord | None, *, stoppable: bool) -> None:
        """Wait for the end of a command that an earlier run has left running.

        Args:
            last: The command that was started last.
            stoppable: Whether a signal stops the command.
        """
        with self._workspace.command_lock.open("a", encoding="utf-8") as lock:
            stopper = None
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    pass
                if stopper is None:
                    assert last is not None, "a command is recorded as soon as it runs"
                    log = self._workspace.logs / last.log
                    say(f"waiting for a command of the interrupted run: {last.line}; output: {log}")
                    stopper = Stopper(last.pid, Path(shlex.split(last.line)[0]).name)
                if stoppable and self._signals.received:
                    stopper.stop()
                time.sleep(PAUSE)


class Stopper:
    """Stops a command in a way that loses nothing.

    cdktf is not told: at a signal it leaves at once, closes terraform's terminal, and so kills it in the middle of a
    creation (`deploy-machine.ts` of cdktf-cli 0.21: STOP ends its state machine). Instead, every terraform below it
    gets SIGINT, once: it ends what it has begun and writes its state, and cdktf then ends by itself. A second SIGINT
    would end terraform at once.
    """

    def __init__(self, pid: int, program: str) -> None:
        self._pid = pid
        self._program = program
        self._told: set[int] = set()

    def stop(self) -> None:
        """Tell the command to stop; to be called again until it has ended."""
        pids = terraform_processes(self._pid) if self._program == "cdktf" else [self._pid]
        for pid in pids:
            if pid not in self._told:
                self._told.add(pid)
                say(f"stopping: waiting for {self._program} to complete the operations under way")
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)


def terraform_processes(root: int) -> list[int]:
    """Return the process ids of all terraforms below a process; none where there is no ps."""
    try:
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    children: dict[int, list[tuple[int, str]]] = {}
    for line in listed:
        pid, parent, name = line.split(maxsplit=2)
        children.setdefault(int(parent), []).append((int(pid), Path(name).name))
    found: list[int] = []
    for one in (queue := [root]):
        below = children.get(one, [])
        queue += [pid for pid, _ in below]
        found += [pid for pid, name in below if name == TERRAFORM]
    return found

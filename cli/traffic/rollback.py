"""Rolls back what a drill has done to a cluster, however the drill ends.

``python -m cli.traffic.rollback`` reads commands from its standard input, waits until that
ends, and then runs them. The other end is held by the drill, and closes when the drill is
done, fails, gets Ctrl-C or SIGTERM, loses its terminal, and also when it is killed.
"""

import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.paths import ROOT

CALL_SECONDS = 30.0
PAUSE_SECONDS = 3.0
FINISHED = "finished"
"""The last line of standard input if the drill is alive, and removes its folder itself."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Log = Callable[[str], None]


@dataclass(frozen=True)
class RollbackStep:
    """A command of kubectl that restores something.

    Attributes:
        command: The arguments of kubectl; running it again changes nothing.
        gone: The object that it deletes, as arguments of `kubectl get`; empty if it deletes none. kubectl's exit
            status alone does not prove a deletion.
    """

    command: Sequence[str]
    gone: Sequence[str] = ()


@contextlib.contextmanager
def rolled_back(cluster: ClusterClient, steps: Sequence[RollbackStep], seconds: float, log: Log) -> Iterator[list[str]]:
    """Run commands of kubectl at the end of a block, however it ends.

    Args:
        cluster: The cluster.
        steps: What to run.
        seconds: How long they are tried again, as the connection may have failed.
        log: Gets the outcome if the block ends with an exception.

    Yields:
        A list, to which the commands that failed are added for the user to run.
    """
    commands = [
        {
            "arguments": cluster.arguments(*step.command),
            "gone": cluster.arguments("get", *step.gone, "--ignore-not-found", "--output=name") if step.gone else [],
            "manual": f"{cluster.command} {shlex.join(step.command)}",
        }
        for step in steps
    ]
    # In a session of its own: neither Ctrl-C nor the terminal's end reaches it.
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.traffic.rollback"],
        cwd=ROOT,
        env={**cluster.variables, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    folder = str(cluster.folder) if cluster.folder else None
    print(json.dumps({"steps": commands, "seconds": seconds, "folder": folder}), file=process.stdin, flush=True)
    left: list[str] = []
    try:
        yield left
    except BaseException:
        with _signals_postponed(log):
            left += _end(process, commands)
        if left:
            log("the rollback failed; run these commands:\n" + "\n".join(f"      {command}" for command in left))
        else:
            log(f"the fault in {cluster.region} is rolled back")
        raise
    with _signals_postponed(log):
        left += _end(process, commands)


def _end(process: "subprocess.Popen[str]", commands: Sequence[dict[str, Any]]) -> list[str]:
    """Have the commands run, and return those that failed."""
    output, _ = process.communicate(f"{FINISHED}\n")
    failed: list[str] = json.loads(output) if output else [one["manual"] for one in commands]
    return failed


@contextlib.contextmanager
def _signals_postponed(log: Log) -> Iterator[None]:
    """Let another Ctrl-C or SIGTERM change nothing: the rollback comes first."""

    def postpone(*_: object) -> None:
        log("rolling the fault back first")

    before: dict[signal.Signals, Any] = {number: signal.signal(number, postpone) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Run the commands on standard input when that ends; return 0 if all succeed, else 1."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    content = json.loads(sys.stdin.readline())
    finished = sys.stdin.read().strip() == FINISHED
    deadline = time.monotonic() + content["seconds"]
    failed = [one["manual"] for one in content["steps"] if not _succeeds(one["arguments"], one["gone"], deadline)]
    if finished:
        print(json.dumps(failed), flush=True)
    else:
        _report(failed)
        if content["folder"] and not failed:
            shutil.rmtree(content["folder"], ignore_errors=True)
    return 1 if failed else 0


def _succeeds(command: Sequence[str], gone: Sequence[str], deadline: float) -> bool:
    """Run a command, at least once, until it succeeds and what it deletes is gone, or until a deadline."""
    told = False
    while True:
        try:
            _run(command)
            if not gone or not _run(gone):
                return True
            problem = "the object still exists"
        except (OSError, subprocess.SubprocessError) as error:
            problem = _last_line(error)
        left = deadline - time.monotonic()
        if left < PAUSE_SECONDS:
            return False
        if not told:
            _print(f"the rollback does not succeed yet, and is tried again for {left:.0f} s: {problem}")
            told = True
        time.sleep(PAUSE_SECONDS)


def _last_line(error: OSError | subprocess.SubprocessError) -> str:
    """Return the last line that a command has printed before it failed, or else what the error says."""
    printed: bytes = getattr(error, "stderr", None) or b""
    if lines := printed.decode(errors="replace").strip().splitlines():
        return lines[-1]
    return f"no response within {CALL_SECONDS:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)


def _run(command: Sequence[str]) -> bytes:
    """Run a command and return what it prints.

    Raises:
        OSError: It can't be started.
        subprocess.SubprocessError: It failed, or took longer than `CALL_SECONDS`.
    """
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_SECONDS, check=True)
    return result.stdout.strip()


def _report(failed: Sequence[str]) -> None:
    """Print the outcome: the drill is gone."""
    if failed:
        _print("the rollback failed; run these commands:", *failed)
    else:
        _print("the drill was interrupted; the fault is rolled back")


def _print(text: str, *lines: str) -> None:
    """Print a message, as long as there is a terminal."""
    with contextlib.suppress(OSError):
        print(f"mesh: {text}", *lines, sep="\n      ", file=sys.stderr, flush=True)


def stop_on_signals() -> None:
    """Have SIGTERM and SIGHUP end the process as Ctrl-C does, with the status that a shell gives them."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)


if __name__ == "__main__":
    sys.exit(main())

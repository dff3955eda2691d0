"""Takes back what a command has done to a cluster, however that command ends.

``python -m cli.traffic.rollback`` reads what is to be run from its standard input, waits until that
ends, and then runs it. Whoever started it holds the other end, which ends with a word,
with an error, by Ctrl-C, by SIGTERM, when its terminal goes, and also when it is killed.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.paths import ROOT

CALL_SECONDS = 30.0
PAUSE_SECONDS = 3.0
FINISHED = "finished"
"""What the other end says when it ends by itself, and takes care of its own folder."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


@contextlib.contextmanager
def undoing(cluster: ClusterClient, steps: Sequence[Sequence[str]], seconds: float, say: Say) -> Iterator[list[str]]:
    """Run commands of kubectl at the end of a block, however it ends.

    Args:
        steps: each the arguments of kubectl; running one twice does no harm.
        seconds: for so long each is tried again: the connection may be what has failed.
        say: is told, if the block ends with an error.

    Yields:
        a list that has, when all is over, the commands that could not be run and that a
        person has to run.
    """
    commands = [
        {"arguments": cluster.arguments(*step), "by_hand": f"{cluster.command} {' '.join(step)}"} for step in steps
    ]
    # In a session of its own: neither Ctrl-C nor the terminal's end reaches it.
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.traffic.rollback"],
        cwd=ROOT,
        env=dict(cluster.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    folder = str(cluster.folder) if cluster.folder else None
    print(json.dumps({"steps": commands, "seconds": seconds, "folder": folder}), file=process.stdin, flush=True)
    left: list[str] = []
    try:
        yield left
    except BaseException:
        with _patience(say):
            left += _end(process, commands)
        if left:
            say("not everything could be put back; run this:\n" + "\n".join(f"      {command}" for command in left))
        else:
            say(f"what was done to {cluster.region} is put back")
        raise
    with _patience(say):
        left += _end(process, commands)


def _end(process: "subprocess.Popen[str]", commands: Sequence[dict[str, Any]]) -> list[str]:
    """Let it run its commands, and return those that it could not run."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.write(f"{FINISHED}\n")
    with contextlib.suppress(OSError):
        process.stdin.close()
    with process.stdout as said:
        answer = said.read()
    process.wait()
    left: list[str] = json.loads(answer) if answer else [one["by_hand"] for one in commands]
    return left


@contextlib.contextmanager
def _patience(say: Say) -> Iterator[None]:
    """Go on when somebody stops us once more: what was done has to be taken back first."""

    def go_on(*_: object) -> None:
        say("putting things back first")

    before: dict[signal.Signals, Any] = {number: signal.signal(number, go_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Return 0 if all was taken back, else 1."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    content = json.loads(sys.stdin.readline())
    finished = sys.stdin.read().strip() == FINISHED
    left = [one["by_hand"] for one in content["steps"] if not _succeeds(one["arguments"], content["seconds"])]
    if finished:
        print(json.dumps(left), flush=True)
    else:
        _tell(left)
        if content["folder"] and not left:
            shutil.rmtree(content["folder"], ignore_errors=True)
    return 1 if left else 0


def _succeeds(command: Sequence[str], seconds: float) -> bool:
    """Run a command again and again until it succeeds, for so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_SECONDS, check=False
            )
            if result.returncode == 0:
                return True
        if time.monotonic() + PAUSE_SECONDS > deadline:
            return False
        time.sleep(PAUSE_SECONDS)


def _tell(left: Sequence[str]) -> None:
    """Say what became of it: whoever asked is gone, but there may still be a terminal."""
    with contextlib.suppress(OSError):
        if left:
            print("mesh: not everything could be put back; run this:", *left, sep="\n      ", file=sys.stderr)
        else:
            print("mesh: the drill was ended from outside; what it had done is put back", file=sys.stderr)


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end us as Ctrl-C does, with the status that a shell gives them."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)


if __name__ == "__main__":
    sys.exit(main())

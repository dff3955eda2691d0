"""Rolls back what a command has done to clusters, however the command ends.

``python -m cli.traffic.rollback`` reads commands from its standard input, waits until that
ends, and then runs them. The other end is held by the command, and closes when the command is
done, fails, gets Ctrl-C or SIGTERM, loses its terminal, and also when it is killed.
"""

import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.paths import ROOT
from config.temporary_folder import own_temporary_folder

CALL_SECONDS = 30.0
PAUSE_SECONDS = 3.0
FINISHED = "finished"
"""The last line of standard input if the command is alive, and removes its folder itself."""

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
    left: list[str] = []
    try:
        with rolled_back_together([(cluster, steps)], seconds, log, left):
            yield left
    except BaseException:
        if left:
            log("the rollback failed; run these commands:\n" + "\n".join(f"      {command}" for command in left))
        else:
            log(f"the fault in {cluster.region} is rolled back")
        raise


@contextlib.contextmanager
def rolled_back_together(
    steps: Sequence[tuple[ClusterClient, Sequence[RollbackStep]]], seconds: float, log: Log, left: list[str]
) -> Iterator[None]:
    """Run commands of kubectl in several clusters at the end of a block, however it ends.

    Args:
        steps: What to run in each cluster; the clusters at the same time.
        seconds: How long they are tried again.
        log: Gets the reason why Ctrl-C does not end it.
        left: The commands that failed are added, for the user to run.
    """
    commands = [
        {
            "region": cluster.region,
            "arguments": cluster.arguments(*step.command),
            "gone": cluster.arguments("get", *step.gone, "--ignore-not-found", "--output=name") if step.gone else [],
            "manual": f"{cluster.command} {shlex.join(step.command)}",
        }
        for cluster, several in steps
        for step in several
    ]
    folders = sorted({str(cluster.folder) for cluster, _ in steps if cluster.folder})
    # In a session of its own: neither Ctrl-C nor the terminal's end reaches it.
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.traffic.rollback"],
        cwd=ROOT,
        env={**steps[0][0].variables, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    content = {"steps": commands, "seconds": seconds, "folders": folders}
    print(json.dumps(content), file=process.stdin, flush=True)
    assert process.stdout is not None
    process.stdout.readline()  # it has its own copies of the kubeconfigs
    try:
        yield
    finally:
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
        log("rolling back first")

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
    with tempfile.TemporaryDirectory() as own:
        # The command's folders are deleted when it ends, or after this one when it was killed.
        copies = {folder: f"{own}/{number}" for number, folder in enumerate(content["folders"])}
        for folder, copy in copies.items():
            shutil.copytree(folder, copy)
        print("ready", flush=True)
        finished = sys.stdin.read().strip() == FINISHED
        deadline = time.monotonic() + content["seconds"]
        by_region: dict[str, list[dict[str, Any]]] = {}
        for step in content["steps"]:
            for key in ("arguments", "gone"):
                step[key] = [_with_copy(argument, copies) for argument in step[key]]
            by_region.setdefault(step["region"], []).append(step)

        def run(steps: Sequence[dict[str, Any]]) -> list[str]:
            return [one["manual"] for one in steps if not _succeeds(one["arguments"], one["gone"], deadline)]

        with ThreadPoolExecutor(max(len(by_region), 1)) as pool:
            failed = [command for several in pool.map(run, by_region.values()) for command in several]
    if finished:
        print(json.dumps(failed), flush=True)
    else:
        _report(failed)
    return 1 if failed else 0


def _with_copy(argument: str, copies: Mapping[str, str]) -> str:
    """Return an argument with the copy of a folder in place of the folder."""
    for folder, copy in copies.items():
        if argument.startswith(f"{folder}/"):
            return copy + argument.removeprefix(folder)
    return argument


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
    """Print the outcome: the command is gone."""
    if failed:
        _print("the rollback failed; run these commands:", *failed)
    else:
        _print("interrupted; what was changed is rolled back")


def _print(text: str, *lines: str) -> None:
    """Print a message, as long as there is a terminal."""
    with contextlib.suppress(OSError):
        print(f"mesh: {text}", *lines, sep="\n      ", file=sys.stderr, flush=True)


if __name__ == "__main__":
    with own_temporary_folder():
        status = main()
    sys.exit(status)

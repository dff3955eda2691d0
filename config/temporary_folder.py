"""Temporary files: each process of the project has a folder of its own, which outlives it only if it is killed.

Its name has the machine and the process id. The next process deletes the folders of those that have ended: its own
user's, on its own machine, and not while a program that a killed process has started still has the folder among its
arguments. scripts/lib.sh does the same with the folders of the same name.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "mesh"
"""How the names of the folders begin. They are short, as sockets in them have long paths."""


@contextmanager
def own_temporary_folder() -> Iterator[Path | None]:
    """Have all temporary files of this process in a folder of its own, which is deleted at the end of the block.

    Yields:
        The folder; None if there can't be one, which the first temporary file reports.
    """
    before = tempfile.tempdir
    try:
        parent = Path(tempfile.gettempdir())
        remove_abandoned(parent, NAME)
        folder = Path(tempfile.mkdtemp(prefix=prefix_of_process(NAME), dir=parent))
    except OSError:
        yield None
        return
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            remove_abandoned(parent, NAME)  # of a process whose end this one has waited for


def prefix_of_process(name: str) -> str:
    """Return how the names of this process's temporary files and folders begin, for `remove_abandoned`."""
    return f"{_prefix_of_machine(name)}{os.getpid()}."


def remove_abandoned(parent: Path, name: str) -> None:
    """Delete the temporary files and folders of processes that were killed.

    Args:
        parent: The folder that they are in.
        name: How their names begin, in `prefix_of_process`.
    """
    pattern = re.compile(re.escape(_prefix_of_machine(name)) + r"(\d+)\.[^.]+")
    found = [(path, match[1]) for path in parent.iterdir() if (match := pattern.fullmatch(path.name))]
    if not found or (processes := _processes()) is None:
        return
    for path, number in found:
        if not _is_own(path) or number in processes or any(str(path) in command for command in processes.values()):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _prefix_of_machine(name: str) -> str:
    return f"{name}.{re.sub('[^A-Za-z0-9]', '', os.uname().nodename)[:8]}."


def _is_own(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid() and not path.is_symlink()
    except OSError:  # another process has just deleted it
        return False


def _processes() -> dict[str, str] | None:
    """Return the command lines of all processes by their ids; None where they are not known.

    Those that have ended, and whose parent has not noticed, are left out.
    """
    command = ["ps", "-A", "-ww", "-o", "pid=", "-o", "stat=", "-o", "args="]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    fields = (line.split(maxsplit=2) for line in result.stdout.splitlines())
    return {one[0]: one[-1] for one in fields if not one[1].startswith("Z")}

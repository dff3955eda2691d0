"""Namespaces around everything that the harness starts.

A lab lives in its own network, its own process numbers and its own mounts. It touches
nothing of the machine, and nothing outside can be reached from within. When its first
process ends, for whatever reason, the kernel ends all others and takes the networks
and mounts away: there is nothing to clean up, and nothing to forget.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.local_mesh.errors import LocalMeshError

NEEDED = ("mount", "nsenter", "setpriv", "sh", "umount", "unshare")
"""All from util-linux, but for the shell."""

EXIT_SKIPPED = 77
"""Exit status of ``python -m tests.local_mesh.isolation`` where a lab can't be."""

INSIDE = "LOCAL_MESH_INSIDE"
"""Set within: where a program finds that it need not isolate itself again."""

USERS_HOME = "LOCAL_MESH_USERS_HOME"
"""Set within: the user's own home."""


def is_inside() -> bool:
    return INSIDE in os.environ and os.getpid() == 1


def run_isolated(command: Sequence[str]) -> int:
    """Run a program in namespaces of its own and return its exit status.

    On SIGINT, SIGTERM and SIGHUP everything inside is killed, and the status is 128
    and the signal's number, as a shell has it. If this process is killed, it goes too.

    Raises:
        LocalMeshError: this machine doesn't have namespaces, or doesn't let us make them.
    """
    flags = ["--mount", "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    prefix = ["setpriv", "--pdeathsig", "KILL", "unshare", *_identity_flags(), *flags]
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(number)
        process.kill()

    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signals = [number for number in every if signal.getsignal(number) != signal.SIG_IGN]  # as under nohup
    with subprocess.Popen([*prefix, *command], env=os.environ | {INSIDE: "1"}) as process:
        for number in signals:
            signal.signal(number, stop)
        status = process.wait()
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
    return 128 + stopped[0] if stopped else status


def check_isolation() -> None:
    """Raise a LocalMeshError if this machine doesn't let us make namespaces."""
    _identity_flags()


def use_private_folders(state: Path) -> None:
    """Inside, put a file system in memory on a folder, and what programs leave in a home or in /tmp onto it."""
    mount = ["mount", "-t", "tmpfs", "-o", "mode=700", "lab", str(state)]
    result = subprocess.run(mount, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalMeshError(f"could not mount a file system in memory: {result.stderr.strip()}")
    home = os.environ.get("HOME", "/")
    os.environ[USERS_HOME] = home
    os.environ.setdefault("XDG_CACHE_HOME", os.path.join(home, ".cache"))  # of the programs that were built
    if _is_private(state):
        os.environ["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(state / "jsii-packages")
    else:
        os.environ["JSII_RUNTIME_PACKAGE_CACHE"] = "disabled"
    for variable in ("HOME", "TMPDIR"):
        folder = state / variable.lower()
        folder.mkdir()
        os.environ[variable] = str(folder)


def _is_private(folder: Path) -> bool:
    """Return whether jsii would keep its packages in a folder, which saves it half of its start.

    It wants all folders above to be ours or root's, and nobody else to write into them. In a
    user namespace those that are really root's seem to be nobody's.
    """
    above = [parent.stat() for parent in folder.resolve().parents]
    return all(
        one.st_uid in (0, os.getuid()) and (not one.st_mode & 0o022 or one.st_mode & stat.S_ISVTX) for one in above
    )


def ignore_sigint() -> None:
    """Inside, leave Ctrl-C to the process outside: it ends everything at once."""
    signal.signal(signal.SIGINT, lambda *_: None)


def _identity_flags() -> list[str]:
    """Return what lets us make namespaces: nothing for root, else a user namespace."""
    if not sys.platform.startswith("linux"):
        raise LocalMeshError("the lab needs Linux, for its network namespaces; the README says how to run it elsewhere")
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        raise LocalMeshError(f"{', '.join(missing)} not found; install util-linux")
    probe = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "true"]
    as_user = ["--user", "--map-root-user"]
    attempts: list[list[str]] = [[], as_user] if os.geteuid() == 0 else [as_user]
    for flags in attempts:
        result = subprocess.run(["unshare", *flags, *probe], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return flags
    raise LocalMeshError(
        f"this machine does not let us make namespaces ({result.stderr.strip()}); run it as root, or allow them: "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu, a privileged container elsewhere"
    )


if __name__ == "__main__":
    try:
        check_isolation()
    except LocalMeshError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_SKIPPED)

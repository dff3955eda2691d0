"""Namespaces around everything that a local mesh starts.

A lab has its own network, process numbers and mounts. It changes nothing on the machine,
and reaches nothing outside. When its first process ends, for whatever reason, the kernel
ends all others and removes the networks and mounts: there is nothing to clean up.
"""

import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.local_mesh.errors import LocalMeshError

PROGRAMS = ("mount", "nsenter", "setpriv", "sh", "umount", "unshare")
"""What isolation runs: all from util-linux, but for the shell."""

INSIDE = "LOCAL_MESH_INSIDE"
"""Environment variable that is set inside, so that a program does not isolate itself again."""

USERS_HOME = "LOCAL_MESH_USERS_HOME"
"""Environment variable that holds the user's own home, inside."""


def is_inside() -> bool:
    return INSIDE in os.environ and os.getpid() == 1


def run_isolated(command: Sequence[str]) -> int:
    """Run a program in namespaces of its own and return its exit status.

    On SIGINT, SIGTERM and SIGHUP everything inside is killed, and the status is 128
    plus the signal's number, as in a shell. If this process is killed, the program is, too.

    Raises:
        LocalMeshError: this machine does not allow namespaces.
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


def check_namespaces() -> None:
    """Raise a LocalMeshError if this machine does not allow namespaces."""
    _identity_flags()


def use_private_folders(state: Path) -> None:
    """Inside, mount a file system in memory on a folder, and move the home and the temporary files there."""
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
    """Return whether jsii accepts a folder for its package cache, which halves its start time.

    All parent folders must belong to the user or to root, and others must not be able to write
    into them. In a user namespace, root's folders seem to have no owner.
    """
    above = [parent.stat() for parent in folder.resolve().parents]
    return all(
        one.st_uid in (0, os.getuid()) and (not one.st_mode & 0o022 or one.st_mode & stat.S_ISVTX) for one in above
    )


def ignore_sigint() -> None:
    """Inside, leave Ctrl-C to the process outside, which ends everything at once."""
    signal.signal(signal.SIGINT, lambda *_: None)


def _identity_flags() -> list[str]:
    """Return the flags with which namespaces can be created: none for root, else those of a user namespace."""
    probe = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "true"]
    as_user = ["--user", "--map-root-user"]
    attempts: list[list[str]] = [[], as_user] if os.geteuid() == 0 else [as_user]
    for flags in attempts:
        result = subprocess.run(["unshare", *flags, *probe], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return flags
    raise LocalMeshError(
        f"this machine does not allow namespaces ({result.stderr.strip()}); run it as root, or allow them: "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu, a privileged container elsewhere"
    )

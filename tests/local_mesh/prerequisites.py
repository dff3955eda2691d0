"""Prerequisites of a lab or a rehearsal on this machine, checked before anything is built or started."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import PROGRAMS, check_namespaces
from tests.local_mesh.toolchain import FOLDER_VARIABLE, cache_folder, given_folder, is_available, missing_programs

EXIT_SKIPPED = 77
"""Exit status of a program that can't do its work on this machine."""

LEAST_GO = (1, 21)
"""From this version on, Go fetches a newer one by itself if a module needs it."""

BUILD_GIB = 10
"""Disk space that a build takes while it runs: 0.9 GiB of programs, the rest modules and Go's build cache."""

INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 40
"""Instances of inotify that a region takes: 2 for each of up to 16 pods, and those of its control planes."""

GIB = 1 << 30


@dataclass(frozen=True)
class Prerequisite:
    """Something that has to be on this machine.

    Attributes:
        name: what it is.
        purpose: what needs it.
        remedy: how to get it.
        find_problem: returns what is wrong, such as ``missing``; empty if it is there.
    """

    name: str
    purpose: str
    remedy: str
    find_problem: Callable[[], str]


class MissingPrerequisiteError(LocalMeshError):
    """Names every prerequisite that is missing."""

    def __init__(self, missing: Iterable[tuple[Prerequisite, str]]) -> None:
        lines = [f"  {one.name}: {problem}. Required {one.purpose}: {one.remedy}" for one, problem in missing]
        super().__init__("\n".join(["prerequisites are missing on this machine:", *lines]))


def check_prerequisites(prerequisites: Iterable[Prerequisite]) -> None:
    """Check all prerequisites, whatever the result of the first ones is.

    Raises:
        MissingPrerequisiteError: at least one is missing; every missing one is named.
    """
    found = [(one, one.find_problem()) for one in prerequisites]
    if missing := [(one, problem) for one, problem in found if problem]:
        raise MissingPrerequisiteError(missing)


def program(name: str, purpose: str, remedy: str) -> Prerequisite:
    """Return a prerequisite for a program on the PATH."""
    return Prerequisite(name, purpose, remedy, lambda: "" if shutil.which(name) else "missing")


def isolation_prerequisites() -> list[Prerequisite]:
    """Return what the namespaces of a local mesh need."""
    return [
        Prerequisite(
            "Linux",
            "for network namespaces",
            "docs/testing.md describes a virtual machine for other systems",
            lambda: "" if sys.platform.startswith("linux") else f"this is {sys.platform}",
        ),
        *(program(name, "for namespaces", "install util-linux") for name in PROGRAMS),
        Prerequisite("namespaces", "to isolate all programs", "use a machine that allows them", _namespaces),
    ]


def local_mesh_prerequisites(target: str) -> list[Prerequisite]:
    """Return what a local mesh needs.

    Args:
        target: the make target that installs the Python packages and Node.js, such as ``lab``.
    """
    make = f"run `make {target}`, which installs it"
    programs = f"or name a folder of programs in {FOLDER_VARIABLE}"
    return [
        *isolation_prerequisites(),
        program("node", "by cdktf, which renders the manifests", make),
        program("bash", "by the project's scripts", "install bash"),
        program("curl", "by the demo's client", "install curl"),
        *(_package(name, make) for name in ("envoy", "grpc", "h2", "pyroute2")),
        Prerequisite("Go", "to build the toolchain", f"install 1.21 or later from go.dev/dl, {programs}", _go),
        Prerequisite("disk space", "to build the toolchain", f"free some, {programs}", _disk_space),
        Prerequisite(FOLDER_VARIABLE, "instead of a built toolchain", "add them, or unset it", _given_programs),
    ]


def inotify_prerequisite(regions: int) -> Prerequisite:
    """Return what the proxies of a number of regions need to watch their files."""
    wanted = regions * INOTIFY_INSTANCES

    def find_problem() -> str:
        limit = int(INOTIFY_LIMIT.read_text(encoding="ascii"))
        return f"{limit}, less than {wanted}" if limit < wanted else ""

    name = "fs.inotify.max_user_instances"
    remedy = f"run `sysctl -w {name}=1024` as root"
    return Prerequisite(name, f"by the proxies of {regions} regions", remedy, find_problem)


def _namespaces() -> str:
    if shutil.which("unshare") is None:
        return "can't be checked without unshare"
    try:
        check_namespaces()
    except LocalMeshError as error:
        return str(error)
    return ""


def _package(name: str, remedy: str) -> Prerequisite:
    return Prerequisite(
        f"Python package {name}", "by the local mesh", remedy, lambda: "" if util.find_spec(name) else "missing"
    )


def _go() -> str:
    if is_available():
        return ""
    if shutil.which("go") is None:
        return "missing"
    result = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version = re.match(r"go(\d+)\.(\d+)", result.stdout)
    if version is None:
        return f"`go env GOVERSION` fails: {(result.stderr or result.stdout).strip()}"
    return "" if (int(version[1]), int(version[2])) >= LEAST_GO else f"{version[0]} is too old"


def _disk_space() -> str:
    if is_available():
        return ""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return f"{folder} is not writable"
    free = shutil.disk_usage(folder).free
    return (
        ""
        if free >= BUILD_GIB * GIB
        else f"{free / GIB:.1f} GiB are free in {folder}, and {BUILD_GIB} GiB are required"
    )


def _given_programs() -> str:
    missing = missing_programs()
    return f"{given_folder()} has no {', '.join(missing)}" if missing else ""

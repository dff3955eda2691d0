"""``make uninstall``: lists and removes what this project has put outside the checkout.

It needs nothing but Python: the checkout may be cleaned already.
"""

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

NAME = "multi-region-mesh"

SHARED = {
    ".cache/aws/jsii/package-cache": "delete the folder",
    ".cache/go-build": "go clean -cache",
    ".cache/pip": "pip cache purge",
    ".cache/pip-audit": "delete the folder",
    ".cache/pipenv": "delete the folder",
    ".npm": "npm cache clean --force",
    "go/pkg/mod": "go clean -modcache",
}
"""Folders in a home that other projects use, too, and how to clean each. None is removed here."""


def cache_folders(variables: Mapping[str, str]) -> list[Path]:
    """Return the user's cache folders: the configured one and the usual one."""
    home = Path(variables["HOME"])
    return list(dict.fromkeys([Path(variables.get("XDG_CACHE_HOME") or home / ".cache"), home / ".cache"]))


def disk_usage(path: Path) -> int:
    """Return the bytes that a folder takes on disk."""
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files)


def find_obstacle(folder: Path) -> str:
    """Return why a folder is not removed; empty if it can be."""
    if folder.is_symlink():
        return f"a symbolic link to {folder.readlink()}: remove it yourself"
    if not folder.is_dir():
        return "not a folder"
    if folder.stat().st_uid != os.getuid():
        return "owned by another user"
    try:
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "in use by a build"
    except OSError as error:
        return f"not writable: {error.strerror}"
    return ""


def main(arguments: list[str], variables: Mapping[str, str]) -> int:
    """Return the exit status: 0 if every folder was removed, 1 if not."""
    parser = argparse.ArgumentParser(prog="uninstall", description="Remove the project's folders outside the checkout.")
    parser.add_argument("--yes", action="store_true", help="remove without a confirmation prompt")
    given = parser.parse_args(arguments)
    home = Path(variables["HOME"])
    shared = [(home / name, advice) for name, advice in SHARED.items() if (home / name).is_dir()]
    found = [folder / NAME for folder in cache_folders(variables) if os.path.lexists(folder / NAME)]
    for path, advice in shared:
        print(f"keep     {_size(path)}  {path} (shared with other projects; to clean it: {advice})")
    obstacles = {folder: find_obstacle(folder) for folder in found}
    for folder, obstacle in obstacles.items():
        print(f"keep     {_size(folder)}  {folder} ({obstacle})" if obstacle else f"remove   {_size(folder)}  {folder}")
    removable = [folder for folder, obstacle in obstacles.items() if not obstacle]
    if removable and not given.yes and not _confirm():
        print("nothing was removed; to remove without a prompt: make uninstall YES=1")
        return 1
    for folder in removable:
        shutil.rmtree(folder)
    print(f"removed {len(removable)} of {len(found)} folders outside the checkout; to clean the checkout: make clean")
    return int(len(removable) < len(found))


def _size(folder: Path) -> str:
    return f"{disk_usage(folder) / 1e6:8.1f} MB"


def _confirm() -> bool:
    try:
        return input("Remove? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

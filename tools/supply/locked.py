"""The packages that lock files pin."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT

PYTHON, NODE = "Python", "npm"

NPM_FOLDERS = (".", "tests/synthesis/schemas")
"""Folders with a package-lock.json."""


@dataclass(frozen=True, order=True)
class Package:
    """One package of one version.

    Attributes:
        kind: `PYTHON` or `NODE`.
        name: name in its registry.
        version: the locked version.
        file: the lock file.
        part: the Pipfile's category; empty elsewhere.
        hashes: accepted hashes of the download, as the lock file has them.
        bundled: whether it is part of another package's download, which has the hash.
        licence: licence in the lock file; empty if it has none.
    """

    kind: str
    name: str
    version: str
    file: str
    part: str = ""
    hashes: tuple[str, ...] = ()
    bundled: bool = False
    licence: str = ""

    @property
    def requirement(self) -> str:
        """The line of a requirements file."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={one}" for one in self.hashes)])


def requirement_files() -> list[Path]:
    """Return the requirements files of the tools."""
    return sorted((ROOT / "tools").glob("*.txt"))


def python_packages() -> Iterator[Package]:
    """Yield the packages of Pipfile.lock and of the tools' requirements."""
    lock = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    for part, packages in lock.items():
        if part != "_meta":
            for name, entry in packages.items():
                version = entry["version"].removeprefix("==")
                yield Package(PYTHON, name, version, "Pipfile.lock", part, tuple(entry.get("hashes", ())))
    for path in requirement_files():
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if found := re.match(r"([\w.-]+)==([\w.]+)", line):
                hashes = tuple(re.findall(r"--hash=(\S+)", line))
                yield Package(PYTHON, found[1], found[2], f"tools/{path.name}", "", hashes)


def npm_packages(folder: str) -> Iterator[Package]:
    """Yield the packages of a folder's package-lock.json."""
    file = Path(folder, "package-lock.json")
    lock = json.loads((ROOT / file).read_text(encoding="utf-8"))
    for path, entry in lock["packages"].items():
        if path:
            yield Package(
                kind=NODE,
                name=entry.get("name", path.rpartition("node_modules/")[2]),
                version=entry["version"],
                file=str(file),
                hashes=(entry["integrity"],) if "integrity" in entry else (),
                bundled=entry.get("inBundle", False),
                licence=entry.get("license", ""),
            )


def everything() -> list[Package]:
    """Return all locked packages, sorted."""
    npm = [package for folder in NPM_FOLDERS for package in npm_packages(folder)]
    return sorted([*python_packages(), *npm])

"""`make licences`: writes docs/licences.md, the licences of all locked packages."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.paths import ROOT
from tools.supply.locked import PYTHON, Package, everything

FILE = ROOT / "docs" / "licences.md"
DATA = Path(__file__).parent / "licences.yaml"
PIP_LICENSES = ROOT / ".tools" / "supply" / "bin" / "pip-licenses"
VENVS = (".venv", ".tools/pipenv", ".tools/checkov", ".tools/supply", ".tools/docs")

ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<version>\S+) \| (?P<licence>[^|]+) \| [^|]+ \|$", re.MULTILINE)
"""A line of the table."""

HEAD = """# Licences

The licence of every package that a lock file of this project pins, as the package declares it. `make licences`
generates this page. [licences.yaml](../tools/supply/licences.yaml) has the permitted licences, and the licences of
packages whose metadata declares none.

No lock file pins terraform and its providers, gcloud, kubectl, istioctl, asmcli with what it downloads, and the Go
modules of the lab (Go's module cache has the licence of each). They are not listed here.
"""


def data() -> dict[str, Any]:
    """Return the content of `DATA`."""
    loaded: dict[str, Any] = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    return loaded


def installed() -> dict[tuple[str, str], str]:
    """Return the licence of every installed Python package, by name and version.

    Raises:
        subprocess.CalledProcessError: pip-licenses failed.
    """
    found = {}
    for venv in VENVS:
        command = [str(PIP_LICENSES), "--python", str(ROOT / venv / "bin" / "python")]
        command += ["--format", "json", "--with-system", "--from", "mixed"]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for entry in json.loads(answer):
            found[normal(entry["Name"]), entry["Version"]] = entry["License"]
    return found


def normal(name: str) -> str:
    """Return the normalized name of a Python package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text(packages: Iterable[Package], licences: Mapping[tuple[str, str], str], known: Mapping[str, str]) -> str:
    """Return the file's text.

    Raises:
        LookupError: a package's licence is not known.
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    licence_of = {}
    for package in packages:
        own = licences.get((normal(package.name), package.version), "") if package.kind == PYTHON else package.licence
        licence = known.get(package.name) or own
        if licence in ("", "UNKNOWN"):
            raise LookupError(f"the licence of {package.name} {package.version} is unknown: add it to {DATA.name}")
        key = (package.kind, package.name, package.version)
        licence_of[key] = licence
        files = rows.setdefault(key, [])
        if package.file not in files:
            files.append(package.file)
    counts = Counter(sorted(licence_of.values()))
    lines = [HEAD, f"{len(rows)} packages:", "", "| Licence | Packages |", "| --- | --- |"]
    lines += [f"| {licence} | {count} |" for licence, count in counts.most_common()]
    for kind in dict.fromkeys(key[0] for key in rows):
        lines += ["", f"## {kind}", "", "| Package | Version | Licence | Lock file |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{name}` | {version} | {licence_of[of, name, version]} | {', '.join(files)} |"
            for (of, name, version), files in rows.items()
            if of == kind
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the file, and return the exit status."""
    FILE.write_text(text(everything(), installed(), data()["known"]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

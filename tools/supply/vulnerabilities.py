"""`make vulnerabilities`: asks for what is known to be wrong with everything that is locked.

pip-audit asks OSV about the Python packages, npm its registry about its own. Exit status: 0
if all was asked and nothing is known that is not accepted; 1 if something is; 2 if something
could not be asked: that nothing was found then says nothing.

Not asked: the Go modules that the lab is built of, terraform's providers, and asmcli with what it
downloads. No database that these two tools read has them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from config.paths import ROOT
from tools.supply.locked import NPM_FOLDERS, Package, npm_packages, python_packages

ACCEPTED = Path(__file__).parent / "accepted.yaml"
PIP_AUDIT = ROOT / ".tools" / "supply" / "bin" / "pip-audit"
OSV_VARIABLE = "MESH_OSV_URL"
"""Names another server than api.osv.dev, for tests and for mirrors."""

SECONDS = 600


Answer = tuple[int, "list[Vulnerability]"]
"""How many packages were asked about, and what is known."""


class NotAskedError(Exception):
    """Somebody could not be asked, or did not answer about everything."""


@dataclass(frozen=True)
class Vulnerability:
    """One that is known.

    Attributes:
        ids: all its names
        package: name and version
        fix: a version without it.
    """

    ids: tuple[str, ...]
    package: str
    version: str
    fix: str
    file: str


@dataclass(frozen=True)
class Accepted:
    """One that we live with.

    Attributes:
        id, package, reason
        until: the last day.
    """

    id: str
    package: str
    reason: str
    until: date

    def covers(self, one: Vulnerability) -> bool:
        return self.id in one.ids and self.package == one.package


def accepted(file: Path = ACCEPTED) -> list[Accepted]:
    """Return what is accepted.

    Raises:
        TypeError: an entry has another key, or lacks one.
    """
    return [Accepted(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]


def ask_pip_audit(packages: Sequence[Package]) -> Answer:
    """Ask about Python packages.

    Raises:
        NotAskedError: pip-audit did not run, or left something out.
    """
    files = {f"{package.name}=={package.version}": package.file for package in packages}
    lines = {name: next(one.requirement for one in packages if f"{one.name}=={one.version}" == name) for name in files}
    found: list[Vulnerability] = []
    answered: set[str] = set()
    for batch in _without_two_versions(lines):
        with tempfile.TemporaryDirectory(prefix="mesh-supply-") as folder:
            requirements = Path(folder, "requirements.txt")
            requirements.write_text("\n".join(batch) + "\n", encoding="utf-8")
            command = [str(PIP_AUDIT), "--requirement", str(requirements), "--require-hashes", "--disable-pip"]
            command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"]
            if url := os.environ.get(OSV_VARIABLE):
                command += ["--osv-url", url]
            answer = _json_of(command, ROOT)
        for dependency in answer["dependencies"]:
            name = f"{dependency['name']}=={dependency.get('version')}"
            if reason := dependency.get("skip_reason"):
                raise NotAskedError(f"pip-audit left something out: {reason}")
            answered.add(name)
            found += [
                Vulnerability(
                    ids=(one["id"], *one["aliases"]),
                    package=dependency["name"],
                    version=dependency["version"],
                    fix=", ".join(one["fix_versions"]),
                    file=files.get(name, ""),
                )
                for one in dependency["vulns"]
            ]
    if len(answered) != len(files):
        raise NotAskedError(f"pip-audit answered about {len(answered)} of {len(files)} packages")
    return len(answered), found


def ask_npm(folder: str) -> Answer:
    """Ask about a folder's npm packages.

    Raises:
        as `ask_pip_audit`.
    """
    answer = _json_of(["npm", "audit", "--package-lock-only", "--audit", "--json"], ROOT / folder)
    if "vulnerabilities" not in answer:
        raise NotAskedError(f"npm could not ask: {answer.get('message', 'no reason given')}")
    versions = {package.name: package.version for package in npm_packages(folder)}
    asked = int(answer["metadata"]["dependencies"]["total"])
    found = {
        via["source"]: Vulnerability(
            ids=(str(via["url"]).rpartition("/")[2],),
            package=via["name"],
            version=versions.get(via["name"], "?"),
            fix="npm audit fix" if entry["fixAvailable"] else "",
            file=str(Path(folder, "package-lock.json")),
        )
        for entry in answer["vulnerabilities"].values()
        for via in entry["via"]
        if isinstance(via, dict)
    }
    if asked == 0:
        raise NotAskedError("npm asked about nothing")
    return asked, list(found.values())


def judge(found: Sequence[Vulnerability], known: Sequence[Accepted], today: date, all_asked: bool) -> Iterator[str]:
    """Yield what is wrong: what is not accepted, what is no longer, and what is accepted for nothing."""
    for one in found:
        covering = [entry for entry in known if entry.covers(one)]
        fix = f"fixed in {one.fix}" if one.fix else "no version without it is known"
        what = f"{one.package} {one.version} ({one.file}): {', '.join(one.ids)}"
        if not covering:
            yield f"{what}; {fix}"
        elif all(entry.until < today for entry in covering):
            yield f"{what} was accepted until {covering[0].until}; {fix}"
    for entry in known if all_asked else ():
        if not any(entry.covers(one) for one in found):
            yield f"{entry.id} of {entry.package} is accepted and not there: take it out of {ACCEPTED.name}"


def main(file: Path = ACCEPTED) -> int:
    """Ask everybody, and return the exit status."""
    found: list[Vulnerability] = []
    all_asked = True
    asking: list[tuple[str, Callable[[], Answer]]] = [("pip-audit", lambda: ask_pip_audit(list(python_packages())))]
    asking += [(f"npm, {folder}", partial(ask_npm, folder)) for folder in NPM_FOLDERS]
    for who, ask in asking:
        try:
            asked, vulnerabilities = ask()
        except NotAskedError as error:
            print(f"vulnerabilities: {who}: NOT ASKED: {error}")
            all_asked = False
        else:
            print(f"vulnerabilities: {who}: {asked} packages, {len(vulnerabilities)} known")
            found += vulnerabilities
    wrong = list(judge(found, accepted(file), date.today(), all_asked))
    for line in wrong:
        print(f"  {line}")
    if not all_asked:
        print("vulnerabilities: what was not asked may have some: run it where api.osv.dev and npm's registry answer")
    return 1 if wrong else 0 if all_asked else 2


def _without_two_versions(lines: Mapping[str, str]) -> list[list[str]]:
    """Split requirements into lists in which no package stands twice."""
    batches: list[dict[str, str]] = []
    for name, line in lines.items():
        package = name.partition("==")[0]
        batch = next((one for one in batches if package not in one), None)
        if batch is None:
            batch = {}
            batches.append(batch)
        batch[package] = line
    return [list(batch.values()) for batch in batches]


def _json_of(command: Sequence[str], folder: Path) -> dict[str, Any]:
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAskedError(f"{Path(command[0]).name} did not run: {error}") from error
    try:
        answer: dict[str, Any] = json.loads(result.stdout)
    except ValueError as error:
        said = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise NotAskedError(f"{Path(command[0]).name}: {said}") from error
    return answer


if __name__ == "__main__":
    sys.exit(main())

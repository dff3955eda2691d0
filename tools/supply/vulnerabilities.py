"""`make vulnerabilities`: looks up known vulnerabilities of all locked packages.

pip-audit queries OSV about the Python packages, npm its registry about the npm packages. Exit
status: 0 if every package was looked up and has no vulnerability but accepted risks; 1 if one has;
2 if a database could not be queried, so that the result is incomplete.

Not covered: the lab's Go modules, Terraform's providers, and asmcli with its downloads. The
databases of these two tools do not have them.
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
from config.plural import counted
from config.temporary_folder import own_temporary_folder
from tools.supply.locked import NPM_FOLDERS, Package, npm_packages, python_packages

ACCEPTED = Path(__file__).parent / "accepted.yaml"
PIP_AUDIT = ROOT / ".tools" / "supply" / "bin" / "pip-audit"
OSV_VARIABLE = "MESH_OSV_URL"
"""Environment variable that names a server in place of api.osv.dev, for tests and mirrors."""

SECONDS = 600

Result = tuple[int, "list[Vulnerability]"]
"""The number of packages that were looked up, and their vulnerabilities."""


class QueryError(Exception):
    """A database that could not be queried, or an incomplete response."""


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability of a locked package.

    Attributes:
        ids: all its identifiers.
        package: name of the package.
        version: locked version of the package.
        fix: a version without it; empty if none is known.
        file: the lock file.
    """

    ids: tuple[str, ...]
    package: str
    version: str
    fix: str
    file: str


@dataclass(frozen=True)
class Accepted:
    """An accepted risk.

    Attributes:
        id: identifier of the vulnerability.
        package: name of the package.
        reason: why it is accepted.
        until: the last day.
    """

    id: str
    package: str
    reason: str
    until: date

    def covers(self, one: Vulnerability) -> bool:
        return self.id in one.ids and self.package == one.package


def accepted(file: Path = ACCEPTED) -> list[Accepted]:
    """Return the accepted risks.

    Raises:
        TypeError: an entry has an unknown key, or lacks one.
    """
    return [Accepted(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]


def query_pip_audit(packages: Sequence[Package]) -> Result:
    """Look up Python packages.

    Raises:
        QueryError: pip-audit did not run, or skipped a package.
    """
    files = {f"{package.name}=={package.version}": package.file for package in packages}
    lines = {name: next(one.requirement for one in packages if f"{one.name}=={one.version}" == name) for name in files}
    found: list[Vulnerability] = []
    seen: set[str] = set()
    for batch in _without_two_versions(lines):
        with tempfile.TemporaryDirectory() as folder:
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
                raise QueryError(f"pip-audit skipped a package: {reason}")
            seen.add(name)
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
    if len(seen) != len(files):
        raise QueryError(f"pip-audit reported {len(seen)} of {len(files)} packages")
    return len(seen), found


def query_npm(folder: str) -> Result:
    """Look up a folder's npm packages.

    Raises:
        QueryError: npm did not run, or looked nothing up.
    """
    answer = _json_of(["npm", "audit", "--package-lock-only", "--audit", "--json"], ROOT / folder)
    if "vulnerabilities" not in answer:
        raise QueryError(f"npm audit failed: {answer.get('message', 'no reason given')}")
    versions = {package.name: package.version for package in npm_packages(folder)}
    number = int(answer["metadata"]["dependencies"]["total"])
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
    if number == 0:
        raise QueryError("npm audit sent no packages")
    return number, list(found.values())


def judge(found: Sequence[Vulnerability], known: Sequence[Accepted], today: date, complete: bool) -> Iterator[str]:
    """Yield the vulnerabilities that are not accepted or no longer so, and the accepted risks that match none."""
    for one in found:
        covering = [entry for entry in known if entry.covers(one)]
        fix = f"fixed in {one.fix}" if one.fix else "no fixed version is known"
        what = f"{one.package} {one.version} ({one.file}): {', '.join(one.ids)}"
        if not covering:
            yield f"{what}; {fix}"
        elif all(entry.until < today for entry in covering):
            yield f"{what}: the accepted risk expired on {covering[0].until}; {fix}"
    for entry in known if complete else ():
        if not any(entry.covers(one) for one in found):
            yield f"{entry.id} of {entry.package}, an accepted risk, is no longer found: remove it from {ACCEPTED.name}"


def main(file: Path = ACCEPTED) -> int:
    """Query all databases, and return the exit status."""
    found: list[Vulnerability] = []
    complete = True
    queries: list[tuple[str, Callable[[], Result]]] = [("pip-audit", lambda: query_pip_audit(list(python_packages())))]
    queries += [(f"npm, {folder}", partial(query_npm, folder)) for folder in NPM_FOLDERS]
    for source, query in queries:
        try:
            number, vulnerabilities = query()
        except QueryError as error:
            print(f"vulnerabilities: {source}: UNREACHABLE: {error}")
            complete = False
        else:
            known = counted(len(vulnerabilities), "known vulnerability", "known vulnerabilities")
            print(f"vulnerabilities: {source}: {counted(number, 'package')}, {known}")
            found += vulnerabilities
    wrong = list(judge(found, accepted(file), date.today(), complete))
    for line in wrong:
        print(f"  {line}")
    if not complete:
        print("vulnerabilities: incomplete: run it on a machine that can reach api.osv.dev and npm's registry")
    return 1 if wrong else 0 if complete else 2


def _without_two_versions(lines: Mapping[str, str]) -> list[list[str]]:
    """Split requirements into lists with one version of a package each."""
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
        raise QueryError(f"can't run {Path(command[0]).name}: {error}") from error
    try:
        answer: dict[str, Any] = json.loads(result.stdout)
    except ValueError as error:
        said = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise QueryError(f"{Path(command[0]).name}: {said}") from error
    return answer


if __name__ == "__main__":
    with own_temporary_folder():
        status = main()
    sys.exit(status)

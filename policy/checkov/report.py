"""Runs checkov on environments, and reports its results."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT
from policy.checkov.input_files import write_input
from policy.skips import Skip
from policy.synthesis import Stacks

PYTHON = ROOT / ".tools" / "checkov" / "bin" / "python"
PROCESSES = 2
"""As many as most machines have processors and memory for."""


@dataclass(frozen=True)
class CheckRecord:
    """One result of one check.

    Attributes:
        check: its id.
        title: what it requires.
        of: what it is about: terraform's type (and whether it is of a service agent), or role and kind.
        where: file and resource.
    """

    check: str
    title: str
    of: str
    where: str


@dataclass(frozen=True)
class CheckovScan:
    """checkov's results for one environment.

    Attributes:
        passed: results that passed.
        failed: results that failed.
        unreadable: files that checkov could not parse.
    """

    passed: Sequence[CheckRecord]
    failed: Sequence[CheckRecord]
    unreadable: Sequence[str]

    def unskipped(self, skips: Sequence[Skip]) -> list[CheckRecord]:
        """Return the failures that no skip covers."""
        return [one for one in self.failed if not any(skip.covers(one.check, one.of) for skip in skips)]

    def unused(self, skips: Sequence[Skip]) -> list[Skip]:
        """Return the skips that cover nothing."""
        return [skip for skip in skips if not any(skip.covers(one.check, one.of) for one in self.failed)]


def scan(
    environments: Mapping[str, Stacks], roles: Mapping[str, Mapping[str, str]], folder: Path
) -> dict[str, CheckovScan]:
    """Run checkov on environments, and return its results by the environment's name.

    Args:
        environments: the environments by name.
        roles: of each, the roles of the objects that have pods.
        folder: for checkov's input files.

    Raises:
        RuntimeError: checkov could not be run.
    """
    folders = {name: folder / str(number) for number, name in enumerate(environments)}
    for name, stacks in environments.items():
        write_input(stacks, roles[name], folders[name])
    shares = [list(folders.values())[start::PROCESSES] for start in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        results = {where: found for part in pool.map(_run, filter(None, shares)) for where, found in part.items()}
    return {name: results[str(where)] for name, where in folders.items()}


def _run(folders: Iterable[Path]) -> dict[str, CheckovScan]:
    process = subprocess.run(
        [PYTHON, "-m", "policy.checkov.scan", *folders],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise RuntimeError(f"can't run checkov: {process.stderr.strip() or process.returncode}")
    results = {}
    for line in process.stdout.splitlines():
        found = json.loads(line)
        passed, failed = ([CheckRecord(*one) for one in found[outcome]] for outcome in ("passed", "failed"))
        results[found["folder"]] = CheckovScan(passed, failed, found["unreadable"])
    return results

"""What checkov says of environments, and whether that can be relied on."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.paths import ROOT
from policy.checkov.prepared import prepare
from policy.environment import Environment
from policy.rule import Verdict
from policy.skips import Skip

PYTHON = ROOT / ".tools" / "checkov" / "bin" / "python"

OURS = "MESH_"


@dataclass(frozen=True)
class Record:
    """One check, and where.

    Attributes:
        check: its id
        title: what it asks for
        place: file and resource.
    """

    check: str
    title: str
    place: str


@dataclass(frozen=True)
class Scan:
    """What checkov said of one environment.

    Attributes:
        passed, failed: its own checks.
        ours_passed, ours_failed: how often a rule of ours did.
        unreadable: files that it gave up on.
    """

    passed: Sequence[Record]
    failed: Sequence[Record]
    ours_passed: int
    ours_failed: int
    unreadable: Sequence[str]

    def after(self, skips: Sequence[Skip]) -> list[Record]:
        """Return the failures that no skip covers."""
        return [one for one in self.failed if not any(skip.covers(one.check, one.place) for skip in skips)]

    def idle(self, skips: Sequence[Skip]) -> list[Skip]:
        """Return the skips that cover nothing."""
        return [skip for skip in skips if not any(skip.covers(one.check, one.place) for one in self.failed)]

    def unlike(self, verdict: Verdict) -> str:
        """Return how checkov's count of our rules differs from our own; empty if it does not.

        checkov says nothing of a check that crashes, and of a resource that it has not read.
        """
        theirs, ours = (self.ours_passed, self.ours_failed), (len(verdict.passed), len(verdict.failed))
        return "" if theirs == ours else f"checkov: {theirs} of our rules passed and failed; asked one by one: {ours}"


def scan(environments: Mapping[str, Environment], folder: Path) -> dict[str, Scan]:
    """Have checkov look at environments, and return what it says of each.

    Args:
        folder: for the copies that it reads.

    Raises:
        RuntimeError: it could not be run.
    """
    folders = {name: folder / str(number) for number, name in enumerate(environments)}
    for name, environment in environments.items():
        prepare(environment, folders[name])
    # Two at a time, as most machines can.
    parts = [list(folders.values())[start::2] for start in range(2)]
    running = [_start(part) for part in parts if part]
    said = {}
    for process in running:
        output, errors = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"checkov could not be run: {errors.strip() or process.returncode}")
        for line in output.splitlines():
            answer = json.loads(line)
            said[answer.pop("folder")] = answer
    return {name: _scan_of(said[str(where)]) for name, where in folders.items()}


def _start(folders: Sequence[Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PYTHON), "-m", "policy.checkov.scan", *map(str, folders)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _scan_of(answer: Mapping[str, list[list[str]]]) -> Scan:
    passed, failed = ([Record(*one) for one in answer[part]] for part in ("passed", "failed"))
    return Scan(
        passed=[one for one in passed if not one.check.startswith(OURS)],
        failed=[one for one in failed if not one.check.startswith(OURS)],
        ours_passed=sum(one.check.startswith(OURS) for one in passed),
        ours_failed=sum(one.check.startswith(OURS) for one in failed),
        unreadable=[str(one) for one in answer["unreadable"]],
    )

"""Runs checkov on environments, and reports its results."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.paths import ROOT
from policy.checkov.input_files import write_input
from policy.environment import SynthesizedEnvironment
from policy.rule import PolicyResult
from policy.skips import Skip

PYTHON = ROOT / ".tools" / "checkov" / "bin" / "python"

RULE_PREFIX = "MESH_"
"""The prefix of our rules' ids, by which they differ from checkov's own checks."""

PROCESSES = 2
"""As many as most machines have processors and memory for."""


@dataclass(frozen=True)
class CheckRecord:
    """One result of one check.

    Attributes:
        check: its id.
        title: what it requires.
        where: file and resource.
    """

    check: str
    title: str
    where: str


@dataclass(frozen=True)
class CheckovScan:
    """checkov's results for one environment.

    Attributes:
        passed: results of its own checks that passed.
        failed: results of its own checks that failed.
        rules_passed: how many results of our rules passed.
        rules_failed: how many results of our rules failed.
        unreadable: files that checkov could not parse.
    """

    passed: Sequence[CheckRecord]
    failed: Sequence[CheckRecord]
    rules_passed: int
    rules_failed: int
    unreadable: Sequence[str]

    def unskipped(self, skips: Sequence[Skip]) -> list[CheckRecord]:
        """Return the failures that no skip covers."""
        return [one for one in self.failed if not any(skip.covers(one.check, one.where) for skip in skips)]

    def unused(self, skips: Sequence[Skip]) -> list[Skip]:
        """Return the skips that cover nothing."""
        return [skip for skip in skips if not any(skip.covers(one.check, one.where) for one in self.failed)]

    def count_mismatch(self, result: PolicyResult) -> str:
        """Return how checkov's count of our rules differs from our own; empty if it does not.

        checkov does not report a check that crashes, nor a resource that it has not read.
        """
        theirs, ours = (self.rules_passed, self.rules_failed), (len(result.passed), len(result.failed))
        return (
            "" if theirs == ours else f"checkov: {theirs} rules of this project passed and failed, but {ours} expected"
        )


def scan(environments: Mapping[str, SynthesizedEnvironment], folder: Path) -> dict[str, CheckovScan]:
    """Run checkov on environments, and return its results by the environment's name.

    Args:
        environments: the environments by name.
        folder: for checkov's input files.

    Raises:
        RuntimeError: checkov could not be run.
    """
    folders = {name: folder / str(number) for number, name in enumerate(environments)}
    for name, environment in environments.items():
        write_input(environment, folders[name])
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
    found = [json.loads(line) for line in process.stdout.splitlines()]
    return {one["folder"]: _parse(one) for one in found}


def _parse(found: Mapping[str, Any]) -> CheckovScan:
    passed, failed = ([CheckRecord(*one) for one in found[outcome]] for outcome in ("passed", "failed"))
    return CheckovScan(
        passed=[one for one in passed if not one.check.startswith(RULE_PREFIX)],
        failed=[one for one in failed if not one.check.startswith(RULE_PREFIX)],
        rules_passed=sum(one.check.startswith(RULE_PREFIX) for one in passed),
        rules_failed=sum(one.check.startswith(RULE_PREFIX) for one in failed),
        unreadable=found["unreadable"],
    )

"""`make check`: what this machine can't do is left out with its reason, and what fails ends it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from config.paths import ROOT

pytestmark = pytest.mark.process

PYTHON = """
case "${*:2}" in
  "pytest -m alone")
    echo "SKIPPED [1] tests/cli/test_verify.py:9: curl is missing"
    exit "${ALONE:-0}"
    ;;
  pytest*)
    echo "SKIPPED [2] tests/terraform/test_apply.py:9: terraform init can't get the providers"
    exit "${PYTEST:-0}"
    ;;
  tools.supply*) exit "${SUPPLY:-0}" ;;
  tests.lab*) echo "no user namespaces"; exit "${LAB:-0}" ;;
  tests.rehearsal*) echo "terraform is missing"; exit "${REHEARSAL:-0}" ;;
esac
"""


def check(folder: Path, **statuses: int) -> "subprocess.CompletedProcess[str]":
    """Run it with a make and a Python that only say what they are called for."""
    (folder / ".tools").mkdir()
    for path, text in ((folder / "bin" / "make", 'echo "make $*"'), (folder / ".venv" / "bin" / "python", PYTHON)):
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
    shutil.copy(ROOT / "tools" / "check", folder)
    variables = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **{name: str(one) for name, one in statuses.items()}}
    return subprocess.run(
        ["./check"], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


def made(result: "subprocess.CompletedProcess[str]") -> list[str]:
    return [line.removeprefix("make ") for line in result.stdout.splitlines() if line.startswith("make ")]


def left_out(result: "subprocess.CompletedProcess[str]") -> list[str]:
    return [line.strip() for line in result.stdout.partition("was left out:\n")[2].splitlines()]


SKIPPED = [
    "test: [2] tests/terraform/test_apply.py:9: terraform init can't get the providers",
    "test: [1] tests/cli/test_verify.py:9: curl is missing",
]


def test_all_that_there_is(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert result.returncode == 0, result.stderr
    assert made(result)[0] == "test"
    assert made(result)[1:] == [
        "check: tests that need providers, namespaces or much time",
        "policy",
        "docs",
        "lab REGIONS=2",
        "lab REGIONS=2 SERVICES=1",
        "lab REGIONS=2 BUDGET=small",
        "lab REGIONS=2 EXERCISES=1",
        "rehearse-scripts",
        "rehearse",
        "rehearse CONFIG=examples/gateway.yaml SHORT=1 DAY2=small",
        "rehearse DAY2=all",
        "rehearse-faults FAULTS=small",
        "rehearse UPGRADE=1",
        "rehearse CONTROL_PLANE=fleet SHORT=1",
        "rehearse CONTROL_PLANE=asmcli-in-cluster SHORT=1",
        "rehearse MIGRATION=1",
        "rehearse ACCEPTANCE=1",
        "check: durations",
        "check: passed, except for what was left out:",
    ]
    assert left_out(result) == SKIPPED


def test_what_is_left_out_is_said_at_the_end(tmp_path: Path) -> None:
    result = check(tmp_path, SUPPLY=2, LAB=77)
    assert result.returncode == 0, result.stderr
    assert "lab REGIONS=2" not in made(result)
    assert left_out(result) == [
        *SKIPPED,
        "known vulnerabilities: a database was unreachable",
        "lab and rehearsals: no user namespaces",
    ]


MAKEFILE = """
PARAMETERS = REGIONS SERVICES EXERCISES BUDGET CONFIG CONTROL_PLANE SHORT DAY2 UPGRADE MIGRATION ACCEPTANCE FAULTS SMALL
check:
	@SMALL=$(SMALL) ./check
%:
	@echo make $@ $(foreach one,$(PARAMETERS),$(if $($(one)),$(one)=$($(one))))
.PHONY: check
"""


def test_the_small_set_is_for_check_only(tmp_path: Path) -> None:
    plain = made(check(tmp_path))
    (tmp_path / "bin" / "make").unlink()
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    command = ["make", "--no-print-directory", "check", "SMALL=1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    less = (
        *("lab REGIONS=2 EXERCISES=1", "rehearse-scripts"),
        *("rehearse CONTROL_PLANE=fleet SHORT=1", "rehearse CONTROL_PLANE=asmcli-in-cluster SHORT=1"),
        *(
            "rehearse DAY2=all",
            "rehearse-faults FAULTS=small",
            "rehearse UPGRADE=1",
            "rehearse MIGRATION=1",
            "rehearse ACCEPTANCE=1",
        ),
    )
    assert set(less) < set(plain)
    assert made(result) == [line for line in plain if line not in less]
    assert "not with SMALL=1: the exercises" in left_out(result)


@pytest.mark.parametrize("failing", ["PYTEST", "ALONE", "SUPPLY", "LAB", "REHEARSAL"])
def test_a_failure_ends_it(failing: str, tmp_path: Path) -> None:
    result = check(tmp_path, **{failing: 1})
    assert result.returncode == 1
    assert "rehearse" not in made(result)
    assert "left out" not in result.stdout

"""Invalid configuration files, as data: `inputs/wrong/`, with the expected errors in `inputs/wrong.yaml`.

The tests load every file in this process, and some, or all with THOROUGH=1, with each
command in a process of its own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import ConfigError, Problem, load
from config.loading.load import CONFIG_VARIABLE, OPERATOR_VARIABLE
from config.paths import ROOT
from tests.config.inputs import INPUTS, THOROUGH

FOLDER = INPUTS / "wrong"
EXPECTED: dict[str, list[dict[str, Any]]] = yaml.safe_load((INPUTS / "wrong.yaml").read_text(encoding="utf-8"))
LARGE = [name for name in EXPECTED if (FOLDER / name).stat().st_size > 3000]
COMMANDS = {"check": ["-m", "config"], "synthesize": ["main.py"]}


def test_every_file_has_expected_errors() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.yaml")) == sorted(EXPECTED)
    assert len(EXPECTED) >= 60
    for expected in EXPECTED.values():
        assert all(one["rule"] for one in expected)
        assert expected


@pytest.mark.parametrize("name", EXPECTED)
def test_the_errors_of_a_wrong_file(name: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(FOLDER / name, {})
    message = str(caught.value)
    assert time.process_time() - started < 1
    assert_errors(EXPECTED[name], caught.value.problems)
    assert all(line.isprintable() for line in message.split("\n"))


def assert_errors(expected: list[dict[str, Any]], problems: tuple[Problem, ...]) -> None:
    """Every expected error has exactly one problem."""
    remaining = list(problems)
    for one in expected:
        found = [
            problem
            for problem in remaining
            if (problem.path, problem.line) == (one["path"], one.get("line")) and one["rule"] in str(problem)
        ]
        assert found, f"{one} is missing in {remaining}"
        remaining.remove(found[0])
    assert remaining == []


@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", EXPECTED if THOROUGH else [*LARGE, "python-code.yaml", "overlap-between-regions.yaml"])
def test_commands_report_a_wrong_file_at_once(name: str, command: str, tmp_path: Path) -> None:
    program, *arguments = COMMANDS[command]
    line = [program, *arguments] if program == "-m" else [str(ROOT / program)]
    variables = {key: value for key, value in os.environ.items() if key != OPERATOR_VARIABLE}
    before = os.times()
    process = subprocess.run(
        [sys.executable, *line],
        cwd=tmp_path,
        env=variables | {CONFIG_VARIABLE: str(FOLDER / name), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    after = os.times()
    assert process.returncode == 2
    # Processor time, which does not depend on the machine's load.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1
    head, *lines = process.stdout.removesuffix("\n").split("\n")
    assert f"{name}: {len(EXPECTED[name])} error" in head
    assert "Traceback" not in process.stdout
    for one in EXPECTED[name][: len(lines)]:
        assert any(one["rule"] in line for line in lines)
    assert all(line.isprintable() for line in (head, *lines))
    assert list(tmp_path.iterdir()) == []  # nothing was written

"""Wrong configuration files, as data: `inputs/wrong/`, and in `inputs/wrong.yaml` what has to be said of each.

Every file is read here, in this process; some, or all with THOROUGH=1, also by
the commands that people use, each in a process of its own.
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


def test_every_file_has_its_expectation_and_they_are_many() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.yaml")) == sorted(EXPECTED)
    assert len(EXPECTED) >= 60
    for expected in EXPECTED.values():
        assert all(one["rule"] for one in expected)
        assert expected


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_said_of_a_wrong_file(name: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(FOLDER / name, {})
    message = str(caught.value)
    assert time.process_time() - started < 1
    assert_said(EXPECTED[name], caught.value.problems)
    assert all(line.isprintable() for line in message.split("\n"))


def assert_said(expected: list[dict[str, Any]], problems: tuple[Problem, ...]) -> None:
    """Each expectation is met by a problem of its own, and no problem is left over."""
    left = list(problems)
    for one in expected:
        found = [
            problem
            for problem in left
            if (problem.path, problem.line) == (one["path"], one.get("line")) and one["rule"] in str(problem)
        ]
        assert found, f"{one} is not said, but: {left}"
        left.remove(found[0])
    assert left == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", EXPECTED if THOROUGH else [*LARGE, "python-code.yaml", "overlap-between-regions.yaml"])
def test_the_commands_refuse_a_wrong_file_at_once(name: str, command: str, tmp_path: Path) -> None:
    program, *arguments = COMMANDS[command]
    line = [program, *arguments] if program == "-m" else [str(ROOT / program)]
    variables = {key: value for key, value in os.environ.items() if key != OPERATOR_VARIABLE}
    process = subprocess.Popen(
        [sys.executable, *line],
        cwd=tmp_path,
        env=variables | {CONFIG_VARIABLE: str(FOLDER / name), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    with process:
        assert process.stdout is not None
        output = process.stdout.read()
        # The processor's time, as the machine may have other things to do.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 2
    assert used.ru_utime + used.ru_stime < 1
    head, *said = output.removesuffix("\n").split("\n")
    assert f"{name}: {len(EXPECTED[name])} error" in head
    assert "Traceback" not in output
    for one in EXPECTED[name][: len(said)]:
        assert any(one["rule"] in line for line in said)
    assert all(line.isprintable() for line in (head, *said))
    assert list(tmp_path.iterdir()) == []  # nothing was written

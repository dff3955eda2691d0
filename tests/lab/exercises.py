"""The exercises of docs/exercises.md, done as the page has them: break, find, repair.

``python -m tests.lab.exercises [PATTERN]`` in the shell of `make lab-shell` does those whose title matches.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.paths import ROOT
from tests.reporting.report import Report
from tests.reporting.table import Table
from tests.site.blocks import Block, Command, blocks

PAGE = ROOT / "docs" / "exercises.md"
LAB, BY_HAND = "needs: lab", "needs: lab, by hand"
"""Markers of blocks: commands for the lab; those of a repair are printed by the CLI, unless it is by hand."""

STATUS = 'mesh status --kubeconfig "$KUBECONFIG"'
FOUND_SECONDS, REPAIRED_SECONDS = 60.0, 120.0
COMMAND_SECONDS = 180.0
PAUSE_SECONDS = 1.0
ANY = "…"
"""In the page: text that is left out."""

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FINDING = re.compile(r"^ *(failure|warning) +(\S.*)$", re.MULTILINE)

Variables = Mapping[str, str]


@dataclass(frozen=True)
class Exercise:
    """Something that is broken, what the CLI reports, and its repair.

    Attributes:
        title: its heading.
        breakage: commands.
        look: the command of the CLI, with its findings.
        repair: commands.
        advised: whether the CLI prints the commands of the repair.
    """

    title: str
    breakage: Sequence[Command]
    look: Command
    repair: Sequence[Command]
    advised: bool

    @property
    def expected(self) -> list[str]:
        """The findings that the page shows."""
        return [f"{state} {text}" for state, text in _FINDING.findall(self.look.output)]


@dataclass(frozen=True)
class Problem:
    """A finding that is not ok.

    Attributes:
        line: its state, name and text.
        fix: what the CLI advises.
    """

    line: str
    fix: str


def sections() -> dict[str, list[Block]]:
    """Return the page's blocks for the lab, by heading."""
    text = PAGE.read_text(encoding="utf-8")
    starts = [(text.count("\n", 0, found.start()), found[1]) for found in _HEADING.finditer(text)]
    ends = [*starts[1:], (text.count("\n") + 1, "")]
    found = [block for block in blocks(PAGE) if block.marker in (LAB, BY_HAND)]
    return {
        title: [block for block in found if start < block.line < end]
        for (start, title), (end, _) in zip(starts, ends, strict=True)
    }


def exercises() -> list[Exercise]:
    """Return the exercises of the page: each has three blocks."""
    return [
        Exercise(title, broken.commands, look.commands[0], repair.commands, repair.marker == LAB)
        for title, found in sections().items()
        if len(found) == 3
        for broken, look, repair in [found]
    ]


def first_commands() -> list[Command]:
    """Return the commands of the page that change nothing."""
    return [command for found in sections().values() if len(found) == 1 for command in found[0].commands]


def matches(pattern: str, text: str) -> bool:
    """Return whether a text is that of the page."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split(ANY))), text, re.DOTALL) is not None


def shows(expected: str, output: str) -> bool:
    """Return whether an output has the lines that the page shows, in their order; spaces do not count."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    wanted = [" ".join(line.split()) for line in expected.splitlines()]
    return all(any(matches(one, line) for line in lines) for one in wanted if one != ANY)


def differences(expected: Sequence[str], found: Sequence[Problem]) -> list[str]:
    """Return what is not reported, and what is reported besides."""
    lines = [one.line for one in found]
    missing = [f"not reported: {one}" for one in expected if not any(matches(one, line) for line in lines)]
    return missing + [f"also reported: {line}" for line in lines if not any(matches(one, line) for one in expected)]


def do_exercises(variables: Variables, report: Report, pattern: str = "") -> None:
    """Do the exercises, one after the other.

    Args:
        variables: environment of the commands.
        report: of the exercises.
        pattern: only those whose title matches.
    """
    report.progress("the first commands")
    commands = Table("The first commands", ["Command", "Seconds"])
    for command in first_commands() if not pattern else []:
        start = time.monotonic()
        result = run(command.text, variables)
        good = result.returncode == 0 and shows(command.output, result.stdout)
        commands.add(_short(command.text), f"{time.monotonic() - start:.1f}", ok=good)
        if not good:
            commands.notes += (result.stdout + result.stderr).splitlines()[-10:]
    if not pattern:
        report.add(commands)
    healthy = Table("Before the exercises: nothing is reported", ["Warnings", "Failures"])
    known = wait_until(lambda: look(STATUS, variables), lambda found: not _failures(found), REPAIRED_SECONDS)
    healthy.add(len(known) - len(_failures(known)), len(_failures(known)), ok=not _failures(known))
    healthy.notes += [one.line for one in known]
    report.add(healthy)
    table = Table("Exercises", ["Exercise", "Findings", "Found after (s)", "Repaired after (s)", "Repair"])
    with report.filling(table):
        for exercise in exercises():
            if re.search(pattern, exercise.title):
                report.progress(exercise.title)
                _do(exercise, variables, known, table)
    whole = sum(row[-1] == "ok" for row in table.rows)
    report.figure("Exercises", f"{whole} of {len(table.rows)} found alone, and repaired")


def _do(exercise: Exercise, variables: Variables, known: Sequence[Problem], table: Table) -> None:
    """Do an exercise, and add its row."""
    usual = {one.line for one in known}

    def problems(command: str) -> list[Problem]:
        return [one for one in look(command, variables) if one.line not in usual]

    start = time.monotonic()
    notes = [note for command in exercise.breakage for note in _run_all([command.text], variables)]
    found = wait_until(
        lambda: problems(exercise.look.text),
        lambda now: not differences(exercise.expected, now),
        FOUND_SECONDS,
    )
    seconds = time.monotonic() - start
    notes += differences(exercise.expected, found)
    repairs = list(_repairs(exercise, found))
    start = time.monotonic()
    notes += _run_all(repairs, variables) if repairs else [f"advised: {one.fix}" for one in found]
    rest = wait_until(lambda: problems(STATUS), lambda now: not now, REPAIRED_SECONDS)
    notes += [f"after the repair: {one.line}" for one in rest]
    table.add(
        *(exercise.title, len(found), f"{seconds:.1f}", f"{time.monotonic() - start:.1f}"),
        "as advised" if exercise.advised else "by hand",
        ok=not notes,
    )
    table.notes += [f"{exercise.title}: {note}" for note in notes]
    if rest:  # the next exercises begin with a whole mesh
        _run_all(["cdktf deploy network clusters mesh ingress"], variables)


def _repairs(exercise: Exercise, found: Sequence[Problem]) -> Iterator[str]:
    """Yield the commands of a repair; advised ones as the CLI has printed them."""
    for command in exercise.repair:
        if not exercise.advised:
            yield command.text
        else:
            text = command.text.replace("\\\n", "")
            advised = (one.fix for one in found if matches(" ".join(text.split()), " ".join(one.fix.split())))
            yield from list(advised)[:1]


def look(command: str, variables: Variables) -> list[Problem]:
    """Return what a command of the CLI reports, besides what is ok."""
    result = run(f"{command} --json", variables)
    try:
        report: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        return [Problem(f"failure {command}: {result.stderr.strip()[-300:]}", "")]
    return [
        Problem(f"{one['state']} {one['name']}: {one['text']}", one["fix"])
        for section in report.get("sections", [])
        for one in section["findings"]
        if one["state"] != "ok"
    ]


def wait_until(
    read: Callable[[], list[Problem]], condition: Callable[[list[Problem]], bool], seconds: float
) -> list[Problem]:
    """Return what is read once it meets a condition, or at the end of the time."""
    deadline = time.monotonic() + seconds
    while not condition(found := read()) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return found


def run(command: str, variables: Variables) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user types it, in the checkout."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def _run_all(commands: Sequence[str], variables: Variables) -> list[str]:
    """Run commands, and return what went wrong."""
    notes = []
    for command in commands:
        result = run(command, variables)
        if result.returncode != 0:
            notes.append(f"{_short(command)}: {(result.stderr or result.stdout).strip()[-300:]}")
    return notes


def _failures(found: Sequence[Problem]) -> list[Problem]:
    return [one for one in found if one.line.startswith("failure")]


def _short(command: str) -> str:
    text = " ".join(command.replace("\\\n", " ").split())
    return text if len(text) <= 70 else f"{text[:69]}…"


def main(pattern: str) -> int:
    """Do exercises in this process' environment, and return the exit status."""
    start = time.monotonic()
    report = Report("Exercises", show=print, clock=lambda: time.monotonic() - start)
    return report.run(lambda: do_exercises(os.environ, report, pattern))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))

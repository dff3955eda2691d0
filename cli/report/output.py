"""Prints a report: as text, as JSON, as JUnit XML."""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from junitparser import Failure, JUnitXml, TestCase, TestSuite
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.errors import MeshError
from cli.report.findings import Finding, FindingState, Report, Section
from config.plural import counted

STYLES = {FindingState.OK: "green", FindingState.WARNING: "yellow", FindingState.FAILURE: "bold red"}
PROBLEMS = (FindingState.WARNING, FindingState.FAILURE)
_ORDER = {state: place for place, state in enumerate(reversed(FindingState))}
"""The worst first."""

STATE_WIDTH = 11
"""Width of the state in front of a finding, in columns."""

FAILED, NOT_TRIED, INTERRUPTED = 1, 2, 130
"""Exit statuses besides 0: a finding is a failure; the command could not begin; Ctrl-C."""

LOG_WIDTH = 200
"""Width where there is no terminal: tables in a log or a pipe are not cut off."""

_MEASURED = re.compile(r"[\d.,]*( %| s)?|never")

Sample = tuple[dict[str, str], float]
"""Labels and value of a metric."""

ShowProgress = Callable[[str, int], None]
"""Shows the progress of something by name: how many are done."""


class Output:
    """The output of a command.

    Attributes:
        console: The console of the report as text; with ``--json`` it is standard error, and
            standard output has the JSON alone.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        junit: Path | None = None,
        prometheus: Path | None = None,
        only_problems: bool = False,
    ) -> None:
        """Choose how a report is written.

        Args:
            as_json: Whether standard output has JSON.
            junit: File for JUnit XML.
            prometheus: File for the text format of Prometheus.
            only_problems: Whether the text leaves out what is ok, and has the tables last.
        """
        self._as_json = as_json
        self._junit = junit
        self._prometheus = prometheus
        self._only_problems = only_problems
        self.console = Console(stderr=as_json, highlight=False)
        if not self.console.is_terminal:
            self.console.width = LOG_WIDTH
        self._progress = Console(stderr=True, highlight=False)

    @contextmanager
    def spinner(self, what: str) -> Iterator[None]:
        """Show what takes time: a spinner on a terminal, or else a line."""
        if self._progress.is_terminal:
            with self._progress.status(escape(what)):
                yield
        else:
            print(f"mesh: {what}", file=sys.stderr, flush=True)
            yield

    def log(self, text: str) -> None:
        """Print what is done now."""
        self._progress.print(f"mesh: {text}", markup=False, soft_wrap=True)

    def confirm(self, question: str) -> bool:
        """Prompt for a decision; Enter is no.

        Raises:
            MeshError: There is no terminal.
        """
        if sys.stdin is None or not sys.stdin.isatty():
            raise MeshError("there is no terminal to confirm it at", "run it at a terminal, or add --yes or --dry-run")
        return typer.confirm(question, err=True)

    @contextmanager
    def progress(self, what: str, totals: Mapping[str, int]) -> Iterator[ShowProgress]:
        """Show progress: bars on a terminal, else a line at the beginning.

        Args:
            what: What is done.
            totals: How many there are, by name.
        """
        if not self._progress.is_terminal:
            print(f"mesh: {what}", file=sys.stderr, flush=True)
            yield lambda name, done: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress.print(what, soft_wrap=True)
        with Progress(*columns, console=self._progress, transient=True) as progress:
            tasks = {name: progress.add_task(escape(name), total=total) for name, total in totals.items()}
            yield lambda name, done: progress.update(tasks[name], completed=done)

    def finish(self, report: Report) -> int:
        """Print a report and return the exit status.

        Raises:
            MeshError: A file can't be written.
        """
        if self._junit is not None:
            write_junit(report, self._junit)
        if self._prometheus is not None:
            write_metrics(report, self._prometheus)
        if self._as_json:
            print(json.dumps(as_data(report), indent=2))
        else:
            self._print(report)
        if report.interrupted:
            return 128 + report.signal
        return 0 if report.ok else FAILED

    def _print(self, report: Report) -> None:
        for section in sorted(report.sections, key=lambda one: self._only_problems and bool(one.columns)):
            findings = [one for one in section.findings if one.is_problem or not self._only_problems]
            if self._only_problems and not section.columns and not findings:
                continue
            self.console.print(f"\n[bold]{escape(section.title)}[/bold]")
            if section.columns:
                self.console.print(Padding(_table(section), (0, 0, 0, 2), expand=False))
            for finding in sorted(findings, key=lambda one: self._only_problems and _ORDER[one.state]):
                self._print_line(finding)
                if finding.fix and finding.state is not FindingState.OK:
                    # Not wrapped, for copying.
                    self.console.print(Text(f"           {finding.fix}", style="cyan"), soft_wrap=True)
        counts = Counter(finding.state for _, finding in report.findings())
        words = [f"{counts[FindingState.OK]} ok"] if counts[FindingState.OK] else []
        words += [counted(counts[state], state.value) for state in PROBLEMS if counts[state]]
        self.console.print(
            f"\n{report.command}: {', '.join(words) or ('no failures' if report.left_out else 'no checks')}"
        )

    def _print_line(self, finding: Finding) -> None:
        """On a terminal wrapped under its own beginning, in a log one line that can be searched for."""
        if not self.console.is_terminal:
            self.console.print(_line(finding), soft_wrap=True)
            return
        state, text = _line(finding).divide([STATE_WIDTH])
        line = Table.grid(padding=0)
        line.add_column(width=STATE_WIDTH, no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(state, text)
        self.console.print(line)


def as_data(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it."""
    sections = [
        {
            "title": section.title,
            **(
                {"columns": list(section.columns), "rows": [list(row) for row in section.rows]}
                if section.columns
                else {}
            ),
            "findings": [
                {"name": one.name, "state": one.state.value, "text": one.text, "fix": one.fix}
                for one in section.findings
            ],
        }
        for section in report.sections
    ]
    return {"command": report.command, "ok": report.ok, "sections": sections, "data": report.data}


def write_junit(report: Report, file: Path) -> None:
    """Write a report as JUnit XML: a suite a section, a case a finding; a warning passes and is in the output."""
    document = JUnitXml(f"mesh {report.command}")
    for section in report.sections:
        suite = TestSuite(section.title)
        for one in section.findings:
            case = TestCase(one.name, classname=f"mesh.{report.command}")
            if one.state is FindingState.FAILURE:
                case.result = [Failure(f"{one.text}; {one.fix}")]
            elif one.text:
                case.system_out = f"{one.state.value}: {one.text}"
            suite.add_testcase(case)
        document.add_testsuite(suite)
    try:
        document.write(str(file), pretty=True)
    except OSError as error:
        raise _unwritable(file, error) from error


def write_metrics(report: Report, file: Path) -> None:
    """Write a report in the text format of Prometheus, such as for the textfile collector of its node exporter.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    lines = []
    for name, help_, samples in (
        ("mesh_findings", "Findings by state.", _counts(report)),
        ("mesh_problem", "Warnings and failures: 1 each.", _problems(report)),
        ("mesh_report_timestamp_seconds", "When the report was made.", [({}, time.time())]),
    ):
        lines += [f"# HELP {name} {help_}", f"# TYPE {name} gauge"]
        for labels, value in samples:
            texts = {"command": report.command, **labels}.items()
            lines.append(f"{name}{{{','.join(f'{key}={json.dumps(text)}' for key, text in texts)}}} {value:.15g}")
    try:
        partial = file.with_name(f".{file.name}.partial")  # a collector reads a whole file
        partial.write_text("\n".join([*lines, ""]), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise _unwritable(file, error) from error


def _counts(report: Report) -> list[Sample]:
    counts = Counter(finding.state for _, finding in report.findings())
    return [({"state": state.value}, counts[state]) for state in FindingState]


def _problems(report: Report) -> list[Sample]:
    return [
        ({"section": section.title, "name": one.name, "state": one.state.value}, 1)
        for section, one in report.findings()
        if one.is_problem
    ]


def _unwritable(file: Path, error: OSError) -> MeshError:
    return MeshError(f"can't write {file}: {error.strerror}", "name a file in an existing folder that you may write to")


def _line(finding: Finding) -> Text:
    text = f"{finding.name}: {finding.text}" if finding.text else finding.name
    return Text.assemble("  ", (f"{finding.state.value:<8}", STYLES[finding.state]), " ", text)


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(section.columns):
        right = all(_MEASURED.fullmatch(row[number]) for row in section.rows) and bool(section.rows)
        table.add_column(escape(column), justify="right" if right else "left", style="", no_wrap=True)
    for row in section.rows:
        table.add_row(*map(escape, row))
    return table

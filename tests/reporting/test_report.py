"""Tests of tables and reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.reporting.report import MOST_LINES, Report
from tests.reporting.table import Table


def table_of(title: str, *, ok: bool = True) -> Table:
    table = Table(title, ["Region"])
    table.add("tokyo", ok=ok)
    return table


def report_of(shown: list[str], file: Path | None = None) -> Report:
    return Report("Lab", show=shown.append, clock=lambda: 12.4, file=file)


def test_a_table_is_right_only_if_something_was_measured_and_all_of_it_is_right() -> None:
    table = Table("title", ["Region", "Requests"])
    assert not table.ok
    table.add("tokyo", 10, ok=True)
    assert table.ok
    assert str(table).splitlines() == ["title", "  Region  Requests  Result", "  tokyo         10  ok"]
    table.add("osaka", 7, ok=False)
    assert not table.ok
    assert str(table).endswith("  osaka          7  failure")
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add("seoul", ok=True)


def test_long_headings_are_wrapped_and_empty_cells_are_no_text() -> None:
    table = Table("title", ["Region", "Errors during failback"])
    table.add("tokyo", 3, ok=True)
    table.add("osaka", "", ok=True)
    assert str(table).splitlines() == [
        "title",
        "          Errors during",
        "  Region       failback  Result",
        "  tokyo               3  ok",
        "  osaka                  ok",
    ]


def test_a_report_begins_with_the_result_what_was_tried_and_the_figures() -> None:
    shown: list[str] = []
    report = report_of(shown)
    with report:
        report.tried = "two regions"
        report.progress("step A")
        report.figure("Failover time", "0.3 s")
        report.add(table_of("Step A"))
    assert report.status == 0
    assert shown == ["step A", "Step A: ok"]
    assert str(report).splitlines()[:5] == [
        "Lab: passed. 1 of 1 checks passed in 12 s",
        "  Tried          two regions",
        "  Failover time  0.3 s",
        "",
        "Step A",
    ]


def test_a_failed_check_is_named_in_the_summary() -> None:
    report = report_of([])
    with report:
        report.add(table_of("Step A"), table_of("Step B", ok=False))
    assert report.status == 1
    assert report.summary().splitlines() == ["Lab: failed. 1 of 2 checks failed in 12 s", "  Failed  Step B"]


def test_a_report_without_a_check_has_not_passed() -> None:
    with report_of([]) as report:
        pass
    assert report.status == 1
    assert report.summary() == "Lab: failed. 0 checks were made in 12 s"


def test_a_summary_has_at_most_ten_lines() -> None:
    report = report_of([])
    with report:
        report.tried = "everything"
        report.add(table_of("Step B", ok=False))
        for number in range(20):
            report.figure(f"Figure {number}", "1 s")
    lines = report.summary().splitlines()
    assert len(lines) == MOST_LINES
    assert [line.split()[0] for line in lines[1:3]] == ["Tried", "Failed"]


def test_after_an_error_everything_until_then_is_reported() -> None:
    report = report_of([])
    table = Table("Faults", ["Fault"])

    def work() -> None:
        report.add(table_of("Step A"))
        report.progress("fault 2")
        with report.filling(table):
            table.add("endpoints removed", ok=True)
            raise RuntimeError("istiod is not ready:\n  its last line")

    assert report.run(work) == 2
    lines = str(report).splitlines()
    assert lines[:2] == [
        "Lab: stopped by an error after 12 s. 1 of 1 checks had passed; the last step was: fault 2 (12 s)",
        "  Error  istiod is not ready: its last line",
    ]
    assert "Incomplete: Faults" in lines
    assert "  endpoints removed  ok" in lines
    assert lines[-1] == "  its last line"


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from tests.reporting.report import Report
from tests.reporting.table import Table

report = Report("Lab", show=print, clock=lambda: 1, file=Path(sys.argv[1]))
with report:
    table = Table("Step A", ["Region"])
    table.add("tokyo", ok=True)
    report.add(table)
    report.progress("step B")
    os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.process
@pytest.mark.parametrize("number", [2, 9])
def test_the_file_has_the_report_of_a_run_that_was_killed(tmp_path: Path, number: int) -> None:
    file = tmp_path / "report.txt"
    command = [sys.executable, "-c", INTERRUPTED, str(file), str(number)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60).returncode == -number
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Lab: interrupted. 1 of 1 checks had passed; the last step was: step B (1 s)"
    assert "  tokyo   ok" in lines


@pytest.mark.parametrize(("error", "status"), [(None, 0), (RuntimeError("x"), 2), (KeyboardInterrupt(), 130)])
def test_a_report_is_printed_whatever_happens(
    capsys: pytest.CaptureFixture[str], error: BaseException | None, status: int
) -> None:
    report = report_of([])

    def work() -> None:
        report.add(table_of("Step A"))
        if error is not None:
            raise error

    assert report.run(work) == status
    assert "Step A\n  Region  Result\n  tokyo   ok\n" in capsys.readouterr().out

"""The report of a command: sections of findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FindingState(StrEnum):
    """The state of what a command has checked. A warning does not change the exit status."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked, the same in every run, as programs identify it by that.
        state: The result.
        text: What was found.
        fix: What to do next, a command where there is one; a failure always has it.
    """

    name: str
    state: FindingState
    text: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if self.state is FindingState.FAILURE and not self.fix:
            raise ValueError(f"{self.name}: a failure says what to do next")


def ok(name: str, text: str = "") -> Finding:
    """Return a finding without a problem."""
    return Finding(name, FindingState.OK, text)


def warning(name: str, text: str, fix: str = "") -> Finding:
    """Return a finding that does not change the exit status."""
    return Finding(name, FindingState.WARNING, text, fix)


def failure(name: str, text: str, fix: str) -> Finding:
    """Return a finding that changes the exit status."""
    return Finding(name, FindingState.FAILURE, text, fix)


@dataclass
class Section:
    """Findings on one subject, such as a cluster.

    Attributes:
        title: The subject.
        findings: The findings.
        columns: Columns of a table of measurements above the findings, if there is one.
        rows: Rows of that table.
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    columns: Sequence[str] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class Report:
    """The report of a command.

    Attributes:
        command: The command's name.
        sections: The sections, in the order in which they are printed.
        data: Measurements for programs, for JSON.
        interrupted: Whether the command was stopped before its end.
    """

    command: str
    sections: list[Section] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    def section(self, title: str, columns: Sequence[str] = ()) -> Section:
        """Add a section and return it."""
        section = Section(title, columns=columns)
        self.sections.append(section)
        return section

    def findings(self) -> Iterator[tuple[Section, Finding]]:
        """Yield all findings, with their sections."""
        for section in self.sections:
            for finding in section.findings:
                yield section, finding

    @property
    def ok(self) -> bool:
        """Whether something was checked, and no finding is a failure."""
        states = [finding.state for _, finding in self.findings()]
        return bool(states) and FindingState.FAILURE not in states

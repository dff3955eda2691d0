"""What a command has found out, before it is printed for people or for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FindingState(StrEnum):
    """Whether something is as it has to be. A warning does not change the exit status."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is, the same at every run: machines know it by that.
        text: what was found.
        fix: what to do next, a command where there is one; a failure always has it.
    """

    name: str
    state: FindingState
    text: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if self.state is FindingState.FAILURE and not self.fix:
            raise ValueError(f"{self.name}: a failure says what to do next")


def ok(name: str, text: str = "") -> Finding:
    return Finding(name, FindingState.OK, text)


def warning(name: str, text: str, fix: str = "") -> Finding:
    return Finding(name, FindingState.WARNING, text, fix)


def failure(name: str, text: str, fix: str) -> Finding:
    return Finding(name, FindingState.FAILURE, text, fix)


@dataclass
class Section:
    """Findings that belong together, such as those of one cluster.

    Attributes:
        columns, rows: a table of measurements above the findings, if there is one.
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    columns: Sequence[str] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class Report:
    """All that a command has found out.

    Attributes:
        command: its name.
        sections: in the order in which they are printed.
        data: measurements for machines, as JSON has them.
        interrupted: somebody has stopped it before the end.
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
        for section in self.sections:
            for finding in section.findings:
                yield section, finding

    @property
    def ok(self) -> bool:
        """Whether something was looked at, and nothing of it is a failure."""
        states = [finding.state for _, finding in self.findings()]
        return bool(states) and FindingState.FAILURE not in states

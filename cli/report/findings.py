"""The report of a command: sections of findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from signal import SIGINT
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
        objects: The objects that it is about, as ``KIND NAMESPACE/NAME``: by them a cause is told once.
        service: The service that it is about; empty if it is about no one.
    """

    name: str
    state: FindingState
    text: str = ""
    fix: str = ""
    objects: frozenset[str] = frozenset()
    service: str = ""

    def __post_init__(self) -> None:
        if self.state is FindingState.FAILURE and not self.fix:
            raise ValueError(f"{self.name}: a failure says what to do next")

    @property
    def is_problem(self) -> bool:
        """Whether it is a warning or a failure."""
        return self.state is not FindingState.OK

    def about(self, *objects: str, service: str = "") -> "Finding":
        """Return the finding with what it is about."""
        return replace(self, objects=self.objects | set(objects), service=service or self.service)


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
        region: Key of the region that the subject is in; empty if it is in none.
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    columns: Sequence[str] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    region: str = ""


@dataclass
class Report:
    """The report of a command.

    Attributes:
        command: The command's name.
        sections: The sections, in the order in which they are printed.
        data: Measurements for programs, for JSON.
        interrupted: Whether a signal stopped the command before its end.
        signal: Its number.
        left_out: Whether there are findings that are left out, none of which is a failure.
    """

    command: str
    sections: list[Section] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    signal: int = SIGINT
    left_out: bool = False

    def section(self, title: str, columns: Sequence[str] = (), region: str = "") -> Section:
        """Add a section and return it."""
        section = Section(title, columns=columns, region=region)
        self.sections.append(section)
        return section

    def interrupt(self, interrupt: KeyboardInterrupt) -> None:
        """Note the signal that stopped the command: `cli.signals` passes its number."""
        self.interrupted, self.signal = True, interrupt.args[0] if interrupt.args else SIGINT

    def findings(self) -> Iterator[tuple[Section, Finding]]:
        """Yield all findings, with their sections."""
        for section in self.sections:
            for finding in section.findings:
                yield section, finding

    @property
    def ok(self) -> bool:
        """Whether something was checked, and no finding is a failure."""
        states = [finding.state for _, finding in self.findings()]
        return (bool(states) or self.left_out) and FindingState.FAILURE not in states

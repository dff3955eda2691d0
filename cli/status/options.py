"""Which part of what `mesh status` finds is reported."""

from dataclasses import dataclass, replace

from cli.errors import MeshError
from cli.report.findings import FindingState, Report
from config import Environment


@dataclass(frozen=True)
class StatusOptions:
    """Options of `mesh status`.

    Attributes:
        regions: Keys of the regions that are reported; empty for all, and the fleet.
        service: The service without whose findings none of a service is reported; empty for all.
        only_failures: Whether only failures are reported.
    """

    regions: tuple[str, ...] = ()
    service: str = ""
    only_failures: bool = False

    def check(self, environment: Environment) -> None:
        """Check that there is what the options name.

        Raises:
            MeshError: There is no such region or service.
        """
        for what, wanted, known in (
            ("region", self.regions, environment.regions),
            ("service", (self.service,) if self.service else (), environment.all_services()),
        ):
            for one in wanted:
                if one not in known:
                    raise MeshError(f"there is no {what} {one}", f"name one of: {', '.join(known)}")

    def select(self, report: Report) -> Report:
        """Return the part of a report that the options name. What is about no region or service is part of each."""
        sections, left_out = [], False
        for section in report.sections:
            if self.regions and section.region and section.region not in self.regions:
                continue
            rows = [row for row in section.rows if not self.regions or row[0] in self.regions]
            findings = [one for one in section.findings if not self.service or one.service in ("", self.service)]
            if self.only_failures:
                left_out = left_out or bool(findings)
                findings = [one for one in findings if one.state is FindingState.FAILURE]
            sections.append(replace(section, rows=rows, findings=findings))
        return replace(report, sections=sections, left_out=left_out)

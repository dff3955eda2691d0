"""What `mesh drill` measured of one fault, and whether that is as it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.traffic.counts import ResponseCounts
from cli.traffic.options import FaultKind
from cli.traffic.outage import count_failed, first_arrival, slowest, start_of_last_run
from cli.traffic.response import Response
from config.plural import counted

SECONDS_TO_FAIL_OVER = 60.0
SECONDS_TO_FAIL_BACK = 320.0
"""An ejection takes at most 300 s, until Envoy looks, by default every second (`cli.traffic.safety`)."""

UNDER_WAY = 5
"""Requests to a pod that may fail in addition to those after which it is ejected: they are under way."""

COLUMNS = (
    "Fault",
    "Client region",
    "Requests",
    "Errors",
    "Failover time (s)",
    "Slowest response (s)",
    "Errors during failback",
    "Failback time (s)",
)


@dataclass
class DrillTimeline:
    """One fault of a service in a region, from its start to the failback; times are of the monotonic clock.

    Attributes:
        service: Name of the service.
        fault: How it fails.
        region: Key of the region.
        most_failed: The number of requests that may fail.
        responses: By region, from before the fault on.
        failed_at: When it began; None if it did not.
        ended_at: When its rollback began.
        failed_over: Whether another region responded steadily.
        failed_back: Whether the region itself responded steadily after the rollback.
        outage: Key of the region whose requests all failed for so long that the drill was stopped; empty if none did.
        cause: Why there was no failover, if the proxies' configuration explains it.
        complete: Whether it was neither interrupted nor given up.
        manual_commands: Rollback commands that failed, for the user to run.
    """

    service: str
    fault: FaultKind
    region: str
    most_failed: int
    responses: Mapping[str, Sequence[Response]] = field(default_factory=dict)
    failed_at: float | None = None
    ended_at: float = float("inf")
    failed_over: bool = False
    failed_back: bool = False
    outage: str = ""
    cause: Finding | None = None
    complete: bool = False
    manual_commands: Sequence[str] = ()

    @property
    def began_at(self) -> float:
        """When the fault began, or else the end of all times."""
        return float("inf") if self.failed_at is None else self.failed_at

    @property
    def during(self) -> list[Response]:
        """The region's responses while the fault lasted."""
        return [one for one in self.responses[self.region] if self.began_at <= one.sent < self.ended_at]

    @property
    def after(self) -> list[Response]:
        """The region's responses since the rollback."""
        return [one for one in self.responses[self.region] if one.sent >= self.ended_at]

    @property
    def others(self) -> dict[str, list[Response]]:
        """The responses of the other regions since the fault began."""
        return {
            key: [one for one in responses if one.sent >= self.began_at]
            for key, responses in self.responses.items()
            if key != self.region
        }

    @property
    def failover_seconds(self) -> float | None:
        """Seconds until another region responded; None if none did."""
        first = first_arrival(self.during, lambda one: one.ok and one.region not in (self.region, ""))
        return None if first is None else first - self.began_at

    @property
    def failback_seconds(self) -> float | None:
        """Seconds from the rollback until only the region itself responded; None if it did not."""
        run = start_of_last_run(self.after, self._is_local)
        return None if run is None or not self.failed_back else run - self.ended_at

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table `COLUMNS`."""
        during, after = self.during, self.after
        failed = (str(len(during)), str(count_failed(during)))
        times = (_seconds(self.failover_seconds), _seconds(slowest(during)))
        back = (str(count_failed(after)), _seconds(self.failback_seconds))
        rows: list[tuple[str, ...]] = [(self.fault.label, self.region, *failed, *times, *back)]
        for key, some in self.others.items():
            rows.append(("", key, str(len(some)), str(count_failed(some)), "", _seconds(slowest(some)), "", ""))
        return rows

    def data(self) -> dict[str, Any]:
        """Return the figures for programs."""
        return {
            "fault": self.fault,
            "requests": len(self.during),
            "failed": count_failed(self.during),
            "failover_seconds": self.failover_seconds,
            "failed_during_failback": count_failed(self.after),
            "failback_seconds": self.failback_seconds,
            "failed_in_other_regions": sum(map(count_failed, self.others.values())),
            "stopped_for_outage_in": self.outage or None,
            "complete": self.complete,
            "restored": not self.manual_commands,
        }

    def findings(self) -> list[Finding]:
        """Return whether failover, rollback and failback went as they should."""
        rollback = f"{self.fault.label}: rollback"
        commands = " && ".join(self.manual_commands)
        restored = (
            failure(rollback, f"failed: {self.region} is not restored", commands) if commands else ok(rollback, "done")
        )
        if not self.complete:
            text = f"interrupted after {counted(len(self.during) + len(self.after), 'request')} from {self.region}"
            return [warning(f"{self.fault.label}: measurement", text, self._drill), restored]
        return [self._failover(), self._failures(), self._other_regions(), restored, self._failback()]

    def verdict(self) -> str:
        """Return the findings as one sentence: what is wrong, or else the figures."""
        findings = self.findings()
        if wrong := [one for one in findings if one.state is FindingState.FAILURE]:
            return f"failed: {wrong[0].name.partition(': ')[2]} {wrong[0].text}"
        if not self.complete:
            return findings[0].text
        failed = count_failed(self.during) + count_failed(self.after)
        total = counted(len(self.during) + len(self.after), "request")
        times = (
            f"failover after {_seconds(self.failover_seconds)} s, failback after {_seconds(self.failback_seconds)} s"
        )
        return f"passed: {times}, {failed} of {total} failed"

    @property
    def _drill(self) -> str:
        return f"mesh drill {self.region} --service {self.service}"

    @property
    def _explain(self) -> str:
        return f"mesh explain {self.service} --from {self.region}"

    def _is_local(self, response: Response) -> bool:
        return response.ok and response.region == self.region

    def _failover(self) -> Finding:
        name, seconds = f"{self.fault.label}: failover", self.failover_seconds
        if self.failed_over and not self.outage and seconds is not None:
            return ok(name, f"after {seconds:.1f} s")
        if not self.outage and all(map(self._is_local, self.during)) and self.fault is FaultKind.FAILING:
            text = f"{self.service} did not fail: this mesh control plane ignores the Sidecar that injects the fault"
            return failure(name, text, f"{self._drill} --fault {FaultKind.REMOVED}")
        own = self.responses[self.outage] if self.outage else self.during
        counts = ResponseCounts.of([one for one in own if self.began_at <= one.sent < self.ended_at])
        problems = counts.problem_summary() or counts.region_summary() or "no responses"
        text = (
            f"the drill was stopped, as all requests from {self.outage} failed: {problems}"
            if self.outage
            else f"incomplete after {SECONDS_TO_FAIL_OVER:.0f} s: {problems}"
        )
        if self.cause is None:
            return failure(name, text, self._explain)
        return failure(name, f"{text}. {self.cause.name}: {self.cause.text}", self.cause.fix or self._explain)

    def _failures(self) -> Finding:
        name, counts = f"{self.fault.label}: errors during failover", ResponseCounts.of(self.during)
        if counts.failed == 0:
            return ok(name, f"0 of {counted(counts.sent, 'request')}")
        text = f"{counts.failed} of {counted(counts.sent, 'request')}: {counts.problem_summary()}"
        if counts.failed <= self.most_failed:
            return ok(name, f"{text}; expected until the pods are ejected")
        if counts.failed <= UNDER_WAY and self.fault is FaultKind.REMOVED:
            return warning(name, text, "lengthen the preStop sleep of the pods: drain_seconds in docs/configuration.md")
        return failure(name, text, f"check the outlierDetection of the DestinationRule: {self._explain}")

    def _other_regions(self) -> Finding:
        name, fix = f"{self.fault.label}: other regions", f"mesh verify locality --service {self.service}"
        counts = ResponseCounts.of([response for several in self.others.values() for response in several])
        if not counts.sent:
            return failure(name, "their clients had no responses", fix)
        if counts.failed:
            return failure(
                name, f"{counts.failed} of {counted(counts.sent, 'request')} failed: {counts.problem_summary()}", fix
            )
        return ok(name, _failed(counts))

    def _failback(self) -> Finding:
        name, seconds = f"{self.fault.label}: failback", self.failback_seconds
        counts = ResponseCounts.of(self.after)
        if seconds is None:
            seen = counts.region_summary()
            problems = counts.problem_summary() or "no responses"
            text = f"incomplete after {SECONDS_TO_FAIL_BACK:.0f} s: {seen or problems}"
            return failure(name, text, self._explain)
        if counts.failed:
            text = f"after {seconds:.1f} s; {_failed(counts)}: {counts.problem_summary()}"
            return warning(name, text, f"mesh verify locality --service {self.service}")
        return ok(name, f"after {seconds:.1f} s; {_failed(counts)}")


def _failed(counts: ResponseCounts) -> str:
    return f"{counts.failed} of {counted(counts.sent, 'request')} failed"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"

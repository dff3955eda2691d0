"""Figures of many runs: median, worst, and the range of nine tenths of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median

from tests.lab.budget.limits import Limits
from tests.lab.budget.measurement import AND, DRAIN, REGIONS, SERVICES, Measurement
from tests.lab.budget.results import Results

COLUMNS = (
    "Fault",
    "Client",
    "Runs",
    "Failover time (s)",
    "Failed requests",
    "Requests",
    "Failback time (s)",
    "Errors during failback",
)

LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True)
class Row:
    """All runs of a fault, as one client saw them.

    Attributes:
        measurements: of all runs.
    """

    measurements: Sequence[Measurement]

    @property
    def fault(self) -> str:
        return self.measurements[0].fault

    @property
    def client(self) -> str:
        return self.measurements[0].client

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table with `COLUMNS`."""
        outages = [one.outage for one in self.measurements]
        return (
            self.fault.replace("-", " "),
            self.client,
            str(len(outages)),
            spread([one.failover for one in outages]),
            spread([one.failed for one in outages]),
            str(sum(one.sent for one in outages)),
            spread([one.failback for one in outages]),
            str(sum(one.errors for one in outages)),
        )

    def is_within(self, most: Limits) -> bool:
        """Return whether every run is within limits."""
        return all(
            one.sent > 0
            and one.failover is not None
            and one.failover <= most.failover
            and one.failed <= most.failed
            and one.failback is not None
            and one.failback <= most.failback
            and one.errors <= most.errors
            for one in (measurement.outage for measurement in self.measurements)
        )

    def worst_failed(self) -> int:
        return max(one.outage.failed for one in self.measurements)


def sum_limits(row: Row, results: Results) -> Limits:
    """Return the limits of two faults at once: as many failed requests as both alone, and no errors during failback.

    Args:
        row: its fault is named ``FAULT and FAULT``.
        results: also those of the faults alone.
    """
    one = row.measurements[0]
    parts = one.fault.split(AND)
    failed = sum(
        alone.worst_failed()
        for series in (SERVICES, REGIONS, DRAIN)
        for alone in rows(results.of(series, one.regions, one.numbers))
        if alone.fault in parts and alone.client == row.client
    )
    return Limits(failover=inf, failed=failed, failback=inf)


def rows(measurements: Iterable[Measurement]) -> list[Row]:
    """Return a row for each fault and client, in the order of their first run."""
    found: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        found.setdefault((one.fault, one.client), []).append(one)
    return [Row(group) for group in found.values()]


def spread(values: Sequence[float | None]) -> str:
    """Return median, worst, and the range from the 5th to the 95th percentile; they are one figure if all are equal."""
    known = sorted(value for value in values if value is not None)
    if len(known) < len(values):
        return f"never in {len(values) - len(known)} of {len(values)} runs"
    if known[0] == known[-1]:
        return f"{known[0]:g}"
    middle, low, high = median(known), percentile(known, LOW), percentile(known, HIGH)
    return f"{middle:.3g}, worst {known[-1]:g} ({low:g} to {high:g})"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that is at least as large as this share of all values (the nearest-rank method)."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]

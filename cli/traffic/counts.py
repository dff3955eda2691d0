"""The responses to one region's requests, counted."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.traffic.response import Response

PERCENTILES = (50, 90, 99)
UNKNOWN = "unknown"
"""In place of a region."""


@dataclass(frozen=True)
class ResponseCounts:
    """The responses to one region's requests.

    Attributes:
        sent: The number of requests that have ended.
        regions: The successes, by the region that responded.
        unknown: The number of successes whose region can't be told.
        problems: The others, by their problem.
        seconds: How long the successes took.
    """

    sent: int
    regions: Mapping[str, int]
    unknown: int
    problems: Mapping[str, int]
    seconds: Sequence[float]

    @classmethod
    def of(cls, responses: Sequence[Response]) -> "ResponseCounts":
        """Count responses."""
        return cls(
            len(responses),
            Counter(one.region for one in responses if one.ok and one.region),
            sum(one.ok and not one.region for one in responses),
            Counter(one.problem for one in responses if not one.ok),
            [one.seconds for one in responses if one.ok],
        )

    @property
    def failed(self) -> int:
        return sum(self.problems.values())

    def percentiles(self) -> dict[int, float]:
        """Return how long successes took, in seconds, by percentile; empty without any."""
        if len(self.seconds) < 2:
            return {percent: value for percent in PERCENTILES for value in self.seconds}
        cuts = statistics.quantiles(self.seconds, n=100, method="inclusive")
        return {percent: cuts[percent - 1] for percent in PERCENTILES}

    def region_summary(self) -> str:
        """Return how many successes each region has, in words."""
        found = {**dict(sorted(self.regions.items())), **({UNKNOWN: self.unknown} if self.unknown else {})}
        return ", ".join(f"{region} {count}" for region, count in found.items())

    def problem_summary(self, limit: int = 3) -> str:
        """Return the most common problems, in words."""
        common = Counter(self.problems).most_common(limit)
        return ", ".join(f"{problem} ({count})" for problem, count in common)

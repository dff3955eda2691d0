"""The responses to one region's requests, counted."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.traffic.client import DemoResponse

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class ResponseCounts:
    """The responses to one region's requests.

    Attributes:
        sent: The number of requests that have ended.
        versions: The successes, by the version that responded.
        problems: The others, by their problem.
        seconds: How long the successes took.
    """

    sent: int
    versions: Mapping[str, int]
    problems: Mapping[str, int]
    seconds: Sequence[float]

    @classmethod
    def of(cls, responses: Sequence[DemoResponse]) -> "ResponseCounts":
        """Count responses."""
        return cls(
            len(responses),
            Counter(one.version for one in responses if one.ok),
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

    def problem_summary(self, limit: int = 3) -> str:
        """Return the most common problems, in words."""
        common = Counter(self.problems).most_common(limit)
        return ", ".join(f"{problem} ({count})" for problem, count in common)

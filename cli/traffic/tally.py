"""What a region's answers were, counted."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.traffic.client import Answer

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Tally:
    """Answers to the requests of one region.

    Attributes:
        sent: how many requests have come to an end.
        versions: answers by version, successes only.
        problems: the others, by what was wrong.
        seconds: how long the successes took.
    """

    sent: int
    versions: Mapping[str, int]
    problems: Mapping[str, int]
    seconds: Sequence[float]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> "Tally":
        return cls(
            len(answers),
            Counter(answer.version for answer in answers if answer.ok),
            Counter(answer.problem for answer in answers if not answer.ok),
            [answer.seconds for answer in answers if answer.ok],
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

    def says(self, problem_limit: int = 3) -> str:
        """Return what failed, in words."""
        common = Counter(self.problems).most_common(problem_limit)
        return ", ".join(f"{count} times {problem}" for problem, count in common)

"""Measures how often `mesh verify split` accepts a split, for the documentation.

``python -m tests.cli.split_errors`` prints the table that docs/testing.md has.
"""

import numpy

from cli.report.findings import FindingState
from cli.traffic.counts import ResponseCounts
from cli.traffic.expectation import Expectation
from cli.traffic.options import VerifyStep
from cli.traffic.target import ONLY_VERSION, Target
from config import load
from config.paths import ROOT
from tests.synthesized import REFERENCE

RUNS = 10_000
CONFIDENCE = 0.99
REQUESTS = (100, 1000)
SHARES = (50, 51, 52, 55, 60, 65, 70, 80, 90, 99, 100)
SEED = 20261125
TABLE_FILE = ROOT / "docs" / "testing.md"


def accepted(share: int, requests: int) -> float:
    """Return the share of the runs that accept a split in which tokyo serves `share` per cent of the requests."""
    target = Target.of(load(REFERENCE))
    pods = {"tokyo": {ONLY_VERSION: 1}, "osaka": {ONLY_VERSION: 1}}
    expectation = Expectation(VerifyStep.SPLIT, target, requests, CONFIDENCE, regions=1, pods=pods)
    dice = numpy.random.default_rng([SEED, share, requests])
    times = 0
    for first in dice.binomial(requests, share / 100, RUNS).tolist():
        regions = {region: count for region, count in (("tokyo", first), ("osaka", requests - first)) if count}
        finding = expectation.check("tokyo", ResponseCounts(requests, regions, 0, {}, []))
        times += finding.state is FindingState.OK
    return times / RUNS


def table() -> str:
    """Return the table, in Markdown."""
    lines = [
        f"| Two regions: shares (%) | {' | '.join(f'Accepted with {number:,} requests (%)' for number in REQUESTS)} |",
        f"| --- | {' | '.join('---' for _ in REQUESTS)} |",
    ]
    for share in SHARES:
        values = [100 * accepted(share, requests) for requests in REQUESTS]
        cells = [f"{value:.4g}" + (" (right)" if share == 50 else "") for value in values]
        lines.append(f"| {share}/{100 - share} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())

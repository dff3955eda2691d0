"""Whether a region's answers are as steps A, B and C want them."""

import math
from dataclasses import dataclass

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.traffic.demo import Demo
from cli.traffic.options import Question
from cli.traffic.shares import LEAST_EXPECTED, probability
from cli.traffic.tally import Tally

DEPLOY_INGRESS = "cdktf deploy ingress --ignore-missing-stack-dependencies"


@dataclass(frozen=True)
class Verdict:
    """How answers are judged.

    Attributes:
        requests: so many were sent from each region.
        confidence: between 0 and 1: even shares are taken for even in that part of all
            runs, however many regions there are.
        regions: how many are asked from.
        failover: whether the configuration has the DestinationRule.
    """

    question: Question
    demo: Demo
    requests: int
    confidence: float
    regions: int
    failover: bool

    def check_number(self) -> None:
        """Raise a MeshError if there is no split, or these are too few requests to see it."""
        pods = self.demo.pods
        if not pods or not all(pods.values()):
            raise MeshError("a version of the demo has no pods, so there is no split", "mend demo.versions, and deploy")
        least = math.ceil(LEAST_EXPECTED / min(self.demo.shares.values()))
        if self.requests < least:
            text = f"{self.requests} requests are too few to tell the shares of {len(pods)} versions"
            raise MeshError(text, f"mesh verify split --requests {least}")

    def doubts(self) -> list[Finding]:
        """Return why the configuration may not let the question be answered with yes."""
        found = []
        wanted = self.question is not Question.SPLIT
        if self.failover != wanted:
            state, effect = ("true", "are local and not split") if self.failover else ("false", "come from everywhere")
            text = f"demo.failover is {state}, with which answers {effect}"
            fix = f"set demo.failover: {str(wanted).lower()}, and run: {DEPLOY_INGRESS}"
            found.append(warning("the DestinationRule", text, fix))
        if wanted:
            for version, keys in self.demo.shared_versions().items():
                text = f"{', '.join(keys)} have the same one, so that their answers look alike"
                found.append(warning(f"version {version}", text, "give each region its own in demo.versions"))
        return found

    def finding(self, region: str, tally: Tally, problem: str = "") -> Finding:
        """Judge a region.

        Args:
            problem: why not all requests came to an end.
        """
        if problem:
            return failure(region, f"{tally.sent} of {self.requests} requests came to an end: {problem}", "mesh status")
        if tally.sent < self.requests:
            return failure(region, f"stopped after {tally.sent} of {self.requests} requests", "run it again")
        if tally.failed:
            return failure(region, f"{tally.failed} of {tally.sent} requests failed: {tally.says()}", "mesh status")
        return self._split(region, tally) if self.question is Question.SPLIT else self._local(region, tally)

    def _local(self, region: str, tally: Tally) -> Finding:
        home = self.demo.versions.get(region)
        if home is None:
            return ok(region, f"all {tally.sent} answered; the region has no version of its own")
        local = tally.versions.get(home, 0)
        if local == tally.sent:
            return ok(region, f"all {tally.sent} answers are {home}")
        fix = "mesh status: are its pods ready, and is the DestinationRule in its cluster?"
        return failure(region, f"{tally.sent - local} of {tally.sent} answers are not {home}", fix)

    def _split(self, region: str, tally: Tally) -> Finding:
        shares = self.demo.shares
        words = ", ".join(f"{version} {tally.versions.get(version, 0)}" for version in shares)
        if silent := [version for version in shares if not tally.versions.get(version)]:
            fix = "mesh status: whether its cluster sees the others; and the firewall rule between the clusters' pods"
            return failure(region, f"{', '.join(silent)} did not answer: {words}", fix)
        if strange := sorted(set(tally.versions) - set(shares)):
            return failure(region, f"{', '.join(strange)} answered, which is not in the configuration", DEPLOY_INGRESS)
        # All regions together are to hold at the stated confidence (C. E. Bonferroni, 1936).
        chance = probability(tally.versions, shares)
        if chance < (1 - self.confidence) / self.regions:
            fix = "mesh status: are the pods those of the configuration, and is there no DestinationRule?"
            return failure(region, f"the shares are not even: {words}; by chance in {chance:.1g} of all runs", fix)
        return ok(region, f"{words}: as far from even, or farther, by chance in {100 * chance:.0f} % of all runs")

"""What `mesh verify` expects of a region's responses in steps A, B and C."""

import math
from dataclasses import dataclass

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.traffic.counts import ResponseCounts
from cli.traffic.demo import DeployedDemo
from cli.traffic.options import Question
from cli.traffic.shares import LEAST_EXPECTED, probability

DEPLOY_INGRESS = "cdktf deploy ingress --ignore-missing-stack-dependencies"


@dataclass(frozen=True)
class Expectation:
    """What is expected of the responses.

    Attributes:
        question: The step.
        demo: As configured.
        requests: The number from each region.
        confidence: Between 0 and 1: the part of all runs in which even shares pass, however
            many regions there are.
        regions: The number of regions that send requests.
        failover: Whether the configuration has the DestinationRule.
    """

    question: Question
    demo: DeployedDemo
    requests: int
    confidence: float
    regions: int
    failover: bool

    def check_sample_size(self) -> None:
        """Raise a MeshError if there is no split, or these are too few requests to see it."""
        pods = self.demo.pods
        if not pods or not all(pods.values()):
            raise MeshError("a version of the demo has no pods, so there is no split", "mend demo.versions, and deploy")
        least = math.ceil(LEAST_EXPECTED / min(self.demo.shares.values()))
        if self.requests < least:
            text = f"{self.requests} requests are too few to tell the shares of {len(pods)} versions"
            raise MeshError(text, f"mesh verify split --requests {least}")

    def configuration_warnings(self) -> list[Finding]:
        """Return what in the configuration keeps the responses from being as expected."""
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

    def check(self, region: str, counts: ResponseCounts, problem: str = "") -> Finding:
        """Return whether a region's responses are as expected.

        Args:
            region: Its key.
            counts: Its responses.
            problem: Why not all requests have ended.
        """
        sent = f"{counts.sent} of {self.requests} requests"
        if problem:
            return failure(region, f"{sent} came to an end: {problem}", "mesh status")
        if counts.sent < self.requests:
            return failure(region, f"stopped after {sent}", "run it again")
        if counts.failed:
            text = f"{counts.failed} of {counts.sent} requests failed: {counts.problem_summary()}"
            return failure(region, text, "mesh status")
        return self._split(region, counts) if self.question is Question.SPLIT else self._local(region, counts)

    def _local(self, region: str, counts: ResponseCounts) -> Finding:
        home = self.demo.versions.get(region)
        if home is None:
            return ok(region, f"all {counts.sent} answered; the region has no version of its own")
        local = counts.versions.get(home, 0)
        if local == counts.sent:
            return ok(region, f"all {counts.sent} answers are {home}")
        fix = "mesh status: are its pods ready, and is the DestinationRule in its cluster?"
        return failure(region, f"{counts.sent - local} of {counts.sent} answers are not {home}", fix)

    def _split(self, region: str, counts: ResponseCounts) -> Finding:
        shares = self.demo.shares
        words = ", ".join(f"{version} {counts.versions.get(version, 0)}" for version in shares)
        if silent := [version for version in shares if not counts.versions.get(version)]:
            fix = "mesh status: whether its cluster sees the others; and the firewall rule between the clusters' pods"
            return failure(region, f"{', '.join(silent)} did not answer: {words}", fix)
        if strange := sorted(set(counts.versions) - set(shares)):
            return failure(region, f"{', '.join(strange)} answered, which is not in the configuration", DEPLOY_INGRESS)
        # All regions together are to hold at the stated confidence (C. E. Bonferroni, 1936).
        chance = probability(counts.versions, shares)
        if chance < (1 - self.confidence) / self.regions:
            fix = "mesh status: are the pods those of the configuration, and is there no DestinationRule?"
            return failure(region, f"the shares are not even: {words}; by chance in {chance:.1g} of all runs", fix)
        return ok(region, f"{words}: as far from even, or farther, by chance in {100 * chance:.0f} % of all runs")

"""What `mesh verify` expects of a region's responses in steps A, B and C."""

import math
from dataclasses import dataclass

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok, warning
from cli.traffic.counts import ResponseCounts
from cli.traffic.demo import DeployedDemo
from cli.traffic.options import VerifyStep
from cli.traffic.shares import LEAST_EXPECTED, probability
from config.plural import counted

SET_VERSIONS = "set a different version for each region in demo.versions"
DEPLOY_INGRESS = "cdktf deploy ingress --ignore-missing-stack-dependencies"


@dataclass(frozen=True)
class Expectation:
    """What is expected of the responses.

    Attributes:
        step: The step.
        demo: As configured.
        requests: The number from each region.
        confidence: Between 0 and 1: the part of all runs in which even shares pass, however
            many regions there are.
        regions: The number of regions that send requests.
        failover: Whether the configuration has the DestinationRule.
    """

    step: VerifyStep
    demo: DeployedDemo
    requests: int
    confidence: float
    regions: int
    failover: bool

    def check_sample_size(self) -> None:
        """Raise a MeshError if there is no split, or these are too few requests to see it."""
        pods = self.demo.pods
        if not pods or not all(pods.values()):
            raise MeshError(
                "a version of the demo service has no pods",
                "set replicas in demo.versions, and deploy",
            )
        least = math.ceil(LEAST_EXPECTED / min(self.demo.shares.values()))
        if self.requests < least:
            text = f"{self.requests} requests are too few to compare the shares of {counted(len(pods), 'version')}"
            raise MeshError(text, f"mesh verify split --requests {least}")

    def configuration_warnings(self) -> list[Finding]:
        """Return what in the configuration keeps the responses from being as expected."""
        found = []
        wanted = self.step is not VerifyStep.SPLIT
        if self.failover != wanted:
            state, effect = ("true", "are local, not split") if self.failover else ("false", "come from every region")
            text = f"demo.failover is {state}, so responses {effect}"
            fix = f"set demo.failover: {str(wanted).lower()}, and run: {DEPLOY_INGRESS}"
            found.append(warning("DestinationRule", text, fix))
        if wanted:
            for version, keys in self.demo.shared_versions().items():
                text = f"{', '.join(keys)} run the same version, so their responses can't be told apart"
                found.append(warning(f"version {version}", text, SET_VERSIONS))
        return found

    def check(self, region: str, counts: ResponseCounts, problem: str = "") -> Finding:
        """Return whether a region's responses are as expected.

        Args:
            region: Its key.
            counts: Its responses.
            problem: Why not all requests have ended.
        """
        sent = f"{counts.sent} of {counted(self.requests, 'request')}"
        if problem:
            return failure(region, f"{sent} completed: {problem}", "mesh status")
        if counts.sent < self.requests:
            return failure(region, f"interrupted after {sent}", "run the command again")
        if counts.failed:
            text = f"{counts.failed} of {counted(counts.sent, 'request')} failed: {counts.problem_summary()}"
            return failure(region, text, "mesh status")
        return self._split(region, counts) if self.step is VerifyStep.SPLIT else self._local(region, counts)

    def _local(self, region: str, counts: ResponseCounts) -> Finding:
        home = self.demo.versions.get(region)
        if home is None:
            return ok(region, f"all {counts.sent} requests succeeded; the region runs no version")
        local = counts.versions.get(home, 0)
        if local == counts.sent:
            return ok(region, f"all {counts.sent} responses are {home}")
        fix = "check that its pods are ready and that its DestinationRule exists: mesh status"
        return failure(region, f"{counts.sent - local} of {counted(counts.sent, 'response')} not {home}", fix)

    def _split(self, region: str, counts: ResponseCounts) -> Finding:
        shares = self.demo.shares
        words = ", ".join(f"{version} {counts.versions.get(version, 0)}" for version in shares)
        if silent := [version for version in shares if not counts.versions.get(version)]:
            fix = "check endpoint discovery, and that a deploy has no changes: mesh status && cdktf diff network"
            return failure(region, f"no response from {', '.join(silent)}: {words}", fix)
        if strange := sorted(set(counts.versions) - set(shares)):
            return failure(region, f"responses from {', '.join(strange)}, which is not configured", DEPLOY_INGRESS)
        # All regions together are to hold at the stated confidence (C. E. Bonferroni, 1936).
        chance = probability(counts.versions, shares)
        if chance < (1 - self.confidence) / self.regions:
            fix = "check that the pods are as configured, and that no DestinationRule exists: mesh status"
            return failure(region, f"uneven shares: {words}; by chance in {100 * chance:.1g} % of runs", fix)
        return ok(region, f"{words}; a difference this large or larger: by chance in {100 * chance:.0f} % of runs")

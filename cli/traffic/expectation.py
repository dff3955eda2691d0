"""What `mesh verify` expects of a region's responses in each step."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cli.errors import MeshError
from cli.report.findings import Finding, failure, ok
from cli.traffic.counts import ResponseCounts
from cli.traffic.options import VerifyStep
from cli.traffic.shares import LEAST_EXPECTED, probability
from cli.traffic.target import ONLY_VERSION, Target
from config import Environment
from config.environment import DEMO_SERVICE
from config.plural import counted
from config.services.versions import ALL_WEIGHTS

DEPLOY_INGRESS = "cdktf deploy ingress --ignore-missing-stack-dependencies"


def check_failover(environment: Environment, target: Target, step: VerifyStep) -> None:
    """Check that the configuration does what the step measures.

    Raises:
        MeshError: It does not, so that the step would show nothing.
    """
    key = "demo.failover" if target.name == DEMO_SERVICE else f"services.{target.name}.failover"
    failover = target.service.failover
    # TRAFFIC_DIRECTOR balances by locality without a DestinationRule.
    local = failover or environment.control_plane.takes_failover_threshold
    if step is VerifyStep.SPLIT and failover:
        text = f"{key} is true, so that responses are local, not split"
        raise MeshError(text, f"mesh verify locality; or set {key}: false, and run: {DEPLOY_INGRESS}")
    if step is VerifyStep.LOCALITY and not local:
        text = f"{key} is false, so that responses come from every region"
        raise MeshError(text, f"mesh verify split; or set {key}: true, and run: {DEPLOY_INGRESS}")
    if step is VerifyStep.SPLIT and len(target.regions) < 2:
        text = (
            f"{target.name} serves in {' '.join(target.regions) or 'no region'} only, so that there is nothing to split"
        )
        raise MeshError(text, "name a service that runs in several regions: --service NAME")


@dataclass(frozen=True)
class Expectation:
    """What is expected of the responses.

    Attributes:
        step: The step.
        target: The service.
        requests: The number from each region.
        confidence: Between 0 and 1: the part of all runs in which even shares pass, however
            many regions there are.
        regions: The number of regions that send requests.
        pods: The number of ready pods of each version by region; only for `VerifyStep.SPLIT`.
        drained: Keys of the drained regions.
    """

    step: VerifyStep
    target: Target
    requests: int
    confidence: float
    regions: int
    pods: Mapping[str, Mapping[str, int]]
    drained: Collection[str] = ()

    def shares(self, region: str) -> dict[str, float]:
        """Return each region's share of the responses to a region's requests; empty if all are to be local."""
        if self.step is VerifyStep.SPLIT:
            return self._even_shares
        weights = self.target.service.region_weights.get(region, {}) if self.step is VerifyStep.LOCALITY else {}
        weights = {key: weights[key] for key in sorted(weights) if key in self.target.regions}
        return {key: weight / sum(weights.values()) for key, weight in weights.items()}

    @cached_property
    def _even_shares(self) -> dict[str, float]:
        """The shares where the requests of each version are spread evenly over all of its pods."""
        shares = dict.fromkeys(sorted(self.pods), 0.0)
        for version, weight in (self.target.service.weights or {ONLY_VERSION: ALL_WEIGHTS}).items():
            total = sum(own.get(version, 0) for own in self.pods.values())
            for region, own in self.pods.items() if total else ():
                shares[region] += weight / ALL_WEIGHTS * own.get(version, 0) / total
        return {region: share for region, share in shares.items() if share}

    def check_sample_size(self, clients: Sequence[str]) -> None:
        """Check that the shares can be told apart by the number of requests.

        Args:
            clients: Keys of the regions that send requests.

        Raises:
            MeshError: These are too few requests, or a region has no ready pod.
        """
        if self.step is VerifyStep.SPLIT:
            self._check_ready()
        shares = [share for share in map(self.shares, clients) if share]
        if not shares:
            return
        least = math.ceil(LEAST_EXPECTED / min(min(one.values()) for one in shares))
        if self.requests < least:
            text = f"{self.requests} requests are too few to compare the shares of {counted(len(shares[0]), 'region')}"
            raise MeshError(text, f"mesh verify {self.step} --requests {least}")

    def _check_ready(self) -> None:
        """Raise a MeshError if a region has no ready pod."""
        if silent := [region for region in self.target.regions if not any(self.pods.get(region, {}).values())]:
            text = (
                f"{self.target.name} has no ready pod in {', '.join(silent)}, so that no response can come from there"
            )
            raise MeshError(text, f"mesh status --service {self.target.name}")

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
        if counts.unknown:
            return self._unknown(region, counts)
        shares = self.shares(region)
        return self._split(region, counts, shares) if shares else self._local(region, counts)

    def _unknown(self, region: str, counts: ResponseCounts) -> Finding:
        text = f"unknown region: {counts.unknown} of {counted(counts.sent, 'response')}"
        if self.step is VerifyStep.INGRESS:
            why = "other users' requests reach the gateways of several regions at the same time"
            fix = "run the command again when there are fewer users"
        else:
            why = "pods were added or removed meanwhile, or the proxy's counters can't be read"
            fix = "run the command again when no rollout is under way"
        return failure(region, f"{text}; {why}", fix)

    def _local(self, region: str, counts: ResponseCounts) -> Finding:
        what = "gateways" if self.step is VerifyStep.INGRESS else "pods"
        if wrong := [key for key in self.drained if counts.regions.get(key)]:
            text = f"responses come from {what} in {', '.join(wrong)}, drained: {counts.region_summary()}"
            return failure(region, text, "mesh status")
        if region in self.drained:
            return ok(region, f"all {counts.sent} requests succeeded; the region is drained: {counts.region_summary()}")
        if self.step is VerifyStep.LOCALITY and region not in self.target.regions:
            return ok(
                region, f"all {counts.sent} requests succeeded; the region runs no pods: {counts.region_summary()}"
            )
        local = counts.regions.get(region, 0)
        if local == counts.sent:
            return ok(region, f"all {counts.sent} responses come from {what} in {region}")
        text = f"{counts.sent - local} of {counted(counts.sent, 'response')} not from {what} in {region}"
        fix = "check that its pods are ready and that its DestinationRule exists: mesh status"
        return failure(region, f"{text}: {counts.region_summary()}", fix)

    def _split(self, region: str, counts: ResponseCounts, shares: Mapping[str, float]) -> Finding:
        words = ", ".join(f"{key} {counts.regions.get(key, 0)}" for key in shares)
        if silent := [key for key in shares if not counts.regions.get(key)]:
            fix = "check endpoint discovery, and that a deploy has no changes: mesh status && cdktf diff network"
            return failure(region, f"no response from {', '.join(silent)}: {words}", fix)
        if strange := sorted(set(counts.regions) - set(shares)):
            why = "has no ready pod" if self.step is VerifyStep.SPLIT else f"has no weight in region_weights.{region}"
            return failure(region, f"responses from {', '.join(strange)}, which {why}", DEPLOY_INGRESS)
        # All regions together are to hold at the stated confidence (C. E. Bonferroni, 1936).
        chance = probability(counts.regions, shares)
        if chance < (1 - self.confidence) / self.regions:
            what, fix = "uneven shares", "check that the pods are as configured, and that no DestinationRule exists"
            if self.step is not VerifyStep.SPLIT:
                what, fix = "other shares than configured", "check that the DestinationRule is as configured"
            text = f"{what}: {words}; by chance in {100 * chance:.1g} % of runs"
            return failure(region, text, f"{fix}: mesh status")
        return ok(region, f"{words}; a difference this large or larger: by chance in {100 * chance:.0f} % of runs")

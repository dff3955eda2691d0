"""The options of `mesh verify` and `mesh drill`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class VerifyStep(StrEnum):
    """What `mesh verify` measures."""

    SPLIT = "split"
    LOCALITY = "locality"
    INGRESS = "ingress"


class FaultKind(StrEnum):
    """A fault that `mesh drill` injects into a service of a region."""

    REMOVED = "removed"
    FAILING = "failing"
    BOTH = "both"

    @property
    def label(self) -> str:
        """What the report calls it."""
        return {"removed": "endpoints removed", "failing": "returns 503", "both": "both faults"}[self.value]


@dataclass(frozen=True)
class VerifyOptions:
    """The options of `mesh verify`.

    Attributes:
        step: What is measured.
        requests: From each region.
        concurrency: Requests at a time from each region.
        confidence: Of the test and of the intervals, between 0 and 1.
        regions: That send requests; all if empty.
        service: That gets the requests; the default of `cli.traffic.target.Target.of` without one.
        path: Of the requests; likewise.
        url: For `VerifyStep.INGRESS`, in place of the addresses that the load balancers report.
        plot: File for a plot.
    """

    step: VerifyStep
    requests: int
    concurrency: int
    confidence: float
    regions: tuple[str, ...] = ()
    service: str | None = None
    path: str | None = None
    url: str | None = None
    plot: Path | None = None


@dataclass(frozen=True)
class DrillOptions:
    """The options of `mesh drill`.

    Attributes:
        region: Key of the region in which the service fails.
        service: That fails; the default of `cli.traffic.target.Target.of` without one.
        path: Of the requests; likewise.
        fault: How it fails; None for each fault that works there.
        rate: Requests a second from each region.
        stop_after: Seconds of nothing but failures in a region, after which the drill stops by itself.
        restore_seconds: How long a failing rollback is tried again.
        yes: Whether a service that is not the demo may fail.
        plot: File for a plot.
    """

    region: str
    service: str | None = None
    path: str | None = None
    fault: FaultKind | None = None
    rate: int = 10
    stop_after: float = 5.0
    restore_seconds: float = 300
    yes: bool = False
    plot: Path | None = None

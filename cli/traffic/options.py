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
    """A fault that `mesh drill` injects into the demo service of a region."""

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
        url: For `VerifyStep.INGRESS`, in place of the address that Multi Cluster Ingress reports.
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
        region: Key of the region in which the demo service fails.
        fault: How it fails.
        rate: Requests a second from each region.
        restore_seconds: How long a failing rollback is tried again.
    """

    region: str
    fault: FaultKind
    rate: int
    restore_seconds: float

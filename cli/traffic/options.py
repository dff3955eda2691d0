"""What `mesh verify` and `mesh drill` are told on the command line."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Question(StrEnum):
    """What `mesh verify` measures."""

    SPLIT = "split"
    LOCALITY = "locality"
    INGRESS = "ingress"


class FaultKind(StrEnum):
    """How `mesh drill` takes a region's demo down."""

    REMOVED = "removed"
    FAILING = "failing"
    BOTH = "both"


@dataclass(frozen=True)
class VerifyOptions:
    """The options of `mesh verify`.

    Attributes:
        question: What is measured.
        requests: From each region.
        concurrency: Requests at a time from each region.
        confidence: Of the test and of the intervals, between 0 and 1.
        regions: That send requests; all if empty.
        url: For `Question.INGRESS`, in place of the address that Multi Cluster Ingress reports.
        plot: File for a plot.
    """

    question: Question
    requests: int
    concurrency: int
    confidence: float
    regions: tuple[str, ...] = ()
    url: str | None = None
    plot: Path | None = None


@dataclass(frozen=True)
class DrillOptions:
    """The options of `mesh drill`.

    Attributes:
        region: Key of the region whose demo goes down.
        fault: How it does.
        rate: Requests a second from each region.
        restore_seconds: How long a failing rollback is tried again.
    """

    region: str
    fault: FaultKind
    rate: int
    restore_seconds: float

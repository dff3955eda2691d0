"""What a client saw of a fault."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from cli.traffic.outage import count_failed, slowest, start_of_last_run
from tests.lab.budget.load import Response

SERVICES, REGIONS, DRAIN, PAIRS, CURVE = "services", "regions", "drain", "pairs", "curve"
"""The series: faults of a service, faults of a region, drains, two faults at once, and `curve`."""

DRAWN = (SERVICES, REGIONS, DRAIN)
"""Series whose first run has timelines, which pictures show."""

AND = " and "
"""In the name of two faults at once."""

STEADY = 20
"""Consecutive responses after which a state is steady: those of a second."""

STEP_SECONDS = 0.25
"""Resolution of a timeline."""

FAILED = "failed"


@dataclass(frozen=True)
class Fault:
    """A fault, or a drain.

    Attributes:
        name: in tables.
        inject: starts it.
        end: ends it, and returns when pods and programs are ready again.
        pods: names of the pods that must not serve while it lasts.
    """

    name: str
    inject: Callable[[], None]
    end: Callable[[], None]
    pods: Collection[str] = ()


@dataclass(frozen=True)
class Outage:
    """A client's figures of one fault.

    Attributes:
        failover: seconds from the fault until the first of `STEADY` consecutive successful responses, none of a
            faulty pod; None if there were none.
        failed: failed requests of those sent during the fault.
        sent: all of those.
        slowest: the longest response to them, in seconds.
        longest_ejection: the longest time from a failed one to the next, or to the end, in seconds: while a fault
            lasts, the endpoint is ejected then. 0 if none failed.
        failback: seconds from the end of the fault until every response is local; None if that was never.
        errors: failed requests of those sent after the end.
        sent_after: all of those.
    """

    failover: float | None
    failed: int
    sent: int
    slowest: float
    longest_ejection: float
    failback: float | None
    errors: int
    sent_after: int


def evaluate(
    responses: Sequence[Response], *, failed_at: float, ended_at: float, home: str | None, pods: Collection[str]
) -> Outage:
    """Return the figures of a client.

    Args:
        responses: in the order of their requests, from before the fault until after the failback.
        failed_at: when the fault began.
        ended_at: when it had ended.
        home: the region whose pods serve this client without a fault; None if any may.
        pods: names of the faulty pods.
    """
    before = [one for one in responses if one.sent < failed_at]
    during = [one for one in responses if failed_at <= one.sent < ended_at]
    after = [one for one in responses if one.sent >= ended_at]
    start = _first_of_steady(during, lambda one: one.ok and one.instance not in pods)
    failback = _failback(after, ended_at, home, pods if any(one.instance in pods for one in before) else ())
    return Outage(
        failover=None if start is None else _rounded(start - failed_at if start > during[0].sent else 0.0),
        failed=count_failed(during),
        sent=len(during),
        slowest=_rounded(slowest(during)),
        longest_ejection=_rounded(_longest_gap([one.sent for one in during if not one.ok], ended_at)),
        failback=failback,
        errors=count_failed(after),
        sent_after=len(after),
    )


def _longest_gap(moments: Sequence[float], end: float) -> float:
    return max((later - earlier for earlier, later in pairwise([*moments, end])), default=0.0)


def _first_of_steady(responses: Sequence[Response], condition: Callable[[Response], bool]) -> float | None:
    run = 0
    for index, response in enumerate(responses):
        run = run + 1 if condition(response) else 0
        if run == STEADY:
            return responses[index - STEADY + 1].sent
    return None


def _failback(after: Sequence[Response], ended_at: float, home: str | None, pods: Collection[str]) -> float | None:
    """Return the seconds until all responses are local, and those of a recovered pod are among them."""
    start = start_of_last_run(after, lambda one: one.ok and home in (None, one.version))
    if start is None or not after:
        return None
    local = 0.0 if start == after[0].sent else start - ended_at
    served = [one.sent - ended_at for one in after if one.instance in pods]
    # Another pod may have taken a pod's place; then there is nothing to wait for.
    return _rounded(max(local, served[0] if served else 0.0))


def _rounded(seconds: float) -> float:
    return round(seconds, 2)


@dataclass(frozen=True)
class Timeline:
    """Requests of one client over time, by what became of them.

    Attributes:
        start: of the first step, in seconds from the fault.
        ended: the end of the fault, in seconds from its start.
        series: for each region, and for failed requests, how many were sent in each step.
    """

    start: float
    ended: float
    series: dict[str, list[int]] = field(default_factory=dict)


def timeline(responses: Sequence[Response], failed_at: float, ended_at: float) -> Timeline:
    steps = [int((one.sent - failed_at) // STEP_SECONDS) for one in responses]
    first, number = min(steps), max(steps) - min(steps) + 1
    counts = Counter(
        (one.version if one.ok else FAILED, step - first) for one, step in zip(responses, steps, strict=True)
    )
    names = sorted({name for name, _ in counts})
    series = {name: [counts[name, step] for step in range(number)] for name in names}
    return Timeline(first * STEP_SECONDS, _rounded(ended_at - failed_at), series)


@dataclass(frozen=True)
class Measurement:
    """A line of the results.

    Attributes:
        series: what was measured, such as ``services``.
        regions: number of regions.
        run: number of the run, from 1.
        fault: name.
        client: name.
        home: the region with the fault.
        numbers: of outlier detection, as the configuration has them.
        outage: the figures.
        timeline: of some runs.
    """

    series: str
    regions: int
    run: int
    fault: str
    client: str
    home: str
    numbers: str
    outage: Outage
    timeline: Timeline | None = None

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def from_json(cls, line: str) -> "Measurement":
        content = json.loads(line)
        content["outage"] = Outage(**content["outage"])
        if "timeline" in content:
            content["timeline"] = Timeline(**content["timeline"])
        return cls(**content)

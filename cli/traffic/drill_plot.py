"""Plots what `mesh drill` measured: for each client region, who responded, second by second."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.errors import MeshError
from cli.traffic.colours import FAILED
from cli.traffic.counts import UNKNOWN
from cli.traffic.response import Response
from cli.traffic.timeline import DrillTimeline

LEAD_SECONDS = 3.0
"""Before the fault."""

MOST_BINS = 150
SHORTEST_BIN = 1.0
"""In seconds."""


def draw(file: Path, title: str, timelines: Sequence[DrillTimeline], colours: Mapping[str, str]) -> None:
    """Write the plot: a column a fault, a row a client region.

    Args:
        file: Where to; its suffix decides the format.
        title: Of the plot, after `mesh`.
        timelines: What was measured.
        colours: Of the responses, by the region that responded.

    Raises:
        MeshError: The file can't be written.
    """
    # Imported late: it takes a second. Without pyplot matplotlib needs no display.
    from matplotlib.figure import Figure  # noqa: PLC0415

    regions = list(timelines[0].responses)
    figure = Figure(figsize=(6 * len(timelines), 1.6 + 1.5 * len(regions)), layout="constrained")
    table = figure.subplots(len(regions), len(timelines), sharex="col", squeeze=False)
    figure.suptitle(f"mesh {title}")
    series: dict[str, Any] = {}
    for column, timeline in enumerate(timelines):
        for row, key in enumerate(regions):
            axes = table[row][column]
            series |= _draw_region(axes, timeline, key, colours)
            axes.set_ylabel(f"from {key}\n(responses/s)" if column == 0 else "")
        table[0][column].set_title(f"{timeline.fault.label}\n{timeline.verdict()}", fontsize="small", wrap=True)
        table[-1][column].set_xlabel("Seconds since the fault")
    figure.legend(list(series.values()), list(series), loc="outside lower center", ncols=3 * len(timelines))
    try:
        figure.savefig(file)
    except OSError as error:
        raise MeshError(f"can't write {file}: {error.strerror}", "name a file that you may write to") from error


def count_by_time(responses: Sequence[Response], start: float, bin_seconds: float, bins: int) -> dict[str, list[float]]:
    """Return the responses a second, by who responded: a region's key, `UNKNOWN` or `FAILED`.

    Args:
        responses: Of one client region.
        start: Of the first bin.
        bin_seconds: Length of a bin.
        bins: Their number.
    """
    rates: dict[str, list[float]] = {}
    for one in responses:
        place = int((one.received - start) / bin_seconds)
        if 0 <= place < bins:
            key = (one.region or UNKNOWN) if one.ok else FAILED
            rates.setdefault(key, [0.0] * bins)[place] += 1 / bin_seconds
    return rates


def _draw_region(axes: Any, timeline: DrillTimeline, key: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """Draw the responses to a region's requests, and return what the legend shows, by label."""
    began = timeline.began_at
    responses = [one for one in timeline.responses[key] if one.received >= began - LEAD_SECONDS]
    end = max((one.received for one in responses), default=began) - began
    bin_seconds = max(SHORTEST_BIN, (end + LEAD_SECONDS) / MOST_BINS)
    bins = math.ceil((end + LEAD_SECONDS) / bin_seconds) + 1
    rates = count_by_time(responses, began - LEAD_SECONDS, bin_seconds, bins)
    places = [number * bin_seconds - LEAD_SECONDS for number in range(bins)]
    found: dict[str, Any] = {}
    below = [0.0] * bins
    for name, colour in colours.items():
        if values := rates.get(name):
            bars = axes.bar(places, values, bin_seconds, bottom=below, align="edge", color=colour, linewidth=0)
            found[name if name == FAILED else f"response from {name}"] = bars
            below = [one + other for one, other in zip(below, values, strict=True)]
    found["fault"] = axes.axvline(0, color="#202124", linestyle="--")
    if timeline.ended_at < math.inf:
        found["repair"] = axes.axvline(timeline.ended_at - began, color="#188038", linestyle="-.")
    axes.set_xlim(-LEAD_SECONDS, max(end, 1.0))
    return found

"""Plots the responses of `mesh verify`: a bar a region, with the confidence limits of each share."""

from collections.abc import Mapping
from pathlib import Path

from cli.errors import MeshError
from cli.traffic.colours import FAILED
from cli.traffic.counts import UNKNOWN, ResponseCounts
from cli.traffic.shares import interval

FORMATS = (".png", ".svg")
GAP = 0.8
"""The part of a region's place on the axis that its bars take."""


def check_file(file: Path) -> None:
    """Raise a MeshError if there can be no such plot, before a thousand requests are sent for it."""
    if file.suffix not in FORMATS:
        raise MeshError(f"the format of {file} is not supported", f"use a name that ends in {' or '.join(FORMATS)}")
    if not file.resolve().parent.is_dir():
        raise MeshError(f"the folder of {file} does not exist", f"mkdir -p {file.parent}")


def draw(
    file: Path, title: str, counted: Mapping[str, ResponseCounts], confidence: float, colours: Mapping[str, str]
) -> None:
    """Write the plot.

    Args:
        file: Where to; its suffix decides the format.
        title: Of the plot, after `mesh`, with the verdict.
        counted: The responses by region.
        confidence: Of the intervals.
        colours: Of the responses, by the region that responded.

    Raises:
        MeshError: The file can't be written.
    """
    # Imported late: it takes a second. Without pyplot matplotlib needs no display.
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = [what for what in colours if any(_count(counts, what) for counts in counted.values())]
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(counted) * max(len(rows), 1)), layout="constrained")
    axes = figure.add_subplot()
    height = GAP / max(len(rows), 1)
    for number, what in enumerate(rows):
        shares, errors = [], []
        for counts in counted.values():
            count = _count(counts, what)
            share = count / counts.sent if counts.sent else 0.0
            low, high = interval(count, counts.sent, confidence)
            shares.append(100 * share)
            errors.append((100 * (share - low), 100 * (high - share)))
        places = [place - GAP / 2 + (number + 0.5) * height for place in range(len(counted))]
        limits = [list(side) for side in zip(*errors, strict=True)]
        axes.barh(
            places, shares, height * 0.9, xerr=limits, label=what, color=colours[what], ecolor="#444444", capsize=3
        )
    axes.set_yticks(range(len(counted)), [f"from {key}\n({counts.sent} requests)" for key, counts in counted.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"Share of the requests (%), with its {100 * confidence:.4g} % interval")
    axes.set_title(f"mesh {title}")
    if rows:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    try:
        figure.savefig(file)
    except OSError as error:
        raise MeshError(f"can't write {file}: {error.strerror}", "name a file that you may write to") from error


def _count(counts: ResponseCounts, what: str) -> int:
    """Return the number of responses of a region, of unknown ones, or of failures."""
    return {UNKNOWN: counts.unknown, FAILED: counts.failed}.get(what, counts.regions.get(what, 0))

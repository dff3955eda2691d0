"""Pictures of the budget: what became of the requests of one run, over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.traffic.colours import FAILED, response_colours
from tests.lab.budget.measurement import STEP_SECONDS, Measurement

SALT = "budget"
"""Makes the ids in a picture the same each time it is drawn."""

ROW_INCHES, WIDTH_INCHES = 1.5, 10.0
LEGEND_COLUMNS = 3


def draw_timelines(file: Path, measurements: Sequence[Measurement]) -> None:
    """Draw the timelines of one run: a row for each fault, a column for each client.

    Args:
        file: of the picture, SVG.
        measurements: those without a timeline are left out.
    """
    # Imported late: it takes a second. Without pyplot matplotlib needs no display.
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = {(one.fault, one.client): one for one in measurements if one.timeline}
    faults, clients = (list(dict.fromkeys(key[part] for key in shown)) for part in (0, 1))
    names = {name for one in shown.values() if one.timeline for name in one.timeline.series}
    home = next(iter(shown.values())).home
    colours = response_colours([home, *sorted(names - {home, FAILED})])
    figure = Figure(figsize=(WIDTH_INCHES, 1.2 + ROW_INCHES * len(faults)), layout="constrained")
    table = figure.subplots(len(faults), len(clients), sharex="col", squeeze=False)
    legend: dict[str, Any] = {}
    for row, fault in enumerate(faults):
        for column, client in enumerate(clients):
            axes = table[row][column]
            if measurement := shown.get((fault, client)):
                legend |= _draw(axes, measurement, colours)
            if row == 0:
                axes.set_title(client)
            if column == 0:
                axes.set_ylabel(f"{fault.replace('-', ' ')}\n(requests/s)")
            if row == len(faults) - 1:
                axes.set_xlabel("Seconds since the fault")
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=LEGEND_COLUMNS)
    save(figure, file)


def _draw(axes: Any, measurement: Measurement, colours: Mapping[str, str]) -> dict[str, Any]:
    """Draw a timeline, and return what the legend shows, by label."""
    line = measurement.timeline
    assert line is not None
    steps = len(next(iter(line.series.values())))
    edges = [line.start + number * STEP_SECONDS for number in range(steps + 1)]
    below = [0.0] * steps
    found: dict[str, Any] = {}
    for name, colour in colours.items():
        if counts := line.series.get(name):
            above = [under + count / STEP_SECONDS for under, count in zip(below, counts, strict=True)]
            found[_label(name, measurement.home)] = axes.stairs(above, edges, baseline=below, fill=True, color=colour)
            below = above
    found["fault"] = axes.axvline(0, color="#202124", linestyle="--")
    found["end of the fault"] = axes.axvline(line.ended, color="#188038", linestyle="-.")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    return found


def _label(name: str, home: str) -> str:
    if name == FAILED:
        return "failed request"
    return f"response from {name}" + (", the region with the fault" if name == home else "")


def save(figure: Any, file: Path) -> None:
    """Write a figure, the same each time."""
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": SALT, "svg.fonttype": "none"}):
        figure.savefig(file, metadata={"Date": None})

"""The curve from which the defaults of outlier detection are chosen: five minutes of errors, with different numbers.

The longer an ejection, the fewer requests fail while a fault lasts, and the later the failback.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.budget.limits import FAILBACK_SECONDS, LONG_FAULT_SECONDS, LONG_FAULT_SHARE
from tests.lab.budget.measurement import CURVE, Measurement
from tests.lab.budget.mesh import read_services
from tests.lab.budget.pictures import save

DEFAULT = "defaults"
"""The service without numbers of its own."""

RETRIED = "defaults-and-retries-of-503"
"""The same with retries, which only requests without side effects may have."""

VARIANTS = ((5, 10, 30), (5, 1, 300), (5, 1, 100), (5, 1, 30), (5, 1, 10), (5, 1, 5), (1, 1, 3))
"""Consecutive errors, interval and ejection time in seconds. The first is mesh.yaml's."""

COLUMNS = (
    "Consecutive errors",
    "Interval (s)",
    "Ejection time (s)",
    "Requests a second",
    "Failed requests",
    "Share (%)",
    "Longest ejection (s)",
    "Failback time (s)",
)


def curve_services() -> dict[str, Any]:
    """Return a service for each variant, after those with the defaults."""
    common = read_services()["healthy"] | {"replicas": 1}
    retried = common | {"retries": {"retry_on": ["connect-failure", "refused-stream", 503]}}
    return {DEFAULT: common, RETRIED: retried} | {
        f"{CURVE}-{errors}-{interval}-{ejection}": common
        | {
            "outlier_detection": {
                "consecutive_5xx": errors,
                "interval_seconds": interval,
                "ejection_seconds": ejection,
            }
        }
        for errors, interval, ejection in VARIANTS
    }


def cells(measurement: Measurement) -> tuple[str, ...]:
    """Return the cells of a variant for a table with `COLUMNS`."""
    outage = measurement.outage
    name = measurement.fault.removeprefix(f"{CURVE}-")
    numbers = tuple(name.split("-")) if name != measurement.fault else (name.replace("-", " "), "", "")
    return (
        *numbers,
        f"{outage.sent / LONG_FAULT_SECONDS:.0f}",
        str(outage.failed),
        f"{100 * share(measurement):.3f}",
        f"{outage.longest_ejection:.1f}",
        "never" if outage.failback is None else f"{outage.failback:.1f}",
    )


def share(measurement: Measurement) -> float:
    """Return the share of failed requests."""
    return measurement.outage.failed / max(1, measurement.outage.sent)


def is_within_budget(measurement: Measurement) -> bool:
    """Return whether retries keep the budget of a long fault; ejections alone can't, which the other numbers show."""
    return measurement.outage.sent > 0 and (measurement.fault != RETRIED or share(measurement) <= LONG_FAULT_SHARE)


def draw(file: Path, measurements: Sequence[Measurement]) -> None:
    """Draw the curve: a point for each variant.

    Args:
        file: of the picture, SVG.
        measurements: of one run.
    """
    # Imported late: it takes a second. Without pyplot matplotlib needs no display.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for one in measurements:
        if not one.outage.failed:  # a logarithmic scale has no zero
            continue
        place = 100 * share(one), one.outage.longest_ejection
        axes.plot(*place, "o", color="#b3261e" if one.fault == DEFAULT else "#1f77b4")
        rate = one.outage.sent / LONG_FAULT_SECONDS
        label = one.fault.removeprefix(f"{CURVE}-").replace("-", " / ")
        label += f", {rate:.0f} requests/s" if one.fault == DEFAULT else ""
        axes.annotate(label, place, xytext=(5, 4), textcoords="offset points", fontsize="small")
    axes.axvline(100 * LONG_FAULT_SHARE, color="#188038", linestyle="--", label="budget: failed requests")
    axes.axhline(FAILBACK_SECONDS, color="#188038", linestyle="-.", label="budget: failback")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Failed requests during five minutes of errors (%)")
    axes.set_ylabel("Longest ejection: worst failback time (s)")
    axes.set_title("Outlier detection: consecutive errors / interval (s) / ejection time (s)")
    axes.legend()
    save(figure, file)

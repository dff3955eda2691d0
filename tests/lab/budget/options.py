"""What a command measures: which series, and how many runs of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.budget.curve import curve_services
from tests.lab.budget.faults import HEALTHY
from tests.lab.budget.measurement import CURVE, DRAIN, PAIRS, REGIONS, SERVICES
from tests.lab.budget.mesh import read_services
from tests.lab.budget.results import FILE, Results

LEAST_REGIONS = 2

ALL = (SERVICES, REGIONS, PAIRS, DRAIN)
"""The series but the curve, in their order: the limits of two faults need the figures of each alone."""

RUNS, RUNS_WITH_MORE_REGIONS = 30, 10
"""Runs of faults: with two regions, and with more."""

EVERYTHING, SMALL = "all", "small"
NAMES = (EVERYTHING, SMALL, *ALL, CURVE)
"""What can be measured: every series but the curve, a run of the faults alone for CI, or one series."""


EVERY_FAULT = "*"


@dataclass(frozen=True)
class Options:
    """What is measured.

    Attributes:
        runs: of each series, together with those of earlier commands.
        only: pattern of the faults.
        file: of the results; None if nothing is kept, as of a part of the faults.
    """

    runs: Mapping[str, int]
    only: str = EVERY_FAULT
    file: Path | None = FILE

    @classmethod
    def build(cls, name: str, runs: int | None, only: str, regions: int) -> "Options":
        """Return the options of a command.

        Args:
            name: one of `NAMES`.
            runs: of each series; None for the default.
            only: pattern of the faults.
            regions: number of regions.
        """
        if name == SMALL:
            return cls(dict.fromkeys((SERVICES, REGIONS), runs or 1), only, None)
        many = runs or (RUNS if regions == LEAST_REGIONS else RUNS_WITH_MORE_REGIONS)
        few = max(1, many // 10)
        every = {SERVICES: many, REGIONS: many, PAIRS: few, DRAIN: few}
        chosen = every if name == EVERYTHING else {name: runs or every.get(name, 1)}
        return cls(chosen, only, FILE if only == EVERY_FAULT else None)

    @property
    def services(self) -> dict[str, Any]:
        """The services that are needed, in the language of mesh.yaml."""
        if CURVE in self.runs:
            return curve_services()
        services = read_services()
        return services if {SERVICES, PAIRS} & set(self.runs) else {HEALTHY: services[HEALTHY]}

    def missing(self, series: str, results: Results, regions: int, numbers: str) -> int:
        """Return the number of runs that are left."""
        return max(0, self.runs[series] - results.last_run(series, regions, numbers))

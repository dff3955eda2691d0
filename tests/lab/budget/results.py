"""The measurements so far: a file of JSON lines that runs append to, so that an interrupted series goes on."""

from collections.abc import Iterable
from pathlib import Path

from config.paths import ROOT
from tests.lab.budget.measurement import Measurement

FILE = ROOT / ".lab" / "budget.jsonl"


class Results:
    """Measurements in a file."""

    def __init__(self, file: Path | None = FILE) -> None:
        """Read those of earlier commands.

        Args:
            file: of the measurements; None if they are not kept.
        """
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
        self._measurements = [Measurement.from_json(line) for line in lines]

    def append(self, measurements: Iterable[Measurement]) -> None:
        """Add all measurements of a run, in one write: an interrupted run leaves none."""
        added = list(measurements)
        self._measurements += added
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as output:
                output.write("".join(f"{one.to_json()}\n" for one in added))

    @property
    def numbers(self) -> str:
        """The numbers of outlier detection of the last measurement; empty without any."""
        return self._measurements[-1].numbers if self._measurements else ""

    def of(self, series: str, regions: int, numbers: str) -> list[Measurement]:
        """Return the measurements of a series with so many regions, and these numbers of outlier detection."""
        return [
            one for one in self._measurements if (one.series, one.regions, one.numbers) == (series, regions, numbers)
        ]

    def last_run(self, series: str, regions: int, numbers: str) -> int:
        """Return the number of the last complete run; 0 if there was none."""
        return max((one.run for one in self.of(series, regions, numbers)), default=0)

    def region_counts(self, series: str) -> list[int]:
        """Return the numbers of regions with which a series was measured, with the last `numbers`."""
        found = (one for one in self._measurements if (one.series, one.numbers) == (series, self.numbers))
        return sorted({one.regions for one in found})

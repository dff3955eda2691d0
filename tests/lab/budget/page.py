"""``python -m tests.lab.budget.page``: the tables and the pictures of docs/failover.md, from the results so far."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.paths import ROOT
from policy.docs import replace_between
from tests.lab.budget import curve
from tests.lab.budget.limits import budget
from tests.lab.budget.measurement import CURVE, DRAIN, DRAWN, PAIRS, REGIONS, SERVICES
from tests.lab.budget.pictures import draw_timelines
from tests.lab.budget.results import FILE, Results
from tests.lab.budget.summary import COLUMNS, rows, sum_limits

PAGE = ROOT / "docs" / "failover.md"
PICTURES = ROOT / "docs" / "images"
TEXTS = {
    SERVICES: "For each fault of a service, the requests of one run over time: served by the region with the fault, by "
    "another one, or failed.",
    REGIONS: "For each fault of a region, the requests of one run over time.",
    DRAIN: "The requests of one drain over time.",
    CURVE: "Failed requests against the longest ejection, for different numbers of outlier detection.",
}
"""What each picture shows, for readers who do not see it."""


def main() -> int:
    results = Results()
    if not results.numbers:
        print(f"{FILE} has no results; run `make lab BUDGET=1` first", file=sys.stderr)
        return 1
    write(results)
    return 0


def write(results: Results) -> None:
    """Write the page and its pictures."""
    PAGE.write_text(update(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    draw(results, PICTURES)


def update(page: str, results: Results) -> str:
    """Return the page with the tables of the results, in place of the earlier ones.

    The tables of a series without results stay: a series can be measured again alone.
    """
    page = replace_between(page, "budget", table(("Figure", "Limit"), budget()))
    page = replace_between(page, "numbers", f"Outlier detection in these figures: {results.numbers or 'none yet'}.\n")
    for series in (SERVICES, REGIONS, PAIRS, DRAIN, CURVE):
        if tables := "".join(_tables(series, results)).lstrip():
            page = replace_between(page, series, tables)
    return page


def draw(results: Results, folder: Path) -> None:
    """Draw the first run of each series with the fewest regions."""
    for series in DRAWN:
        for regions in results.region_counts(series)[:1]:
            draw_timelines(folder / _picture(series), results.of(series, regions, results.numbers))
    for regions in results.region_counts(CURVE)[:1]:
        curve.draw(folder / _picture(CURVE), results.of(CURVE, regions, results.numbers))


def _tables(series: str, results: Results) -> Iterator[str]:
    for regions in results.region_counts(series):
        measurements = results.of(series, regions, results.numbers)
        yield f"\n{regions} regions (`make lab REGIONS={regions} BUDGET={series}`):\n\n"
        if series == CURVE:
            yield table(curve.COLUMNS, [curve.cells(one) for one in measurements])
        elif series == PAIRS:
            pairs = [(*row.cells(), str(sum_limits(row, results).failed)) for row in rows(measurements)]
            yield table((*COLUMNS, "Failed requests of both alone, at most"), pairs)
        else:
            yield table(COLUMNS, [row.cells() for row in rows(measurements)])
    if series in TEXTS and results.region_counts(series):
        yield f"\n![{TEXTS[series]}](images/{_picture(series)})\n"


def _picture(series: str) -> str:
    return f"failover-{series}.svg"


def table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())

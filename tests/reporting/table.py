"""A table of results, and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import wrap

OK, FAILURE = "ok", "failure"
RESULT = "Result"
"""Heading of the verdicts."""

HEADING_WIDTH = 14
"""A longer heading is wrapped, unless the cells below it are as wide."""


@dataclass
class Table:
    """A table of results; the last column is the verdict of the row.

    Attributes:
        title: what was checked.
        columns: headings.
        rows: cells and verdicts.
        notes: lines below it.
    """

    title: str
    columns: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object, ok: bool) -> None:
        """Add a row.

        Args:
            cells: one for each column.
            ok: its verdict.
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.title}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append((*map(str, cells), OK if ok else FAILURE))

    @property
    def ok(self) -> bool:
        """Whether there are rows, and all are right."""
        return bool(self.rows) and all(row[-1] == OK for row in self.rows)

    def __str__(self) -> str:
        columns = [
            _format_column(heading, [row[index] for row in self.rows])
            for index, heading in enumerate((*self.columns, RESULT))
        ]
        height = max(len(column) for column in columns)
        padded = [[" " * len(column[0])] * (height - len(column)) + column for column in columns]
        lines = ["  " + "  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]
        return "\n".join([self.title, *lines, *(f"  {note}" for note in self.notes)])


def _format_column(heading: str, cells: Sequence[str]) -> list[str]:
    """Return the lines of a column, as wide as its longest cell; numbers are on the right."""
    widest = max(map(len, cells), default=0)
    lines = [*wrap(heading, max(widest, HEADING_WIDTH), break_long_words=False), *cells]
    width = max(map(len, lines))
    right = any(cells) and all(_is_number(cell) for cell in cells if cell)
    return [line.rjust(width) if right else line.ljust(width) for line in lines]


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()

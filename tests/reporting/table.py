"""A table of results, as `make lab` and `make rehearse` print it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

OK, WRONG = "ok", "WRONG"


@dataclass
class Table:
    """A table of results; the last column is the verdict of the row.

    Attributes:
        title: line above it.
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
        self.rows.append((*map(str, cells), OK if ok else WRONG))

    @property
    def ok(self) -> bool:
        """Whether there are rows, and all are right."""
        return bool(self.rows) and all(row[-1] == OK for row in self.rows)

    def __str__(self) -> str:
        lines = [(*self.columns, ""), *self.rows]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns) + 1)]
        numeric = [all(_is_number(row[index]) for row in self.rows) for index in range(len(self.columns))] + [False]
        text = [self.title]
        for line in lines:
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, numeric, strict=True)
            ]
            text.append("  " + "  ".join(cells).rstrip())
        return "\n".join([*text, *(f"  {note}" for note in self.notes)])


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()

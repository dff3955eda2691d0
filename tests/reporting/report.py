"""The report of a run: a summary first, and then the tables that it is taken from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.reporting.table import Table

MOST_LINES = 10
"""Limit of the summary."""


class Report:
    """The results of a run, which are also in a file at any time.

    The file's summary says that the run was interrupted, until the run has ended: a run that is killed has
    a report of everything until then. Use it as a context manager around the run.

    Attributes:
        title: what was run.
        tried: a line of the summary: what was tried, and with what.
        tables: results so far.
        logs: where the output of programs is; empty if nowhere.
    """

    def __init__(
        self, title: str, *, show: Callable[[str], None], clock: Callable[[], float], file: Path | None = None
    ) -> None:
        """Start without results.

        Args:
            title: what is run.
            show: prints a line of progress.
            clock: returns the seconds since the start.
            file: of the report; None for no file.
        """
        self.title = title
        self.tried = ""
        self.logs = ""
        self.tables: list[Table] = []
        self._show = show
        self._clock = clock
        self._file = file
        self._figures: dict[str, str] = {}
        self._current, self._since = "the start", clock()
        self._unfinished: Table | None = None
        self._error: str | None = None
        self._ended = False

    def __enter__(self) -> "Report":
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self._error = str(error) or type(error).__name__
        self._ended = not isinstance(error, KeyboardInterrupt)
        self._write()

    def run(self, work: Callable[[], object]) -> int:
        """Do the work of a run in this process, print the report whatever happens, and return the exit status."""
        try:
            with self:
                work()
        except KeyboardInterrupt:
            return 130
        except RuntimeError:
            return 2
        finally:
            print(self)
        return self.status

    def progress(self, text: str) -> None:
        """Show what is done now."""
        self._current, self._since = text, self._clock()
        self._write()
        self._show(text)

    def add(self, *tables: Table) -> None:
        """Add results, and show their verdicts."""
        for table in tables:
            self.tables.append(table)
            self._write()
            self._show(f"{table.title}: {'ok' if table.ok else 'failed'}")

    @contextmanager
    def filling(self, table: Table) -> Iterator[None]:
        """Add a table after a block that adds its rows; before, the report has the rows so far."""
        self._unfinished = table
        yield
        self._unfinished = None
        self.add(table)

    def figure(self, label: str, text: str) -> None:
        """Add a key figure to the summary, after the others."""
        self._figures[label] = text
        self._write()

    @property
    def ok(self) -> bool:
        """Whether there are results, and all are right."""
        return bool(self.tables) and all(table.ok for table in self.tables)

    @property
    def status(self) -> int:
        """Exit status of the run."""
        return 0 if self.ok else 1

    def summary(self) -> str:
        """Return at most `MOST_LINES` lines: the result, what was tried, what failed, and the key figures."""
        lines = {"Tried": self.tried} if self.tried else {}
        if self._error is not None:
            first, *others = self._error.splitlines()
            lines["Error"] = " ".join([first, *(line.strip() for line in others[-1:])])
        if failed := [table.title for table in self.tables if not table.ok]:
            lines["Failed"] = "; ".join(failed)
        lines |= self._figures
        width = max(map(len, lines), default=0)
        shown = [f"  {label:<{width}}  {text}" for label, text in lines.items()]
        return "\n".join([self._result(), *shown[: MOST_LINES - 1]])

    def __str__(self) -> str:
        parts = [self.summary(), *map(str, self.tables)]
        if self._unfinished is not None and self._unfinished.rows:
            parts.append(f"Incomplete: {self._unfinished}")
        if self._error is not None and "\n" in self._error:
            parts.append(f"Error\n{self._error}")
        if self.logs:
            parts.append(f"Logs: {self.logs}")
        return "\n\n".join(parts)

    def _result(self) -> str:
        seconds, checks = f"{self._clock():.0f} s", len(self.tables)
        passed = sum(table.ok for table in self.tables)
        if not self._ended or self._error is not None:
            end = f"stopped by an error after {seconds}" if self._ended else "interrupted"
            until = f"{passed} of {checks} checks had passed; the last step was: {self._current}"
            return f"{self.title}: {end}. {until} ({self._since:.0f} s)"
        if self.ok:
            return f"{self.title}: passed. {passed} of {checks} checks passed in {seconds}"
        if not checks:
            return f"{self.title}: failed. 0 checks were made in {seconds}"
        return f"{self.title}: failed. {checks - passed} of {checks} checks failed in {seconds}"

    def _write(self) -> None:
        if self._file is not None:
            # Never half a report, even if this process is killed now.
            part = self._file.with_suffix(".part")
            part.write_text(f"{self}\n", encoding="utf-8")
            part.replace(self._file)

"""Problems of a configuration file, described for the person who wrote it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

LONGEST_PATH = 120
"""Most characters of a place that a message shows."""

MOST_SHOWN = 50
"""Most problems that an error lists; with more, the file is probably not a configuration."""

MISSING: Any = object()
"""The absence of a value, as ``None`` is a value."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: where in the file, such as ``regions.osaka.nodes``; empty for the file as a whole.
        rule: what has to be true, as a clause that follows the value.
        value: what stands there, or `MISSING`.
        meant: the name that was probably intended.
        line: line in the file, counted from 1, where it is known.
    """

    path: str
    rule: str
    value: Any = MISSING
    meant: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        text = self.path if len(self.path) <= LONGEST_PATH else f"{self.path[:LONGEST_PATH]}..."
        if self.value is not MISSING:
            shown = str(self.value).lower() if isinstance(self.value, bool) else repr(self.value)
            text += f" = {shown if len(shown) <= 90 else shown[:87] + '...'}"
        text = f"{text}: {self.rule}" if text else self.rule
        if self.meant is not None:
            text += f"; did you mean {self.meant!r}?"
        return printable(text if self.line is None else f"line {self.line}: {text}")


def printable(text: str) -> str:
    """Return a text without the escape sequences that a file may contain and a terminal would execute."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


class ConfigError(Exception):
    """A configuration file that can't be used, with all that is wrong with it."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source}: {count} error{'' if count == 1 else 's'}"
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if count > MOST_SHOWN:
            shown.append(f"and {count - MOST_SHOWN} more")
        return "\n".join([printable(head), *(f"  {line}" for line in shown)])


def nearest(word: object, candidates: Sequence[str]) -> str | None:
    """Return the candidate that ``word`` is probably a misspelling of, if one is close."""
    matches = get_close_matches(str(word), candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None

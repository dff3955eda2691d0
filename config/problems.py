"""Problems of a configuration file, described for the person who wrote it."""

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from config.plural import counted

LONGEST_PATH = 120
"""Most characters of a place that a message shows."""

LONGEST_WORD = 300
"""Most characters of a word that are compared with others: no name is longer."""

MOST_SHOWN = 50
"""Most problems that an error lists; with more, the file is probably not a configuration."""

MISSING: Any = object()
"""The absence of a value, as ``None`` is a value."""


@dataclass(frozen=True)
class Suggestion:
    """What was probably meant. It is computed when it is shown: a comparison with 200 names takes milliseconds.

    Attributes:
        word: what stands there.
        candidates: what could stand there.
        otherwise: what is shown if no candidate is close.
    """

    word: object
    candidates: Collection[str]
    otherwise: str = ""

    @cached_property
    def meant(self) -> str | None:
        """The candidate that the word is probably a misspelling of, if one is close."""
        matches = get_close_matches(str(self.word)[:LONGEST_WORD], self.candidates, n=1, cutoff=0.6)
        return matches[0] if matches else None

    def __str__(self) -> str:
        return self.otherwise if self.meant is None else f"; did you mean {self.meant!r}?"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: where in the file, such as ``regions.osaka.nodes``; empty for the file as a whole.
        rule: what has to be true, as a clause that follows the value.
        value: what stands there, or `MISSING`.
        suggestion: the name that was probably intended.
        line: line in the file, counted from 1, where it is known.
        other: another place of the file, which the rule names; its line is added to the rule.
    """

    path: str
    rule: str
    value: Any = MISSING
    suggestion: Suggestion | None = None
    line: int | None = None
    other: str | None = None

    def __str__(self) -> str:
        text = self.path if len(self.path) <= LONGEST_PATH else f"{self.path[:LONGEST_PATH]}..."
        if self.value is not MISSING:
            value = self.value[:LONGEST_PATH] if isinstance(self.value, str) else self.value
            shown = str(value).lower() if isinstance(value, bool) else repr(value)
            text += f" = {shown if len(shown) <= 90 else shown[:87] + '...'}"
        text = f"{text}: {self.rule}" if text else self.rule
        if self.suggestion is not None:
            text += str(self.suggestion)
        return printable(text if self.line is None else f"line {self.line}: {text}")


def quoted(key: str) -> str:
    """Return a key as it is in a path: one with a dot is in quotes."""
    return f"'{key}'" if "." in key else key


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
        head = f"{self.source}: {counted(count, 'error')}"
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if count > MOST_SHOWN:
            shown.append(f"and {count - MOST_SHOWN} more")
        return "\n".join([printable(head), *(f"  {line}" for line in shown)])


Warn = Callable[[str, Problem], None]
"""Receives the name of a file and something in it that is probably not what was meant."""


def print_warning(source: str, problem: Problem) -> None:
    print(f"{printable(source)}: warning: {problem}", file=sys.stderr)

"""Checks of checkov's that we don't follow, each with its reason."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "skips.yaml"


@dataclass(frozen=True)
class Skip:
    """One check, where it is not followed, and why.

    Attributes:
        check: checkov's id.
        where: a pattern of places, as the shell has them.
        reason: why.
    """

    check: str
    where: str
    reason: str

    def covers(self, check: str, place: str) -> bool:
        """Return whether a failure is meant."""
        return check == self.check and fnmatchcase(place, self.where)


def read() -> list[Skip]:
    """Return the skips of `FILE`.

    Raises:
        TypeError: an entry has another key, or lacks one.
    """
    return [Skip(**entry) for entry in yaml.safe_load(FILE.read_text(encoding="utf-8"))]

"""Checks of checkov that the project skips, each with its reason."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "skips.yaml"


@dataclass(frozen=True)
class Skip:
    """One skipped check.

    Attributes:
        check: checkov's id.
        where: a shell pattern of file and resource.
        reason: why the check is skipped there.
    """

    check: str
    where: str
    reason: str

    def covers(self, check: str, where: str) -> bool:
        """Return whether the skip covers a failure."""
        return check == self.check and fnmatchcase(where, self.where)


def read() -> list[Skip]:
    """Return the skips of `FILE`.

    Raises:
        TypeError: An entry has an unknown key, or lacks one.
    """
    return [Skip(**entry) for entry in yaml.safe_load(FILE.read_text(encoding="utf-8"))]

"""Checks of checkov that the project skips, each with its reason."""

from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "skips.yaml"


@dataclass(frozen=True)
class Skip:
    """One skipped check.

    Attributes:
        check: checkov's id.
        of: what is skipped: terraform's type or the kind of an object, and for pods their role.
        reason: why the check is skipped there.
    """

    check: str
    of: tuple[str, ...]
    reason: str

    def covers(self, check: str, of: str) -> bool:
        """Return whether the skip covers a failure."""
        return check == self.check and of in self.of


def read() -> list[Skip]:
    """Return the skips of `FILE`."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [Skip(one["check"], tuple(one["of"]), one["reason"]) for one in entries]

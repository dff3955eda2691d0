"""Disagreements with the discovery documents, and those that are accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

Side = Literal["request", "response"]

_FILE = Path(__file__).parent / "accepted.yaml"


@dataclass(frozen=True, order=True)
class Disagreement:
    """A kind of disagreement.

    Attributes:
        method: id of the method, such as ``compute.networks.insert``; the verb and the path of an unknown one.
        side: of the call.
        field: of the body, with ``[]`` for any item of a list and ``{}`` for any key of a map, or ``?parameter``.
        problem: such as ``unknown field``.
    """

    method: str
    side: Side
    field: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.method, self.side, self.field, self.problem)))


@dataclass(frozen=True)
class Accepted:
    """A disagreement that is accepted; a request with it is not refused.

    Attributes:
        disagreement: the kind.
        reason: why the real service does as it does here.
        modes: the control plane modes whose rehearsal has it; all if there are none.
    """

    disagreement: Disagreement
    reason: str
    modes: tuple[str, ...]


@cache
def accepted_disagreements() -> Sequence[Accepted]:
    """Return the content of accepted.yaml."""
    return [_parse(one) for one in yaml.safe_load(_FILE.read_text(encoding="utf-8")) or []]


def _parse(entry: dict[str, Any]) -> Accepted:
    kind = Disagreement(entry["method"], entry["side"], entry["field"], entry["problem"])
    return Accepted(kind, entry["reason"], tuple(entry.get("modes", ())))

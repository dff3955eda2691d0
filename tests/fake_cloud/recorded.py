"""Recorded answers of Google's APIs, such as ``make acceptance`` writes: the fake cloud gives them, or is compared.

``python -m tests.fake_cloud.recorded REAL EMULATED`` compares two recordings, and lists the fields that only one has.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fake_cloud.cloud import PROJECT_NUMBER
from tools.acceptance.recording import FORMAT
from tools.acceptance.redaction import DATA_KEYED, NUMBER, PROJECT

Body = dict[str, Any]
_NAMED = re.compile(
    r"(projects|regions|zones|locations|networks|subnetworks|firewalls|addresses|routers|clusters|nodePools|features"
    r"|serviceAccounts|sslCertificates|sslPolicies|memberships|dnsAuthorizations|certificates|certificateMaps"
    r"|certificateMapEntries)/[^/]+"
)
WITHOUT_NAME = r"\1/*"


@dataclass(frozen=True)
class RecordedAnswers:
    """A recording.

    Attributes:
        calls: the calls, with their answers.
    """

    calls: tuple[Body, ...] = field(repr=False)

    @classmethod
    def read(cls, file: Path) -> "RecordedAnswers":
        """Read a recording.

        Raises:
            ValueError: it has another format.
        """
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise ValueError(f"{file}: format {content.get('format')}, not {FORMAT}")
        return cls(tuple(content["calls"]))

    def of_project(self, project: str) -> "RecordedAnswers":
        """Return the same for a project of the fake cloud."""
        text = json.dumps(self.calls).replace(PROJECT, project).replace(NUMBER, PROJECT_NUMBER)
        return RecordedAnswers(tuple(json.loads(text)))

    def find(self, path: str) -> Body | None:
        """Return the answer to a GET of a path, from ``projects/`` on; None if none is recorded."""
        found = (one["answer"] for one in self.calls if one["path"] == path and "answer" in one)
        return next(found, None)

    def shapes(self) -> dict[str, dict[str, set[str]]]:
        """Return the types of each field, by the method's path without names."""
        found: dict[str, dict[str, set[str]]] = {}
        for call in self.calls:
            if "answer" in call:
                method = f"{call['api']} {_NAMED.sub(WITHOUT_NAME, call['path'])}"
                for path, kind in _fields(call["answer"]):
                    found.setdefault(method, {}).setdefault(path, set()).add(kind)
        return found


def differences(real: RecordedAnswers, emulated: RecordedAnswers) -> Iterator[str]:
    """Yield a line for each field that only one of two recordings has, or that has another type."""
    ours = emulated.shapes()
    for method, fields in sorted(real.shapes().items()):
        if method not in ours:
            yield f"{method}: no answer of the emulator"
            continue
        for path in sorted({*fields, *ours[method]}):
            theirs, own = fields.get(path), ours[method].get(path)
            if own is None:
                yield f"{method}: {path}: only the real service has it"
            elif theirs is None:
                yield f"{method}: {path}: only the emulator has it"
            elif theirs.isdisjoint(own):
                yield f"{method}: {path}: {', '.join(sorted(theirs))}, and {', '.join(sorted(own))} in the emulator"


def _fields(value: Any, path: str = "", parent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the type of each field of an answer; names that are data are ``*``."""
    match value:
        case dict():
            for key, one in value.items():
                name = "*" if parent in DATA_KEYED else key
                yield from _fields(one, f"{path}.{name}" if path else name, key)
        case list():
            for one in value:
                yield from _fields(one, f"{path}[]", "")
        case _:
            yield path, "null" if value is None else type(value).__name__


def main(arguments: list[str]) -> int:
    """Print the differences, and return the exit status: 0 if there are none, else 1."""
    real, emulated = (RecordedAnswers.read(Path(file)) for file in arguments)
    found = list(differences(real, emulated))
    print("\n".join(found) or "every field of the real answers is in the emulator's, and none besides")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

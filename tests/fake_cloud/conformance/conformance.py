"""The calls of a fake, held against the documents."""

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fake_cloud.conformance.disagreements import Disagreement, Side, accepted_disagreements
from tests.fake_cloud.conformance.documents import Document, Method, document
from tests.fake_cloud.conformance.schemas import MISSING, READ_ONLY, TYPE, UNKNOWN, Checker, Finding, camel_case
from tests.fake_cloud.errors import CloudError

UNKNOWN_METHOD = "unknown method"
UNKNOWN_PARAMETER = "unknown query parameter"

_TEXTS = {"boolean": r"(?i:true|false)", "integer": r"-?\d+", "number": r"-?\d+(\.\d+)?"}
"""Patterns of query parameters by type."""


@dataclass(frozen=True)
class HeldCall:
    """A call whose method is known.

    Attributes:
        method: the method.
        document: the document that has it.
    """

    method: Method
    document: Document

    def check_request(self, query: Iterable[tuple[str, str]], body: Any) -> Iterator[Finding]:
        """Yield what disagrees.

        Args:
            query: the parameters.
            body: decoded JSON; None if there is none.
        """
        given = [(camel_case(name), text) for name, text in query]
        for name, text in given:
            yield from self._check_parameter(name, text)
        for name, known in self.method.parameters.items():
            if known.get("required") and known["location"] == "query" and name not in dict(given):
                yield Finding(f"?{name}", MISSING, f"Required parameter: {name}")
        if self.method.request is not None:
            yield from self._checker(sent=True).check(self.method.request, body or {})
        elif body:
            names = ", ".join(f'"{name}"' for name in body)
            yield Finding("{}", UNKNOWN, f"Invalid JSON payload received. Unknown name {names}: Cannot find field.")

    def check_response(self, body: Any) -> Iterator[Finding]:
        """Yield what disagrees.

        Args:
            body: decoded JSON; None if there is none.
        """
        if self.method.response is not None:
            yield from self._checker(sent=False).check(self.method.response, body)
        elif body:
            yield Finding("{}", UNKNOWN, "")

    def clean(self, body: Any) -> Any:
        """Return what the real service reads of a request's body: nothing that is unknown, read-only or null.

        A null at the top of a patch stays, as it removes a field.
        """
        if self.method.request is None:
            return {}
        removed = {name: None for name, value in body.items() if value is None and self.method.verb == "PATCH"}
        return removed | self._checker(sent=True).clean(self.method.request, body)

    def _checker(self, *, sent: bool) -> Checker:
        return Checker(self.document.schemas, self.method.id, sent)

    def _check_parameter(self, name: str, text: str) -> Iterator[Finding]:
        known = self.method.parameters.get(name)
        if known is None or known["location"] != "query":
            message = (
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message."
            )
            yield Finding(f"?{name}", UNKNOWN_PARAMETER, message)
        elif not re.fullmatch(_TEXTS.get(known["type"], r"(?s).*"), text) or text not in known.get("enum", (text,)):
            yield Finding(f"?{name}", TYPE, f"Invalid value at '{name}' (TYPE_{known['type'].upper()}), \"{text}\"")


class Conformance:
    """What was found out about the calls so far; safe to use from several threads.

    Attributes:
        calls: number of calls that were held against the documents.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._accepted = {one.disagreement for one in accepted_disagreements()}
        self._found: Counter[Disagreement] = Counter()
        self._lock = threading.Lock()

    def find(self, verb: str, path: str) -> HeldCall:
        """Return the call of a request.

        Args:
            verb: of HTTP.
            path: ``/API/VERSION/PATH``.

        Raises:
            CloudError: Google has no such method.
        """
        api, version, rest = (*path.strip("/").split("/", 2), "", "")[:3]
        known = document(api, version)
        method = known.find(verb, rest) if known else None
        with self._lock:
            self.calls += 1
        if known is None or method is None:
            self._add(f"{verb} {path}", "request", Finding("", UNKNOWN_METHOD, ""))
            raise CloudError(404, "notFound", f"The requested URL {path} was not found on this server.")
        return HeldCall(method, known)

    def check_request(self, call: HeldCall, query: Iterable[tuple[str, str]], body: Any) -> None:
        """Record what disagrees in a request.

        Raises:
            CloudError: the real service refuses the request.
        """
        found = list(call.check_request(query, body))
        refused = [one for one in found if not self._add(call.method.id, "request", one) and one.problem != READ_ONLY]
        if refused:
            violations = [{"field": one.field, "description": one.message} for one in refused]
            details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]
            message = "\n".join(one.message for one in refused)
            raise CloudError(400, "badRequest", message, details=details)

    def check_response(self, call: HeldCall, body: Any) -> None:
        """Record what disagrees in a response."""
        for one in call.check_response(body):
            self._add(call.method.id, "response", one)

    def _add(self, method: str, side: Side, finding: Finding) -> bool:
        """Record a finding, and return whether it is accepted."""
        kind = Disagreement(method, side, finding.field, finding.problem)
        with self._lock:
            self._found[kind] += 1
        return kind in self._accepted

    def disagreements(self) -> Mapping[Disagreement, int]:
        """Return the disagreements that are not accepted, and how often each occurred."""
        with self._lock:
            return {kind: times for kind, times in sorted(self._found.items()) if kind not in self._accepted}

    def accepted(self) -> Mapping[Disagreement, int]:
        """Return the accepted disagreements that have occurred, and how often."""
        with self._lock:
            return {kind: times for kind, times in sorted(self._found.items()) if kind in self._accepted}

    def take(self) -> list[Disagreement]:
        """Return the disagreements that are not accepted, and forget them: for a test that provokes them."""
        found = self.disagreements()
        with self._lock:
            for kind in found:
                del self._found[kind]
        return list(found)

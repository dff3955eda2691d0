"""Values of requests and responses against the schemas of a discovery document.

Requests may be looser than responses: Google's servers accept numbers as text and the other way round, a field's name
in the .proto file, with underscores, and null for an absent field. See https://protobuf.dev/programming-guides/json/.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.fake_cloud.conformance.documents import Schema

READ_ONLY = "read-only field"
UNKNOWN = "unknown field"
MISSING = "missing field"
TYPE = "wrong type"
ENUM = "not in the enum"
PATTERN = "does not match the pattern"

_OUTPUT_ONLY = re.compile(r"\W*output[ -]only", re.IGNORECASE)
_INTEGERS = {"int32": (-(2**31), 2**31), "uint32": (0, 2**32), "int64": (-(2**63), 2**63), "uint64": (0, 2**64)}
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_TYPED = "@type"
_ANY: Schema = {"type": "any"}


@dataclass(frozen=True)
class Finding:
    """A value that disagrees with its schema.

    Attributes:
        field: where, with ``[]`` for any item of a list and ``{}`` for any key of a map.
        problem: one of this module's constants.
        message: of the error response with which Google's servers refuse it.
    """

    field: str
    problem: str
    message: str


@dataclass(frozen=True)
class Checker:
    """Checks values of one request or response.

    Attributes:
        schemas: of the document, by name.
        method: id of the method.
        sent: whether it is a request.
    """

    schemas: Mapping[str, Schema]
    method: str
    sent: bool
    _place: str = field(default="")

    def check(self, schema: Schema, value: Any) -> Iterator[Finding]:
        """Yield what disagrees.

        Args:
            schema: of the value.
            value: decoded JSON.
        """
        schema = self._resolve(schema)
        if value is None and self.sent:
            return
        match schema["type"]:
            case "any":
                return
            case "object" if isinstance(value, dict):
                yield from self._check_object(schema, value)
            case "array" if isinstance(value, list):
                for item in value:
                    yield from self._at("[]").check(schema["items"], item)
            case "object" | "array":
                yield self._wrong_type(schema, value)
            case _:
                yield from self._check_scalar(schema, value)

    def clean(self, schema: Schema, value: Any) -> Any:
        """Return what a server reads of a request without errors: nothing that is unknown, read-only or null.

        Args:
            schema: of the value.
            value: decoded JSON.
        """
        schema = self._resolve(schema)
        if isinstance(value, list):
            return [self.clean(schema.get("items", _ANY), item) for item in value]
        if schema.get("format") in _INTEGERS:
            return (str if schema["type"] == "string" else int)(value)
        if not isinstance(value, dict) or schema["type"] != "object":
            return value
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        cleaned = {}
        for given, inner in value.items():
            name = camel_case(given) if properties else given
            known = properties.get(name, others)
            if known is not None and inner is not None and not _is_read_only(known):
                cleaned[name] = self.clean(known, inner)
        return cleaned

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        return schema

    def _at(self, part: str) -> "Checker":
        return replace(self, _place=f"{self._place}{part}")

    def _check_object(self, schema: Schema, value: Mapping[str, Any]) -> Iterator[Finding]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            known = properties.get(camel_case(name) if self.sent else name)
            inside = self._at(f".{name}" if self._place else name)
            if known is None and others is None:
                where = f" at '{self._place}'" if self._place else ""
                message = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
                yield Finding(inside._place, UNKNOWN, message)
            elif known is None:
                yield from self._at("{}").check(others or _ANY, inner)
            elif self.sent and _is_read_only(known):
                yield Finding(inside._place, READ_ONLY, "")
            else:
                yield from inside.check(known, inner)
        if self.sent:
            yield from self._check_required(properties, value)
        elif value and _is_typed(others):
            yield from self._check_typed(value)

    def _check_required(self, properties: Mapping[str, Schema], value: Mapping[str, Any]) -> Iterator[Finding]:
        for name, known in properties.items():
            if self.method in known.get("annotations", {}).get("required", ()) and value.get(name) is None:
                place = f"{self._place}.{name}" if self._place else name
                yield Finding(place, MISSING, f"Required field 'resource.{place}' not specified")

    def _check_typed(self, value: Mapping[str, Any]) -> Iterator[Finding]:
        """Check a google.protobuf.Any, which names the type of its content."""
        if _TYPED not in value:
            yield Finding(f"{self._place}.{_TYPED}", MISSING, "")
            return
        schema = self.schemas.get(value[_TYPED].rpartition(".")[2])
        if schema is not None:
            yield from self.check(schema, {name: inner for name, inner in value.items() if name != _TYPED})

    def _check_scalar(self, schema: Schema, value: Any) -> Iterator[Finding]:
        if not self._has_type(schema, value):
            yield self._wrong_type(schema, value)
        elif value not in schema.get("enum", (value,)):
            yield self._invalid(ENUM, value)
        elif isinstance(value, str) and not re.fullmatch(schema.get("pattern", ".*"), value, re.DOTALL):
            message = (
                f"Invalid value for field '{self._place}': '{value}'. Must be a match of regex '{schema['pattern']}'"
            )
            yield Finding(self._place, PATTERN, message)

    def _has_type(self, schema: Schema, value: Any) -> bool:
        kind, form = schema["type"], schema.get("format", "")
        if kind == "boolean":
            return isinstance(value, bool)
        if isinstance(value, bool):
            return False
        if form in _INTEGERS:
            least, end = _INTEGERS[form]
            usual = str if kind == "string" else int
            if not isinstance(value, (int, str) if self.sent else usual):
                return False
            return bool(re.fullmatch(r"-?\d+", str(value))) and least <= int(value) < end
        if kind in ("integer", "number"):
            return isinstance(value, (int, float))
        return isinstance(value, str) and _has_format(form, value)

    def _wrong_type(self, schema: Schema, value: Any) -> Finding:
        return self._invalid(TYPE, value, schema.get("format", schema["type"]))

    def _invalid(self, problem: str, value: Any, kind: str = "enum") -> Finding:
        return Finding(self._place, problem, f"Invalid value at '{self._place}' (TYPE_{kind.upper()}), {value!r}")


def camel_case(name: str) -> str:
    """Return the name in JSON of a field or parameter that a client may have called by its name in the .proto file."""
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda match: match[1].upper(), name)


def _is_read_only(schema: Schema) -> bool:
    return bool(schema.get("readOnly")) or _OUTPUT_ONLY.match(schema.get("description", "")) is not None


def _is_typed(others: Schema | None) -> bool:
    """Return whether an object is a google.protobuf.Any; documents only describe it."""
    return others is not None and _TYPED in others.get("description", "")


def _has_format(form: str, value: str) -> bool:
    try:
        match form:
            case "byte":
                base64.b64decode(value, validate=True)
            case "date":
                datetime.strptime(value, "%Y-%m-%d")
            case "date-time" | "google-datetime":
                return datetime.fromisoformat(value).tzinfo is not None
            case "google-duration":
                return _DURATION.fullmatch(value) is not None
    except (ValueError, binascii.Error):
        return False
    return True

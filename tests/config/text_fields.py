"""Every text field of a configuration, from the model's schema."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from config.environment import Environment

Data = dict[str, Any]
Step = str | int

SCHEMA: Data = Environment.model_json_schema()

VALID: Data = {
    "project": {"id": "test-project"},
    "regions": {"tokyo": {"region": "asia-northeast1", "number": 0}},
    "cluster": {"endpoint": "dns"},
    "mesh": {"control_plane": "asmcli-managed"},
    "ingress": {"config_cluster": "tokyo", "plain_http": True},
}

# Values of required sibling keys, and of the first of keys that exclude each other.
_REQUIRED: Data = {
    "allow_origins": ["https://www.example.com"],
    "block": 20,
    "bucket": "acme-state",
    "cidr": "198.51.100.0/24",
    "http": "/up",
    "image": "i",
    "key": "password",
    "max_replicas": 5,
    "name": "office",
    "number": 7,
    "organization": "acme",
    "path": "/checkout",
    "pool": "10.0.0.0/8",
    "port": 8080,
    "region": "us-east1",
    "secret": "database",
    "service": "helloworld",
    "time_seconds": 60,
    "weight": 100,
}
_KEY = "tokyo"
"""A valid key of any mapping: of a region, a service or a variable."""


@dataclass(frozen=True)
class TextField:
    """A field with a text, or the keys of a mapping.

    Attributes:
        steps: its path; the last step is None if the text is a key.
        siblings: required values, each with its path.
        value: the value of the text, if it is a key.
    """

    steps: tuple[Step | None, ...]
    siblings: tuple[tuple[tuple[Step, ...], Any], ...]
    value: Any = None

    def __str__(self) -> str:
        return ".".join("KEY" if step is None else str(step) for step in self.steps)

    def with_text(self, text: str) -> Data:
        """Return the valid configuration with a text in this field."""
        data = copy.deepcopy(VALID)
        for steps, value in self.siblings:
            _put(data, steps, value, only_if_absent=True)
        *parents, last = self.steps
        if last is None:
            _put(data, (*parents, text), copy.deepcopy(self.value))
        else:
            _put(data, self.steps, text)
        if self.steps[:2] == ("services", _KEY):  # without an image, a service has no keys of pods
            data["services"][_KEY].setdefault("image", "i")
        return data

    def text_of(self, environment: Environment) -> set[str]:
        """Return the texts of this field in an environment: the value, or all keys."""
        here: Any = environment
        for step in self.steps:
            if step is None:
                return set(here)
            named: Any = here
            here = named[step] if isinstance(here, (dict, tuple)) else getattr(here, str(step))
        if isinstance(here, tuple):  # a list that is written as one text
            return set(here)
        assert isinstance(here, (str, IPv4Network)), f"{self} is {here!r}"
        return {str(here)}


def _at(data: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        data = data[step]
    return data


def _put(data: Any, steps: Sequence[Any], value: Any, only_if_absent: bool = False) -> None:
    *parents, last = steps
    for step, following in zip(parents, steps[1:], strict=True):
        if isinstance(data, list) and not data:
            data.append([] if isinstance(following, int) else {})
        elif isinstance(data, dict):
            data.setdefault(step, [] if isinstance(following, int) else {})
        data = data[step]
    if isinstance(data, list):
        data[:] = [value]
    elif not only_if_absent or last not in data:
        data[last] = value


def text_fields() -> Iterator[TextField]:
    """Yield every text field once."""
    found: dict[tuple[Step | None, ...], TextField] = {}
    for text_field in _text_fields(SCHEMA, (), ()):
        found.setdefault(text_field.steps, text_field)
    yield from found.values()


def _text_fields(node: Data, steps: tuple[Step, ...], siblings: tuple[Any, ...]) -> Iterator[TextField]:
    if "$ref" in node:
        yield from _text_fields(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]], steps, siblings)
    for member in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _text_fields(member, steps, siblings)
    match node.get("type"):
        case "string" if "const" not in node:
            yield TextField(steps, siblings)
        case "array":
            yield from _text_fields(node["items"], (*steps, 0), siblings)
        case "object" if "properties" in node:
            for name, one in node["properties"].items():
                yield from _text_fields(one, (*steps, name), siblings + _required_siblings(node, steps, name))
        case "object":
            values = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            yield TextField((*steps, None), siblings, value=_value_of_key(values))
            yield from _text_fields(values, (*steps, _KEY), siblings)


def _required_siblings(node: Data, steps: tuple[Step, ...], but: str) -> tuple[Any, ...]:
    """Return the required siblings of a property; `VALID` contains those of the top level."""
    if not steps:
        return ()
    required: list[Any] = []
    for name, one in node["properties"].items():
        if "const" in one:
            required.append(((*steps, name), one["const"]))
        elif name in node.get("required", ()) and name != but and name not in _at_valid(steps):
            required.append(((*steps, name), _REQUIRED[name]))
    alternatives = _alternatives(node)
    if but not in alternatives:
        required += [((*steps, name), _REQUIRED[name]) for name in alternatives[:1]]
    return tuple(required)


def _alternatives(node: Data) -> list[str]:
    """Return the keys that exclude each other, of which a section has one."""
    return [one["required"][0] for one in node.get("oneOf", ())]


def _at_valid(steps: tuple[Step, ...]) -> Any:
    try:
        return _at(VALID, steps)
    except (KeyError, IndexError):
        return {}


def _value_of_key(values: Data) -> Any:
    """Return a valid value of a key with any name."""
    if any(one.get("type") == "integer" for one in values.get("oneOf", ())):  # weights, which add up to 100
        return 100
    if "$ref" not in values:
        return "v1"
    node = SCHEMA["$defs"][values["$ref"].rsplit("/", 1)[1]]
    required = [*node.get("required", ()), *_alternatives(node)[:1], *({"number"} & node["properties"].keys())]
    return {name: _REQUIRED[name] for name in required}

"""Every place of a configuration in which somebody can write text, found from the model's schema."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from config.environment import Environment

Data = dict[str, Any]
Step = str | int

SCHEMA: Data = Environment.model_json_schema()

RIGHT: Data = {
    "project": {"id": "test-project"},
    "regions": {"tokyo": {"region": "asia-northeast1", "number": 0}},
    "cluster": {"endpoint": "dns"},
    "ingress": {"config_cluster": "tokyo", "plain_http": True},
}

# What has to stand beside a text, where the model requires it.
_BESIDE: Data = {
    "block": 20,
    "bucket": "acme-state",
    "cidr": "198.51.100.0/24",
    "image": "i",
    "name": "office",
    "number": 7,
    "organization": "acme",
    "path": "/checkout",
    "pool": "10.0.0.0/8",
    "port": 8080,
    "region": "us-east1",
}
_KEY = "tokyo"
"""A key wherever there may be any: a region's, a service's, a variable's."""


@dataclass(frozen=True)
class Place:
    """Where a text can stand.

    Attributes:
        steps: the way to it; the last is None if the text is a key there.
        beside: what has to be there as well, with the way to it.
        under: what stands under the text, if it is a key.
    """

    steps: tuple[Step | None, ...]
    beside: tuple[tuple[tuple[Step, ...], Any], ...]
    under: Any = None

    def __str__(self) -> str:
        return ".".join("KEY" if step is None else str(step) for step in self.steps)

    def with_text(self, text: str) -> Data:
        """Return the right configuration with a text in this place."""
        data = copy.deepcopy(RIGHT)
        for steps, value in self.beside:
            _put(data, steps, value, only_if_absent=True)
        *way, last = self.steps
        if last is None:
            _put(data, (*way, text), copy.deepcopy(self.under))
        else:
            _put(data, self.steps, text)
        return data

    def text_of(self, environment: Environment) -> set[str]:
        """Return what was read in this place: the one text, or all keys."""
        here: Any = environment
        for step in self.steps:
            if step is None:
                return set(here)
            named: Any = here
            here = named[step] if isinstance(here, (dict, tuple)) else getattr(here, str(step))
        assert isinstance(here, (str, IPv4Network)), f"{self} is {here!r}"
        return {str(here)}


def _at(data: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        data = data[step]
    return data


def _put(data: Any, steps: Sequence[Any], value: Any, only_if_absent: bool = False) -> None:
    *way, last = steps
    for step, following in zip(way, steps[1:], strict=True):
        if isinstance(data, list) and not data:
            data.append([] if isinstance(following, int) else {})
        elif isinstance(data, dict):
            data.setdefault(step, [] if isinstance(following, int) else {})
        data = data[step]
    if isinstance(data, list):
        data[:] = [value]
    elif not only_if_absent or last not in data:
        data[last] = value


def places() -> Iterator[Place]:
    """Yield every place, each once."""
    found: dict[tuple[Step | None, ...], Place] = {}
    for place in _places(SCHEMA, (), ()):
        found.setdefault(place.steps, place)
    yield from found.values()


def _places(node: Data, steps: tuple[Step, ...], beside: tuple[Any, ...]) -> Iterator[Place]:
    if "$ref" in node:
        yield from _places(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]], steps, beside)
    for member in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _places(member, steps, beside)
    match node.get("type"):
        case "string" if "const" not in node:
            yield Place(steps, beside)
        case "array":
            yield from _places(node["items"], (*steps, 0), beside)
        case "object" if "properties" in node:
            for name, one in node["properties"].items():
                yield from _places(one, (*steps, name), beside + _needed(node, steps, name))
        case "object":
            values = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            yield Place((*steps, None), beside, under=_of_key(values))
            yield from _places(values, (*steps, _KEY), beside)


def _needed(node: Data, steps: tuple[Step, ...], but: str) -> tuple[Any, ...]:
    """Return what an object requires besides a property; the top has it already."""
    if not steps:
        return ()
    needed: list[Any] = []
    for name, one in node["properties"].items():
        if "const" in one:
            needed.append(((*steps, name), one["const"]))
        elif name in node.get("required", ()) and name != but and name not in _at_right(steps):
            needed.append(((*steps, name), _BESIDE[name]))
    return tuple(needed)


def _at_right(steps: tuple[Step, ...]) -> Any:
    try:
        return _at(RIGHT, steps)
    except (KeyError, IndexError):
        return {}


def _of_key(values: Data) -> Any:
    """Return what has to stand under a key of any name."""
    if "$ref" not in values:
        return "v1"
    node = SCHEMA["$defs"][values["$ref"].rsplit("/", 1)[1]]
    required = [*node.get("required", ()), *({"number"} & node["properties"].keys())]
    return {name: _BESIDE[name] for name in required}

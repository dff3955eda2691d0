"""Configuration files from mutations of the project's own, and from values of the schema. One seed, one sequence."""

import copy
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import yaml

from config import ConfigError, Environment
from config.loading.load import parse_environment
from config.loading.strict_yaml import parse
from config.paths import ROOT

Data = dict[str, Any]
Path = tuple[Any, ...]

FOLDERS = ("examples", "tests/config/inputs/right", "tests/config/inputs/wrong", "tests/synthesis/environments")

LARGEST = 5000
"""Most bytes of a file that is mutated."""

EDGES: tuple[Any, ...] = (
    None, "", " ", "-", ".", "a", "A", "0", "no", "${x}", "%{x}", "$(X)", "a" * 64, "é", "a.b", "a-", "-a", "a--b",
    "x/y", "constructor", "__proto__",
    "toString", "default", "self", "0.0.0.0/0", "10.0.0.0/8", 0, -1, 1, 2**31, 1.5, [], {},
)  # fmt: skip
"""Values at which something ends or begins."""


@cache
def corpus() -> tuple[Data, ...]:
    """Return the data of the project's files that are YAML, in a fixed order."""
    found = []
    files = [ROOT / "mesh.yaml", *(file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.yaml")))]
    for file in files:
        if file.stat().st_size < LARGEST:
            source = parse(file.read_bytes().decode("utf-8", "replace"))
            if isinstance(source.data, dict) and not source.problems:
                found.append(source.data)
    return tuple(found)


def nodes(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value below a value, with its path."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key), value
        yield from nodes(value, (*path, key))


def is_accepted(data: Data) -> bool:
    try:
        parse_environment(yaml.safe_dump(data), "fuzz.yaml", {}, lambda *_: None)
    except ConfigError:
        return False
    return True


class Generator:
    """An endless sequence of files."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._schema = Environment.model_json_schema()
        self._bases = [one for one in corpus() if is_accepted(one)]

    def file(self) -> str:
        """Return the next file."""
        data = copy.deepcopy(self._random.choice(self._bases))
        mutations = (self._transplant, self._transplant, self._tweak, self._from_schema, self._copy, self._delete)
        for _ in range(self._random.randint(1, 3)):
            self._random.choice(mutations)(data)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def _transplant(self, data: Data) -> None:
        """Put a part of another file to the same place."""
        found = list(nodes(self._random.choice(corpus())))
        if found:
            path, value = self._random.choice(found)
            self._put(data, self._here(data, path), value)

    def _here(self, data: Data, path: Path) -> Path:
        """Return a path with a region or a service of this file, mostly."""
        section = data.get(path[0])
        if path[0] in ("regions", "services") and len(path) > 2 and isinstance(section, dict) and section:
            path = (path[0], self._random.choice(list(section)), *path[2:])
        return path

    def _tweak(self, data: Data) -> None:
        """Change a value, or put one at the edge in its place."""
        found = [(path, value) for path, value in nodes(data) if not isinstance(value, dict | list)]
        if not found:
            return
        path, value = self._random.choice(found)
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, int):
            value += self._random.choice((-1, 1, 10, 1000, -value))
        elif isinstance(value, str) and value and self._random.random() < 0.7:
            at = self._random.randrange(len(value))
            value = value[:at] + self._random.choice(("", "x", "-", ".", "/", ":", "9", "X", value)) + value[at + 1 :]
        else:
            value = self._random.choice(EDGES)
        self._put(data, path, value)

    def _from_schema(self, data: Data) -> None:
        """Set a key of the schema to one of its values."""
        node = self._schema
        path: list[Any] = []
        while "properties" in (node := self._resolved(node)) or "additionalProperties" in node or "items" in node:
            if "properties" in node:
                key = self._random.choice(list(node["properties"]))
                node = node["properties"][key]
            elif "items" in node:
                key, node = 0, node["items"]
            else:
                section = data.get(path[0]) if path else None
                key = self._random.choice(list(section) if isinstance(section, dict) and section else ["extra"])
                node = node["additionalProperties"]
            path.append(key)
        self._put(data, tuple(path), self._value(node))

    def _resolved(self, node: Any) -> Data:
        while isinstance(node, dict) and ("$ref" in node or "anyOf" in node or "oneOf" in node):
            if "$ref" in node:
                node = self._schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
            else:
                node = self._random.choice(node.get("anyOf") or node["oneOf"])
        return node if isinstance(node, dict) else {}

    def _value(self, node: Data) -> Any:
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self._random.choice(node["enum"])
        match node.get("type"):
            case "boolean":
                return self._random.random() < 0.5
            case "integer":
                least, most = node.get("minimum", 0), node.get("maximum", 5000)
                return self._random.choice((least, most, least + 1, self._random.randint(least, most), most + 1))
        return self._random.choice(EDGES)

    def _copy(self, data: Data) -> None:
        """Copy a region, a service or another part under another name."""
        found = [(path, value) for path, value in nodes(data) if isinstance(path[-1], str) and len(path) > 1]
        if found:
            path, value = self._random.choice(found)
            name = self._random.choice((f"{path[-1]}2", *map(str, EDGES[:30]), *(one[-1] for one, _ in found)))
            self._put(data, (*path[:-1], name), value)

    def _delete(self, data: Data) -> None:
        found = [path for path, _ in nodes(data)]
        if found:
            *parents, last = self._random.choice(found)
            here: Any = data
            for step in parents:
                here = here[step]
            del here[last]

    def _put(self, data: Any, path: Path, value: Any) -> None:
        *parents, last = path
        for step in parents:
            if isinstance(data, dict):
                data = data.setdefault(step, {})
            elif isinstance(data, list) and isinstance(step, int) and step < len(data):
                data = data[step]
        if isinstance(data, dict):
            data[last] = copy.deepcopy(value)
        elif isinstance(data, list):
            data.append(copy.deepcopy(value))

"""The configuration's reference, generated from its model: ``python -m config.reference``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from config.effects import EFFECT, Effect
from config.paths import ROOT
from config.reference_groups import EXAMPLE_BASE, GROUPS, Group
from config.schema import schema_text

REFERENCE_FILE = ROOT / "docs" / "configuration.md"

SECTIONS = {"": "object", ".*": "map", "[]": "list"}
"""Types of a key that holds other keys, by what stands between the key and them."""

_HEAD = """\
# Configuration

`make schema` generates this page from the models in `config/`. Don't edit it.

An environment is one YAML file: the one that the environment variable `MESH_CONFIG` names, or else `mesh.yaml`. In this
repository, that is the environment that this project was first written for. This is a
complete one for a new environment; every other key has a default:

```yaml
{base}```

The examples below add to it. The tables list every key by its path; `*` stands for a name that you choose, and `[]` for
the items of a list. *required* keys have no default; *unset* keys have no value.

## Effects of changes

To change a deployed environment, edit the file and run `cdktf deploy network clusters mesh ingress`. The last column of
each table is the strongest effect that a change of the key can have. `make rehearse DAY2=1` makes 89 such changes and
compares their effects with this page; none of them replaces a cluster.

"""

_TABLE = """\
| Key | Description | Type | Default | Effect of a change |
| --- | --- | --- | --- | --- |
"""


def reference_text() -> str:
    """Return the reference as it stands in ``docs/configuration.md``."""
    effects = "".join(f"- *{effect}*: {effect.explanation}.\n" for effect in Effect)
    rows = [row for row in all_rows() if row.effect]
    parts = [_HEAD.format(base=EXAMPLE_BASE), effects]
    for group in GROUPS:
        parts.append(f"\n## {group.title}\n\n{group.introduction}\n\n```yaml\n{group.example}```\n\n{_TABLE}")
        parts += [str(row) for row in rows if group_of(row.key) is group]
    return "".join(parts)


def group_of(key: str) -> Group:
    """Return the group that a key belongs to.

    Raises:
        LookupError: no group has it.
    """
    matches = [(len(one), group) for group in GROUPS for one in group.keys if f"{key}.".startswith(f"{one}.")]
    matches += [(len(one), group) for group in GROUPS for one in group.keys if key.startswith(f"{one}[")]
    if not matches:
        raise LookupError(f"{key}: name it, or the section above it, in config/reference_groups.py")
    return max(matches, key=lambda match: match[0])[1]


@dataclass(frozen=True)
class Row:
    """A line of a table; sections that have no effect of their own have no line."""

    key: str
    description: str
    kind: str
    default: str
    effect: str
    section: bool = False

    def __str__(self) -> str:
        return f"| `{self.key}` | {self.description} | {self.kind} | {self.default} | {self.effect} |\n"


def effects_of_keys() -> dict[str, Effect | None]:
    """Return the effect of a change of each key; None for a section without an effect.

    Raises:
        KeyError: a key has no effect.
    """
    found = {}
    for row in all_rows():
        if not row.effect and not row.section:
            raise KeyError(f"{row.key}: its field needs json_schema_extra=…, one of config/effects.py")
        found[row.key] = Effect(row.effect) if row.effect else None
    return found


def all_rows() -> Iterator[Row]:
    """Yield the row of each key of the configuration."""
    schema = json.loads(schema_text())
    return _rows(schema, schema, "", {})


def _rows(node: dict[str, Any], root: dict[str, Any], prefix: str, defaults: dict[str, Any]) -> Iterator[Row]:
    required = set(node.get("required", [])) - defaults.keys()
    properties = node.get("properties", {})
    for name in sorted(properties, key=_order(root, prefix)):
        field = properties[name]
        path = f"{prefix}{name}"
        value = defaults.get(name, field.get("default"))
        members = [_resolve(member, root) for member in _alternatives(field)]
        nested = [member for member in members if _is_section(member)]
        description = field.get("description") or next((m["description"] for m in members if "description" in m), "")
        description = description.partition("\n")[0]
        effect = field.get(EFFECT, "")
        if nested:
            kind = SECTIONS[_entries(nested[0], root)[1]]
            default = "*required*" if name in required else "unset" if kind == "object" else "empty"
            yield Row(path, description, kind, default, effect, section=True)
            for member in nested:
                entries, step = _entries(member, root)
                own_defaults = value if isinstance(value, dict) and not step else {}
                tables = [list(_rows(entry, root, f"{path}{step}.", own_defaults)) for entry in entries]
                yield from tables[0] if len(tables) == 1 else _merge(tables)
        else:
            default = "*required*" if name in required else _default(value)
            yield Row(path, description, _kind(members), default, effect)


def _merge(tables: list[list[Row]]) -> Iterator[Row]:
    """Yield the rows of sections that exclude each other. A key that one of them doesn't have is not required."""
    everywhere = set.intersection(*({row.key for row in rows} for rows in tables))
    rows = {row.key: row for rows in tables for row in rows}
    for key in sorted(rows):
        row = rows[key]
        yield row if key in everywhere or row.default != "*required*" else replace(row, default="unset")


def _order(root: dict[str, Any], prefix: str) -> Any:
    """Return a sort key: the sections of the file in the order in which people write them, others by name."""
    order = ["project", "regions", "network", "cluster", "mesh", "ingress", "demo", "services", "backend"]
    return order.index if not prefix else lambda name: name


def _resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _alternatives(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a field can be, one of which may be one of several itself."""
    inner = node.get("anyOf", node.get("oneOf"))
    if inner is None or "properties" in node:
        yield node
    else:
        for one in inner:
            yield from _alternatives(one)


def _entries(node: dict[str, Any], root: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return what holds a section's keys, and how it is reached: itself, a map's value or a list's item."""
    if "properties" in node:
        return [node], ""
    step = "[]" if isinstance(node.get("items"), dict) else ".*"
    return [_resolve(one, root) for one in _sections_within(node)], step


def _is_section(node: dict[str, Any]) -> bool:
    return "properties" in node or any(_sections_within(node))


def _sections_within(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the sections that are values of a map or items of a list. Instead of one, there may be a text."""
    for inner in (node.get("additionalProperties"), node.get("items"), *node.get("patternProperties", {}).values()):
        if isinstance(inner, dict):
            yield from (one for one in inner.get("oneOf", [inner]) if "$ref" in one)


def _default(value: object) -> str:
    match value:
        case None:
            return "unset"
        case [] | {}:
            return "empty"
        case str():
            return f"`{value}`"
        case float():
            return f"`{value:g}`"
    return f"`{json.dumps(value)}`"


def _kind(members: list[dict[str, Any]]) -> str:
    kinds = []
    for member in members:
        if member.get("type") == "null":
            continue
        if "enum" in member:
            kinds.append(", ".join(f"`{value}`" for value in member["enum"]))
        elif "const" in member:
            kinds.append(_default(member["const"]))
        elif member.get("type") in ("integer", "number"):
            low, high = member.get("minimum"), member.get("maximum")
            kinds.append(member["type"] + (f", {low} to {high}" if low is not None and high is not None else ""))
        elif "0-9]{1,2}$" in member.get("pattern", ""):
            kinds.append("CIDR range")
        else:
            kinds.append({"array": "list", "object": "map"}.get(member["type"], member["type"]))
    return " or ".join(dict.fromkeys(kinds))


if __name__ == "__main__":
    REFERENCE_FILE.write_text(reference_text(), encoding="utf-8")

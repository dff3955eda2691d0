"""The configuration's reference, generated from its model: ``python -m config.reference``."""

import json
from collections.abc import Iterator
from typing import Any

from config.effects import EFFECT, Effect
from config.paths import ROOT
from config.schema import schema_text

REFERENCE_FILE = ROOT / "docs" / "configuration.md"

_HEAD = """\
# The configuration file

Made by `make schema` from the models in `config/`; don't edit it.

`mesh.yaml`, or the file that the environment variable `MESH_CONFIG` names. Each
key is listed with its default; *required* ones have none. `*` stands for a name
of your own. `MESH_OPERATOR_ADDRESS` sets `cluster.operator_address`.
"""

_EFFECTS = """
The last column is what a later change of the key does to an environment that is deployed, at most; `make rehearse
DAY2=1` compares it with what it sees. A change deploys by one `cdktf deploy network clusters mesh ingress`.

"""

_TABLE = """
| key | what | default | kind | effect of a change |
| --- | --- | --- | --- | --- |
"""


def reference_text() -> str:
    """Return the reference as it stands in ``docs/configuration.md``."""
    schema = json.loads(schema_text())
    effects = "".join(f"- *{effect}*: {effect.explanation}.\n" for effect in Effect)
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _rows(schema, schema, "", {}))
    return f"{_HEAD}{_EFFECTS}{effects}{_TABLE}{rows}"


def effects_of_keys() -> dict[str, Effect | None]:
    """Return what a change of each key does, by its name in the reference; None for a section without an effect.

    Raises:
        KeyError: a key does not say it.
    """
    schema = json.loads(schema_text())
    found = {}
    for name, *_, kind, effect in _rows(schema, schema, "", {}):
        if not effect and kind != "section":
            raise KeyError(f"{name}: its field needs json_schema_extra=…, one of config/effects.py")
        found[name.strip("`")] = Effect(effect) if effect else None
    return found


def _rows(
    node: dict[str, Any], root: dict[str, Any], prefix: str, defaults: dict[str, Any]
) -> Iterator[tuple[str, str, str, str, str]]:
    required = set(node.get("required", [])) - defaults.keys()
    properties = node.get("properties", {})
    for name in sorted(properties, key=_order(root, prefix)):
        field = properties[name]
        path = f"{prefix}{name}"
        value = defaults.get(name, field.get("default"))
        default = "*required*" if name in required else f"`{json.dumps(value)}`"
        members = [_resolve(member, root) for member in field.get("anyOf", field.get("oneOf", [field]))]
        nested = [member for member in members if _is_section(member)]
        description = field.get("description") or next((m["description"] for m in members if "description" in m), "")
        description = description.partition("\n")[0]
        effect = field.get(EFFECT, "")
        if nested:
            yield f"`{path}`", description, "*required*" if name in required else "", "section", effect
            for member in nested:
                entry, step = _entry(member, root)
                yield from _rows(entry, root, f"{path}{step}.", value if isinstance(value, dict) and not step else {})
        else:
            yield f"`{path}`", description, default, _kind(members, root), effect


def _order(root: dict[str, Any], prefix: str) -> Any:
    """Return a sort key: sections at the top in the order in which people fill them in, others as they are."""
    order = ["project", "regions", "network", "cluster", "mesh", "ingress", "demo", "services", "backend"]
    return order.index if not prefix else lambda name: name


def _resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _entry(node: dict[str, Any], root: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what holds a section's keys, and how it is reached: itself, a map's value or a list's item."""
    if "properties" in node:
        return node, ""
    if isinstance(node.get("additionalProperties"), dict):
        return _resolve(node["additionalProperties"], root), ".*"
    if "patternProperties" in node:
        return _resolve(next(iter(node["patternProperties"].values())), root), ".*"
    return _resolve(node["items"], root), "[]"


def _is_section(node: dict[str, Any]) -> bool:
    if "properties" in node:
        return True
    inner = [node.get("additionalProperties"), node.get("items"), *node.get("patternProperties", {}).values()]
    return any(isinstance(one, dict) and "$ref" in one for one in inner)


def _kind(members: list[dict[str, Any]], root: dict[str, Any]) -> str:
    kinds = []
    for member in members:
        if member.get("type") == "null":
            continue
        if "enum" in member:
            kinds.append(", ".join(f"`{value}`" for value in member["enum"]))
        elif "const" in member:
            kinds.append(f"`{member['const']}`")
        elif member.get("type") == "integer":
            low, high = member.get("minimum"), member.get("maximum")
            kinds.append(f"{low} to {high}" if low is not None and high is not None else "whole number")
        elif member.get("type") == "array":
            kinds.append("list")
        elif member.get("type") == "object":
            kinds.append("map")
        elif member.get("type") == "boolean":
            kinds.append("`true`, `false`")
        elif "0-9]{1,2}$" in member.get("pattern", ""):
            kinds.append("range")
        else:
            kinds.append("text")
    return " or ".join(dict.fromkeys(kinds))


if __name__ == "__main__":
    REFERENCE_FILE.write_text(reference_text(), encoding="utf-8")

"""Configurations that nobody has written: strategies for hypothesis.

They are made from the model's own schema, so that a new key is tried without a
word here. Only what makes sense together is made on purpose: regions, whose
numbers and ranges would hardly ever fit if each were drawn for itself.
"""

import string
from ipaddress import IPv4Network
from typing import Any

import yaml
from hypothesis import strategies as st

from config.environment import Environment

SCHEMA: dict[str, Any] = Environment.model_json_schema()

Data = dict[str, Any]
Strategy = st.SearchStrategy[Any]

LETTERS = string.ascii_lowercase
KINDS = ("nodes", "pods", "services", "control_plane")
# Where a range of a region's own may be, apart from the pools of the plan and in no one's way.
OWN_BLOCKS = {
    "nodes": "10.128.0.0/12",
    "pods": "11.0.0.0/8",
    "services": "10.160.0.0/12",
    "control_plane": "100.64.0.0/16",
}
OWN_SIZES = {"nodes": (20, 25), "pods": (16, 18), "services": (20, 27), "control_plane": (28, 28)}

labels = st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True).filter(
    lambda text: text not in ("y", "n", "yes", "no", "on", "off")
)


def _pattern(node: Data) -> Strategy:
    pattern = node["pattern"]
    if "0-9]{1,3}" in pattern:
        return cidrs()
    longest = node.get("maxLength", 60)
    return st.from_regex(pattern).filter(lambda text: node.get("minLength", 0) <= len(text) <= longest)


@st.composite
def cidrs(draw: st.DrawFn, shortest: int = 0, longest: int = 32) -> str:
    """Ranges without host bits, anywhere."""
    prefix = draw(st.integers(shortest, longest))
    return str(IPv4Network((draw(st.integers(0, 2**32 - 1)), prefix), strict=False))


def of_schema(node: Data) -> Strategy:
    """Values that the schema takes, for any part of the model."""
    if "$ref" in node:
        return st.deferred(lambda: of_schema(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]]))
    for several in ("anyOf", "oneOf"):
        if several in node:
            return st.one_of(*map(of_schema, node[several]))
    if "const" in node:
        return st.just(node["const"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node.get("type"):
        case "null":
            return st.nothing()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(node.get("minimum", -5), node.get("maximum", 5000))
        case "string" if "pattern" in node:
            return _pattern(node)
        case "string":
            return st.text(max_size=node.get("maxLength", 30)).filter(lambda text: "\0" not in text)
        case "array":
            return st.lists(of_schema(node["items"]), max_size=3)
        case "object" if "properties" in node:
            required = node.get("required", [])
            fields = {name: of_schema(one) for name, one in node["properties"].items()}
            return st.fixed_dictionaries(
                {name: one for name, one in fields.items() if name in required},
                optional={name: one for name, one in fields.items() if name not in required},
            )
        case "object":
            keys = _pattern(node["propertyNames"]) if "pattern" in node.get("propertyNames", {}) else labels
            values = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            return st.dictionaries(keys, of_schema(values), min_size=node.get("minProperties", 0), max_size=3)
    raise TypeError(f"the schema has something new: {node}")


@st.composite
def regions(draw: st.DrawFn) -> Data:
    """Regions that go together: each with a number or ranges of its own, or some of both."""
    found: Data = {}
    numbers = draw(st.lists(st.integers(0, 15), min_size=1, max_size=6, unique=True))
    for index, number in enumerate(numbers):
        region: Data = {"region": f"{draw(labels.filter(str.isalpha))}-x{index}"}
        own = draw(st.sets(st.sampled_from(KINDS))) if draw(st.booleans()) else set()
        for kind in KINDS:
            if kind in own:
                block = IPv4Network(OWN_BLOCKS[kind])
                place = int(block.network_address) + index * block.num_addresses // 16
                region[kind] = str(IPv4Network((place, draw(st.integers(*OWN_SIZES[kind])))))
        if len(own) < 4 or draw(st.booleans()):
            region["number"] = number
        if draw(st.booleans()):
            zones = draw(st.lists(st.sampled_from("abcf"), max_size=4, unique=True))
            region["zones"] = [f"{region['region']}-{zone}" for zone in zones]
        if index and draw(st.integers(0, 5)) == 0:
            region["retired"] = True
        found[f"{draw(labels)}{index}"] = region
    return found


@st.composite
def crowded(draw: st.DrawFn) -> Data:
    """Two regions whose ranges are all in a small part of the network, and so often in each other's way."""
    kinds = {"nodes": (20, 24), "pods": (13, 17), "services": (18, 22), "control_plane": (28, 28)}
    found: Data = {}
    for key in ("a", "b"):
        found[key] = {"region": f"x-{key}1"}
        for kind, sizes in kinds.items():
            place = int(IPv4Network("10.0.0.0/10").network_address) + draw(st.integers(0, 63)) * 2**16
            found[key][kind] = str(IPv4Network((place, draw(st.integers(*sizes))), strict=False))
    return {"project": {"id": "test-project"}, "regions": found, "ingress": {"config_cluster": "a", "plain_http": True}}


@st.composite
def right_ones(draw: st.DrawFn) -> Data:
    """Whole configurations that are mostly right."""
    data: Data = {
        "project": {
            "id": draw(st.from_regex(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", fullmatch=True)),
            "name_prefix": draw(labels),
        },
        "regions": draw(regions()),
        "cluster": {"authorized_networks": [{"name": "office", "cidr": draw(cidrs(8))}]},
    }
    keys = list(data["regions"])
    data["ingress"] = draw(of_schema(SCHEMA["$defs"]["Ingress"])) | {"config_cluster": keys[0], "plain_http": True}
    if draw(st.booleans()):
        data["demo"] = {"versions": {key: f"v{n}" for n, key in enumerate(keys) if draw(st.booleans())}}
    if draw(st.booleans()):
        data["services"] = draw(st.dictionaries(labels, _services(keys), max_size=3))
    return data


def _services(keys: list[str]) -> Strategy:
    schema = SCHEMA["$defs"]["Service"]
    known = st.dictionaries(st.sampled_from(keys), of_schema(SCHEMA["$defs"]["RegionalDeployment"]), max_size=3)
    return st.builds(lambda service, where: service | {"regions": where}, of_schema(schema), known)


@st.composite
def with_slips(draw: st.DrawFn) -> Data:
    """Mostly right ones, and up to three things changed that somebody could have changed."""
    data = draw(right_ones())
    for _ in range(draw(st.integers(0, 3))):
        draw(slips(data))
    return data


@st.composite
def slips(draw: st.DrawFn, data: Data) -> None:
    """Change one thing: a section, key or value goes, is another, comes twice or comes new."""
    here: Any = data
    steps: list[Any] = []
    while isinstance(here, (dict, list)) and here and (not steps or draw(st.integers(0, 3))):
        key = draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        steps.append((here, key))
        here = here[key]
    if not steps:
        return
    parent, key = steps[-1]
    match draw(st.sampled_from(("take away", "anything", "of the model", "another key", "a section"))):
        case "take away":
            del parent[key]
        case "anything":
            parent[key] = draw(anything)
        case "of the model":  # the right kind of thing in a place that may be another one
            parent[key] = draw(of_schema(SCHEMA["$defs"][draw(st.sampled_from(sorted(SCHEMA["$defs"])))]))
        case "another key" if isinstance(parent, dict):
            parent[draw(st.one_of(names, labels, st.text(max_size=20)))] = parent.pop(key)
        case "a section":
            section = draw(st.sampled_from(sorted(SCHEMA["properties"])))
            data[section] = draw(of_schema(SCHEMA["properties"][section]))


names = st.sampled_from(
    sorted({name for one in (SCHEMA, *SCHEMA["$defs"].values()) for name in one.get("properties", {})})
)
"""All keys that the model knows, anywhere."""

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    labels,
    cidrs(),
    names,
    st.dates(),
    st.binary(max_size=5),
    st.sampled_from(
        ["", " ", "no", "012", "1e3", "17:00", "~", "<<", "=", "${x}", "%{x}", "0.0.0.0/0", "\x1b[2J", "\u2028"]
    ),
)
anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(names, st.text(max_size=10), st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)
"""What YAML can say, with the keys that the model knows more often than others."""


def written(data: object, style: int) -> str:
    """Write data as YAML, in one of the ways that people and programs have."""
    return yaml.safe_dump(
        data, allow_unicode=bool(style & 1), default_flow_style=bool(style & 2), sort_keys=False, width=40 + style * 20
    )


_FRAGMENTS = (
    "project:", "id: ", "regions:", "tokyo", "{", "}", "[", "]", ", ", ": ", "- ", "? ", "\n", "\n  ", "\n    ", "\t",
    "# ", "&a ", "*a", "<<: ", "!!str ", "!x ", "!<", "!!python/object:os.system ", "|", ">", "|2-\n", ">+9\n", "\"",
    "'", "\\", "\\x", "\\U0011", "---\n", "...\n", "%YAML 1.1\n", "%TAG ! x\n", "~", "null", "true", "0x", "1_",
    ".inf", "\r\n", "\ufeff", "\x85", "\u2028", "\0", "\x1b[31m", "@", "`", "${", "%{", "=",
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(st.sampled_from(_FRAGMENTS), st.text(max_size=4)), max_size=40).map("".join),
)
"""Texts that are hardly YAML."""


@st.composite
def mutilated(draw: st.DrawFn, text: str) -> str:
    """A right file after a cat has walked over the keyboard."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from((0, 0, 1, 2, 10, 100))))
        inserted = draw(st.one_of(st.sampled_from(_FRAGMENTS), st.text(max_size=5), st.just(text[start:end] * 2)))
        text = text[:start] + inserted + text[end:]
    return text

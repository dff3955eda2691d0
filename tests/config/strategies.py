"""Generated configurations: strategies for hypothesis.

They follow the model's own schema, so that they include new keys. Only regions have a
strategy of their own, as independently drawn numbers and ranges would hardly ever be valid.
"""

import string
from ipaddress import IPv4Network
from typing import Any

import yaml
from hypothesis import strategies as st

from config.environment import Environment
from config.validation.routes import NOT_WITH_REDIRECT, WITHOUT_ROUTES

SCHEMA: dict[str, Any] = Environment.model_json_schema()

Data = dict[str, Any]
Strategy = st.SearchStrategy[Any]

LETTERS = string.ascii_lowercase
KINDS = ("nodes", "pods", "services", "control_plane")
# Blocks for explicit ranges of regions, outside of the pools of the plan.
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
    """Draw any range without host bits."""
    prefix = draw(st.integers(shortest, longest))
    return str(IPv4Network((draw(st.integers(0, 2**32 - 1)), prefix), strict=False))


def values_of(node: Data) -> Strategy:
    """Return a strategy for the values that a part of the schema accepts."""
    if "$ref" in node:
        return st.deferred(lambda: values_of(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]]))
    if "properties" in node and "oneOf" in node:
        return _alternatives(node)
    for several in ("anyOf", "oneOf"):
        if several in node:
            return st.one_of(*map(values_of, node[several]))
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
        case "number":
            return st.integers(1, 1000 * node["maximum"]).map(lambda number: number / 1000)
        case "string" if "pattern" in node:
            return _pattern(node)
        case "string":
            return st.text(max_size=node.get("maxLength", 30)).filter(lambda text: "\0" not in text)
        case "array":
            return st.lists(values_of(node["items"]), min_size=node.get("minItems", 0), max_size=3)
        case "object" if "properties" in node:
            required = node.get("required", [])
            fields = {name: values_of(one) for name, one in node["properties"].items()}
            return st.fixed_dictionaries(
                {name: one for name, one in fields.items() if name in required},
                optional={name: one for name, one in fields.items() if name not in required},
            )
        case "object":
            keys = _pattern(node["propertyNames"]) if "pattern" in node.get("propertyNames", {}) else labels
            values = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
            return st.dictionaries(keys, values_of(values), min_size=node.get("minProperties", 0), max_size=3)
    raise TypeError(f"this strategy does not support {node}: add a case")


def _alternatives(node: Data) -> Strategy:
    """Return a strategy for a section with exactly one of several keys."""
    keys = [one["required"][0] for one in node["oneOf"]]
    others = {name: one for name, one in node["properties"].items() if name not in keys}
    sections = (
        {
            "type": "object",
            "properties": others | {key: node["properties"][key]},
            "required": [key, *node.get("required", [])],
        }
        for key in keys
    )
    return st.one_of(*map(values_of, sections))


@st.composite
def regions(draw: st.DrawFn) -> Data:
    """Draw valid regions: each with a number, explicit ranges, or both."""
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
        if index and draw(st.integers(0, 5)) == 0:
            region["drained"] = True
        found[f"{draw(labels)}{index}"] = region
    return found


@st.composite
def overlapping_regions(draw: st.DrawFn) -> Data:
    """Draw two regions with ranges in a small part of the network, so that they often overlap."""
    kinds = {"nodes": (20, 24), "pods": (13, 17), "services": (18, 22), "control_plane": (28, 28)}
    found: Data = {}
    for key in ("a", "b"):
        found[key] = {"region": f"x-{key}1"}
        for kind, sizes in kinds.items():
            place = int(IPv4Network("10.0.0.0/10").network_address) + draw(st.integers(0, 63)) * 2**16
            found[key][kind] = str(IPv4Network((place, draw(st.integers(*sizes))), strict=False))
    return {"project": {"id": "test-project"}, "regions": found, "ingress": {"config_cluster": "a", "plain_http": True}}


_networks = st.sampled_from(["203.0.113.0/24", "198.51.100.7/32", "48.0.0.0/8"])


@st.composite
def configurations(draw: st.DrawFn) -> Data:
    """Draw whole configurations, most of them valid."""
    data: Data = {
        "project": {
            "id": draw(st.from_regex(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", fullmatch=True)),
            "name_prefix": draw(labels),
        },
        "regions": draw(regions()),
        "cluster": {"endpoint": "public", "authorized_networks": [{"name": "office", "cidr": draw(_networks)}]},
    }
    keys = list(data["regions"])
    data["ingress"] = draw(values_of(SCHEMA["$defs"]["Ingress"])) | {"config_cluster": keys[0], "plain_http": True}
    if draw(st.booleans()):
        data["demo"] = {"versions": {key: f"v{n}" for n, key in enumerate(keys) if draw(st.booleans())}}
    if draw(st.booleans()):
        data["services"] = draw(st.dictionaries(labels, _services(keys), max_size=3))
    return data


def _services(keys: list[str]) -> Strategy:
    schema = SCHEMA["$defs"]["Service"]
    known = st.dictionaries(st.sampled_from(keys), values_of(SCHEMA["$defs"]["RegionalDeployment"]), max_size=3)
    return st.builds(
        lambda service, where: _with_few_pods(_with_fitting_routes(service) | {"regions": where}),
        values_of(schema),
        known,
    )


def _with_fitting_routes(service: Data) -> Data:
    """Return a service whose routes are for all hosts, and lead to its ports or to another URL."""
    if service.get("protocol", "http") in WITHOUT_ROUTES:
        service.pop("routes", None)
    for route in service.get("routes", ()):
        for key in ("host", "port", *(NOT_WITH_REDIRECT if "redirect" in route else ())):
            route.pop(key, None)
        if "redirect" in route:
            route["redirect"].setdefault("path", "/elsewhere")
    return service


def _with_few_pods(service: Data) -> Data:
    """Return a service of which the nodes can run the pods."""
    for one in (service, *service["regions"].values()):
        if "replicas" in one:
            one["replicas"] %= 20
        if "autoscaling" in one:
            scaling = one["autoscaling"]
            one.pop("replicas", None)
            one["autoscaling"] = scaling | {"min_replicas": 2, "max_replicas": scaling["max_replicas"] + 1}
            if not {"cpu", "memory"} & scaling.keys():
                one["autoscaling"]["cpu"] = 80
    return service


@st.composite
def mutated_configurations(draw: st.DrawFn) -> Data:
    """Draw mostly valid configurations with up to three changes."""
    data = draw(configurations())
    for _ in range(draw(st.integers(0, 3))):
        draw(mutations(data))
    return data


@st.composite
def mutations(draw: st.DrawFn, data: Data) -> None:
    """Change one section, key or value: remove, replace, rename or add it."""
    here: Any = data
    steps: list[Any] = []
    while isinstance(here, (dict, list)) and here and (not steps or draw(st.integers(0, 3))):
        key = draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        steps.append((here, key))
        here = here[key]
    if not steps:
        return
    parent, key = steps[-1]
    match draw(st.sampled_from(("remove", "any value", "value of the model", "rename", "add a section"))):
        case "remove":
            del parent[key]
        case "any value":
            parent[key] = draw(anything)
        case "value of the model":  # valid for another key
            parent[key] = draw(values_of(SCHEMA["$defs"][draw(st.sampled_from(sorted(SCHEMA["$defs"])))]))
        case "rename" if isinstance(parent, dict):
            parent[draw(st.one_of(names, labels, st.text(max_size=20)))] = parent.pop(key)
        case "add a section":
            section = draw(st.sampled_from(sorted(SCHEMA["properties"])))
            data[section] = draw(values_of(SCHEMA["properties"][section]))


names = st.sampled_from(
    sorted({name for one in (SCHEMA, *SCHEMA["$defs"].values()) for name in one.get("properties", {})})
)
"""All keys of the model."""

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
"""Any YAML data, with keys of the model more often than others."""


def to_yaml(data: object, style: int) -> str:
    """Return data as YAML, in one of several styles."""
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
"""Texts, hardly any of them valid YAML."""


@st.composite
def corrupted(draw: st.DrawFn, text: str) -> str:
    """Draw a corrupted copy of a valid file."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from((0, 0, 1, 2, 10, 100))))
        inserted = draw(st.one_of(st.sampled_from(_FRAGMENTS), st.text(max_size=5), st.just(text[start:end] * 2)))
        text = text[:start] + inserted + text[end:]
    return text

"""The keys of Kubernetes and Helm that are refused with what to write in their place."""

import json
import re
from typing import Any

import pytest
import yaml

from config.loading.kubernetes_keys import ABSENT, KEYS, known_elsewhere
from config.loading.load import _field_names
from config.paths import ROOT
from config.schema import schema_text

STEPS = {"*": "any", "probes": "readiness", "resources": "limits"}
"""Names for a star: of any key, or of those that the section has."""


def fields(section: tuple[str, ...]) -> set[str]:
    """Return the keys of a section in the model."""
    path: list[str | int] = []
    for step in section:
        above = path[-1] if path else ""
        path.append(step if step != "*" else 0 if above == "routes" else STEPS.get(str(above), "any"))
    return set(_field_names(tuple(path)))


@pytest.mark.parametrize("section", KEYS, ids=".".join)
def test_the_section_exists_and_has_none_of_the_keys(section: tuple[str, ...]) -> None:
    own = {name.replace("_", "") for name in fields(section)}
    assert own, "there is such a section"
    assert own.isdisjoint(KEYS[section])
    assert all(re.fullmatch(r"[a-z./]+", key) for key in KEYS[section]), "in lower case, in one word"


@pytest.mark.parametrize("path", ABSENT, ids=".".join)
def test_a_key_that_may_be_missing_exists(path: tuple[str, ...]) -> None:
    assert path[-1] in fields(path[:-1])


RULES = sorted({rule for keys in KEYS.values() for rule in keys.values()} | set(ABSENT.values()))


def keys_within(node: Any) -> set[str]:
    """Return all keys in a piece of YAML."""
    if isinstance(node, dict):
        return set(node) | {key for one in node.values() for key in keys_within(one)}
    return {key for one in node for key in keys_within(one)} if isinstance(node, list) else set()


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_says_to_write_is_yaml_with_keys_that_exist(rule: str) -> None:
    schema = set(re.findall(r'"([a-z_0-9]+)": \{', schema_text())) | {"v1", "v2", "admin"}
    for snippet in re.findall(r"[\[{].*[\]}]|\{[^{}]*\}", rule):
        for one in re.split(r" on disk, | in memory| or (?=\{)|, or (?=\{)", snippet):
            written = keys_within(yaml.safe_load(one))
            assert {key for key in written if not key.startswith("/")} <= schema, one
    for name in re.findall(r"docs/[a-z-]+\.md|README\.md", rule):
        assert (ROOT / name).is_file()


def test_every_spelling_is_known() -> None:
    rules = {known_elsewhere(("services", "shop", key)) for key in ("nodeSelector", "node_selector", "NODE-SELECTOR")}
    assert len(rules) == 1
    assert None not in rules
    assert known_elsewhere(("services", "shop", "routes", 0, "pathType"))
    assert known_elsewhere(("project", "nodeSelector")) is None
    assert json.dumps(RULES), "text"

"""The groups and the examples of docs/configuration.md."""

from typing import Any

import pytest
import yaml

from config import reference
from config.loading.load import parse_environment
from config.reference import effects_of_keys, group_of, reference_text
from config.reference_groups import EXAMPLE_BASE, GROUPS, Group


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(base[key], value) for key, value in more.items() if isinstance(base.get(key), dict)}
    return {**base, **more, **both}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_an_example_is_right_and_changes_something(group: Group) -> None:
    base, more = yaml.safe_load(EXAMPLE_BASE), yaml.safe_load(group.example)
    example = parse_environment(yaml.safe_dump(merged(base, more), sort_keys=False), group.title, {})
    assert example != parse_environment(EXAMPLE_BASE, "base", {})


def test_every_key_is_in_one_group_and_no_group_names_another() -> None:
    keys = effects_of_keys()
    named = [key for group in GROUPS for key in group.keys]
    assert len(named) == len(set(named))
    assert set(named) <= set(keys)
    text = reference_text()
    for key, effect in keys.items():
        assert text.count(f"\n| `{key}` |") == (0 if effect is None else 3 if key == "backend.type" else 1), key


def test_a_key_without_a_group_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group_of("cluster.authorized_networks[].cidr").title == "Access to the GKE control planes"
    assert group_of("regions.*.cluster.max_nodes").title == "Cluster shape"
    monkeypatch.setattr(reference, "GROUPS", [group for group in GROUPS if group.title != "Demo"])
    with pytest.raises(LookupError, match=r"demo\.client_image: name it"):
        reference_text()

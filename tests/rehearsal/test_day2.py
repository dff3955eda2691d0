"""Tests of the table of changes, and of what is seen of them; the rehearsal itself is `make rehearse DAY2=1`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from config.effects import Effect
from config.environment import Environment
from config.ingress import INTERNAL
from config.reference import effects_of_keys, reference_text
from tests.rehearsal.context import parse
from tests.rehearsal.day2 import FileChange, read_changes, reference_key
from tests.rehearsal.observed_effect import EnvironmentState, seen_effect
from tests.rehearsal.snapshot import GROUPS
from tests.synthesized import REFERENCE

POOL = "cloud projects/p/locations/l/clusters/c/nodePools/nodes"
STATE = EnvironmentState(
    {POOL: {"config": {"machineType": "e2-standard-4"}, "autoscaling": {"maxNodeCount": 3}}, "tokyo Service a/b": {}},
    {"tokyo": "certificate"},
    {("tokyo", "a", "b", "uid"): "1"},
    frozenset({"pod"}),
)


def test_the_changes_are_enough_and_of_every_section() -> None:
    changes = read_changes(only_small=False)
    assert len(changes) >= 25
    assert len(read_changes(only_small=True)) == 8
    sections = {path.partition(".")[0] for change in changes for path in change.set}
    assert sections == set(Environment.model_fields) - {"backend"}, "another backend is another place of the state"


def test_each_change_changes_a_valid_file_into_another() -> None:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    for change in read_changes(only_small=False):
        before = parse(content)
        change.apply(content)
        assert parse(content) != before, change.change
        assert change.expected_effect(effects_of_keys()), change.change


NOT_CHANGED = {
    "services.*.failover_threshold": "only `fleet` has it",
}
"""Keys of services that no change has, and why."""


def test_every_key_of_services_and_their_namespaces_is_changed() -> None:
    effects = effects_of_keys()
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    changed: set[str] = set()
    for change in read_changes(only_small=False):
        before = dict(values(content))
        change.apply(content)
        after = dict(values(content))
        different = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        changed |= {key for path in different if (key := key_of(path, effects)) is not None}
    wanted = {
        key for key, effect in effects.items() if effect and key.startswith(("services.*.", "mesh.namespaces.*."))
    }
    assert wanted - changed == NOT_CHANGED.keys()


def values(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield everything in a file: its path, and its value."""
    yield path, node
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, one in inner:
        yield from values(one, (*path, "[]" if isinstance(node, list) else str(step)))


def key_of(path: tuple[str, ...], keys: Mapping[str, Any]) -> str | None:
    """Return the key of the reference at a path, if there is one."""
    for key in keys:
        pattern = key.replace("[]", ".[]").split(".")
        if len(pattern) == len(path) and all(one in ("*", step) for one, step in zip(pattern, path, strict=True)):
            return key
    return None


def test_the_reference_names_the_number_of_changes() -> None:
    assert f"makes {len(read_changes(only_small=False))} such changes" in reference_text()


def test_objects_of_multi_cluster_gateway_are_deleted_before_what_they_use() -> None:
    """Exports keep the fleet's feature for them, and an internal load balancer keeps the subnets of its proxies."""
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    leaving = 0
    for change in read_changes(only_small=False):
        before = parse(content).ingress
        change.apply(content)
        after = parse(content).ingress
        exported = before.uses_gateway and not after.uses_gateway
        leaves = exported or (INTERNAL in before.exposures and INTERNAL not in after.exposures)
        assert ("ingress" in change.first) == leaves, change.change
        leaving += leaves
    assert leaving


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("services.shop.image", "services.*.image"),
        ("services.shop.regions.tokyo.version", "services.*.regions.*.version"),
        ("services.shop", "services"),
        ("demo.versions.osaka", "demo.versions"),
        ("cluster.logs", "cluster.logs"),
    ],
)
def test_a_path_belongs_to_a_key(path: str, key: str) -> None:
    assert reference_key(path, effects_of_keys()) == key


def test_a_path_that_is_no_key_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"cluster\.colour: no key"):
        reference_key("cluster.colour", effects_of_keys())


def test_a_section_has_the_strongest_effect_of_its_keys() -> None:
    change = FileChange("a section", {"services.shop.probes": {}})
    assert change.expected_effect(effects_of_keys()) is Effect.RESTARTS_PODS


def test_the_strongest_effect_is_expected() -> None:
    change = FileChange("two keys", {"cluster.machine_type": "e2-standard-8", "cluster.max_nodes": 4})
    assert change.expected_effect(effects_of_keys()) is Effect.REPLACES_NODES


def with_pool(**fields: Any) -> EnvironmentState:
    return replace(STATE, snapshot={**STATE.snapshot, POOL: {**STATE.snapshot[POOL], **fields}})


@pytest.mark.parametrize(
    ("after", "effect"),
    [
        (STATE, Effect.NOTHING),
        (with_pool(autoscaling={"maxNodeCount": 4}), Effect.IN_PLACE),
        (replace(STATE, snapshot={**STATE.snapshot, f"cloud p/zones/z{GROUPS}n": {}}), Effect.IN_PLACE),
        (replace(STATE, pods=frozenset()), Effect.ADDS_OR_DELETES),
        (replace(STATE, snapshot={POOL: STATE.snapshot[POOL]}), Effect.ADDS_OR_DELETES),
        (replace(STATE, revisions={("tokyo", "a", "b", "uid"): "2"}), Effect.RESTARTS_PODS),
        (replace(STATE, revisions={("tokyo", "a", "b", "other"): "2"}), Effect.NOTHING),
        (with_pool(config={"machineType": "e2-standard-8"}), Effect.REPLACES_NODES),
        (replace(STATE, authorities={"tokyo": "another"}), Effect.REPLACES_CLUSTER),
    ],
)
def test_effects_are_seen(after: EnvironmentState, effect: Effect) -> None:
    assert seen_effect(STATE, after) is effect

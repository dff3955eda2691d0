"""Generated configurations raise nothing but ConfigError, and accepted ones violate no limit.

The examples are the same in every run. THOROUGH=20 generates twenty times as many
others; a failure prints a line that reproduces it.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from config import ConfigError, Environment, load
from config.loading.load import parse_environment
from config.naming import ProjectNames, RegionNames
from tests.config import strategies
from tests.config.inputs import THOROUGH
from tests.config.platform_limits import NAMES, violations
from tests.synthesized import REFERENCE, THREE_REGIONS


def settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples * (THOROUGH or 1),
        derandomize=not THOROUGH,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
    )


def accept(read: Callable[[], Environment]) -> Environment | None:
    """Return an accepted environment, or None. The message of an error contains only printable characters."""
    try:
        return read()
    except ConfigError as error:
        refused = error
    assert refused.problems
    assert all(line.isprintable() for line in str(refused).split("\n"))
    return None


def parse(text: str) -> Environment | None:
    return accept(lambda: parse_environment(text, "made-up.yaml", {}))


@pytest.mark.parametrize(
    ("strategy", "examples"), [(strategies.mutated_configurations(), 200), (strategies.overlapping_regions(), 400)]
)
def test_accepted_configurations_violate_no_limit(strategy: strategies.Strategy, examples: int) -> None:
    count: Counter[bool] = Counter()

    @settings(examples)
    @given(strategy, st.integers(0, 3))
    def try_one(data: strategies.Data, style: int) -> None:
        text = strategies.to_yaml(data, style)
        environment = parse(text)
        count[environment is not None] += 1
        if environment is not None:
            assert list(violations(environment, yaml.safe_load(text))) == []

    try_one()
    assert count[True] > 20  # so that the limits were checked
    assert count[False] > 20


@settings(200)
@given(strategies.anything, st.integers(0, 3))
def test_any_data(data: object, style: int) -> None:
    parse(strategies.to_yaml(data, style))


@settings(200)
@given(strategies.texts)
def test_any_text(text: str) -> None:
    parse(text)


@settings(100)
@given(st.data(), st.sampled_from([REFERENCE, THREE_REGIONS]))
def test_a_corrupted_file(data: st.DataObject, file: Path) -> None:
    parse(data.draw(strategies.corrupted(file.read_text(encoding="utf-8"))))


@settings(100)
@given(st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "made-up.yaml"
    file.write_bytes(content)
    accept(lambda: load(file, {}))


@settings(100)
@given(st.one_of(strategies.cidrs(), st.text(max_size=20)))
def test_any_operator_address(address: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    environment = accept(lambda: parse_environment(text, "mesh.yaml", {"MESH_OPERATOR_ADDRESS": address}))
    assert environment is None or address in ("", str(environment.cluster.operator_address))


@pytest.mark.parametrize("kind", [ProjectNames, RegionNames])
def test_every_derived_name_has_a_limit(kind: type) -> None:
    derived = {name for name, one in vars(kind).items() if isinstance(one, property) and not name.startswith("_")}
    assert derived == NAMES[kind].keys()

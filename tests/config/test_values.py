"""Values of single keys, by kind, as data: `inputs/values.yaml`."""

import copy
import json
from typing import Any

import idna
import jsonschema
import pytest
import yaml

from config import ConfigError
from config.grammar import domain
from config.loading.load import parse_environment
from config.schema import schema_text
from tests.config.inputs import INPUTS

Data = dict[str, Any]

KINDS: dict[str, dict[str, list[Data]]] = yaml.safe_load((INPUTS / "values.yaml").read_text(encoding="utf-8"))

VALID: Data = {
    "project": {"id": "test-project"},
    "regions": {
        "tokyo": {"region": "asia-northeast1", "number": 0},
        "osaka": {"region": "asia-northeast2", "number": 8},
    },
    "services": {"checkout": {"image": "i", "port": 80}},
    "ingress": {"config_cluster": "tokyo", "plain_http": True},
}
KEYS: Data = {  # what a name of the user's own stands for
    "regions": {"region": "us-east1", "number": 3},
    "services": {"image": "i", "port": 81},
    "services.checkout.env": "text",
    "services.checkout.volumes": {"size": "1Gi"},
    "mesh.namespaces": {},
    "mesh.namespaces.team-a.labels": "text",
}


def with_value(key: str, value: object, mode: str | None = None) -> tuple[Data, str]:
    """Return the valid configuration with a value, and the path of what was tried.

    Args:
        key: where the value is.
        value: what is tried.
        mode: the control plane mode; None for the default.
    """
    data = copy.deepcopy(VALID)
    if mode is not None:
        data["mesh"] = {"control_plane": mode}
    here: Any = data
    *steps, last = key.split(".")
    for step in steps:
        here = here.setdefault(step, {})
    if last == "*":
        here[str(value)] = KEYS[".".join(steps)]
        return data, f"{'.'.join(steps)}.{value}"
    here[last] = value
    return data, key


def cases(verdict: str) -> list[Any]:
    return [
        pytest.param(one, id=f"{kind}-{one['key']}-{index}")
        for kind, verdicts in KINDS.items()
        for index, one in enumerate(verdicts[verdict])
    ]


def parse(data: Data) -> None:
    parse_environment(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), "test.yaml", {})


@pytest.mark.parametrize("case", cases("wrong"))
def test_a_wrong_value(case: Data) -> None:
    data, path = with_value(case["key"], case["value"], case.get("mode"))
    with pytest.raises(ConfigError) as caught:
        parse(data)
    for problem in caught.value.problems:
        assert problem.path.replace("'", "").startswith(case.get("at", path)), problem
        assert case["rule"] in str(problem)
        assert problem.line is not None
        assert len(problem.rule) < 240


@pytest.mark.parametrize("case", cases("right"))
def test_a_right_value(case: Data) -> None:
    data, _ = with_value(case["key"], case["value"], case.get("mode"))
    parse(data)
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(data)  # editors accept it, too


@pytest.mark.parametrize("name", ["grüße.example.com", "東京.example", "Пример.рф", "straße.de", "ΣΊΣΥΦΟΣ.gr"])
def test_the_hint_for_an_international_domain_is_that_of_idna(name: str) -> None:
    assert f"write {idna.encode(name.lower()).decode()!r}" in str(domain.problem(name))


def test_every_kind_has_enough_cases() -> None:
    assert all(len(one["wrong"]) >= 6 and len(one["right"]) >= 4 for one in KINDS.values())

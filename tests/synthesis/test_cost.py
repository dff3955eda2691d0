"""A synthesis of many services takes little more than one of few."""

import os
from pathlib import Path
from typing import Any

import pytest

from config.paths import ROOT
from tests.config.large_files import configuration
from tests.synthesized import REFERENCE, environment_of, synthesize
from tests.tools.bench import SERVICES_LIMIT, many_services, measure


def test_a_further_service_costs_no_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is a construct of cdktf's takes a millisecond, and 200 services in 5 regions have thousands."""
    from jsii._kernel.providers.process import _NodeProcess  # noqa: PLC0415 (starts Node.js)

    calls = 0
    send = _NodeProcess.send

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return send(*arguments)

    monkeypatch.setattr(_NodeProcess, "send", counted)
    found: list[int] = []
    for services in (4, 4, 8):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        calls = 0
        synthesize(environment_of(configuration(services)), folder)
        found.append(calls)
    # The first synthesis loads what the others use.
    assert found[2] == found[1] > 100


@pytest.mark.slow
def test_many_services_take_at_most_three_times_as_long_as_mesh_yaml(tmp_path: Path) -> None:
    """In processor time of Python and Node.js, the least of two attempts: other processes share the caches."""
    script, large = str(ROOT / "main.py"), many_services(tmp_path)
    costs = [(measure([script, ""], REFERENCE, tmp_path), measure([script, ""], large, tmp_path)) for _ in range(2)]
    small, many = (min(cost.cpu for cost in found) for found in zip(*costs, strict=True))
    assert many <= SERVICES_LIMIT * small
    assert os.path.getsize(tmp_path / "services.out" / "stacks" / "ingress" / "cdk.tf.json") > 10**7

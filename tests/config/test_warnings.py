"""What a file that is accepted is warned about: names that are close to known ones."""

import copy
import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import Problem, load
from config.__main__ import main
from config.google_names import MACHINE_TYPES, REGIONS
from config.loading.load import parse_environment
from config.paths import ROOT
from config.problems import MOST_SHOWN

Data = dict[str, Any]


def warnings_of(data: Data) -> list[Problem]:
    """Return the warnings about an accepted configuration."""
    found: list[Problem] = []
    text = yaml.safe_dump(data, sort_keys=False)
    parse_environment(text, "test.yaml", {}, lambda source, problem: found.append(problem))
    return found


def environment(region: str = "asia-northeast1", zones: tuple[str, ...] = (), machine: str | None = None) -> Data:
    one: Data = {"region": region, "number": 0}
    if zones:
        one["zones"] = list(zones)
    if machine is not None:
        one["cluster"] = {"machine_type": machine}
    return {
        "project": {"id": "test-project"},
        "regions": {"tokyo": one},
        "ingress": {"config_cluster": "tokyo", "plain_http": True},
    }


@pytest.mark.parametrize(
    ("given", "path", "meant"),
    [
        (environment("asia-northeast11"), "regions.tokyo.region", "asia-northeast1"),
        (environment("asia-norteast1"), "regions.tokyo.region", "asia-northeast1"),
        (environment("asia-northest2"), "regions.tokyo.region", "asia-northeast2"),
        (environment("europa-west1"), "regions.tokyo.region", "europe-west1"),
        (environment("us-centrall1"), "regions.tokyo.region", "us-central1"),
        (environment("us-east2"), "regions.tokyo.region", "us-"),
        (environment(zones=("asia-northeast1-a", "asia-northeast1-d")), "regions.tokyo.zones[1]", "asia-northeast1-"),
        (environment("us-east1", ("us-east1-a",)), "regions.tokyo.zones[0]", "us-east1-"),
        (environment("europe-west1", ("europe-west1-a",)), "regions.tokyo.zones[0]", "europe-west1-"),
        (environment(machine="e2-standart-4"), "regions.tokyo.cluster.machine_type", "e2-standard-4"),
        (environment(machine="e2-standard-6"), "regions.tokyo.cluster.machine_type", "e2-standard-"),
        (environment(machine="n2-standrd-8"), "regions.tokyo.cluster.machine_type", "n2-standard-8"),
        (environment(machine="n2-hicpu-16"), "regions.tokyo.cluster.machine_type", "n2-highcpu-16"),
        (environment(machine="e2-std-4"), "regions.tokyo.cluster.machine_type", "e2-"),
        (environment(machine="n5-standard-8"), "regions.tokyo.cluster.machine_type", "n4-standard-8|n2-standard-8|n1-"),
        (environment(machine="c3-standard-16"), "regions.tokyo.cluster.machine_type", "c3"),
        (environment() | {"cluster": {"machine_type": "e2-stadnard-4"}}, "cluster.machine_type", "e2-standard-4"),
    ],
)
def test_a_name_that_is_close_to_a_known_one(given: Data, path: str, meant: str) -> None:
    (warning,) = warnings_of(given)
    assert warning.path == path
    assert any(f"did you mean '{one}" in warning.rule for one in meant.split("|")), warning


@pytest.mark.parametrize(
    "given",
    [
        environment("mars-orbit1"),
        environment("europe-space1"),
        environment("antarctica-south1", ("antarctica-south1-x",)),
        environment("us-central1", ("us-central1-f", "us-central1-a")),
        environment("us-east1", ("us-east1-d",)),
        environment("us-central1", ("us-central1-ai1a",)),
        environment(machine="q9-quantum-512"),
        environment(machine="n5-custom-4-8192"),
        environment(machine="e2-custom-6-20480"),
        environment(machine="custom-6-20480-ext"),
        environment(machine="n2d-custom-8-16384-ext"),
        environment(machine="c4d-standard-384-metal"),
        environment(machine="a3-highgpu-8g"),
    ],
)
def test_a_name_that_is_new_or_known(given: Data) -> None:
    assert warnings_of(given) == []


@pytest.mark.parametrize(
    ("requests", "replicas", "text"),
    [
        ({"cpu": 2}, 18, "request 36.1 CPUs (36 of them for shop), and its nodes have 36 at most"),
        ({"memory": "9Gi"}, 16, "request 144.06 GiB of memory (144 of them for shop), and its nodes have 144 at most"),
        ({"cpu": 2, "memory": "8Gi"}, 17, ""),
    ],
)
def test_requests_that_the_nodes_do_not_have_together(requests: Data, replicas: int, text: str) -> None:
    shop = {"image": "i", "port": 80, "replicas": replicas, "resources": {"requests": requests}}
    found = warnings_of(environment() | {"services": {"shop": shop}})
    assert [one.path for one in found] == (["regions.tokyo"] if text else [])
    assert all(text in one.rule for one in found)


def test_a_service_agent_as_deployer() -> None:
    agent = "service-123456789012@container-engine-robot.iam.gserviceaccount.com"
    (found,) = warnings_of(environment() | {"project": {"id": "test-project", "impersonate_service_account": agent}})
    assert found.path == "project.impersonate_service_account"
    assert "is a service agent, as which only Google's own services act" in found.rule


def test_the_files_of_the_project_have_no_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    for file in (ROOT / "mesh.yaml", *(ROOT / "examples").glob("*.yaml"), *(ROOT / "examples").rglob("mesh.yaml")):
        load(file, {})
    assert capsys.readouterr().err == ""


def test_the_command_prints_a_warning_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(environment("asia-norteast1"), sort_keys=False), encoding="utf-8")
    assert main([str(file)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "warning: line 5: regions.tokyo.region = 'asia-norteast1': is not among Google's regions of 2026-" in line
    assert "did you mean 'asia-northeast1'?" in line


def test_the_regions_are_those_of_googles_documents() -> None:
    """A newer google-api-python-client may have others: put them into `config.google_names`, with its version."""
    found: Counter[str] = Counter()
    folder = files("googleapiclient") / "discovery_cache" / "documents"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8") if file.name.endswith(".json") else ""
        if '"endpoints"' in text:
            found.update(one["location"] for one in json.loads(text).get("endpoints", []))
    regional = {name for name, count in found.items() if re.fullmatch(r"[a-z]+-[a-z]+[0-9]+", name) and count >= 10}
    assert regional - {"asia-southeast4"} == set(REGIONS)


def test_machine_types_are_listed_once() -> None:
    assert len(MACHINE_TYPES) == len(set(MACHINE_TYPES)) > 400


@pytest.mark.parametrize(("nodes", "warned"), [(1, True), (2, False)])
def test_more_pods_than_the_nodes_run(nodes: int, warned: bool) -> None:
    """Three zones with nodes of 110 pods; the demo has 2, and the gateways up to 5."""
    service = {"image": "example.com/a:1", "port": 8080, "autoscaling": {"max_replicas": 324, "cpu": 80}}
    found = warnings_of({**environment(), "services": {"shop": service}, "cluster": {"max_nodes": nodes}})
    expected = "has room for 330 pods on 3 nodes, and autoscaling goes up to 331, gateways included"
    assert [one.path for one in found if expected in one.rule] == ["regions.tokyo"] * warned
    assert len(found) == warned


def test_no_more_warnings_than_anybody_reads() -> None:
    service = {"image": "example.com/a:1", "port": 8080, "replicas": 3, "regions": {"tokyo": {"replicas": 1}}}
    services = {f"service-{number}": copy.deepcopy(service) for number in range(MOST_SHOWN + 10)}
    found = warnings_of({**environment(), "services": services})
    assert len(found) == MOST_SHOWN + 1
    assert found[-1].rule == "and 10 more warnings"

"""The configuration file: error messages, and cases of single values.

Cases that need a whole file are in `inputs/wrong/`.
"""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config import ConfigError, load
from config.loading.load import parse_environment
from config.maintenance import WINDOWS_A_WEEK
from config.naming import ProjectNames, RegionNames
from config.paths import ROOT
from config.reference import REFERENCE_FILE, reference_text
from config.schema import SCHEMA_FILE, schema_text
from tests.synthesized import REFERENCE, THREE_REGIONS, environment_of, minimal_configuration

Data = dict[str, Any]

VALID: Data = {
    "project": {"id": "test-project", "name_prefix": "matt"},
    "regions": {
        "tokyo": {"region": "asia-northeast1", "number": 0},
        "osaka": {"region": "asia-northeast2", "number": 8},
    },
    "ingress": {"config_cluster": "tokyo", "plain_http": True},
    "demo": {"versions": {"tokyo": "v1", "osaka": "v2"}},
    "cluster": {"authorized_networks": [{"name": "office", "cidr": "203.0.113.0/24"}]},
}


def problems_of(data: object, variables: dict[str, str] | None = None) -> dict[str, str]:
    """Return the errors of a configuration: message by path."""
    with pytest.raises(ConfigError) as caught:
        parse_environment(yaml.safe_dump(data), "test.yaml", variables or {})
    return {problem.path: str(problem) for problem in caught.value.problems}


def changed(path: str, value: object) -> Data:
    """Return the valid configuration with another value; ``...`` removes the key."""
    data = copy.deepcopy(VALID)
    here: Any = data
    *steps, last = path.split(".")
    for step in steps:
        here = here.setdefault(step, {})
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return data


def test_the_valid_configuration_is_accepted() -> None:
    environment = environment_of(yaml.safe_dump(VALID))
    assert [region.key for region in environment.resolved_regions()] == ["osaka", "tokyo"]


LONG = "a" * 20
KEY = "projects/acme-keys/locations/asia-northeast1/keyRings/mesh/cryptoKeys/secrets"


def _maintenance_at(tokyo: str, osaka: str) -> Data:
    places = {"tokyo": ("asia-northeast1", 0, tokyo), "osaka": ("asia-northeast2", 8, osaka)}
    return {
        key: {"region": place, "number": number, "maintenance_start": start}
        for key, (place, number, start) in places.items()
    }


SAME_TIME = _maintenance_at("saturday 15:00", "sunday 02:00")
SUNDAY_TO_MONDAY = _maintenance_at("sunday 20:00", "monday 07:00")
DEMO_SERVICE = {"image": "i", "port": 80}

CASES = [
    # key, value, path of the problem, part of the message
    ("cluster.max_nodes", "3", "cluster.max_nodes", "whole number"),
    ("cluster.operator_address", "203.0.113.7", "cluster.operator_address", "must be an IPv4 range"),
    ("cluster.logs", ["audit"], "cluster.logs[0]", "one of workloads, api_server, scheduler, controller_manager"),
    ("cluster.logs", ["workloads"] * 2, "cluster.logs[1]", "is listed twice"),
    ("cluster.logs", "workloads", "cluster.logs", "must be a list"),
    ("cluster.dataplane", "v1", "cluster.dataplane", "one of v2, legacy"),
    ("cluster.binary_authorization", "enforce", "cluster.binary_authorization", "true or false"),
    ("cluster.maintenance_start", "saturday", "cluster.maintenance_start", "a day and a full hour"),
    ("cluster.maintenance_start", "saturday 24:00", "cluster.maintenance_start", "a day and a full hour"),
    ("regions.tokyo.maintenance_start", "saturday 15:30", "regions.tokyo.maintenance_start", "a day and a full hour"),
    ("regions", SAME_TIME, "regions.tokyo.maintenance_start", "overlaps the window of osaka (sunday 02:00 UTC"),
    ("regions", SUNDAY_TO_MONDAY, "regions.tokyo.maintenance_start", "overlaps the window of osaka"),
    ("regions.tokyo.secrets_key", KEY, "regions.osaka.secrets_key", "is missing, and tokyo has one"),
    (
        "regions.osaka.secrets_key",
        KEY,
        "regions.osaka.secrets_key",
        "is in asia-northeast1, and the cluster in asia-northeast2",
    ),
    ("regions.tokyo.secrets_key", f"{KEY}/cryptoKeyVersions/1", "regions.tokyo.secrets_key", "without a version"),
    ("regions.tokyo.secrets_key", "k", "regions.tokyo.secrets_key", "a key of Cloud KMS"),
    ("network.pod_protocols", ["udp"], "network.pod_protocols", "must include tcp"),
    ("network.pod_protocols", ["tcp", "tcp"], "network.pod_protocols[1]", "is listed twice"),
    ("network.pod_protocols", ["all"], "network.pod_protocols[0]", "one of tcp, udp, icmp, esp, ah, sctp"),
    ("cluster.max_pods_per_node", 1, "cluster.max_pods_per_node", "8 or more"),
    ("mesh.channel", "fast", "mesh.channel", "is the channel of the clusters now"),
    ("ingress.min_replicas", 1, "ingress.min_replicas", "ingress.single_replica: true"),
    ("ingress.plain_http", False, "ingress", "ingress.plain_http: true"),
    ("ingress.plain_http", ..., "ingress", "set ingress.domains"),
    ("ingress.domains", ["*.example.com"], "ingress.domains[0]", "without a star"),
    ("ingress.domains", ["example"], "ingress.domains[0]", "a domain such as"),
    ("ingress.domains", "shop.example.com", "ingress.domains", "must be a list"),
    ("ingress.domains", ["a.example", "b.example", "a.example"], "ingress.domains[2]", "is listed twice"),
    ("ingress.domains", [f"d{number}.example" for number in range(16)], "ingress.domains", "15"),
    ("ingress.domains", [f"{'x' * 56}.example"], "ingress.domains[0]", "to 63 characters"),
    ("ingress.security_policy", "Edge_1", "ingress.security_policy", "a policy's name"),
    ("mesh.mtls", "off", "mesh.mtls", "one of strict, permissive"),
    ("mesh.default_deny", "no", "mesh.default_deny", "true or false"),
    ("services", {"a": DEMO_SERVICE | {"allow_from": ["helo"]}}, "services.a.allow_from[0]", "is no service of this"),
    ("services", {"a": DEMO_SERVICE | {"allow_from": ["helloword"]}}, "services.a.allow_from[0]", "mean 'helloworld'?"),
    ("services", {"a": DEMO_SERVICE | {"allow_from": ["*/x"]}}, "services.a.allow_from[0]", "NAMESPACE/ACCOUNT"),
    ("services", {"a": DEMO_SERVICE | {"user": 0}}, "services.a.user", "1 or more"),
    ("services", {"a": DEMO_SERVICE | {"user": 5, "root": True}}, "services.a.root", "does not go with user: 5"),
]


@pytest.mark.parametrize(
    ("where", "value", "path", "rule"), CASES, ids=[f"{one[0]}-{n}" for n, one in enumerate(CASES)]
)
def test_a_rule(where: str, value: object, path: str, rule: str) -> None:
    found = problems_of(changed(where, value))
    assert len(found) == 1, found
    ((at, text),) = found.items()
    assert at in path.split("|") or (path.endswith("*") and at.startswith(path[:-1])), found
    assert any(part in text for part in rule.split("|")), found


@pytest.mark.parametrize(
    "ingress",
    [
        {"domains": ["shop.example.com"]},
        {"domains": ["shop.example.com"], "plain_http": True},
        {"plain_http": True, "min_replicas": 1, "single_replica": True},
        {"enabled": False},
    ],
)
def test_valid_ingress_settings(ingress: dict[str, object]) -> None:
    """An ingress needs domains, or plain_http; without an ingress neither is needed."""
    data = changed("ingress", {"config_cluster": "tokyo", **ingress})
    environment_of(yaml.safe_dump(data))


def test_a_certificates_name_contains_its_domain() -> None:
    names = ProjectNames("matt")
    long = f"{'x' * 50}.example.com"
    found = [names.certificate(domain) for domain in ("shop.example.com", "shop-example.com", long, f"y{long[1:]}")]
    assert len(set(found)) == len(found)
    assert found[0].startswith("matt-shop-example-com-")
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found), found


def test_the_length_of_derived_names() -> None:
    data = changed(f"regions.{LONG}", {"region": "asia-east1", "number": 3})
    assert environment_of(yaml.safe_dump(data)).regions[LONG].number == 3
    data["project"]["name_prefix"] = "matts"
    found = problems_of(data)
    assert found.keys() == {f"regions.{LONG}"}
    assert f"the service account would be called 'matts-{LONG}-node', 31 characters of 30" in found[f"regions.{LONG}"]


def test_all_errors_are_reported_at_once_and_in_order() -> None:
    text = """\
project: {id: My_Project, nam_prefix: x}
regions:
  tokyo: {region: asia-northeast1-a, number: 0}
  osaka: {region: asia-northeast2, number: 0, cluster: {machine_type: e2-small}}
  kyoto: {region: asia-northeast3, number: 4, nodes: 172.16.0.0/15}
cluster: {release_channel: fast, authorized_networks: [{name: x, cidr: 0.0.0.0/0}]}
ingress: {config_cluster: tokio}
demo: {versions: {tokyo: 1}}
services: {x: {image: i, port: 0}}
"""
    with pytest.raises(ConfigError) as caught:
        parse_environment(text, "test.yaml", {})
    problems = caught.value.problems
    assert {problem.path for problem in problems} == {
        "project.id",
        "project.nam_prefix",
        "regions.tokyo.region",
        "regions.osaka.number",
        "regions.osaka.cluster.machine_type",
        "regions.kyoto.nodes",
        "cluster.release_channel",
        "cluster.authorized_networks[0].cidr",
        "ingress",
        "ingress.config_cluster",
        "demo.versions.tokyo",
        "services.x.port",
    }
    lines = [problem.line for problem in problems]
    assert None not in lines
    assert lines == sorted(line for line in lines if line is not None)


def run_main(config: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "main.py"],
        cwd=cwd,
        env={**os.environ, "MESH_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.process
def test_a_wrong_file_exits_with_2_at_once_without_a_traceback_or_output(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("project: {id: X}\n", encoding="utf-8")
    here = tmp_path / "here"
    here.mkdir()
    before = os.times().children_user
    result = run_main(config, here)
    assert os.times().children_user - before < 1  # loading cdktf alone would take longer
    assert result.returncode == 2
    assert result.stdout == ""
    assert "wrong.yaml: 3 errors\n  line 1: project.id = 'X'" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.process
def test_a_missing_file(tmp_path: Path) -> None:
    result = run_main(tmp_path / "none.yaml", tmp_path)
    assert result.returncode == 2
    assert "there is no such file; set MESH_CONFIG to yours, or write one by `mesh init`" in result.stderr


def test_the_operators_address_from_the_environment() -> None:
    text = yaml.safe_dump(VALID)
    environment = parse_environment(text, "test.yaml", {"MESH_OPERATOR_ADDRESS": "198.51.100.7/32"})
    assert str(environment.cluster.operator_address) == "198.51.100.7/32"
    found = problems_of(VALID, {"MESH_OPERATOR_ADDRESS": "203.0.113.7"})
    assert list(found) == ["MESH_OPERATOR_ADDRESS"]  # without a line of the file
    assert found["MESH_OPERATOR_ADDRESS"].endswith("for the one address write 203.0.113.7/32")


def test_a_local_installer_has_to_exist(tmp_path: Path) -> None:
    config = tmp_path / "mesh.yaml"
    config.write_text(yaml.safe_dump(changed("mesh.asmcli", {"file": "tools/asmcli"})), encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no such file"):
        load(config, {})
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "asmcli").write_text("#!/bin/sh\n", encoding="utf-8")
    assert load(config, {}).mesh.asmcli.file == str(tmp_path / "tools" / "asmcli")


@pytest.mark.parametrize("count", [1, 2, 12, 16])
def test_any_number_of_regions(count: int) -> None:
    data = minimal_configuration(**{f"r{number}": number for number in range(count)})
    data["demo"] = {}
    data["cluster"]["maintenance_windows"] = count <= WINDOWS_A_WEEK
    environment = environment_of(yaml.safe_dump(data))
    assert len(environment.resolved_regions()) == count


def test_more_regions_than_maintenance_windows_in_a_week() -> None:
    found = problems_of(minimal_configuration(**{f"r{number}": number for number in range(WINDOWS_A_WEEK + 1)}))
    assert found.keys() == {"regions"}
    assert "leave no maintenance window of 12 hours for r14" in found["regions"]
    assert "cluster.maintenance_windows: false" in found["regions"]


def test_every_derived_name_has_a_limit() -> None:
    """Every derived name is checked for its length."""

    def unchecked(names: ProjectNames | RegionNames, others: set[str]) -> set[str]:
        properties = {name for name, one in vars(type(names)).items() if isinstance(one, property) and name[0] != "_"}
        checked = {limit.name for limit in names.limits()}
        return {name for name in properties if getattr(names, name) not in checked} - others

    assert unchecked(ProjectNames("p"), set()) == set()
    assert unchecked(RegionNames("p", "k"), set()) == set()


@pytest.mark.parametrize(("file", "text"), [(SCHEMA_FILE, schema_text), (REFERENCE_FILE, reference_text)])
def test_generated_files_are_up_to_date(file: Path, text: Callable[[], str]) -> None:
    assert file.read_text(encoding="utf-8") == text(), "run make schema"


@pytest.mark.parametrize("file", [REFERENCE, THREE_REGIONS])
def test_the_schema_accepts_valid_files(file: Path) -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_schema_rejects_an_unknown_key() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert not validator.is_valid(changed("project.colour", "red"))
    assert validator.is_valid(VALID)


def test_editors_find_the_schema() -> None:
    first = REFERENCE.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE.name}"


def test_pods_of_another_pipeline_are_not_counted() -> None:
    """A region has room for 24 pods; how many another pipeline deploys is not known."""
    data = copy.deepcopy(VALID) | {"cluster": {"max_nodes": 1, "max_pods_per_node": 8}}
    own = data | {"services": {f"own-{number}": {"image": "i", "port": 80} for number in range(20)}}
    assert set(problems_of(own)) == {"regions.tokyo", "regions.osaka"}
    others = data | {"services": {f"other-{number}": {"port": 80} for number in range(20)}}
    parse_environment(yaml.safe_dump(others), "test.yaml", {})

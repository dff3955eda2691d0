"""The configuration file: one case for each rule, and how errors are told."""

import copy
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config import ConfigError, load
from config.load import parse_environment
from config.maintenance import WINDOWS_A_WEEK
from config.naming import ProjectNames, RegionNames
from config.reference import REFERENCE_FILE, reference_text
from config.schema import SCHEMA_FILE, schema_text
from tests.synthesis import REFERENCE, ROOT, THREE_REGIONS

Data = dict[str, Any]

GOOD: Data = {
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
    """Return what is wrong with a configuration: rule by path."""
    with pytest.raises(ConfigError) as caught:
        parse_environment(yaml.safe_dump(data), "test.yaml", variables or {})
    return {problem.path: str(problem) for problem in caught.value.problems}


def changed(path: str, value: object) -> Data:
    """Return the good configuration with one value set; no value takes the key away."""
    data = copy.deepcopy(GOOD)
    here: Any = data
    *steps, last = path.split(".")
    for step in steps:
        here = here.setdefault(step, {})
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return data


def test_the_good_one_is_good() -> None:
    environment = parse_environment(yaml.safe_dump(GOOD), "test.yaml", {})
    assert [region.key for region in environment.resolved_regions()] == ["osaka", "tokyo"]


LONG = "a" * 20
TWO_HALVES = [{"name": "a", "cidr": "0.0.0.0/1"}, {"name": "b", "cidr": "128.0.0.0/1"}]
ALL = [{"name": "a", "cidr": "0.0.0.0/0"}]
THREE_PARTS = [{"name": str(n), "cidr": c} for n, c in enumerate(("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"))]
TWICE = [{"name": "a", "cidr": "10.9.0.0/24"}, {"name": "b", "cidr": "10.9.0.0/24"}]
KEY = "projects/acme-keys/locations/asia-northeast1/keyRings/mesh/cryptoKeys/secrets"


def _at(tokyo: str, osaka: str) -> Data:
    places = {"tokyo": ("asia-northeast1", 0, tokyo), "osaka": ("asia-northeast2", 8, osaka)}
    return {
        key: {"region": place, "number": number, "maintenance_start": start}
        for key, (place, number, start) in places.items()
    }


SAME_TIME = _at("saturday 15:00", "sunday 02:00")
SUNDAY_TO_MONDAY = _at("sunday 20:00", "monday 07:00")
DEMO_SERVICE = {"image": "i", "port": 80}
SAME_PATH = {"image": "i", "port": 80, "route": {"path": "/hello"}}

CASES = [
    # where, value, path of the problem, part of the rule
    ("project.id", "My_Project", "project.id", "project id"),
    ("project.id", "short", "project.id", "6 to 30 characters"),
    ("project.id", ..., "project.id", "missing"),
    ("project", ..., "project", "missing"),
    ("project.name_prefix", "9x", "project.name_prefix", "from a letter"),
    ("project.name_prefix", 12, "project.name_prefix", "must be text"),
    ("project.name_prefx", "x", "project.name_prefx", "did you mean 'name_prefix'?"),
    ("project.impersonate_service_account", "me@example.com", "project.impersonate_service_account", "service account"),
    ("colour", "red", "colour", "no such key"),
    ("regions", {}, "regions", "at least one"),
    ("regions", ["tokyo"], "regions", "mapping"),
    ("regions.tokyo.region", "asia-northeast1-a", "regions.tokyo.region", "is a zone"),
    ("regions.tokyo.region", "Tokyo", "regions.tokyo.region", "must be a region"),
    ("regions.tokyo.region", "asia-northeast2", "regions.osaka.region|regions.tokyo.region", "too; each has"),
    ("regions.tokyo.number", 8, "regions.osaka.number|regions.tokyo.number", "is the number of"),
    ("regions.tokyo.number", -1, "regions.tokyo.number", "0 or more"),
    ("regions.tokyo.number", 16, "regions.tokyo.number", "no number 16"),
    ("regions.tokyo.number", "0", "regions.tokyo.number", "whole number"),
    ("regions.tokyo.number", ..., "regions.tokyo", "give it a number"),
    ("regions.tokyo.zones", ["asia-northeast2-a"], "regions.tokyo.zones[0]", "is not in asia-northeast1"),
    ("regions.tokyo.zones", ["asia-northeast1-a"] * 2, "regions.tokyo.zones[1]", "twice"),
    ("regions.tokyo.zones", "asia-northeast1-a", "regions.tokyo.zones", "must be a list"),
    ("regions.Tokyo", {"region": "asia-east1", "number": 3}, "regions.Tokyo", "the key must be"),
    ("regions.tokyo.nodes", "172.16.0.1/16", "regions.tokyo.nodes", "the range is 172.16.0.0/16"),
    ("regions.tokyo.nodes", "172.24.0.0/13", "regions.osaka.nodes|regions.tokyo.nodes", "overlaps"),
    ("regions.tokyo.nodes", "172.16.0.0", "regions.tokyo.nodes", "must be an IPv4 range"),
    ("regions.tokyo.nodes", "172.16.0.0/255.255.0.0", "regions.tokyo.nodes", "must be an IPv4 range"),
    ("regions.tokyo.nodes", 2886729728, "regions.tokyo.nodes", "must be an IPv4 range"),
    ("regions.tokyo.nodes", "300.16.0.0/16", "regions.tokyo.nodes", "must be an IPv4 range"),
    ("regions.tokyo.nodes", "172.16.0.0/29", "regions.tokyo.nodes", "room for 4 nodes"),
    ("regions.tokyo.nodes", "127.0.0.0/16", "regions.tokyo.nodes", "a VPC can't have"),
    ("regions.tokyo.pods", "10.0.0.0/22", "regions.tokyo.pods", "room for 4 nodes"),
    ("regions.tokyo.pods", "10.64.0.0/18", "regions.*", "overlaps"),
    ("regions.tokyo.pods", "10.0.0.0/25", "regions.tokyo.pods", "from /9 to /24"),
    ("regions.tokyo.services", "10.65.0.0/28", "regions.tokyo.services", "from /16 to /27"),
    ("regions.tokyo.services", "10.32.0.0/20", "regions.*", "overlaps"),
    ("regions.tokyo.control_plane", "192.168.0.0/27", "regions.tokyo.control_plane", "must be a /28"),
    ("regions.tokyo.control_plane", "172.24.0.0/28", "regions.*", "overlaps"),
    ("regions.tokyo.retired", True, "ingress.config_cluster", "is retired"),
    ("regions.tokyo.retired", 1, "regions.tokyo.retired", "true or false"),
    (
        "regions.tokyo.cluster",
        {"machine_typ": "x"},
        "regions.tokyo.cluster.machine_typ",
        "did you mean 'machine_type'?",
    ),
    ("regions.tokyo.cluster", {"max_nodes": 0}, "regions.tokyo.cluster.max_nodes", "1 or more"),
    ("regions.tokyo.cluster", {"min_nodes": 4}, "regions.tokyo.cluster.min_nodes", "more than max_nodes, 3"),
    ("cluster.machine_type", "e2-medium", "cluster.machine_type", "requires 4 a node"),
    ("cluster.machine_type", "n2-custom-2-8192", "cluster.machine_type", "has 2 vCPUs"),
    ("cluster.machine_type", "big", "cluster.machine_type", "a machine type such as"),
    ("cluster.min_nodes", 4, "cluster.min_nodes", "more than max_nodes, 3"),
    ("cluster.max_nodes", "3", "cluster.max_nodes", "whole number"),
    ("cluster.release_channel", "stabel", "cluster.release_channel", "did you mean 'stable'?"),
    ("cluster.endpoint", "open", "cluster.endpoint", "one of public, private, dns"),
    ("cluster.authorized_networks", ALL, "cluster.authorized_networks[0].cidr", "is everybody"),
    ("cluster.authorized_networks", TWO_HALVES, "cluster.authorized_networks[0].cidr", "half of the internet"),
    ("cluster.authorized_networks", THREE_PARTS, "cluster.authorized_networks[0].cidr", "half of the internet"),
    (
        "cluster",
        {"endpoint": "public", "authorized_networks": []},
        "cluster.authorized_networks",
        "nobody could deploy",
    ),
    ("cluster.authorized_networks", TWICE, "cluster.authorized_networks[1].cidr", "already"),
    ("cluster.operator_address", "203.0.113.7", "cluster.operator_address", "must be an IPv4 range"),
    ("cluster.logs", ["audit"], "cluster.logs[0]", "one of workloads, api_server, scheduler, controller_manager"),
    ("cluster.logs", ["workloads"] * 2, "cluster.logs[1]", "stands there twice"),
    ("cluster.logs", "workloads", "cluster.logs", "must be a list"),
    ("cluster.dataplane", "v1", "cluster.dataplane", "one of v2, legacy"),
    ("cluster.binary_authorization", "enforce", "cluster.binary_authorization", "true or false"),
    ("cluster.maintenance_start", "saturday", "cluster.maintenance_start", "a day and a full hour"),
    ("cluster.maintenance_start", "saturday 24:00", "cluster.maintenance_start", "a day and a full hour"),
    ("regions.tokyo.maintenance_start", "saturday 15:30", "regions.tokyo.maintenance_start", "a day and a full hour"),
    ("regions", SAME_TIME, "regions.tokyo.maintenance_start", "at the same time as osaka's (sunday 02:00 UTC"),
    ("regions", SUNDAY_TO_MONDAY, "regions.tokyo.maintenance_start", "at the same time as osaka's"),
    ("regions.tokyo.secrets_key", KEY, "regions.osaka.secrets_key", "is missing, and tokyo has one"),
    (
        "regions.osaka.secrets_key",
        KEY,
        "regions.osaka.secrets_key",
        "is in asia-northeast1, and the cluster in asia-northeast2",
    ),
    ("regions.tokyo.secrets_key", f"{KEY}/cryptoKeyVersions/1", "regions.tokyo.secrets_key", "without a version"),
    ("regions.tokyo.secrets_key", "k", "regions.tokyo.secrets_key", "a key of Cloud KMS"),
    ("network.pod_protocols", ["udp"], "network.pod_protocols", "has no tcp"),
    ("network.pod_protocols", ["tcp", "tcp"], "network.pod_protocols[1]", "stands there twice"),
    ("network.pod_protocols", ["all"], "network.pod_protocols[0]", "one of tcp, udp, icmp, esp, ah, sctp"),
    ("cluster.max_pods_per_node", 1, "cluster.max_pods_per_node", "8 or more"),
    (
        "network.address_plan",
        {"nodes": {"pool": "10.0.0.0/16", "block": 12}},
        "network.address_plan.nodes.block",
        "larger",
    ),
    (
        "network.address_plan",
        {"nodes": {"pool": "172.16.0.0/12", "block": 16, "size": 14}},
        "network.address_plan.nodes.size",
        "larger than its block",
    ),
    ("mesh.channel", "fast", "mesh.channel", "no such key"),
    ("mesh.control_plane", "istiod", "mesh.control_plane", "one of asmcli-in-cluster, asmcli-managed, fleet"),
    ("mesh.asmcli", {"sha256": "abc"}, "mesh.asmcli.sha256", "64 hexadecimal digits"),
    ("mesh.asmcli", {"version": "latest"}, "mesh.asmcli.version", "an asmcli version"),
    ("ingress.config_cluster", "tokio", "ingress.config_cluster", "did you mean 'tokyo'?"),
    ("ingress", ..., "ingress", "missing"),
    ("ingress.min_replicas", 9, "ingress.min_replicas", "more than max_replicas, 5"),
    ("ingress.min_replicas", 1, "ingress.min_replicas", "ingress.single_replica: true"),
    ("ingress.plain_http", False, "ingress", "ingress.plain_http: true"),
    ("ingress.plain_http", ..., "ingress", "name yours in ingress.domains"),
    ("ingress.domains", ["*.example.com"], "ingress.domains[0]", "without a star"),
    ("ingress.domains", ["example"], "ingress.domains[0]", "a domain such as"),
    ("ingress.domains", "shop.example.com", "ingress.domains", "must be a list"),
    ("ingress.domains", ["a.example", "b.example", "a.example"], "ingress.domains[2]", "stands there twice"),
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
    ("demo", None, "demo", "is empty"),
    ("regions.osaka", None, "regions.osaka", "is empty"),
    ("project.id", None, "project.id", "is empty"),
    ("demo.versions.tokio", "v3", "demo.versions.tokio", "did you mean 'tokyo'?"),
    ("demo.versions.tokyo", 1, "demo.versions.tokyo", "must be text"),
    ("services", {"helloworld": DEMO_SERVICE}, "services.helloworld", "part of the demo"),
    ("services", {"a": SAME_PATH}, "services.a.route.path", "overlaps exact /hello of helloworld"),
    ("services", {"a": SAME_PATH | {"route": {"path": "/h", "match": "prefix"}}}, "services.a.route.path", "overlaps"),
    ("services", {"a": SAME_PATH | {"route": {"path": "/", "match": "prefix"}}}, "services.a.route.path", "overlaps"),
    ("services", {"a": DEMO_SERVICE | {"port": 0}}, "services.a.port", "1 or more"),
    ("services", {"a": DEMO_SERVICE | {"namespace": "istio-system"}}, "services.a.namespace", "choose another"),
    ("services", {"a": DEMO_SERVICE | {"regions": {"osakka": {}}}}, "services.a.regions.osakka", "mean 'osaka'?"),
    ("services", {"a": {"port": 80}}, "services.a.image", "missing"),
    ("services", {"a": DEMO_SERVICE | {"env": {"9 X": "z"}}}, "services.a.env.9 X", "environment variable's name"),
    ("backend", {"type": "cloud"}, "backend.organization", "missing"),
    ("backend", {"type": "s3"}, "backend.type", "one of local, cloud"),
    ("backend", "cloud", "backend", "must be a mapping"),
    ("backend", {"type": "local", "organization": "x"}, "backend.organization", "does not go with"),
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
def test_what_an_entry_may_be(ingress: dict[str, object]) -> None:
    """A domain, or the word for going without; where there is no entry, neither."""
    data = changed("ingress", {"config_cluster": "tokyo", **ingress})
    parse_environment(yaml.safe_dump(data), "test.yaml", {})


def test_a_certificate_is_named_after_its_domain() -> None:
    names = ProjectNames("matt")
    long = f"{'x' * 50}.example.com"
    found = [names.certificate(domain) for domain in ("shop.example.com", "shop-example.com", long, f"y{long[1:]}")]
    assert len(set(found)) == len(found)
    assert found[0].startswith("matt-shop-example-com-")
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found), found


def test_the_length_of_derived_names() -> None:
    data = changed(f"regions.{LONG}", {"region": "asia-east1", "number": 3})
    assert parse_environment(yaml.safe_dump(data), "test.yaml", {}).regions[LONG].number == 3
    data["project"]["name_prefix"] = "matts"
    found = problems_of(data)
    assert found.keys() == {f"regions.{LONG}"}
    assert f"the service account would be called 'matts-{LONG}-node', 31 characters of 30" in found[f"regions.{LONG}"]


TRAPS = [
    ("project: {id: test-project}\nproject: {id: other-project}\n", "project", "a second time"),
    ("regions: {no: {region: europe-north1}}\n", "regions.(key)", "boolean to some YAML readers"),
    ("regions: {a: {number: 012}}\n", "regions.a.number", "octal"),
    ("regions: {a: {number: 0o12}}\n", "regions.a.number", "octal"),
    ("demo: {versions: {tokyo: 17:00}}\n", "demo.versions.tokyo", "sexagesimal"),
    ("demo: {versions: {tokyo: 1.10}}\n", "demo.versions.tokyo", "must be text"),
    ("demo: {versions: {tokyo: 2026-11-24}}\n", "demo.versions.tokyo", "date"),
    ("demo: {enabled: yes}\n", "demo.enabled", "boolean to some YAML readers"),
    ("demo: {enabled: off}\n", "demo.enabled", "boolean to some YAML readers"),
    ("regions: {1: {region: asia-east1}}\n", "regions.1", "a key must be text"),
    ("project: {id: {{ id }}}\n", "project.id", "a key must be text"),
    ("regions: {a: {number: 0x10}}\n", "regions.a.number", "odd-number"),
    ("regions: {a: {number: 1_0}}\n", "regions.a.number", "odd-number"),
    ("regions: {a: &a {number: 1}, b: *a}\n", "regions.b", "anchors and aliases"),
    ("regions: {a: {<<: {number: 1}}}\n", "regions.a", "merge keys"),
    ("project: !!python/object:os.system {}\n", "project", "tags are not read"),
]


@pytest.mark.parametrize(("text", "path", "rule"), TRAPS, ids=[one[0].strip() for one in TRAPS])
def test_a_trap_of_yaml(text: str, path: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_environment(text, "test.yaml", {})
    found = {problem.path: str(problem) for problem in caught.value.problems}
    assert rule in found[path]
    assert found[path].startswith("line ")


@pytest.mark.parametrize("text", ["", "[]", "just text", "a: [", "\t- x", "a: b: c", "--- {}\n--- {}\n", "# nothing"])
def test_what_is_no_configuration_at_all(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_environment(text, "test.yaml", {})
    assert len(caught.value.problems) >= 1


def test_everything_is_told_at_once_and_in_order() -> None:
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


def test_a_wrong_file_ends_with_2_at_once_without_a_traceback_and_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("project: {id: X}\n", encoding="utf-8")
    here = tmp_path / "here"
    here.mkdir()
    started = time.monotonic()
    result = run_main(config, here)
    assert time.monotonic() - started < 5  # 0.4 s here; loading cdktf alone would take longer
    assert result.returncode == 2
    assert result.stdout == ""
    assert "wrong.yaml: 3 errors\n  line 1: project.id = 'X'" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(here.iterdir()) == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run_main(tmp_path / "none.yaml", tmp_path)
    assert result.returncode == 2
    assert "there is no such file; MESH_CONFIG names another one" in result.stderr


def test_the_operators_address_from_the_environment() -> None:
    text = yaml.safe_dump(GOOD)
    environment = parse_environment(text, "test.yaml", {"MESH_OPERATOR_ADDRESS": "198.51.100.7/32"})
    assert str(environment.cluster.operator_address) == "198.51.100.7/32"
    found = problems_of(GOOD, {"MESH_OPERATOR_ADDRESS": "203.0.113.7"})
    assert list(found) == ["MESH_OPERATOR_ADDRESS"]  # and no line of the file
    assert found["MESH_OPERATOR_ADDRESS"].endswith("for the one address write 203.0.113.7/32")


def test_a_local_installer_has_to_be_there(tmp_path: Path) -> None:
    config = tmp_path / "mesh.yaml"
    config.write_text(yaml.safe_dump(changed("mesh.asmcli", {"file": "tools/asmcli"})), encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no such file"):
        load(config, {})
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "asmcli").write_text("#!/bin/sh\n", encoding="utf-8")
    assert load(config, {}).mesh.asmcli.file == str(tmp_path / "tools" / "asmcli")


@pytest.mark.parametrize("count", [1, 2, 12, 16])
def test_any_number_of_regions(count: int) -> None:
    regions = {f"r{n}": {"region": f"x-y{n}", "number": n} for n in range(count)}
    data = changed("regions", regions)
    data["ingress"]["config_cluster"] = "r0"
    data["demo"] = {}
    data["cluster"]["maintenance_windows"] = count <= WINDOWS_A_WEEK
    environment = parse_environment(yaml.safe_dump(data), "test.yaml", {})
    assert len(environment.resolved_regions()) == count


def test_more_regions_than_a_week_has_windows() -> None:
    regions = {f"r{n}": {"region": f"x-y{n}", "number": n} for n in range(WINDOWS_A_WEEK + 1)}
    data = changed("regions", regions)
    data["ingress"]["config_cluster"] = "r0"
    data["demo"] = {}
    found = problems_of(data)
    assert found.keys() == {"regions"}
    assert "leave no 12 hours of the week for r14" in found["regions"]
    assert "cluster.maintenance_windows: false" in found["regions"]


def test_every_derived_name_has_a_limit() -> None:
    """A new name that nobody checks the length of is found here."""

    def unchecked(names: ProjectNames | RegionNames, others: set[str]) -> set[str]:
        properties = {name for name, one in vars(type(names)).items() if isinstance(one, property) and name[0] != "_"}
        checked = {limit.name for limit in names.limits()}
        return {name for name in properties if getattr(names, name) not in checked} - others

    assert unchecked(ProjectNames("p"), set()) == set()
    assert unchecked(RegionNames("p", "k"), set()) == set()


@pytest.mark.parametrize(("file", "text"), [(SCHEMA_FILE, schema_text), (REFERENCE_FILE, reference_text)])
def test_what_is_made_from_the_model_is_up_to_date(file: Path, text: Callable[[], str]) -> None:
    assert file.read_text(encoding="utf-8") == text(), "run make schema"


@pytest.mark.parametrize("file", [REFERENCE, THREE_REGIONS])
def test_the_schema_takes_what_we_take(file: Path) -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_schema_refuses_an_unknown_key() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert not validator.is_valid(changed("project.colour", "red"))
    assert validator.is_valid(GOOD)


def test_editors_find_the_schema() -> None:
    first = REFERENCE.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE.name}"

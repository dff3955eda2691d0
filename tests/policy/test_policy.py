"""The policy: the hardened example passes every rule, and each mutation of it fails one."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.control_plane import MODES
from config.environment import Environment
from config.paths import ROOT
from policy import docs, mutation, overrides, skips
from policy.__main__ import report_checkov, report_mutations, report_rules
from policy.checkov.input_files import MANIFESTS, ORIGINAL, TERRAFORM, write_input
from policy.checkov.report import PYTHON, CheckovScan, CheckRecord, scan
from policy.docs import MutationRow
from policy.environment import SynthesizedEnvironment
from policy.mutation import IneffectiveMutationError, Mutation
from policy.rule import RULES, PolicyResult, evaluate, load
from policy.skips import Skip
from tests.synthesized import environment_of, load_without_variables, synthesize

HARDENED = ROOT / "examples" / "hardened.yaml"
MUTATIONS = mutation.read()

load()


def synthesized(environment: Environment, folder: Path) -> SynthesizedEnvironment:
    return SynthesizedEnvironment(synthesize(environment, folder).stacks)


@pytest.fixture(scope="session")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> SynthesizedEnvironment:
    return synthesized(load_without_variables(HARDENED), tmp_path_factory.mktemp("hardened"))


def failures(environment: SynthesizedEnvironment) -> set[str]:
    return {rule.id for rule, _ in evaluate(environment, RULES.values()).failed}


def test_the_hardened_example_passes_every_rule(hardened: SynthesizedEnvironment) -> None:
    result = evaluate(hardened, RULES.values())
    assert [f"{rule.id} at {entity}" for rule, entity in result.failed] == []
    assert result.unmatched == [], "these rules applied to nothing"
    assert len(result.passed) > 500


OWN_SERVICES = {
    "shop": {"image": "registry.example/shop:1.2", "port": 8080, "replicas": 3, "routes": [{"path": "/shop"}]},
    "cart": {"image": "registry.example/cart:1.2", "port": 80, "namespace": "apps"},
}


def hardened_with_services(mode: str) -> Environment:
    """Return the hardened example with services of a user's own, in another mode."""
    data = yaml.safe_load(HARDENED.read_text(encoding="utf-8"))
    asmcli = {"asmcli": {"version": "1.31.3-asm.9+config1", "sha256": "a" * 64}} if mode != "fleet" else {}
    data["mesh"] = {**data.get("mesh", {}), "control_plane": mode, **asmcli}
    data["services"] = OWN_SERVICES
    return environment_of(yaml.safe_dump(data))


@pytest.mark.parametrize("mode", MODES)
def test_a_hardened_environment_with_services_passes_in_every_mode(mode: str, tmp_path: Path) -> None:
    assert failures(synthesized(hardened_with_services(mode), tmp_path)) == set()


@pytest.mark.slow
def test_checkov_passes_in_every_mode(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("checkov is not installed: run `make policy`")
    environments: dict[str, SynthesizedEnvironment] = {}
    for mode in MODES:
        (tmp_path / mode).mkdir()
        environments[mode] = synthesized(hardened_with_services(mode), tmp_path / mode)
    for name, found in scan(environments, tmp_path / "scan").items():
        assert [f"{name}: {one.check} at {one.where}" for one in found.unskipped(skips.read())] == []
        assert len(found.passed) > 500


def test_no_skip_is_bound_to_a_services_name() -> None:
    """Exceptions are for what a resource is, so that services of any name have them."""
    names = (*OWN_SERVICES, "helloworld")
    assert not [skip.where for skip in skips.read() if any(name in skip.where for name in names)]
    where = "manifests/tokyo/ingress-regions_tokyo_service-{}_deployment_1A2B3C4D.yaml Deployment.apps.{}-v1"
    covering = [
        {skip.check for skip in skips.read() if fnmatchcase(where.format(one, one), skip.where)} for one in names
    ]
    assert covering[0]
    assert all(one == covering[0] for one in covering)


@pytest.mark.parametrize("one", MUTATIONS, ids=lambda one: one.name)
def test_rules_find_a_mutation_at_every_match(hardened: SynthesizedEnvironment, one: Mutation) -> None:
    found = [failures(mutated) for mutated in one.applied(hardened)]
    assert found
    assert all(set(one.found_by) <= rules for rules in found)


def test_every_rule_finds_a_mutation() -> None:
    """Otherwise nothing proves that the rule can fail."""
    assert {rule for one in MUTATIONS for rule in one.found_by} == RULES.keys()


def test_all_listed_mutations_exist() -> None:
    names = [one.name for one in MUTATIONS]
    assert sum(one.listed for one in MUTATIONS) == 24
    assert len(set(names)) == len(names) >= 36


def test_a_mutation_changes_one_stack_only(hardened: SynthesizedEnvironment) -> None:
    before = json.dumps(hardened.stacks)
    for one in MUTATIONS:
        for mutated in one.applied(hardened):
            changed = [name for name, stack in hardened.stacks.items() if mutated.stacks[name] != stack]
            assert changed == [one.stack]
    assert json.dumps(hardened.stacks) == before


@pytest.mark.parametrize(
    ("at", "within", "message"),
    [
        ("/resource/google_container_cluster/*/no/such", "", "nothing at"),
        ("/spec", "Deployment/no-such", "nothing at"),
        ("/resource/google_container_cluster/*/deletion_protection", "", "already the value"),
    ],
)
def test_a_mutation_without_an_effect_is_an_error(
    hardened: SynthesizedEnvironment, at: str, within: str, message: str
) -> None:
    stack = "ingress" if within else "clusters"
    one = Mutation("nothing", (), stack, within, at, "set", True, False)
    with pytest.raises(IneffectiveMutationError, match=message):
        list(one.applied(hardened))


def test_missing_keys_fail_rules(hardened: SynthesizedEnvironment) -> None:
    """An empty cluster fails every rule for a key that it must have."""
    stacks: dict[str, Any] = copy.deepcopy(dict(hardened.stacks))
    clusters = stacks["clusters"]["resource"]["google_container_cluster"]
    clusters.update({name: {} for name in clusters})
    failed = failures(SynthesizedEnvironment(stacks))
    assert {"MESH_PRIVATE_ENDPOINT", "MESH_WORKLOAD_IDENTITY", "MESH_CLUSTER_LOGS", "MESH_NODE_ACCOUNT"} <= failed


def test_an_empty_environment_passes_nothing() -> None:
    result = evaluate(SynthesizedEnvironment({}), RULES.values())
    assert result.passed == ()
    assert result.unmatched == sorted(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_documents_its_reason(name: str) -> None:
    rule = RULES[name]
    text = (rule.condition.__doc__ or "").strip()
    assert rule.title
    assert rule.source.startswith("https://") or len(text.splitlines()) > 2
    assert f"def {name.removeprefix('MESH_').lower()}(" in (ROOT / rule.file).read_text(encoding="utf-8")


def test_rules_need_no_cdktf() -> None:
    """The Python environment of checkov does not have it."""
    code = "import sys; from policy.rule import load; load(); print([n for n in sys.modules if n in ('cdktf', 'jsii')])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_checkov_gets_the_whole_environment(hardened: SynthesizedEnvironment, tmp_path: Path) -> None:
    write_input(hardened, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / ORIGINAL).read_text(encoding="utf-8")) == hardened.stacks
    count = 0
    for name, content in hardened.stacks.items():
        text = (tmp_path / "copy" / TERRAFORM / name / "cdk.tf.json").read_text(encoding="utf-8")
        written = json.loads(text)
        assert "required_version" not in written["terraform"]  # otherwise checkov reads nothing of the file
        assert written["resource"].items() >= content.get("resource", {}).items()
        assert len(written["resource"].get("mesh_output", {})) == len(content.get("output", {}))
        count += len(content["resource"].get("kubernetes_manifest", {}))
    assert len(list((tmp_path / "copy" / MANIFESTS).glob("*/*.yaml"))) == count > 0


def test_every_skip_has_a_reason() -> None:
    known = skips.read()
    assert all(len(skip.reason.split()) > 5 for skip in known)
    assert len({(skip.check, skip.where) for skip in known}) == len(known)


def test_the_documented_rules_are_up_to_date() -> None:
    assert docs.rules_text(RULES.values()) in docs.FILE.read_text(encoding="utf-8"), "run `make policy DOCS=1`"


def test_the_documented_mutations_are_up_to_date() -> None:
    text = docs.FILE.read_text(encoding="utf-8")
    table = text.partition("<!-- mutations -->")[2].partition("<!-- end of mutations -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    names = [row.split(" | ")[0].removeprefix("| ").strip("*") for row in rows]
    assert names == [one.name for one in MUTATIONS], "run `make policy DOCS=1`"
    assert not any("missed" in row for row in rows)
    caught = [row for row in rows if not row.endswith("| - |")]
    listed = sum(row.startswith("| **") for row in caught)
    assert f"find {listed} of these, and {len(caught) - listed} of the {len(rows) - 24} others" in text
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    detected = f"detects all of {len(rows)} insecure changes to the JSON; checkov's own checks detect {len(caught)}."
    assert detected in readme


OVERRIDES = [
    ("project.impersonate_service_account", None, "MESH_DEPLOYER"),
    ("cluster.endpoint", "public", "MESH_PRIVATE_ENDPOINT"),
    ("cluster.authorized_networks", [{"name": "many", "cidr": "10.0.0.0/8"}], "MESH_AUTHORIZED_NETWORKS_NARROW"),
    ("cluster.dataplane", "legacy", "MESH_DATAPLANE_V2"),
    ("cluster.intranode_visibility", False, "MESH_INTRANODE_VISIBILITY"),
    ("cluster.secure_boot", False, "MESH_SHIELDED_NODES"),
    ("cluster.binary_authorization", False, "MESH_BINARY_AUTHORIZATION"),
    ("cluster.logs", [], "MESH_CLUSTER_LOGS"),
    ("cluster.managed_prometheus", False, "MESH_CLUSTER_METRICS"),
    ("cluster.maintenance_windows", False, "MESH_MAINTENANCE_WINDOW"),
    ("cluster.deletion_protection", False, "MESH_DELETION_PROTECTION"),
    ("cluster.release_channel", "rapid", "MESH_RELEASE_CHANNEL"),
    ("regions.*.secrets_key", None, "MESH_SECRETS_ENCRYPTED"),
    ("network.pod_protocols", ["tcp", "udp"], "MESH_FIREWALL_PROTOCOLS"),
    ("network.flow_logs", False, "MESH_FLOW_LOGS"),
    ("network.firewall_logs", False, "MESH_FIREWALL_LOGS"),
    ("network.nat_log_filter", "ERRORS_ONLY", "MESH_NAT_LOGS"),
    ("mesh.mtls", "permissive", "MESH_STRICT_MTLS"),
    ("mesh.default_deny", False, "MESH_DEFAULT_DENY"),
    ("ingress.plain_http", True, "MESH_HTTPS_ONLY"),
    ("ingress.security_policy", None, "MESH_CLOUD_ARMOR"),
    ("ingress.single_replica", True, "MESH_GATEWAY_COUNT"),
    ("services.shop.root", True, "MESH_NOT_ROOT"),
    ("services.shop.writable_root", True, "MESH_READ_ONLY_ROOT"),
]
"""Keys of the configuration with a less secure value, and the rule that fails then."""

REQUIRED_WITH: dict[str, dict[str, dict[str, object]]] = {
    "cluster.endpoint": {"cluster": {"authorized_networks": [{"name": "office", "cidr": "203.0.113.0/24"}]}},
    "ingress.single_replica": {"ingress": {"min_replicas": 1}},
}
"""What the configuration requires with an override."""


def hardened_with_shop() -> dict[str, Any]:
    """Return the data of the hardened example with a service of the user."""
    data: dict[str, Any] = yaml.safe_load(HARDENED.read_text(encoding="utf-8"))
    shop = {"image": "docker.io/acme/shop:1", "port": 8080, "user": 1000, "regions": {"london": {}}}
    return data | {"services": {"shop": shop}}


@pytest.mark.parametrize(("key", "value", "rule"), OVERRIDES, ids=str)
def test_a_less_secure_override_fails_a_rule(tmp_path: Path, key: str, value: object, rule: str) -> None:
    data = hardened_with_shop()
    for section, more in REQUIRED_WITH.get(key, {}).items():
        data[section].update(more)
    if key == "services.shop.root":
        del data["services"]["shop"]["user"]  # it is not root
    *steps, last = key.split(".")
    nodes = [data]
    for step in steps:
        nodes = [one for node in nodes for one in (node.values() if step == "*" else [node.setdefault(step, {})])]
    for node in nodes:
        node.pop(last, None)
        if value is not None:
            node[last] = value
    configuration = environment_of(yaml.safe_dump(data))
    result = evaluate(synthesized(configuration, tmp_path), RULES.values())
    assert rule in {one.id for one, _ in result.failed}
    failed, chosen = overrides.split(result, configuration)
    assert failed == []
    assert chosen[rule].split(".")[-1] == last


def test_a_service_of_the_user_passes_every_rule(tmp_path: Path) -> None:
    """Otherwise the test of overrides would find nothing but the service itself."""
    assert failures(synthesized(environment_of(yaml.safe_dump(hardened_with_shop())), tmp_path)) == set()


def test_every_documented_override_is_tested() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.partition("\n## Overrides\n")[2].partition("\n## ")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")][2:]
    pattern = re.compile(r"`((?:project|cluster|network|regions)\.[\w.*]+)")
    keys = {key for cell in first_cells for key in pattern.findall(cell)}
    assert len(keys) > 10
    assert keys <= {key for key, _, _ in OVERRIDES}


@pytest.mark.parametrize(
    "file", ["mesh.yaml", *(f"examples/{path.name}" for path in sorted(HARDENED.parent.glob("*.yaml")))]
)
def test_every_example_passes(tmp_path: Path, file: str) -> None:
    configuration = load_without_variables(ROOT / file)
    result = evaluate(synthesized(configuration, tmp_path), RULES.values())
    failed, chosen = overrides.split(result, configuration)
    assert failed == []
    assert result.passed
    assert bool(chosen) != (file == "examples/hardened.yaml")


def test_a_weakness_without_its_key_fails(hardened: SynthesizedEnvironment) -> None:
    """The mutations change the JSON; the hardened example chooses nothing."""
    configuration = load_without_variables(HARDENED)
    changed = next(one for one in MUTATIONS if "MESH_PRIVATE_ENDPOINT" in one.found_by).applied(hardened)
    failed, chosen = overrides.split(evaluate(list(changed)[-1], RULES.values()), configuration)
    assert "MESH_PRIVATE_ENDPOINT" in {rule.id for rule, _ in failed}
    assert chosen == {}


SCAN = CheckovScan(
    passed=[CheckRecord("CKV_1", "good", "here")],
    failed=[CheckRecord("CKV_2", "bad", "terraform/mesh/cdk.tf.json resource.agent")],
    rules_passed=0,
    rules_failed=0,
    unreadable=[],
)
NO_RESULT = PolicyResult((), ())


def test_a_skip_covers_only_the_failures_that_it_matches() -> None:
    assert SCAN.unskipped([]) == SCAN.failed
    assert SCAN.unskipped([Skip("CKV_2", "terraform/mesh/* resource.ag*", "why")]) == []
    assert SCAN.unskipped([Skip("CKV_2", "terraform/network/*", "why")]) == SCAN.failed
    assert SCAN.unskipped([Skip("CKV_1", "*", "why")]) == SCAN.failed


@pytest.mark.parametrize(
    ("change", "count", "message"),
    [
        ({"failed": []}, 0, "1 passed, 0 failed"),
        ({}, 1, 'violates "bad"'),
        ({"failed": [], "passed": []}, 1, "0 passed"),
        ({"failed": [], "unreadable": ["cdk.tf.json"]}, 1, "can't read cdk.tf.json"),
        ({"failed": [], "rules_passed": 1}, 1, "checkov: (1, 0) rules of this project"),
    ],
)
def test_results_of_checkov_count_as_failures(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    count: int,
    message: str,
) -> None:
    monkeypatch.setattr(skips, "read", lambda: [])
    assert report_checkov(replace(SCAN, **change), NO_RESULT, all_skips_used=True) == count
    assert message in capsys.readouterr().out


def test_a_skip_that_covers_nothing_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skips, "read", lambda: [Skip("CKV_2", "*", "why"), Skip("CKV_3", "*", "why")])
    assert report_checkov(SCAN, NO_RESULT, all_skips_used=True) == 1
    assert "CKV_3  unused skip at *" in capsys.readouterr().out


def test_a_mutation_that_our_rules_miss_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    one = MUTATIONS[0]
    assert report_mutations([MutationRow(one, one.found_by, ())]) == 0
    assert report_mutations([MutationRow(one, (), ("CKV_1",))]) == 1
    assert "MISSED" in capsys.readouterr().out


def test_rules_that_apply_to_nothing_are_failures(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_rules(NO_RESULT, load_without_variables(HARDENED), all_rules_apply=True) == len(RULES) + 1
    assert "MESH_STRICT_MTLS  applies to no resource of this environment" in capsys.readouterr().out

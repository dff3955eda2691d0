"""The policy: nothing to say of the hardened example, and something of each weakening of it."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.paths import ROOT
from policy import docs, skips, weakening
from policy.__main__ import report_checkov, report_ours, report_weakenings
from policy.checkov.prepared import MANIFESTS, ORIGINAL, TERRAFORM, prepare
from policy.checkov.report import Record, Scan
from policy.docs import Row
from policy.environment import Environment
from policy.rule import RULES, Verdict, judge, load
from policy.skips import Skip
from policy.weakening import Weakening, WeakensNothingError
from tests.synthesized import environment_of, load_without_variables, synthesize

HARDENED = ROOT / "examples" / "hardened.yaml"
WEAKENINGS = weakening.read()

load()


@pytest.fixture(scope="session")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(synthesize(load_without_variables(HARDENED), tmp_path_factory.mktemp("hardened")).stacks)


def failures(environment: Environment) -> set[str]:
    return {rule.id for rule, _ in judge(environment, RULES.values()).failed}


def test_every_rule_holds_of_the_hardened_example(hardened: Environment) -> None:
    verdict = judge(hardened, RULES.values())
    assert [f"{rule.id} at {place}" for rule, place in verdict.failed] == []
    assert verdict.silent == [], "these found nothing that they are about"
    assert len(verdict.passed) > 500


@pytest.mark.parametrize("one", WEAKENINGS, ids=lambda one: one.name)
def test_a_weakening_is_found_wherever_it_is_made(hardened: Environment, one: Weakening) -> None:
    places = 0
    for weakened in one.applied(hardened):
        assert set(one.found_by) <= failures(weakened)
        places += 1
    assert places > 0


def test_every_rule_finds_a_weakening() -> None:
    """A rule that no weakening fails is not known to be able to fail."""
    assert {rule for one in WEAKENINGS for rule in one.found_by} == RULES.keys()


def test_the_listed_weakenings_are_all_there() -> None:
    names = [one.name for one in WEAKENINGS]
    assert sum(one.listed for one in WEAKENINGS) == 24
    assert len(set(names)) == len(names) >= 36


def test_a_weakening_changes_one_stack_only(hardened: Environment) -> None:
    before = json.dumps(hardened.stacks)
    for one in WEAKENINGS:
        for weakened in one.applied(hardened):
            changed = [name for name, stack in hardened.stacks.items() if weakened.stacks[name] != stack]
            assert changed == [one.stack]
    assert json.dumps(hardened.stacks) == before


@pytest.mark.parametrize(
    ("at", "within", "says"),
    [
        ("/resource/google_container_cluster/*/no/such", "", "nothing at"),
        ("/spec", "Deployment/no-such", "nothing at"),
        ("/resource/google_container_cluster/*/deletion_protection", "", "it is so already"),
    ],
)
def test_a_weakening_that_weakens_nothing_is_no_weakening(
    hardened: Environment, at: str, within: str, says: str
) -> None:
    stack = "ingress" if within else "clusters"
    one = Weakening("nothing", (), stack, within, at, "set", True, False)
    with pytest.raises(WeakensNothingError, match=says):
        list(one.applied(hardened))


def test_what_is_missing_does_not_hold(hardened: Environment) -> None:
    """Every cluster without anything in it fails every rule about what it has to have."""
    stacks: dict[str, Any] = copy.deepcopy(dict(hardened.stacks))
    clusters = stacks["clusters"]["resource"]["google_container_cluster"]
    clusters.update({name: {} for name in clusters})
    failed = failures(Environment(stacks))
    assert {"MESH_PRIVATE_ENDPOINT", "MESH_WORKLOAD_IDENTITY", "MESH_CLUSTER_LOGS", "MESH_NODE_ACCOUNT"} <= failed


def test_an_environment_with_nothing_in_it_passes_nothing() -> None:
    verdict = judge(Environment({}), RULES.values())
    assert verdict.passed == ()
    assert verdict.silent == sorted(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_says_why(name: str) -> None:
    rule = RULES[name]
    text = (rule.holds.__doc__ or "").strip()
    assert rule.title
    assert rule.source.startswith("https://") or len(text.splitlines()) > 2
    assert f"def {name.removeprefix('MESH_').lower()}(" in (ROOT / rule.file).read_text(encoding="utf-8")


def test_rules_need_no_cdktf() -> None:
    """checkov runs them with a Python that has none."""
    code = "import sys; from policy.rule import load; load(); print([n for n in sys.modules if n in ('cdktf', 'jsii')])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_checkov_gets_everything(hardened: Environment, tmp_path: Path) -> None:
    prepare(hardened, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / ORIGINAL).read_text(encoding="utf-8")) == hardened.stacks
    count = 0
    for name, content in hardened.stacks.items():
        text = (tmp_path / "copy" / TERRAFORM / name / "cdk.tf.json").read_text(encoding="utf-8")
        prepared = json.loads(text)
        assert "required_version" not in prepared["terraform"]  # checkov reads nothing of the file, else
        assert prepared["resource"].items() >= content.get("resource", {}).items()
        assert len(prepared["resource"].get("mesh_output", {})) == len(content.get("output", {}))
        count += len(content["resource"].get("kubernetes_manifest", {}))
    assert len(list((tmp_path / "copy" / MANIFESTS).glob("*/*.yaml"))) == count > 0


def test_every_skip_has_a_reason() -> None:
    known = skips.read()
    assert all(len(skip.reason.split()) > 5 for skip in known)
    assert len({(skip.check, skip.where) for skip in known}) == len(known)


def test_the_documented_rules_are_those_that_there_are() -> None:
    assert docs.rules_text(RULES.values()) in docs.FILE.read_text(encoding="utf-8"), "run `make policy DOCS=1`"


def test_the_documented_weakenings_are_those_that_there_are() -> None:
    text = docs.FILE.read_text(encoding="utf-8")
    table = text.partition("<!-- weakenings -->")[2].partition("<!-- end of weakenings -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    names = [row.split(" | ")[0].removeprefix("| ").strip("*") for row in rows]
    assert names == [one.name for one in WEAKENINGS], "run `make policy DOCS=1`"
    assert not any("missed" in row for row in rows)
    caught = [row for row in rows if not row.endswith("| - |")]
    listed = sum(row.startswith("| **") for row in caught)
    says = f"caught {listed} of them, and {len(caught) - listed} of the {len(rows) - 24} others"
    assert says in text
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"find each of {len(rows)} weakenings" in readme
    assert f"found {len(caught)} of them, and {listed} of the 24" in readme


WORDS = [
    ("project.impersonate_service_account", None, "MESH_DEPLOYER"),
    ("cluster.endpoint", "public", "MESH_PRIVATE_ENDPOINT"),
    ("cluster.authorized_networks", [{"name": "many", "cidr": "128.0.0.0/8"}], "MESH_AUTHORIZED_NETWORKS_NARROW"),
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
"""Words of the configuration that give something away, and the rule that says so."""

BESIDES: dict[str, dict[str, dict[str, object]]] = {
    "cluster.endpoint": {"cluster": {"authorized_networks": [{"name": "office", "cidr": "203.0.113.0/24"}]}},
    "ingress.single_replica": {"ingress": {"min_replicas": 1}},
}
"""What a word is refused without."""

SHOP = {"image": "docker.io/acme/shop:1", "port": 8080, "user": 1000, "regions": {"london": {}}}


@pytest.mark.parametrize(("word", "value", "rule"), WORDS, ids=str)
def test_a_word_that_gives_something_away_is_found(tmp_path: Path, word: str, value: object, rule: str) -> None:
    data = yaml.safe_load(HARDENED.read_text(encoding="utf-8"))
    data.setdefault("services", {})["shop"] = dict(SHOP)
    for section, more in BESIDES.get(word, {}).items():
        data[section].update(more)
    if word == "services.shop.root":
        del data["services"]["shop"]["user"]  # which is not root's
    *way, last = word.split(".")
    nodes = [data]
    for step in way:
        nodes = [one for node in nodes for one in (node.values() if step == "*" else [node.setdefault(step, {})])]
    for node in nodes:
        node.pop(last, None)
        if value is not None:
            node[last] = value
    weakened = synthesize(environment_of(yaml.safe_dump(data)), tmp_path)
    assert rule in failures(Environment(weakened.stacks))


def test_a_service_of_ones_own_is_as_hard(tmp_path: Path) -> None:
    """Else the test of the words would find nothing but the service itself."""
    data = yaml.safe_load(HARDENED.read_text(encoding="utf-8"))
    data["services"] = {"shop": dict(SHOP)}
    environment = synthesize(environment_of(yaml.safe_dump(data)), tmp_path)
    assert failures(Environment(environment.stacks)) == set()


def test_every_word_that_is_documented_to_give_something_away_is_tried() -> None:
    table = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8").partition("\n## ")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")][2:]
    words = {
        word for cell in first_cells for word in re.findall(r"`((?:project|cluster|network|regions)\.[\w.*]+)", cell)
    }
    assert len(words) > 10
    assert words <= {word for word, _, _ in WORDS}


PLAIN = {"MESH_HTTPS_ONLY", "MESH_CLOUD_ARMOR", "MESH_SECRETS_ENCRYPTED"}
GIVEN_AWAY = {
    "mesh.yaml": {*PLAIN, "MESH_PRIVATE_ENDPOINT", "MESH_DEPLOYER", "MESH_FIREWALL_PROTOCOLS"},
    "examples/asmcli-in-cluster.yaml": {*PLAIN, "MESH_PRIVATE_ENDPOINT", "MESH_DEPLOYER"},
    "examples/asmcli-managed.yaml": {*PLAIN, "MESH_PRIVATE_ENDPOINT", "MESH_DEPLOYER"},
    "examples/fleet.yaml": PLAIN,
    "examples/hardened.yaml": set(),
}
"""What each file gives away by its words, or by one that only its reader can give, and nothing besides."""


@pytest.mark.parametrize(
    "file", ["mesh.yaml", *(f"examples/{path.name}" for path in sorted(HARDENED.parent.glob("*")))]
)
def test_an_example_gives_away_what_its_words_say_and_nothing_else(tmp_path: Path, file: str) -> None:
    environment = Environment(synthesize(load_without_variables(ROOT / file), tmp_path).stacks)
    assert failures(environment) == GIVEN_AWAY[file]


SCAN = Scan(
    passed=[Record("CKV_1", "good", "here")],
    failed=[Record("CKV_2", "bad", "terraform/mesh/cdk.tf.json resource.agent")],
    ours_passed=0,
    ours_failed=0,
    unreadable=[],
)
NOBODY = Verdict((), ())


def test_a_failure_is_skipped_where_the_skip_says_and_nowhere_else() -> None:
    assert SCAN.after([]) == SCAN.failed
    assert SCAN.after([Skip("CKV_2", "terraform/mesh/* resource.ag*", "why")]) == []
    assert SCAN.after([Skip("CKV_2", "terraform/network/*", "why")]) == SCAN.failed
    assert SCAN.after([Skip("CKV_1", "*", "why")]) == SCAN.failed


@pytest.mark.parametrize(
    ("change", "wrong", "says"),
    [
        ({"failed": []}, 0, "1 passed, 0 failed"),
        ({}, 1, "CKV_2  bad: not so at"),
        ({"failed": [], "passed": []}, 1, "0 passed"),
        ({"failed": [], "unreadable": ["cdk.tf.json"]}, 1, "can't read cdk.tf.json"),
        ({"failed": [], "ours_passed": 1}, 1, "checkov: (1, 0) of our rules"),
    ],
)
def test_what_checkov_says_is_judged(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    wrong: int,
    says: str,
) -> None:
    monkeypatch.setattr(skips, "read", lambda: [])
    assert report_checkov(replace(SCAN, **change), NOBODY, all_skips_used=True) == wrong
    assert says in capsys.readouterr().out


def test_a_skip_that_covers_nothing_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skips, "read", lambda: [Skip("CKV_2", "*", "why"), Skip("CKV_3", "*", "why")])
    assert report_checkov(SCAN, NOBODY, all_skips_used=True) == 1
    assert "CKV_3  is skipped at *, where nothing fails" in capsys.readouterr().out


def test_a_weakening_that_our_rules_miss_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    one = WEAKENINGS[0]
    assert report_weakenings([Row(one, one.found_by, ())]) == 0
    assert report_weakenings([Row(one, (), ("CKV_1",))]) == 1
    assert "MISSED" in capsys.readouterr().out


def test_rules_that_found_nothing_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_ours(NOBODY) == len(RULES) + 1
    assert "MESH_STRICT_MTLS  found nothing that it is about" in capsys.readouterr().out

"""The policy as a closed world: it allows what a configuration means, in every environment, and nothing else."""

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.control_plane import MODES
from config.environment import Environment
from config.paths import ROOT
from config.synthesized import parse_stack
from policy import docs, mutation, skips
from policy.__main__ import EXAMPLES, report_checkov, report_generated, report_rules
from policy.addresses import unique_id
from policy.checkov.input_files import MANIFESTS, TERRAFORM, write_input
from policy.checkov.report import PYTHON, CheckovScan, CheckRecord, scan
from policy.claims import UNCLAIMED, ClaimError, Is, Node, add, compare
from policy.generated import Generated, generate
from policy.mutation import IneffectiveMutationError, Mutation
from policy.overrides import OVERRIDES, chosen, credentials
from policy.rule import RULES, claimed, evaluate, load
from policy.rules.pods import workloads
from policy.scripts import unreviewed
from policy.skips import Skip
from policy.synthesis import FILES, Stacks, read, with_files
from tests.synthesized import ENVIRONMENTS, Synthesis, environment_of, load_without_variables, synthesize

HARDENED = ROOT / "examples" / "hardened.yaml"
MUTATIONS = mutation.read()
Synthesized = Callable[[str], Synthesis]

load()


def all_of(synthesis: Synthesis) -> Stacks:
    return with_files(synthesis.stacks, synthesis.outdir)


@pytest.fixture(scope="session")
def hardened(synthesized: Synthesized) -> Stacks:
    return all_of(synthesized("hardened"))


@pytest.fixture(scope="session")
def claims() -> dict[str, dict[str, Node]]:
    return {name: claimed(load_without_variables(ENVIRONMENTS[name])) for name in ("hardened", "gateway")}


def findings(environment: Environment, folder: Path) -> list[str]:
    return [str(one) for one in evaluate(claimed(environment), all_of(synthesize(environment, folder)))]


def hardened_data(**services: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(HARDENED.read_text(encoding="utf-8"))
    return data | {"services": {**data["services"], **services}}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_path_of_every_environment_is_claimed(name: str, synthesized: Synthesized) -> None:
    """A finding without a rule says what to write."""
    environment = load_without_variables(ENVIRONMENTS[name])
    assert [str(one) for one in evaluate(claimed(environment), all_of(synthesized(name)))] == []


OWN_SERVICES: dict[str, dict[str, Any]] = {
    "shop": {"image": "registry.example/shop:1.2", "port": 8080, "replicas": 3, "routes": [{"path": "/shop"}]},
    "cart": {
        "image": "registry.example/cart:1.2",
        "port": 80,
        "namespace": "shops",
        "allow_from": ["shop"],
        "root": True,
        "writable_root": True,
        "autoscaling": {"min_replicas": 19, "max_replicas": 40, "cpu": 50},
        "env": {"TEXT": "${HOME} %{if} $(NAME)", "EMPTY": ""},
        "regions": {"london": {}},
        "retries": {"attempts": 3, "retry_on": ["5xx"], "per_try_timeout_seconds": 0.5},
        "timeout_seconds": 4,
        "outlier_detection": {"consecutive_gateway_errors": 2, "consecutive_local_origin_failures": 3},
        "connections": {
            "max_connections": 9,
            "max_requests": 8,
            "idle_timeout_seconds": 60,
            "keepalive": {"time_seconds": 9},
        },
    },
}


@pytest.mark.parametrize("backend", [{"type": "gcs", "bucket": "states"}, {"type": "local"}], ids=["bucket", "files"])
@pytest.mark.parametrize("mode", MODES)
def test_it_holds_in_every_mode_for_services_of_a_user(mode: str, backend: dict[str, str], tmp_path: Path) -> None:
    data = hardened_data(**OWN_SERVICES) | {"backend": backend}
    asmcli = {"asmcli": {"version": "1.31.3-asm.9+config1", "sha256": "a" * 64}} if mode != "fleet" else {}
    data["mesh"] = {**data["mesh"], "control_plane": mode, **asmcli}
    data["cluster"] |= {"node_pool_rollout": "one_by_one"}
    data["regions"]["frankfurt"]["drained"] = backend["type"] == "gcs"
    data["ingress"]["api"] = "both" if backend["type"] == "gcs" else "gateway"
    assert findings(environment_of(yaml.safe_dump(data)), tmp_path) == []


@pytest.mark.parametrize("domains", [[], ["shop.example.com"]])
@pytest.mark.parametrize("exposure", ["external", "internal", "both"])
def test_it_holds_for_every_kind_of_gateway(exposure: str, domains: list[str], tmp_path: Path) -> None:
    data = yaml.safe_load(ENVIRONMENTS["gateway"].read_text(encoding="utf-8"))
    data["ingress"] |= {"exposure": exposure, "domains": domains, "plain_http": not domains or exposure == "internal"}
    data["regions"]["osaka"]["retired"] = exposure == "both"
    assert findings(environment_of(yaml.safe_dump(data)), tmp_path) == []


LESS_SECURE: dict[str, Any] = {
    "project.impersonate_service_account": None,
    "cluster.endpoint": "public",
    "cluster.authorized_networks": [{"name": "many", "cidr": "10.0.0.0/8"}],
    "cluster.dataplane": "legacy",
    "cluster.intranode_visibility": False,
    "cluster.secure_boot": False,
    "cluster.binary_authorization": False,
    "cluster.logs": [],
    "cluster.managed_prometheus": False,
    "cluster.maintenance_windows": False,
    "cluster.deletion_protection": False,
    "cluster.release_channel": "rapid",
    "regions.*.secrets_key": None,
    "network.pod_protocols": ["tcp", "udp"],
    "network.flow_logs": False,
    "network.firewall_logs": False,
    "network.nat_log_filter": "ERRORS_ONLY",
    "mesh.mtls": "permissive",
    "mesh.default_deny": False,
    "ingress.plain_http": True,
    "ingress.exposure": "both",
    "ingress.security_policy": None,
    "ingress.single_replica": True,
    "services.*.root": True,
    "services.*.writable_root": True,
}
"""Keys of the configuration, each with a less secure value."""


def less_secure(*keys: str) -> Environment:
    """Return the hardened example with less secure values, and a service of the user's that may have them."""
    shop = {"image": "docker.io/acme/shop:1", "port": 8080}
    data = hardened_data() | {"services": {"shop": shop}}
    for key in keys:
        *steps, last = key.split(".")
        nodes: list[Any] = [data]
        for step in steps:
            nodes = [one for node in nodes for one in (node.values() if step == "*" else [node.setdefault(step, {})])]
        for node in nodes:
            node.pop(last, None)
            if LESS_SECURE[key] is not None:
                node[last] = LESS_SECURE[key]
    if "cluster.endpoint" in keys and "cluster.authorized_networks" not in keys:
        data["cluster"]["authorized_networks"] = [{"name": "office", "cidr": "203.0.113.0/24"}]
    if "ingress.exposure" in keys:  # Cloud Armor has no policies for it
        data["ingress"]["api"] = "gateway"
        data["ingress"].pop("security_policy", None)
    if "ingress.single_replica" in keys:
        data["ingress"]["min_replicas"] = 1
    return environment_of(yaml.safe_dump(data))


def test_less_secure_choices_are_the_owners(tmp_path: Path) -> None:
    environment = less_secure(*LESS_SECURE)
    assert findings(environment, tmp_path) == []
    assert {one.key for one in chosen(environment)} == LESS_SECURE.keys()


@pytest.mark.parametrize("key", LESS_SECURE)
def test_a_less_secure_choice_is_reported(key: str) -> None:
    implied = {"ingress.security_policy"} if key == "ingress.exposure" else set()
    assert {one.key for one in chosen(less_secure(key))} == {key} | implied


def test_the_hardened_example_chooses_nothing_less_secure() -> None:
    assert chosen(load_without_variables(HARDENED)) == []
    assert {one.rule for one in OVERRIDES} <= RULES.keys()


def test_a_less_secure_value_without_its_key_is_found(hardened: Stacks) -> None:
    """The truth is the configuration's, and not that of the JSON."""
    environment = less_secure("mesh.mtls")
    mutated = copy.deepcopy(dict(hardened))
    for resource in mutated["ingress"]["resource"]["kubernetes_manifest"].values():
        if resource["manifest"]["kind"] == "PeerAuthentication":
            resource["manifest"]["spec"]["mtls"]["mode"] = "PERMISSIVE"
    found = {one.found_by for one in evaluate(claimed(load_without_variables(HARDENED)), mutated)}
    assert found == {"MESH_STRICT_MTLS"}
    assert [one.rule for one in chosen(environment)] == ["MESH_STRICT_MTLS"]


def test_every_documented_override_is_tested() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.partition("\n## Overrides\n")[2].partition("\n## ")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")][2:]
    pattern = re.compile(r"`((?:project|cluster|network|regions)\.[\w.*]+)")
    keys = {key for cell in first_cells for key in pattern.findall(cell)}
    assert len(keys) > 10
    assert keys <= LESS_SECURE.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD", "hunter2"),
        ("DB_PASS", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("TEXT", "ghp_" + "a" * 36),
        ("TEXT", "xoxb-" + "1" * 20),
        ("TEXT", "AKIA" + "A" * 16),
        ("TEXT", "postgres://shop:hunter2@db/shop"),
        ("KEY", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_a_credential_in_the_configuration_is_a_failure(name: str, value: str) -> None:
    shop = {"image": "docker.io/acme/shop:1", "port": 8080, "env": {name: value}}
    (found,) = credentials(environment_of(yaml.safe_dump(hardened_data(shop=shop))))
    assert found.startswith(f"services.shop.env.{name} contains a credential")


def test_names_and_references_are_no_credentials() -> None:
    env = {"COMPASS": "north", "PUBLIC_KEY": "abc", "DATABASE": "postgres://shop:$(PASSWORD)@db/shop", "A": "a://b@c"}
    shop = {"image": "docker.io/acme/shop:1", "port": 8080, "env": env}
    assert credentials(environment_of(yaml.safe_dump(hardened_data(shop=shop)))) == []


def test_examples_have_no_credentials() -> None:
    assert [one for file in EXAMPLES for one in credentials(load_without_variables(file))] == []


@pytest.mark.parametrize("one", MUTATIONS, ids=lambda one: one.name)
def test_a_listed_mutation_is_found_at_every_match(
    synthesized: Synthesized, claims: dict[str, dict[str, Node]], one: Mutation
) -> None:
    of_stack = {one.stack: claims[one.example][one.stack]}
    changed = one.applied(synthesized(one.example).stacks)
    found = [evaluate(of_stack, {one.stack: stacks[one.stack]}) for stacks in changed]
    assert found
    assert all(found)


def test_all_listed_mutations_exist() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS) >= 215


@pytest.fixture(scope="module", params=["hardened", "three_regions", "asmcli-in-cluster", "gateway"])
def generated(request: pytest.FixtureRequest, synthesized: Synthesized) -> list[Generated]:
    environment = load_without_variables(ENVIRONMENTS[request.param])
    before = copy.deepcopy(all_of(synthesized(request.param)))
    found = list(generate(claimed(environment), before))
    assert before == all_of(synthesized(request.param))
    return found


def test_every_generated_mutation_is_found(generated: list[Generated]) -> None:
    assert [str(one) for one in generated if not one.found_by] == []
    assert len(generated) > 5000
    assert {one.kind for one in generated} == {"added", "changed", "duplicated", "moved", "removed"}


def test_every_generated_mutation_of_both_apis_is_found(tmp_path: Path) -> None:
    """Of the hardened example: no other one has Cloud Armor before multi-cluster Gateway."""
    data = hardened_data()
    data["ingress"]["api"] = "both"
    environment = environment_of(yaml.safe_dump(data))
    found = list(generate(claimed(environment), all_of(synthesize(environment, tmp_path))))
    assert [str(one) for one in found if not one.found_by] == []
    assert "MESH_GATEWAY_BACKENDS" in {rule for one in found for rule in one.found_by}


def test_a_survivor_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    survivor = Generated("changed", ("network", "output", "x"), frozenset())
    assert report_generated([survivor, Generated("added", ("network",), frozenset({UNCLAIMED}))]) == 1
    assert "MISSED  changed at network: output.x" in capsys.readouterr().out
    assert report_generated([]) == 1


def test_every_rule_claims_something() -> None:
    claiming = {
        name
        for file in ENVIRONMENTS.values()
        for name, rule in RULES.items()
        if any(True for _ in rule.claims(load_without_variables(file)))
    }
    assert RULES.keys() - claiming == {"MESH_FAILOVER_THRESHOLDS"}  # test_it_holds_with_a_failover_threshold


def test_it_holds_with_a_failover_threshold(tmp_path: Path) -> None:
    shop = {"image": "docker.io/acme/shop:1", "port": 8080, "user": 1, "failover_threshold": 40}
    assert findings(environment_of(yaml.safe_dump(hardened_data(shop=shop))), tmp_path) == []


def test_a_finding_says_what_to_write(hardened: Stacks, claims: dict[str, dict[str, Node]]) -> None:
    mutated = copy.deepcopy(dict(hardened))
    mutated["network"]["resource"]["google_compute_instance"] = {"bastion": {}}
    mutated["network"]["resource"]["google_compute_network"]["vpc"]["mtu"] = 1500
    mutated["network"]["provider"]["google"][0]["project"] = "elsewhere"
    first, *rest = sorted(map(str, evaluate(claims["hardened"], mutated)))
    assert first.startswith('MESH_DEPLOYER  network: provider.google[0].project: is "elsewhere", allowed is "acme-mesh')
    assert [text.partition(": no rule claims")[0] for text in rest] == [
        "MESH_UNCLAIMED  network: resource.google_compute_instance",
        "MESH_UNCLAIMED  network: resource.google_compute_network.vpc.mtu",
    ]
    assert all("add the claim to a rule in policy/rules/" in text for text in rest)


STATE_ELSEWHERE = "../../../other/terraform.clusters.tfstate"
VPC_LIFECYCLE = "network resource google_compute_network vpc lifecycle"
WEAKENED_VALUES = {
    "clusters terraform backend local path": STATE_ELSEWHERE,
    "mesh data terraform_remote_state cross-stack-reference-input-clusters config path": STATE_ELSEWHERE,
    f"{VPC_LIFECYCLE} precondition 0 condition": "${true}",
    "network resource google_compute_network vpc description": "${self.name}",
    "clusters resource google_container_cluster regions_tokyo_cluster_FA780145 description": "ghp_" + "a" * 36,
    f"{VPC_LIFECYCLE} postcondition 0 error_message": '${self.name == "" ? "" : a.b}',
    f"{VPC_LIFECYCLE} //": "no comment",
    "ingress output url value": {"//": "no comment"},
}


@pytest.mark.parametrize("place", WEAKENED_VALUES)
def test_another_state_sentence_or_comment_is_found(synthesized: Synthesized, place: str) -> None:
    stacks = copy.deepcopy(synthesized("gateway").stacks)
    *steps, last = [int(step) if step.isdigit() else step for step in place.split()]
    node: Any = stacks
    for step in steps:
        node = node[step]
    assert node.get(last) != WEAKENED_VALUES[place]
    node[last] = WEAKENED_VALUES[place]
    assert evaluate(claimed(load_without_variables(ENVIRONMENTS["gateway"])), stacks)


def test_a_comment_in_data_is_found() -> None:
    node = add(None, {"output": {"names": {"value": {"a": 1}}}, "locals": {"a": "b"}}, RULES["MESH_OUTPUTS"])
    actual = {"//": 1, "output": {"names": {"value": {"a": 1, "//": "${a.b}"}}}, "locals": {"a": "b", "//": 1}}
    found = [one.path for one in compare(node, actual, ("ingress",))]
    assert found == [("ingress", "output", "names", "value", "//"), ("ingress", "locals", "//")]


def test_a_key_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"a key twice: provisioner$"):
        parse_stack('{"resource": {"null_resource": {"a": {"provisioner": [], "provisioner": []}}}}')


def test_two_rules_that_claim_one_path_are_an_error() -> None:
    first, second = (RULES[name] for name in ("MESH_VPC", "MESH_SUBNETS"))
    node = add(None, {"name": "a", "more": {"b": 1}}, first)
    assert add(node, {"more": {"c": 2}}, second) == node
    for fragment in ({"name": "a"}, {"more": 1}, {"more": [{}, {"b": 1}]}):
        with pytest.raises(ClaimError, match="MESH_SUBNETS and MESH_VPC both claim"):
            add(node, fragment, second)


def test_values_of_another_type_are_found() -> None:
    assert not Is(1).allows(True)
    assert not Is("1").allows(1)
    assert Is([1]).allows([1])
    assert not any(Is([1]).allows(other) for other in ([True], [1.0], ["1"]))
    node = add(None, {"a": [{"b": 1}], "c": {"d": 1}}, RULES["MESH_VPC"])
    wrong: list[Any] = [[], {"a": {}, "c": {"d": 1}}, {"a": [], "c": {"d": 1}}, {"a": [{"b": 1}], "c": []}, "a"]
    assert all(list(compare(node, actual, ("network",))) for actual in wrong)


@pytest.mark.parametrize(
    "weakened",
    [
        ("routes/gateway.yaml", "protocol: HTTP", "protocol: TLS\n      tls: {mode: PASSTHROUGH}", "MESH_ROUTES"),
        ("service/deployment.yaml", "drop: [ALL]", "drop: [ALL]\n              add: [NET_ADMIN]", UNCLAIMED),
        ("gateway/deployment.yaml", "privileged: false", "privileged: true", "MESH_NOT_PRIVILEGED"),
        ("mesh/default-deny.yaml", "rules: []", "rules: [{}]", "MESH_DEFAULT_DENY"),
        ("namespace.yaml", "labels: ${labels}", "labels: {istio-injection: disabled, a: '${labels}'}", "MESH_INJECTED"),
    ],
)
def test_a_weakened_manifest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weakened: tuple[str, str, str, str]
) -> None:
    file, old, new, rule = weakened
    from constructs import manifest_file  # noqa: PLC0415 (starts Node.js)

    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    text = (tmp_path / "manifests" / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "manifests" / file).write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(manifest_file, "MANIFESTS", tmp_path / "manifests")
    manifest_file._parsed.cache_clear()
    shop = {**OWN_SERVICES["shop"], "user": 1000}
    try:
        found = findings(environment_of(yaml.safe_dump(hardened_data(shop=shop))), tmp_path)
    finally:
        manifest_file._parsed.cache_clear()
    assert any(one.startswith(f"{rule} ") for one in found)


def test_a_provider_that_verifies_no_certificate_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from constructs import bindings, cluster_access  # noqa: PLC0415 (starts Node.js)

    monkeypatch.setattr(cluster_access, "KubernetesProvider", partial(bindings.KubernetesProvider, insecure=True))
    found = findings(load_without_variables(HARDENED), tmp_path)
    assert any("provider.kubernetes[0].insecure: no rule claims true" in one for one in found)


def test_scripts_of_another_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform runs the copy in the output, not the reviewed file."""
    from constructs import script_folder  # noqa: PLC0415 (starts Node.js)

    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    with (tmp_path / "scripts" / "lib.sh").open("a") as library:
        library.write("echo\n")
    monkeypatch.setattr(script_folder, "SCRIPTS", tmp_path / "scripts")
    found = findings(load_without_variables(ENVIRONMENTS["asmcli-in-cluster"]), tmp_path)
    assert any("local-exec.command: is" in one for one in found)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gateway", "stacks/network/override.tf.json"),
        ("gateway", "stacks/other/cdk.tf.json"),
        ("asmcli-in-cluster", "stacks/clusters/more.tf"),
        ("asmcli-in-cluster", "stacks/mesh/x.auto.tfvars"),
        ("asmcli-in-cluster", "stacks/mesh/assets/scripts/*/install-mesh.sh"),
    ],
)
def test_another_file_of_the_output_is_found(synthesized: Synthesized, name: str, path: str, tmp_path: Path) -> None:
    """Terraform merges override files, and runs the scripts of the output, whatever their folder is called."""
    claims, outdir = claimed(load_without_variables(ENVIRONMENTS[name])), tmp_path / "copy"
    shutil.copytree(synthesized(name).outdir, outdir)
    stacks = synthesized(name).stacks
    assert evaluate(claims, with_files(stacks, outdir)) == []
    file = next(outdir.glob(path), outdir / path)
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}", encoding="utf-8")
    assert [one.path[0] for one in evaluate(claims, with_files(stacks, outdir))] == [FILES]


def test_another_local_asmcli_is_found(tmp_path: Path) -> None:
    data = hardened_data() | {"backend": {"type": "gcs", "bucket": "states"}}
    for name in ("given", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "asmcli").write_text(name, encoding="utf-8")
    data["mesh"] |= {"control_plane": "asmcli-managed", "asmcli": {"file": str(tmp_path / "given" / "asmcli")}}
    environment = environment_of(yaml.safe_dump(data))
    stacks = copy.deepcopy(dict(all_of(synthesize(environment, tmp_path))))
    assert evaluate(claimed(environment), stacks) == []
    (install,) = [one for key, one in stacks["mesh"]["resource"]["null_resource"].items() if "_install_" in key]
    install["for_each"]["london"]["asmcli_file"] = (
        "assets/control-plane_asmcli_0/00000000000000000000000000000000/asmcli"
    )
    assert [one.found_by for one in evaluate(claimed(environment), stacks)] == ["MESH_INSTALLER"]
    data["mesh"]["asmcli"]["file"] = str(tmp_path / "other" / "asmcli")
    found = evaluate(claimed(environment_of(yaml.safe_dump(data))), stacks)
    assert ["stacks/mesh/assets" in str(one) for one in found if one.path[0] == FILES] == [True, True]


def test_a_state_that_is_beside_another_file_is_found(tmp_path: Path) -> None:
    """The path from `cdktf.out` is right only for a configuration beside it."""
    file = tmp_path / "out" / "stacks" / "mesh" / "cdk.tf.json"
    file.parent.mkdir(parents=True)
    ours = "../../../terraform.mesh.tfstate"
    for path, expected in (("../../../here/terraform.mesh.tfstate", ours), (ours, "elsewhere")):
        file.write_text(json.dumps({"path": path}), encoding="utf-8")
        assert read(tmp_path / "here" / "mesh.yaml", tmp_path / "out", "mesh") == {"path": expected}


def test_scripts_are_as_reviewed() -> None:
    assert unreviewed() == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the folders that have shell scripts."""
    for folder in ("scripts", "cli", "tools", ".ci"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "cdktf.json", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("script", "old", "new"),
    [
        ("scripts/install-mesh.sh", '!= "$ASMCLI_SHA256"', '!= "$found"'),
        ("scripts/create-remote-secret.sh", "set -euo pipefail", "set -euxo pipefail"),
        ("scripts/new.txt", "", "echo"),
        ("cli/traffic/client.sh", 'curl "$@"', 'curl --insecure "$@"'),
        ("tools/setup", "--require-hashes", ""),
        ("tools/new", "", "#!/usr/bin/env bash\n"),
        ("tools/command", "", "echo"),
        ("cli/report/new.py", "", "#!/usr/bin/env sh\n"),
        ("constructs/new.sh", "", "echo"),
        ("new", "", "#!/bin/dash\n"),
        ("cdktf.json", "main.py", "other.py"),
        (".ci/run", "make check", "make test"),
    ],
)
def test_a_changed_script_is_found(checkout: Path, script: str, old: str, new: str) -> None:
    assert unreviewed(checkout) == []
    file = checkout / script
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert old in text
    file.parent.mkdir(exist_ok=True)
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    (found,) = unreviewed(checkout)
    assert f"{script}: not the reviewed content" in found


def test_a_file_of_the_users_is_no_script(checkout: Path) -> None:
    (checkout / "kubeconfig").write_text("apiVersion: v1\n", encoding="utf-8")
    assert unreviewed(checkout) == []


def test_a_deleted_script_is_found(checkout: Path) -> None:
    (checkout / "scripts" / "lib.sh").unlink()
    (found,) = unreviewed(checkout)
    assert "scripts/lib.sh: " in found
    assert "does not exist" in found


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_documents_its_reason(name: str) -> None:
    rule = RULES[name]
    assert rule.title
    assert rule.source.startswith("https://") or len((rule.claims.__doc__ or "").strip().splitlines()) > 2
    assert f"def {name.removeprefix('MESH_').lower()}(" in (ROOT / rule.file).read_text(encoding="utf-8")


def test_rules_need_no_cdktf() -> None:
    code = "import sys; from policy.rule import load; load(); print([n for n in sys.modules if n in ('cdktf', 'jsii')])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_addresses_are_cdktfs(reference: Synthesis) -> None:
    for stack in reference.stacks.values():
        for named in stack["resource"].values():
            for name, block in named.items():
                path = block["//"]["metadata"]["path"].partition("/")[2]
                assert unique_id("/".join(part for part in path.split("/") if part != "Default")) == name


@pytest.mark.parametrize(
    ("at", "within", "message"),
    [
        ("/resource/google_container_cluster/*/no/such", "", "nothing at"),
        ("/spec", "Deployment/no-such", "nothing at"),
        ("/resource/google_container_cluster/*/deletion_protection", "", "already the value"),
    ],
)
def test_a_mutation_without_an_effect_is_an_error(hardened: Stacks, at: str, within: str, message: str) -> None:
    one = Mutation("nothing", "hardened", "ingress" if within else "clusters", within, at, "set", True)
    with pytest.raises(IneffectiveMutationError, match=message):
        list(one.applied(hardened))


def roles(name: str = "hardened") -> dict[str, str]:
    return {str(one.path[3]): one.role for one in workloads(load_without_variables(ENVIRONMENTS[name]))}


def test_checkov_gets_the_whole_environment(hardened: Stacks, tmp_path: Path) -> None:
    write_input(hardened, roles(), tmp_path / "copy")
    count = 0
    for name, content in hardened.items():
        text = (tmp_path / "copy" / TERRAFORM / name / "cdk.tf.json").read_text(encoding="utf-8")
        written = yaml.safe_load(text)
        assert "required_version" not in written["terraform"]  # otherwise checkov reads nothing of the file
        assert written["resource"] == content["resource"]
        count += len(content["resource"].get("kubernetes_manifest", {}))
    assert len(list((tmp_path / "copy" / MANIFESTS).glob("*/*.yaml"))) == count > 0
    folders = {path.name for path in (tmp_path / "copy" / MANIFESTS).iterdir()}
    assert folders == {"service", "gateway", "demo-client", "readiness", "other"}


@pytest.mark.slow
def test_checkov_passes(synthesized: Synthesized, tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("checkov is not installed: run `make policy`")
    names, known = ("hardened", "gateway"), skips.read()
    stacks = {name: synthesized(name).stacks for name in names}
    scans = scan(stacks, {name: roles(name) for name in names}, tmp_path / "scan")
    for found in scans.values():
        assert [f"{one.check} at {one.where}" for one in found.unskipped(known)] == []
        assert len(found.passed) > 500
    assert [skip for skip in known if all(skip in found.unused(known) for found in scans.values())] == []


def test_every_skip_is_of_a_type_and_has_a_reason() -> None:
    known = skips.read()
    assert all(len(skip.reason.split()) > 5 for skip in known)
    pairs = [(skip.check, of) for skip in known for of in skip.of]
    assert len(set(pairs)) == len(pairs)
    of_pods = r"(service|gateway|demo-client|readiness|other) (Deployment|Job|Pod|RoleBinding)"
    kinds = re.compile(rf"google_\w+( of a service agent)?|{of_pods}")
    assert [of for _, of in pairs if not kinds.fullmatch(of)] == []


SCAN = CheckovScan(
    passed=[CheckRecord("CKV_1", "good", "gateway Pod", "here")],
    failed=[CheckRecord("CKV_2", "bad", "gateway Deployment", "manifests/gateway/x.yaml")],
    unreadable=[],
)


def test_a_skip_covers_only_what_it_is_of() -> None:
    assert SCAN.unskipped([]) == SCAN.failed
    assert SCAN.unskipped([Skip("CKV_2", ("gateway Deployment",), "why")]) == []
    assert SCAN.unskipped([Skip("CKV_2", ("service Deployment",), "why")]) == SCAN.failed
    assert SCAN.unskipped([Skip("CKV_1", ("gateway Deployment",), "why")]) == SCAN.failed


@pytest.mark.parametrize(
    ("change", "count", "message"),
    [
        ({"failed": []}, 0, "1 passed, 0 failed"),
        ({}, 1, 'violates "bad"'),
        ({"failed": [], "passed": []}, 1, "0 passed"),
        ({"failed": [], "unreadable": ["cdk.tf.json"]}, 1, "can't read cdk.tf.json"),
    ],
)
def test_results_of_checkov_count_as_failures(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    count: int,
    message: str,
) -> None:
    monkeypatch.setattr(skips, "read", list)
    found = CheckovScan(**{"passed": SCAN.passed, "failed": SCAN.failed, "unreadable": [], **change})
    assert report_checkov({"here": found}, all_skips_used=True) == count
    assert message in capsys.readouterr().out


def test_a_skip_that_covers_nothing_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [Skip("CKV_2", ("gateway Deployment",), "why"), Skip("CKV_3", ("gateway Pod",), "why")]
    monkeypatch.setattr(skips, "read", lambda: known)
    assert report_checkov({"here": SCAN}, all_skips_used=True) == 1
    assert "CKV_3  unused skip of gateway Pod" in capsys.readouterr().out


def test_the_report_names_findings_and_choices(
    capsys: pytest.CaptureFixture[str], claims: dict[str, dict[str, Node]]
) -> None:
    environment = less_secure("cluster.logs")
    assert report_rules("here", environment, claims["hardened"], {}) == len(claims["hardened"])
    text = capsys.readouterr().out
    assert "MESH_CLUSTER_LOGS  overridden by cluster.logs; security trade-off: docs/security.md" in text


def test_the_documented_rules_are_up_to_date() -> None:
    assert docs.rules_text(RULES.values()) in docs.FILE.read_text(encoding="utf-8"), "run `make policy DOCS=1`"

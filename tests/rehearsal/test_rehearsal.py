"""Tests of the rehearsal's checks, faults and commands; the rehearsal itself is `make rehearse`."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.control_plane import MODES
from config.naming import STACKS
from config.paths import ROOT
from tests.fake_cloud.cloud import Cloud, Endpoints
from tests.fake_cloud.latencies import Latencies
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.prerequisites import MissingPrerequisiteError, check_prerequisites
from tests.rehearsal.bench import seconds_of
from tests.rehearsal.checks import compared, deployed, nothing_changed
from tests.rehearsal.deployment import CommandRun, Deployment, StackRun, kill_all
from tests.rehearsal.expected import expected_objects, expected_secrets, object_key
from tests.rehearsal.fault_wrappers import TOOLS, Call, FaultWrappers
from tests.rehearsal.faults import RECOVERED, REPAIRED, FaultOutcome, add_outcome, new_table
from tests.rehearsal.injected_fault import FaultSelection, InjectedFault, read_faults
from tests.rehearsal.mesh_cli_check import check_commands
from tests.rehearsal.prerequisites import SCRIPT_TOOLS, VERSIONS, gather_providers, rehearsal_prerequisites
from tests.rehearsal.secret_scan import search
from tests.rehearsal.snapshot import differences
from tests.rehearsal.upgrade import AllowedLoss, losses
from tests.reporting.table import Table
from tests.synthesized import ENVIRONMENTS, REFERENCE, THREE_REGIONS, Synthesis, load_without_variables

SCRIPT = """#!/usr/bin/env bash
gcloud first
both() { out="$(kubectl second)"; printf '%s\\n' "$out"; }
both
gcloud third
"""


def run_of(*stacks: StackRun, status: int = 0) -> CommandRun:
    return CommandRun(status, 1.0, "", list(stacks))


def test_a_command_is_ok_only_if_every_stack_ended_in_order() -> None:
    done = [StackRun("network", 1, 2, 0, 0, True), StackRun("clusters", 1, 3, 0, 0, True)]
    assert deployed("title", run_of(*done), ("network", "clusters")).ok
    assert not deployed("title", run_of(*done), ("clusters", "network")).ok
    assert not deployed("title", run_of(done[0]), ("network", "clusters")).ok
    assert not deployed("title", run_of(*done, status=1), ("network", "clusters")).ok
    assert not deployed("title", run_of(), ()).ok


def test_a_second_deploy_may_change_nothing() -> None:
    same = StackRun("network", 1, 0, 0, 0, True)
    assert nothing_changed("title", run_of(same), []).ok
    assert not nothing_changed("title", run_of(same), ["200 POST /compute/v1/x"]).ok
    assert not nothing_changed("title", run_of(StackRun("network", 1, 0, 1, 0, True)), []).ok


def test_an_upgrade_destroys_what_is_allowed_and_nothing_else() -> None:
    script = AllowedLoss(r"null_resource\.tools\[.*\]", "runs a script again")
    assert losses("title", ['null_resource.tools["here"]'], [script]).ok
    assert losses("title", [], []).ok
    assert not losses("title", ['null_resource.tools["here"]', "google_container_cluster.tokyo"], [script]).ok
    assert not losses("title", [], [script]).ok, "an allowed loss that does not occur"


def report(*states: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
    """Return the result of a command of the `mesh` CLI with ``--json``."""
    findings = [{"name": "proxies", "state": state, "text": state.upper(), "fix": "x"} for state in states]
    text = json.dumps({"sections": [{"title": "tokyo", "findings": findings}]}) if states else ""
    return subprocess.CompletedProcess([], status, text, "mesh: no credentials\n")


@dataclass
class FakeContext:
    """A context, and its deployment, in which the `mesh` CLI returns these results one after the other."""

    results: list["subprocess.CompletedProcess[str]"]
    calls: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def cloud(self) -> Any:
        return SimpleNamespace(fake=SimpleNamespace(latencies=Latencies(0)))

    @property
    def deployment(self) -> "FakeContext":
        return self

    def run_mesh_cli(self, *arguments: str, seconds: float) -> "subprocess.CompletedProcess[str]":
        self.calls.append(arguments)
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


@pytest.mark.parametrize(
    ("result", "ok", "notes"),
    [
        (report("ok", "warning"), True, ["tokyo: proxies: WARNING"]),
        (report("ok", "failure", status=1), False, ["tokyo: proxies: FAILURE"]),
        (report("failure"), False, ["tokyo: proxies: FAILURE"]),
        (report("ok", status=1), False, []),
        (report(status=2), False, ["mesh: no credentials"]),
        (report(), False, ["mesh: no credentials"]),
    ],
)
def test_the_mesh_cli_has_to_find_no_failure(
    monkeypatch: pytest.MonkeyPatch, result: "subprocess.CompletedProcess[str]", ok: bool, notes: list[str]
) -> None:
    monkeypatch.setattr("tests.rehearsal.mesh_cli_check.SECONDS_TO_SETTLE", 0)
    context: Any = FakeContext([result])
    table = check_commands("title", context, ["audit"])
    assert table.ok is ok
    assert table.notes == notes
    assert context.calls == [("audit", "--json")]


def test_the_mesh_cli_is_repeated_until_all_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.rehearsal.mesh_cli_check.time.sleep", lambda seconds: None)
    context: Any = FakeContext([report("failure", status=1), report("failure", status=1), report("ok")])
    assert check_commands("title", context, ["status", "audit"]).ok
    assert [call[0] for call in context.calls] == ["status", "status", "status", "audit"]


def test_differences_name_added_removed_and_changed_keys() -> None:
    one = {"tokyo Service sample/a": {"spec": {"ports": [80]}}, "cloud b": 1, "cloud c": 1}
    other = {"tokyo Service sample/a": {"spec": {"ports": [81]}}, "cloud b": 1, "cloud d": 1}
    found = differences(one, other)
    assert found == ["+ cloud d", "- cloud c", "~ tokyo Service sample/a: .spec.ports was [80], is [81]"]
    assert differences(one, one) == []
    assert compared("title", found, ["+ ", "- ", "~ tokyo"]).ok
    assert not compared("title", found, ["+ ", "- "]).ok
    failed = CommandRun(1, 1.0, "│ Error: no providers")
    table = compared("title", found, ["+ ", "- ", "~ "], failed, ok=failed.ok)
    assert not table.ok
    assert table.notes == ["Error: no providers"]


def test_the_expected_objects_are_those_that_the_stacks_render(reference: Synthesis) -> None:
    """The expectation does not come from the stacks, and agrees with the synthesized objects."""
    environment = load_without_variables(REFERENCE)
    for region in ("tokyo", "osaka"):
        rendered = {object_key(one) for one in reference.objects(region)}
        assert expected_objects(environment, region) == rendered


def test_the_expected_objects_of_multi_cluster_gateway(synthesized: Callable[[str], Synthesis]) -> None:
    environment = load_without_variables(ENVIRONMENTS["gateway"])
    for region in ("tokyo", "osaka"):
        rendered = {object_key(one) for one in synthesized("gateway").objects(region)}
        assert expected_objects(environment, region) == rendered


def test_every_ordered_pair_of_clusters_that_are_not_retired_has_a_secret() -> None:
    environment = load_without_variables(THREE_REGIONS)
    present = {region.key for region in environment.resolved_regions() if not region.retired}
    secrets = expected_secrets(environment)
    assert len(present) >= 2
    assert {holder: set(held.values()) for holder, held in secrets.items()} == {key: present - {key} for key in present}


def test_the_faults_are_well_formed() -> None:
    faults = read_faults(small=False)
    small = read_faults(small=True)
    assert len(faults) >= 25
    assert 3 <= len(small) < len(faults)
    assert len({(one.stack, one.verb, one.name) for one in faults}) == len(faults)
    for fault in faults:
        whole = fault.verb == "change"
        assert whole or fault.verb in ("deploy", "destroy")
        assert (fault.stack == "all") is whole is bool(fault.cycle)
        assert fault.step in range(len(fault.cycle) + 1)
        assert whole or not (fault.step or fault.first)
        assert whole or fault.stack in STACKS
        patterns = [fault.request, fault.operation, fault.kill, fault.kill_at, fault.expire, fault.outage, fault.twice]
        others = [fault.lifetime, fault.mesh_delay, fault.unreachable is not None, fault.kill_after is not None]
        assert sum(map(bool, [*patterns, *others])) == 1, fault.name
        assert set(fault.modes) <= set(MODES)
        for pattern in patterns:
            re.compile(pattern)
        assert not fault.request or (fault.times > 0 and fault.status in (0, 400, 404, 409, 429, 500, 503))
        assert bool(fault.outage) is bool(fault.seconds)


def test_random_moments_are_many_and_the_same_in_every_run() -> None:
    found, again = ([one for one in read_faults(small=False) if one.kill_after is not None] for _ in range(2))
    assert len(found) >= 60
    assert found == again
    others = [one for one in read_faults(small=False, seed="2") if one.kill_after is not None]
    assert len(others) == len(found)
    assert not {(one.kill_after, one.delay) for one in others} & {(one.kill_after, one.delay) for one in found}
    assert {(one.stack, one.verb) for one in found} == {
        *((stack, verb) for stack in STACKS for verb in ("deploy", "destroy")),
        ("all", "change"),
    }


def test_faults_wait_for_messages_that_the_scripts_have() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("*.sh"))
    patterns = [one.kill for one in read_faults(small=False) if "installing" in one.kill]
    assert len(patterns) == 1
    assert [pattern for pattern in patterns if not re.search(pattern, scripts)] == []


@pytest.mark.parametrize(
    ("happened", "result", "expected"),
    [(True, RECOVERED, True), (True, REPAIRED, True), (False, RECOVERED, False), (True, "different state", False)],
)
def test_a_fault_counts_only_if_it_happened_and_was_recovered_from(happened: bool, result: str, expected: bool) -> None:
    outcome = FaultOutcome(InjectedFault("x", "mesh", "deploy"), happened, True, result, 1.0)
    assert outcome.ok is expected
    table = new_table()
    assert not table.ok
    add_outcome(table, outcome)
    assert table.ok is expected
    assert (result in table.rows[0]) is happened


def test_faults_of_other_control_planes_are_left_out() -> None:
    everywhere = {one.name for one in read_faults(small=False) if not one.modes and not one.when}
    for mode in MODES:
        environment = load_without_variables(ROOT / "examples" / f"{mode}.yaml")
        found = {one.name for one in read_faults(small=False, environment=environment)}
        assert everywhere < found < {one.name for one in read_faults(small=False)}
        assert (mode != "fleet") is ("terraform is killed while it installs the mesh" in found)


def test_faults_of_what_the_environment_does_not_have_are_left_out() -> None:
    gateway = load_without_variables(ROOT / "examples" / "gateway.yaml")
    others = load_without_variables(ROOT / "examples" / "fleet.yaml")
    here, there = (
        {one.name for one in read_faults(small=False, environment=environment)} for environment in (gateway, others)
    )
    assert "creating a certificate fails" in here - there
    assert "creating a proxy-only subnet fails" not in there


def test_faults_can_be_chosen_by_name() -> None:
    call = InjectedFault("create-remote-secret.sh is killed at its call 3, kubectl", "mesh", "deploy")
    assert FaultSelection().wants(call)
    assert FaultSelection(only="^mesh, deploy: create.*call 3").wants(call)
    assert not FaultSelection(only="install").wants(call)


def test_stacks_without_a_chosen_fault_are_left_alone() -> None:
    faults = read_faults(small=False)

    def wanted(only: str, *, small: bool = False) -> list[str]:
        return [stack for stack in STACKS if FaultSelection(small, only).may_want(stack, faults)]

    assert wanted("") == list(STACKS)
    assert wanted("^clusters, .*killed") == ["clusters"]
    assert wanted("^mesh, deploy: create-remote-secret.sh fails at its call 3") == ["mesh"]
    assert wanted("create-remote-secret.sh", small=True) == []


def test_a_command_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdktf").write_text("#!/usr/bin/env bash\necho begun\nsleep 60\n", encoding="utf-8")
    (tmp_path / "cdktf").chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", variables["PATH"])
    run = Deployment({}, tmp_path / "deployment", variables, tmp_path / "log").deploy(seconds=1)
    assert not run.ok
    assert run.output.startswith("begun")
    assert run.errors() == ["Error: killed, as it was not done after 1 s"]
    assert run.seconds < 20


@pytest.fixture
def wrappers(tmp_path: Path) -> FaultWrappers:
    """Wrappers of programs that print their arguments."""
    wrappers = FaultWrappers(tmp_path / "wrappers")
    real = tmp_path / "real"
    real.mkdir()
    for tool in TOOLS:
        (real / tool).write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$*"\n', encoding="utf-8")
        (real / tool).chmod(0o755)
    (tmp_path / "some-script.sh").write_text(SCRIPT, encoding="utf-8")
    return wrappers


def run_script(wrappers: FaultWrappers, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{folder / 'real'}:{os.environ['PATH']}"
    command = ["bash", "-e", str(folder / "some-script.sh")]
    variables = wrappers.variables({"PATH": path})
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=30)


def test_wrappers_record_every_call_of_a_script_and_its_subshells(wrappers: FaultWrappers, tmp_path: Path) -> None:
    result = run_script(wrappers, tmp_path)
    assert (result.returncode, result.stdout) == (0, "first\nsecond\nthird\n")
    name = "some-script.sh"
    assert wrappers.calls() == [Call(name, 1, "gcloud"), Call(name, 2, "kubectl"), Call(name, 3, "gcloud")]
    wrappers.forget()
    assert wrappers.calls() == []


@pytest.mark.parametrize(
    ("number", "action", "expected"),
    [
        (1, "fail", (1, "")),
        (2, "fail", (1, "first\n")),
        (2, "kill", (-9, "first\n")),
        (3, "kill", (-9, "first\nsecond\n")),
    ],
)
def test_a_wrapper_fails_its_call_or_kills_the_whole_script_once(
    wrappers: FaultWrappers, tmp_path: Path, number: int, action: str, expected: tuple[int, str]
) -> None:
    wrappers.plan(Call("some-script.sh", number, ""), action)
    result = run_script(wrappers, tmp_path)
    assert (result.returncode, result.stdout) == expected
    assert wrappers.end()
    assert run_script(wrappers, tmp_path).returncode == 0


def test_a_fault_that_did_not_happen_is_known(wrappers: FaultWrappers, tmp_path: Path) -> None:
    wrappers.plan(Call("some-script.sh", 9, ""), "fail")
    assert run_script(wrappers, tmp_path).returncode == 0
    assert not wrappers.end()


def test_credentials_are_found_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    big = b"x" * ((1 << 20) - 3) + b"secret" + b"y" * 100  # across the border of two reads
    (tmp_path / "deep" / "plan").write_bytes(big)
    (tmp_path / "clean").write_text("nothing", encoding="utf-8")
    assert search([tmp_path], [b"secret"]) == (2, [str(tmp_path / "deep" / "plan")])
    assert search([tmp_path], [b"other"]) == (2, [])


def fake_terraform(folder: Path, version: str, condition: str) -> None:
    """Create a terraform whose init succeeds if a condition holds of its folder's files."""
    body = f'if [[ "$1" == version ]]; then echo "Terraform v{version}"; else {condition}; fi'
    (folder / "terraform").write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
    (folder / "terraform").chmod(0o755)


def test_missing_providers_are_named_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_terraform(tmp_path, "1.4.9", "! grep -q -e google -e kubernetes main.tf.json")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LocalMeshError) as caught:
        gather_providers(tmp_path / "providers")
    text = str(caught.value)
    assert "terraform: Terraform v1.4 is too old" in text
    assert f"google {VERSIONS['google']}: missing" in text
    assert f"kubernetes {VERSIONS['kubernetes']}: missing" in text
    assert "null" not in text


def test_the_providers_are_those_that_the_stacks_pin(reference: Synthesis) -> None:
    pinned = reference.stacks["ingress"]["terraform"]["required_providers"]
    assert {name: provider["version"] for name, provider in pinned.items()} == dict(VERSIONS)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for with_terraform in (False, True):
        with pytest.raises(MissingPrerequisiteError) as caught:
            check_prerequisites(rehearsal_prerequisites(tmp_path / "providers", with_terraform=with_terraform))
        for name in ("node", "curl", "unshare", *SCRIPT_TOOLS):
            assert f"  {name}: missing. Required " in str(caught.value)
        for name in ("cdktf: missing", "pipenv: missing", "terraform: missing", "null 3.2.4: can't be checked without"):
            assert (f"{name}" in str(caught.value)) is with_terraform


def test_the_tools_of_the_scripts_are_prerequisites() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "scripts").glob("*.sh"))
    required = set(" ".join(re.findall(r"^ *require_tools ([a-z -]+)$", scripts, re.MULTILINE)).split())
    # The toolchain, a local mesh or the fake tools bring these.
    assert required - {"curl", "gcloud", "gke-gcloud-auth-plugin", "istioctl", "kubectl"} == set(SCRIPT_TOOLS)


def test_the_output_of_a_command_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "network  \x1b[0mApply complete! Resources: 25 added, 1 changed, 2 destroyed.",
        'clusters  null_resource.a["tokyo"]: Destroying... [id=1]',
        "          null_resource.b: Destroying...",
        "          │ Error: no such thing",
    ]
    text = "".join(f"printf '%s\\n' '{line}'\n" for line in lines)
    (tmp_path / "cdktf").write_text(f"#!/usr/bin/env bash\n{text}exit 3\n", encoding="utf-8")
    (tmp_path / "cdktf").chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", variables["PATH"])
    run = Deployment({}, tmp_path / "deployment", variables, tmp_path / "log").deploy()
    assert (run.status, run.totals(), run.errors()) == (3, (25, 1, 2), ["Error: no such thing"])
    assert run.destroyed() == ['null_resource.a["tokyo"]', "null_resource.b"]
    assert [(one.stack, one.ended) for one in run.stacks] == [("network", True), ("clusters", False)]
    assert "status 3" in (tmp_path / "log").read_text(encoding="utf-8")


class NoControlPlanes:
    """No test here calls it."""

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        raise NotImplementedError

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        raise NotImplementedError

    def add_nodes(self, location: str, name: str) -> None:
        raise NotImplementedError

    def stop(self, location: str, name: str) -> None:
        raise NotImplementedError


def test_every_token_contains_the_mark_of_the_secret_scan() -> None:
    cloud = Cloud.create("p", "http://127.0.0.1:1", Latencies(0), NoControlPlanes())
    assert cloud.identity.new_token()["access_token"].startswith("ya29.canary")
    assert Table("t", ["a"]).ok is False


def test_a_kill_includes_all_descendants() -> None:
    command = ["bash", "-c", "setsid sleep 60 & echo $!; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        while "sleep" not in Path(f"/proc/{child}/comm").read_text(encoding="utf-8"):
            pass
        kill_all(process)
        assert process.wait(10) == -9
    deadline = time.monotonic() + 5
    while _is_running(child):
        assert time.monotonic() < deadline


def _is_running(number: int) -> bool:
    stat = Path(f"/proc/{number}/stat")
    return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"


def test_the_seconds_of_a_deploy_are_parsed() -> None:
    run = CommandRun(0, 74.6, "", [StackRun(stack, number + 3.2, ended=True) for number, stack in enumerate(STACKS)])
    later = CommandRun(0, 9.0, "", [StackRun("network", 8.0, ended=True)])
    output = f"Rehearsal: passed\n\n{deployed('First deploy', run)}\n\n{deployed('Region', later, ('network',))}\n"
    assert seconds_of(output) == {"network": 3, "clusters": 4, "mesh": 5, "ingress": 6, "all": 75}
    for broken in ("", str(deployed("First deploy", later, ("network",))), output.replace("ingress", "egress")):
        with pytest.raises(ValueError, match="no deploy of all stacks"):
            seconds_of(broken)

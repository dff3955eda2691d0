"""`mesh repair`: what it finds, proves, leaves alone and does."""

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.repair.adoption import ADOPTED, NOT_ADOPTED
from cli.repair.step import restore_step
from cli.sources.applied import MANIFEST
from config.naming import STACKS
from config.paths import ROOT
from tests.cli.doctor.diagnosis import OSAKA, PROJECT, TOKYO
from tests.cli.emulated_project import Body
from tests.cli.repair.interrupted import Interrupted, live_object

SNAPSHOTS = ROOT / "tests" / "synthesis" / "__snapshots__" / "test_snapshots"
IDS = {
    ("google_compute_firewall", "pods"): f"projects/{PROJECT}/global/firewalls/acme-vpc-istio-multicluster-pods",
    ("google_compute_global_address", ""): f"projects/{PROJECT}/global/addresses/acme-ingress",
    ("google_compute_router", "osaka"): f"projects/{PROJECT}/regions/{OSAKA}/routers/acme-osaka-router",
    ("google_compute_router_nat", "osaka"): f"{PROJECT}/{OSAKA}/acme-osaka-router/acme-osaka-nat",
    ("google_compute_subnetwork", "tokyo"): f"projects/{PROJECT}/regions/{TOKYO}/subnetworks/acme-private-vm",
    ("google_container_cluster", "tokyo"): f"projects/{PROJECT}/locations/{TOKYO}/clusters/acme-tokyo-cluster-1",
    ("google_container_node_pool", "tokyo"): f"{PROJECT}/{TOKYO}/acme-tokyo-cluster-1/acme-tokyo-nodes",
    ("google_gke_hub_feature", "service-mesh"): f"projects/{PROJECT}/locations/global/features/servicemesh",
    ("google_service_account", "osaka"): (
        f"projects/{PROJECT}/serviceAccounts/acme-osaka-node@{PROJECT}.iam.gserviceaccount.com"
    ),
}


def test_nothing_is_lost(interrupted: Interrupted) -> None:
    status, found = interrupted.repair("--yes")
    assert status == 0, [one for one in found.values() if one["state"] == "failure"]
    assert found["terraform"]["text"] == "nothing is lost"
    assert interrupted.done() == []


@pytest.mark.parametrize(("type_", "part"), IDS)
def test_what_is_proved_ours_is_imported(interrupted: Interrupted, type_: str, part: str) -> None:
    address = interrupted.address(type_, part)
    interrupted.lose(address)
    status, _ = interrupted.repair("--yes")
    assert status == 0
    assert interrupted.done() == [f"import {address} {IDS[type_, part]}"]


def test_a_dry_run_prints_the_plan_only(interrupted: Interrupted) -> None:
    address = interrupted.address("google_compute_global_address")
    interrupted.lose(address)
    status, found = interrupted.repair("--dry-run")
    assert status == 1
    assert found["address acme-ingress"]["state"] == "failure"
    assert f"import {address} projects/{PROJECT}/global/addresses/acme-ingress" in found["address acme-ingress"]["fix"]
    assert "ours by its name and its description" in found["address acme-ingress"]["text"]
    assert interrupted.done() == []


def test_without_a_terminal_it_does_nothing_without_yes(interrupted: Interrupted) -> None:
    interrupted.lose(interrupted.address("google_compute_global_address"))
    interrupted.write_states()
    result = interrupted.project.run("repair")
    assert (result.returncode, interrupted.done()) == (2, [])
    assert "--yes" in result.stderr


@pytest.mark.parametrize(
    ("type_", "part", "path", "change"),
    [
        ("google_compute_global_address", "", "global/addresses/acme-ingress", {"description": "the shop's"}),
        (
            "google_compute_firewall",
            "pods",
            "global/firewalls/acme-vpc-istio-multicluster-pods",
            {"network": f"projects/{PROJECT}/global/networks/theirs"},
        ),
        (
            "google_compute_router_nat",
            "osaka",
            f"regions/{OSAKA}/routers/acme-osaka-router",
            {"network": f"projects/{PROJECT}/global/networks/theirs"},
        ),
        (
            "google_gke_hub_feature",
            "multi-cluster",
            "locations/global/features/multiclusteringress",
            {"spec": {"multiclusteringress": {"configMembership": "projects/p/locations/global/memberships/theirs"}}},
        ),
    ],
)
def test_what_may_be_someone_elses_is_listed(
    interrupted: Interrupted, type_: str, part: str, path: str, change: dict[str, object]
) -> None:
    address = interrupted.address(type_, part)
    interrupted.lose(address)
    interrupted.project.server.cloud.store.get(f"projects/{PROJECT}/{path}").update(change)
    status, found = interrupted.repair("--yes")
    assert status == 1
    assert interrupted.done() == []
    (bad,) = [one for one in found.values() if one["state"] == "failure"]
    assert "so it may not be of this environment" in bad["text"]
    assert f" import {address} " in bad["fix"]
    assert "delete" in bad["fix"] or "disable" in bad["fix"]


def test_an_environment_whose_state_is_elsewhere_is_not_adopted(interrupted: Interrupted) -> None:
    for stack in STACKS:
        interrupted.states[stack] = []
    status, found = interrupted.repair("--yes")
    assert status == 1
    assert interrupted.done() == []
    assert "the state of the environment seems to be elsewhere" in found["network acme-vpc"]["text"]


def test_a_network_that_was_just_created_is_adopted(interrupted: Interrupted) -> None:
    """Nothing is on it yet."""
    store = interrupted.project.server.cloud.store
    for stack in STACKS:
        interrupted.states[stack] = []
    for path in list(store.all()):
        if "/services/" not in path and not path.endswith("/networks/acme-vpc"):
            store.remove(path)
    status, _ = interrupted.repair("--yes")
    assert status == 0
    assert interrupted.done() == [f"import google_compute_network.vpc projects/{PROJECT}/global/networks/acme-vpc"]


def test_a_complete_cluster_is_not_replaced(interrupted: Interrupted) -> None:
    address = interrupted.address("google_container_cluster", "tokyo")
    interrupted.taint(address)
    assert interrupted.repair("--yes")[0] == 0
    assert interrupted.done() == [f"untaint {address}"]


def test_a_broken_cluster_is_left_to_the_next_deploy(interrupted: Interrupted) -> None:
    address = interrupted.address("google_container_cluster", "tokyo")
    interrupted.taint(address)
    path = f"projects/{PROJECT}/locations/{TOKYO}/clusters/acme-tokyo-cluster-1"
    interrupted.project.server.cloud.store.get(path)["status"] = "ERROR"
    _, found = interrupted.repair("--yes")
    assert "its status is ERROR" in found[f"cluster acme-tokyo-cluster-1 in {TOKYO}"]["text"]
    assert interrupted.done() == []


@pytest.mark.parametrize(("status", "expected"), [("ERROR", 1), ("STOPPING", 0)])
def test_a_cluster_that_is_broken_or_being_deleted_is_not_imported(
    interrupted: Interrupted, status: str, expected: int
) -> None:
    interrupted.lose(interrupted.address("google_container_cluster", "tokyo"))
    path = f"projects/{PROJECT}/locations/{TOKYO}/clusters/acme-tokyo-cluster-1"
    interrupted.project.server.cloud.store.get(path)["status"] = status
    code, found = interrupted.repair("--yes")
    assert (code, interrupted.done()) == (expected, [])
    if expected:
        assert "its creation failed" in found[f"cluster acme-tokyo-cluster-1 in {TOKYO}"]["text"]


def gateway_in_tokyo(interrupted: Interrupted, *, ours: bool) -> tuple[str, Body]:
    """Have the cluster of tokyo contain a Gateway of the stacks; return its address and its manifest."""
    address, manifest = next(
        (f"{MANIFEST}.{name}", one["manifest"])
        for name, one in interrupted.synthesis.all("ingress", MANIFEST).items()
        if one["provider"] == "kubernetes.tokyo" and one["manifest"]["kind"] == "Gateway"
    )
    home = interrupted.project.folder
    (home / "rows").write_text("Gateway sample helloworld-gateway\n", encoding="utf-8")
    (home / "object").write_text(json.dumps(live_object(manifest, ours=ours)), encoding="utf-8")
    return address, manifest


@pytest.mark.parametrize("ours", [True, False])
def test_objects_are_imported_if_a_deploy_has_applied_them(interrupted: Interrupted, ours: bool) -> None:
    address, manifest = gateway_in_tokyo(interrupted, ours=ours)
    interrupted.lose(address)
    status, found = interrupted.repair("--yes")
    given = f"apiVersion={manifest['apiVersion']},kind=Gateway,namespace=sample,name=helloworld-gateway"
    assert interrupted.done() == ([f"import {address} {given}"] if ours else [])
    assert status == (0 if ours else 1)
    if not ours:
        assert "may be someone else's" in found["tokyo: Gateway sample/helloworld-gateway"]["text"]


@pytest.mark.parametrize(
    ("type_", "part"), [("google_compute_subnetwork", "tokyo"), ("google_compute_router_nat", "osaka")]
)
def test_a_resource_that_the_state_has_under_another_address_is_not_imported(
    interrupted: Interrupted, type_: str, part: str
) -> None:
    """The stacks on this machine are older or newer than the state. Imported twice, it would be deleted once."""
    interrupted.rename(interrupted.address(type_, part), id=IDS[type_, part])
    assert (interrupted.repair("--yes")[0], interrupted.done()) == (0, [])


def test_an_object_that_the_state_has_under_another_address_is_not_imported(interrupted: Interrupted) -> None:
    address, _ = gateway_in_tokyo(interrupted, ours=True)
    interrupted.rename(address)
    assert (interrupted.repair("--yes")[0], interrupted.done()) == (0, [])


def test_a_tainted_namespace_is_kept(interrupted: Interrupted) -> None:
    address = next(
        f"{MANIFEST}.{name}"
        for name, one in interrupted.synthesis.all("ingress", MANIFEST).items()
        if one["manifest"]["kind"] == "Namespace"
    )
    interrupted.taint(address)
    interrupted.repair("--yes")
    assert interrupted.done() == [f"untaint {address}"]


@pytest.mark.parametrize(
    ("address", "triggers"),
    [
        ("control-plane_install", {"asmcli_url": "https://x", "cluster": "acme-tokyo-cluster-1"}),
        ("trust_grant_1", {"holder_cluster": "acme-tokyo-cluster-1"}),
    ],
)
def test_a_half_done_script_runs_again(interrupted: Interrupted, address: str, triggers: dict[str, str]) -> None:
    key = "tokyo" if "install" in address else "tokyo/osaka"
    instance = {"index_key": key, "attributes": {"triggers": triggers}}
    resource = {"mode": "managed", "type": "null_resource", "name": address, "instances": [instance]}
    interrupted.states["mesh"].append(resource)
    assert interrupted.repair("--yes")[0] == 0
    assert interrupted.done() == [f'taint null_resource.{address}["{key}"]']


ME = f"{getpass.getuser()}@{os.uname().nodename}"


@pytest.mark.parametrize(
    ("holder", "runs"),
    [("matt@laptop", "bash"), (ME, "bash\n/usr/bin/terraform"), (ME, "")],
    ids=["else", "runs", "ps"],
)
def test_a_lock_that_may_be_held_is_not_released(interrupted: Interrupted, holder: str, runs: str) -> None:
    interrupted.lose(interrupted.address("google_compute_subnetwork", "tokyo"))
    interrupted.lock("network", holder)
    interrupted.project.fake_program("ps", f"echo '{runs}'" if runs else "exit 1")
    status, found = interrupted.repair("--yes")
    assert status == 1
    assert f"locked by {holder}" in found["network"]["text"]
    assert found["network"]["fix"].endswith("force-unlock 12-34")
    assert interrupted.done() == []


def test_a_state_that_may_not_be_locked_is_not_reported_as_locked(interrupted: Interrupted) -> None:
    error = "Error: Error acquiring the state lock\n\nError message: googleapi: Error 403: forbidden\n"
    (interrupted.project.folder / "locked.network").write_text(error, encoding="utf-8")
    status, found = interrupted.repair("--yes")
    assert (status, interrupted.done()) == (1, [])
    assert "can't lock the state of network" in found["network"]["text"]
    assert "Error 403" in found["network"]["text"]
    assert "force-unlock" not in found["network"]["fix"]


def test_a_lock_of_a_killed_terraform_is_released_and_then_the_state_repaired(interrupted: Interrupted) -> None:
    address = interrupted.address("google_compute_subnetwork", "tokyo")
    interrupted.lose(address)
    interrupted.lock("network", ME)
    interrupted.project.fake_program("ps", "echo bash; echo terraform-provider-google")
    status, found = interrupted.repair("--dry-run")
    assert (status, interrupted.done()) == (1, [])
    assert f"locked by {ME}" in found["lock of network"]["text"]
    assert found["lock of network"]["fix"].endswith("stacks/network force-unlock -force 12-34")
    status, found = interrupted.repair("--yes")
    assert status == 0, [one for one in found.values() if one["state"] == "failure"]
    subnet = IDS["google_compute_subnetwork", "tokyo"]
    assert interrupted.done() == ["force-unlock -force 12-34", f"import {address} {subnet}"]


def incomplete(interrupted: Interrupted, state: str, backup: str | None = '{"version": 4}') -> tuple[Path, Path]:
    """Leave the network's state incomplete, and return its file and its backup."""
    file = interrupted.project.folder / "terraform.network.tfstate"
    file.write_text(state, encoding="utf-8")
    saved = file.with_name(f"{file.name}.backup")
    if backup is not None:
        saved.write_text(backup, encoding="utf-8")
    return file, saved


@pytest.mark.parametrize("cut", ["", "{"], ids=["empty", "cut off"])
def test_an_incomplete_state_is_restored_and_then_repaired(interrupted: Interrupted, cut: str) -> None:
    """What terraform created after the backup is imported. What was cut off is kept: the backup may not have all."""
    address = interrupted.address("google_compute_subnetwork", "tokyo")
    interrupted.lose(address)
    state, backup = incomplete(interrupted, cut)
    aside = state.with_name(f"{state.name}.incomplete")
    status, found = interrupted.repair("--dry-run")
    assert (status, interrupted.done(), state.read_text(encoding="utf-8")) == (1, [], cut)
    restore = f"cp {os.path.relpath(backup)} {os.path.relpath(state)}"
    keep = f"cp {os.path.relpath(state)} {os.path.relpath(aside)}"
    assert found["state of network"]["fix"] == (f"{keep} && {restore}" if cut else restore)
    assert found["network"]["fix"] == "mesh repair"
    assert found["terraform"]["text"] == "nothing is lost that can be repaired"
    assert interrupted.project.run("audit").returncode == 2
    status, found = interrupted.repair("--yes")
    assert status == 0, [one for one in found.values() if one["state"] == "failure"]
    assert state.read_text(encoding="utf-8") == '{"version": 4}'
    assert not cut or aside.read_text(encoding="utf-8") == cut
    assert interrupted.done() == [f"import {address} {IDS['google_compute_subnetwork', 'tokyo']}"]


def test_after_a_state_is_restored_the_deploy_is_next(interrupted: Interrupted) -> None:
    incomplete(interrupted, "{")
    assert interrupted.repair("--yes")[1]["terraform"]["fix"].startswith("cdktf deploy")


@pytest.mark.parametrize("missing", [".terraform", "all"])
def test_a_state_is_restored_before_the_stacks_are_synthesized(interrupted: Interrupted, missing: str) -> None:
    """The synthesis refuses an incomplete state, so `mesh repair` can't wait for a synthesis."""
    state, _ = incomplete(interrupted, "{")
    outdir = interrupted.project.folder / "cdktf.out"
    shutil.rmtree(outdir if missing == "all" else outdir / "stacks" / "network" / missing)
    _, found = interrupted.repair("--yes")
    assert state.read_text(encoding="utf-8") == '{"version": 4}'
    if missing == "all":
        assert found["stacks"]["fix"] == "cdktf synth, and mesh repair again"


@pytest.mark.parametrize("backup", [None, "", "{"], ids=["none", "empty", "cut off"])
def test_a_state_without_a_backup_is_put_aside_and_everything_imported(
    interrupted: Interrupted, backup: str | None
) -> None:
    """Also the network with all that is on it: its state is known to have been here."""
    lost = [one["type"] for one in interrupted.states["network"] if one["type"] in ADOPTED]
    interrupted.states["network"] = []
    state, _ = incomplete(interrupted, "{", backup)
    status, found = interrupted.repair("--yes")
    assert (status, state.exists()) == (0, False), found
    assert state.with_name(f"{state.name}.incomplete").read_text(encoding="utf-8") == "{"
    assert sorted(one.removeprefix("import ").partition(".")[0] for one in interrupted.done()) == sorted(lost)
    assert "google_compute_network" in lost


def test_a_state_that_a_terraform_has_locked_is_not_restored(interrupted: Interrupted) -> None:
    state, _ = incomplete(interrupted, "{")
    lock = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", lock, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        status, found = interrupted.repair("--yes")
        holder.communicate()
    assert (status, state.read_text(encoding="utf-8")) == (1, "{")
    assert found["state of network"]["text"] == "not done: a terraform that runs has locked it"
    assert found["state of network"]["fix"].endswith("mesh repair")
    assert "terraform" in found
    assert found["terraform"]["state"] == "ok"


def test_a_state_that_was_restored_while_the_prompt_waited_is_left_alone(interrupted: Interrupted) -> None:
    """A newer one than the backup: somebody else has deployed since."""
    state, _ = incomplete(interrupted, "{")
    step = restore_step("network", state)
    state.write_text('{"version": 4, "serial": 2}', encoding="utf-8")
    assert step.do() == ""
    assert '"serial": 2' in state.read_text(encoding="utf-8")


def test_a_stack_that_is_not_initialized_is_not_looked_at(interrupted: Interrupted) -> None:
    interrupted.lose(interrupted.address("google_compute_subnetwork", "tokyo"))
    (interrupted.project.folder / "cdktf.out" / "stacks" / "network" / ".terraform").rmdir()
    _, found = interrupted.repair("--yes")
    assert found["network"]["state"] == "warning"
    assert found["network"]["fix"].endswith("stacks/network init")
    assert interrupted.done() == []


def test_a_step_that_fails_is_reported_and_the_next_one_is_done(interrupted: Interrupted) -> None:
    for part in ("tokyo", "osaka"):
        interrupted.lose(interrupted.address("google_compute_subnetwork", part))
    (interrupted.project.folder / "refuses").touch()
    status, found = interrupted.repair("--yes")
    assert status == 1
    assert len(interrupted.done()) == 2
    assert found[f"subnet acme-private-vm in {TOKYO}"]["text"].endswith("and this failed: no")


def test_every_resource_type_of_the_stacks_is_adopted_or_has_a_reason() -> None:
    """The closed world: a new type needs an entry in `cli.repair.adoption`."""
    types = {
        type_
        for file in SNAPSHOTS.glob("*.json")
        for type_ in json.loads(file.read_text(encoding="utf-8")).get("resource", {})
    }
    assert types == {*ADOPTED, *NOT_ADOPTED, MANIFEST}
    assert not ADOPTED.keys() & NOT_ADOPTED.keys()

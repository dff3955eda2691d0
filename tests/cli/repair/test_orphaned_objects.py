"""`mesh repair`: objects that a deploy has applied, and that no stack has any more."""

import json
import re
from collections.abc import Callable

import pytest

from cli.sources.applied import MANIFEST
from cli.sources.orphaned_objects import KINDS
from config.paths import ROOT
from tests.cli.emulated_project import Body
from tests.cli.repair.interrupted import Interrupted, live_object


def manifest(kind: str, name: str, namespace: str = "") -> Body:
    where = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": "apps/v1" if kind == "Deployment" else "v1",
        "kind": kind,
        "metadata": {"name": name, **where},
    }


def with_list(interrupted: Interrupted, *objects: Body) -> None:
    """Have the cluster of tokyo contain objects, which are older than the states."""
    (interrupted.project.folder / "terraform.ingress.tfstate").write_text('{"version": 4}', encoding="utf-8")
    (interrupted.project.folder / "list").write_text(json.dumps({"items": objects}), encoding="utf-8")


SHOP = manifest("Deployment", "shop", "sample")


def test_an_object_that_no_stack_has_any_more_is_deleted(interrupted: Interrupted) -> None:
    """terraform was killed while it created the object, and then it was removed from the configuration."""
    home = interrupted.project.folder
    with_list(interrupted, live_object(SHOP, ours=True), live_object(manifest("Namespace", "shops"), ours=True))
    status, found = interrupted.repair("--dry-run")
    assert status == 1
    assert not (home / "deleted").exists()
    name, words = (
        "tokyo: Deployment sample/shop",
        "--namespace sample delete deployment.apps/shop --wait=false",
    )
    assert found[name]["fix"].endswith(words)
    assert "deleted with everything in it" in found["tokyo: Namespace shops"]["text"]
    status, found = interrupted.repair("--yes")
    assert (status, found[name]["text"]) == (0, "done: delete it")
    (deleted,) = (home / "deleted").read_text(encoding="utf-8").splitlines()
    assert deleted.endswith(f"{words} --ignore-not-found")
    assert "tokyo" in deleted


def test_an_object_that_is_not_deleted_is_reported(interrupted: Interrupted) -> None:
    with_list(interrupted, live_object(SHOP, ours=True))
    (interrupted.project.folder / "refuses").touch()
    status, found = interrupted.repair("--yes")
    assert status == 1
    assert found["tokyo: Deployment sample/shop"]["text"].endswith("and this failed: Error from server: no")


def test_an_object_that_another_checkout_may_have_deployed_is_listed(interrupted: Interrupted) -> None:
    """The states of this one are local, and older than the object."""
    with_list(interrupted, changed(creationTimestamp="2999-11-28T03:00:00Z"))
    status, found = interrupted.repair("--yes")
    assert (status, (interrupted.project.folder / "deleted").exists()) == (0, False)
    shop = found["tokyo: Deployment sample/shop"]
    assert (shop["state"], shop["text"].rpartition("; ")[2]) == (
        "warning",
        "but it is younger than the states, so another checkout may have deployed it",
    )
    assert shop["fix"].startswith("if it is not in use: kubectl ")


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}, "warning"),
        ({"manager": "helm", "operation": "Update", "fieldsV1": {"f:metadata": {}, "f:spec": {}}}, "warning"),
        ({"manager": "Terraform", "operation": "Apply", "fieldsV1": {"f:spec": {}}}, "failure"),
        ({"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:metadata": {}}}, "failure"),
        (
            {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {}}},
            "failure",
        ),
    ],
    ids=["Argo CD", "Helm", "a deploy", "a controller", "an autoscaler"],
)
def test_an_object_that_was_handed_over_is_listed(interrupted: Interrupted, entry: Body, state: str) -> None:
    """It was removed from the state and the configuration, and another tool applies it: nothing is interrupted."""
    live = live_object(SHOP, ours=True)
    with_list(interrupted, {**live, "metadata": {**live["metadata"], "managedFields": [entry]}})
    _, found = interrupted.repair("--dry-run")
    shop = found["tokyo: Deployment sample/shop"]
    assert shop["state"] == state
    assert (f"others manage it, too: {entry['manager']}" in shop["text"]) is (state == "warning")


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        ('cat "$home/newer" >"$home/state.ingress"', "not done: a deploy has it by now"),
        ('echo "Error acquiring the state lock" >"$home/locked.ingress"', "not done: a state is locked"),
    ],
    ids=["deployed", "is being deployed"],
)
def test_an_object_that_is_deployed_before_it_is_deleted_stays(
    interrupted: Interrupted, meanwhile: str, why: str
) -> None:
    """The prompt may wait for hours, and a colleague deploys."""
    home = interrupted.project.folder
    with_list(interrupted, live_object(SHOP, ours=True))
    resource = {
        "mode": "managed",
        "type": MANIFEST,
        "name": "shop",
        "provider": 'provider["registry.terraform.io/hashicorp/kubernetes"].tokyo',
        "instances": [{"attributes": {"manifest": {"value": SHOP}}}],
    }
    newer = {"version": 4, "resources": [*interrupted.states["ingress"], resource]}
    (home / "newer").write_text(json.dumps(newer), encoding="utf-8")
    (home / "meanwhile").write_text(f"home='{home}'\n{meanwhile}\n", encoding="utf-8")
    status, found = interrupted.repair("--yes")
    assert (status, (home / "deleted").exists()) == (1, False)
    shop = found["tokyo: Deployment sample/shop"]
    assert shop["text"].startswith(why)
    assert shop["fix"] == "mesh repair"


def test_kinds_that_may_not_be_listed_do_not_prevent_the_rest(interrupted: Interrupted) -> None:
    name = "control-plane_install"
    triggers = {"asmcli_url": "https://x", "cluster": "acme-tokyo-cluster-1"}
    instance = {"index_key": "tokyo", "attributes": {"triggers": triggers}}
    interrupted.states["mesh"].append(
        {"mode": "managed", "type": "null_resource", "name": name, "instances": [instance]}
    )
    forbidden = 'echo "Error from server (Forbidden): configmaps is forbidden" >&2; exit 1\n'
    (interrupted.project.folder / "meanwhile").write_text(forbidden, encoding="utf-8")
    status, found = interrupted.repair("--yes")
    assert (status, interrupted.done()) == (0, [f'taint null_resource.{name}["tokyo"]'])
    assert "not looked for: Error from server (Forbidden)" in found["cluster of tokyo"]["text"]
    assert "roles/container.admin" in found["cluster of tokyo"]["fix"]


def applied(interrupted: Interrupted) -> Body:
    """Return a Deployment that a stack has."""
    applied = interrupted.synthesis.all("ingress", MANIFEST).values()
    manifests = (one["manifest"] for one in applied if one["provider"] == "kubernetes.tokyo")
    return live_object(next(one for one in manifests if one["kind"] == "Deployment"), ours=True)


def changed(**metadata: str) -> Body:
    """Return the Deployment with other metadata."""
    live = live_object(SHOP, ours=True)
    return {**live, "metadata": {**live["metadata"], **metadata}}


@pytest.mark.parametrize(
    "live",
    [
        lambda _: live_object(SHOP, ours=False),
        lambda _: changed(name="copy"),
        lambda _: changed(deletionTimestamp="2026-11-29T10:00:00Z"),
        applied,
    ],
    ids=["someone else's", "a copy by hand", "being deleted", "of a stack"],
)
def test_no_other_object_is_deleted(interrupted: Interrupted, live: Callable[[Interrupted], Body]) -> None:
    with_list(interrupted, live(interrupted))
    status, found = interrupted.repair("--yes")
    assert (status, found["terraform"]["text"]) == (0, "nothing is lost")


@pytest.mark.parametrize("lost", ["the cluster", "a state"])
def test_nothing_is_deleted_if_a_state_may_be_elsewhere(interrupted: Interrupted, lost: str) -> None:
    with_list(interrupted, live_object(SHOP, ours=True))
    if lost == "the cluster":
        interrupted.lose(interrupted.address("google_container_cluster", "tokyo"))
    else:
        (interrupted.project.folder / "cdktf.out" / "stacks" / "mesh" / ".terraform").rmdir()
    _, found = interrupted.repair("--yes")
    assert not [name for name in found if "shop" in name]


def test_every_kind_of_the_manifests_is_looked_for() -> None:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "manifests").rglob("*.yaml")]
    kinds = {kind.lower() for text in texts for kind in re.findall(r"^kind: (\w+)", text, re.MULTILINE)}
    plurals = {one.partition(".")[0] for one in KINDS}
    assert len(kinds) > 20
    assert {kind for kind in kinds if not {f"{kind}s", f"{kind}es", f"{kind[:-1]}ies"} & plurals} == set()

"""`mesh status` and `mesh audit` in each control plane mode."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from cli.sources.cluster_objects import COMPLETION_MARKER
from cli.sources.mesh_components import READINESS_JOB_PREFIX
from cli.sources.state import StateResource
from config.crds import TRAFFIC_DISTRIBUTION_CRD
from config.paths import ROOT
from tests.cli.deployed_mesh import (
    DEPLOY,
    FLEET,
    IN_CLUSTER,
    IN_CLUSTER_REVISION,
    LOCATIONS,
    MANAGED,
    PROJECT,
    REVISION,
    REVISIONS,
    VPC,
    Case,
    DeployedMesh,
    automatic,
    cluster_name,
    condition,
    deployment,
    injector,
    istiod,
    job,
    membership_key,
    pod,
    remote_secret,
    secret_name,
)

TOKYO = "kubectl --context gke_test-project_asia-northeast1_matt-tokyo-cluster-1"
IN_MESH = f"{TOKYO} --namespace istio-system"
INSTALL = (
    "terraform -chdir=cdktf.out/stacks/mesh apply -replace='null_resource.control-plane_install_721FC8E9[\"tokyo\"]'"
)
CONTROL_PLANE = ("tokyo", "mesh control plane")


def with_modes(*modes: str) -> pytest.MarkDecorator:
    """Run a test in these control plane modes."""
    return pytest.mark.parametrize("mesh", modes, indirect=True)


def unmanage(region: str) -> str:
    return (
        f"gcloud container fleet mesh update --management manual --memberships {cluster_name(region)} "
        f"--location {LOCATIONS[region]} --project {PROJECT}"
    )


# --- all is well


CHECKS = {
    MANAGED: {"mesh control plane", "multicluster mode", "installation", "remote secret for osaka"},
    IN_CLUSTER: {
        "mesh control plane",
        "injection webhook",
        "other mesh control planes",
        "installation",
        "remote secret for osaka",
    },
    FLEET: {"mesh control plane", "multicluster mode", "readiness"},
}
"""The findings of a cluster that depend on the control plane mode."""

OVERVIEW = {
    MANAGED: ["ACTIVE", "4 of 4", "1 of 1"],
    IN_CLUSTER: ["2 of 2", "4 of 4", "1 of 1"],
    FLEET: ["ACTIVE", "4 of 4", "connected"],
}


@pytest.mark.parametrize(("mesh", "mode"), [(mode, mode) for mode in REVISIONS], indirect=["mesh"])
def test_all_is_well(mesh: DeployedMesh, mode: str) -> None:
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings()) == set(answer.findings("ok"))
    names = {name for section, name in answer.findings() if section == "tokyo"}
    assert names & set().union(*CHECKS.values()) == CHECKS[mode]
    texts = {name: one["text"] for (section, name), one in answer.findings().items() if section == "tokyo"}
    assert texts["fleet management"] == ("MANAGEMENT_AUTOMATIC" if mode == FLEET else "off, as configured")
    label = "istio-injection=enabled" if mode == FLEET else f"istio.io/rev={REVISIONS[mode]}"
    assert texts["namespaces"] == f"all have the label {label}"
    assert texts["other remote secrets"] == "none"
    assert texts["authorized networks"] == ("2, as configured" if mode == IN_CLUSTER else "1, as configured")
    assert answer.data["sections"][0]["rows"][0][5:8] == OVERVIEW[mode]
    assert answer.data["data"]["revision"] == REVISIONS[mode]


@pytest.mark.parametrize("mesh", REVISIONS, indirect=True)
def test_nothing_is_left_over(mesh: DeployedMesh) -> None:
    answer = mesh.run_json("audit")
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings()) == set(answer.findings("ok"))


# --- one thing is wrong


def _gone(kind: str, name: str = "") -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.remove("tokyo", kind, name)


def _added(one: dict[str, Any], region: str = "tokyo") -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.add(region, copy.deepcopy(one))


def _ready(count: int) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.object("tokyo", "Deployment", "istiod").update(status={"readyReplicas": count})


def _webhooks(mesh: DeployedMesh) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mesh.object("tokyo", "MutatingWebhookConfiguration")["webhooks"]
    return found


def _networks(mesh: DeployedMesh) -> list[dict[str, str]]:
    found: list[dict[str, str]] = mesh.cluster("tokyo")["masterAuthorizedNetworksConfig"]["cidrBlocks"]
    return found


def _not_admitted(mesh: DeployedMesh) -> None:
    mesh.cluster("tokyo")["masterAuthorizedNetworksConfig"]["cidrBlocks"] = _networks(mesh)[:1]


def _admitted(cidr: str, name: str) -> Callable[[DeployedMesh], None]:
    return lambda mesh: _networks(mesh).append({"cidrBlock": cidr, "displayName": name})


def _marked(mark: str) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.object("tokyo", "ConfigMap", COMPLETION_MARKER).update(data={"installed": mark})


def _managed_by_the_fleet(region: str) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.feature("servicemesh").update(membershipSpecs={membership_key(region): automatic()})


def _also_managed(region: str, **mesh: str) -> Callable[[DeployedMesh], None]:
    spec = {"mesh": mesh} if mesh else automatic()
    return lambda mesh: mesh.feature("servicemesh")["membershipSpecs"].update({membership_key(region): spec})


def _job(**status: Any) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.object("tokyo", "Job").update(status=status)


FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}]}

EVERYWHERE_WITH_ASMCLI: dict[str, Case] = {
    "no mark of the installation": Case(
        _gone("ConfigMap", COMPLETION_MARKER), ("tokyo", "installation"), "its completion marker is missing", INSTALL
    ),
    "an installation of other inputs": Case(
        _marked("0" * 64), ("tokyo", "installation"), "with other inputs than those in the state", INSTALL
    ),
    "a remote secret of other inputs": Case(
        lambda mesh: mesh.object("tokyo", "Secret")["metadata"]["annotations"].clear(),
        ("tokyo", "remote secret for osaka"),
        "it was created with other inputs than those in the state",
        "trust_grant",
    ),
    "no remote secret": Case(_gone("Secret"), ("tokyo", "remote secret for osaka"), "missing", "trust_grant"),
    "the fleet manages it, too": Case(
        _managed_by_the_fleet("tokyo"),
        ("tokyo", "fleet management"),
        "MANAGEMENT_AUTOMATIC, but not configured: Google runs another mesh control plane",
        unmanage("tokyo"),
        "warning",
    ),
}

CASES: dict[str, dict[str, Case]] = {
    MANAGED: EVERYWHERE_WITH_ASMCLI,
    IN_CLUSTER: {
        **EVERYWHERE_WITH_ASMCLI,
        "no istiod": Case(_gone("Deployment", "istiod"), CONTROL_PLANE, "istiod-asm-1285-12 does not exist"),
        "istiod of another revision only": Case(
            lambda mesh: mesh.object("tokyo", "Deployment", "istiod")["metadata"].update(
                name="istiod-asm-1285-11", labels={}
            ),
            CONTROL_PLANE,
            "istiod-asm-1285-12 does not exist",
        ),
        "istiod does not run": Case(
            _ready(0),
            CONTROL_PLANE,
            "istiod-asm-1285-12: 0 of 2 ready",
            f"{IN_MESH} describe deployment,pods --selector app=istiod",
        ),
        "istiod runs once": Case(
            _ready(1), CONTROL_PLANE, "istiod-asm-1285-12: 1 of 2 ready", f"{IN_MESH} describe", "warning"
        ),
        "no webhook": Case(
            _gone("MutatingWebhookConfiguration"),
            ("tokyo", "injection webhook"),
            "there is none for asm-1285-12: new pods start without a sidecar",
        ),
        "a webhook that leads elsewhere": Case(
            lambda mesh: _webhooks(mesh)[1].update(clientConfig={"url": "https://192.0.2.1/inject"}),
            ("tokyo", "injection webhook"),
            "istio-sidecar-injector-asm-1285-12 calls a URL, istiod-asm-1285-12",
            f"{IN_MESH} logs deployment/istiod-asm-1285-12",
        ),
        "a webhook without a CA": Case(
            lambda mesh: _webhooks(mesh)[0]["clientConfig"].pop("caBundle"),
            ("tokyo", "injection webhook"),
            "has no CA bundle yet",
            f"{IN_MESH} logs deployment/istiod-asm-1285-12",
        ),
        "a control plane of the version before": Case(
            lambda mesh: mesh.clusters["tokyo"]["objects"].extend([istiod("asm-1264-5"), injector("asm-1264-5")]),
            ("tokyo", "other mesh control planes"),
            "istiod-asm-1264-5; uninstall when no proxy uses it",
            f"istioctl {TOKYO.removeprefix('kubectl ')} uninstall --revision asm-1264-5",
            "warning",
        ),
        "a proxy of the version before": Case(
            _added(pod("sample", "sleep", 7, "asm-1264-5")),
            ("tokyo", "proxies"),
            "sample/sleep-5d4f8-7 has revision asm-1264-5",
            f"{TOKYO} --namespace sample rollout restart deployment sleep",
        ),
        "the others' pods are not admitted": Case(
            _not_admitted,
            ("tokyo", "authorized networks"),
            "pods-osaka (10.32.0.0/14) is required for endpoint discovery, but missing",
            "cdktf deploy network clusters",
        ),
        "the pods of a retired region are admitted": Case(
            _admitted("10.16.0.0/14", "pods-seoul"),
            ("tokyo", "authorized networks"),
            "pods-seoul (10.16.0.0/14) is authorized, but not configured",
        ),
        "a retired region has a control plane": Case(
            _added(deployment("istio-system", f"istiod-{IN_CLUSTER_REVISION}", 2, {"app": "istiod"}), "seoul"),
            ("seoul", "mesh removal"),
            "the mesh control plane istiod-asm-1285-12 still exists",
        ),
    },
    FLEET: {
        "the fleet does not manage it": Case(
            lambda mesh: mesh.feature("servicemesh")["membershipSpecs"].pop(membership_key("tokyo")),
            ("tokyo", "fleet management"),
            "not set, not MANAGEMENT_AUTOMATIC: this cluster has no mesh control plane",
        ),
        "somebody has switched its management off": Case(
            _also_managed("tokyo", management="MANAGEMENT_MANUAL"),
            ("tokyo", "fleet management"),
            "MANAGEMENT_MANUAL, not MANAGEMENT_AUTOMATIC",
        ),
        "the mesh is not there yet": Case(
            lambda mesh: mesh.mesh_of("tokyo")["controlPlaneManagement"].update(state="PROVISIONING"),
            CONTROL_PLANE,
            "PROVISIONING (REVISION_READY",
            f"gcloud container fleet mesh describe --project {PROJECT}",
        ),
        "the revision is not provisioned": Case(
            lambda mesh: mesh.object("tokyo", "ControlPlaneRevision").update(status={}),
            CONTROL_PLANE,
            f"{REVISION} is not provisioned",
            "gcloud container fleet mesh describe",
        ),
        "clusters are not connected": Case(
            lambda mesh: mesh.object("tokyo", "ConfigMap", "asm-options").update(data={}),
            ("tokyo", "multicluster mode"),
            "not set, not connected: no endpoints of other clusters are discovered",
            f"{IN_MESH} patch configmap asm-options",
        ),
        "a remote secret that is left over": Case(
            _added(remote_secret("osaka")),
            ("tokyo", "other remote secrets"),
            f"orphaned: {secret_name('osaka')}; this mode does not use remote secrets",
            f"{IN_MESH} delete secret {secret_name('osaka')}",
            "warning",
        ),
        "nobody has waited": Case(
            _gone("Job"), ("tokyo", "readiness"), "the Job that waits for the mesh does not exist"
        ),
        "the Job still waits": Case(
            _job(active=1),
            ("tokyo", "readiness"),
            "mesh-readiness-tokyo is still waiting",
            f"{IN_MESH} logs job/mesh-readiness-tokyo --all-containers",
        ),
        "the Job has failed": Case(
            _job(failed=4, **FAILED),
            ("tokyo", "readiness"),
            "mesh-readiness-tokyo failed: DeadlineExceeded: too long",
            f"{IN_MESH} delete job mesh-readiness-tokyo && {DEPLOY}",
        ),
        "the newest Job has failed": Case(
            _added(job("mesh-readiness-0", "2026-11-21T00:00:00Z", failed=4, **FAILED)),
            ("tokyo", "readiness"),
            "mesh-readiness-0 failed",
            f"{IN_MESH} delete job mesh-readiness-0",
        ),
        "a retired region is managed": Case(
            _also_managed("seoul"),
            ("seoul", "fleet management"),
            "Google still runs a mesh control plane",
            unmanage("seoul"),
        ),
    },
}


@pytest.mark.parametrize(
    ("mesh", "mode", "name"), [(mode, mode, name) for mode, cases in CASES.items() for name in cases], indirect=["mesh"]
)
def test_one_thing_is_wrong(mesh: DeployedMesh, mode: str, name: str) -> None:
    CASES[mode][name].check(mesh)


# --- what is as it may be


@with_modes(IN_CLUSTER)
def test_what_only_google_makes_is_not_asked_for(mesh: DeployedMesh) -> None:
    """Neither Google's revisions nor its multicluster mode; a revision may still have a tag."""
    mesh.object("tokyo", "Deployment", "istiod")["metadata"].pop("labels")
    labels = {"istio.io/tag": "default", "istio.io/rev": IN_CLUSTER_REVISION}
    tag = {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "tag", "labels": labels}}
    mesh.add("tokyo", tag)
    assert not mesh.objects("tokyo", "ConfigMap", "asm-options")
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings("warning") == {}


@with_modes(FLEET)
def test_a_job_of_an_earlier_deploy_counts_no_more(mesh: DeployedMesh) -> None:
    mesh.add("tokyo", job("mesh-readiness-0", "2026-11-19T00:00:00Z", failed=4, **FAILED))
    mesh.add("tokyo", job("somebody-elses", "2026-11-23T00:00:00Z", failed=4, **FAILED))
    assert mesh.run_json("status").findings("warning") == {}
    assert mesh.run_json("status").status == 0


@with_modes(MANAGED, IN_CLUSTER)
def test_an_installation_without_terraforms_state(mesh: DeployedMesh) -> None:
    """As from another checkout: the completion marker is there, and no checksum to compare it with."""
    mesh.states = {}
    finding = mesh.run_json("status").findings()["tokyo", "installation"]
    assert (finding["state"], "complete; not compared with its inputs" in finding["text"]) == ("ok", True)
    mesh.remove("tokyo", "ConfigMap", COMPLETION_MARKER)
    assert mesh.run_json("status").findings()["tokyo", "installation"]["fix"] == DEPLOY


@with_modes(MANAGED, FLEET)
def test_the_implementation_of_a_control_plane_that_google_runs(mesh: DeployedMesh) -> None:
    """Traffic Director reads no remote secrets, which asmcli-managed creates."""
    management = mesh.mesh_of("osaka")["controlPlaneManagement"]
    management["implementation"] = "TRAFFIC_DIRECTOR"
    fleet = mesh.content["mesh"]["control_plane"] == FLEET
    finding = mesh.run_json("status").findings()["osaka", "implementation"]
    assert finding["text"].startswith("TRAFFIC_DIRECTOR")
    assert ("ignores remote secrets" in finding["text"]) is not fleet
    assert finding["state"] == ("ok" if fleet else "warning")
    mesh.mesh_of("osaka")["dataPlaneManagement"] = {"state": "PROVISIONING"}
    failures = mesh.run_json("status").findings("failure")
    assert failures["osaka", "mesh control plane"]["text"].startswith("the data plane is PROVISIONING")


@with_modes(FLEET)
def test_a_namespace_with_the_labels_of_two_injectors(mesh: DeployedMesh) -> None:
    labels = {"istio-injection": "enabled", "istio.io/rev": "asm-managed"}
    mesh.object("tokyo", "Namespace", "sample")["metadata"] |= {"labels": labels}
    finding = mesh.run_json("status").findings("failure")["tokyo", "namespaces"]
    assert finding["text"] == "sample has the label istio.io/rev=asm-managed, which selects another injector"
    assert "label namespace sample istio.io/rev-" in finding["fix"]


@with_modes(FLEET)
def test_a_failover_threshold_has_a_kind_and_an_object(mesh: DeployedMesh) -> None:
    shop = {"image": "i", "port": 80, "namespace": "sample", "failover_threshold": 40}
    mesh.content["services"] = {"shop": shop}
    failures = mesh.run_json("status").findings("failure")
    assert failures["tokyo", "CRDs"]["text"] == f"{TRAFFIC_DISTRIBUTION_CRD} is not established"
    kind = {"metadata": {"name": TRAFFIC_DISTRIBUTION_CRD}, "status": condition("Established")}
    mesh.add("tokyo", {"kind": "CustomResourceDefinition", **kind})
    names = {"name": "shop", "namespace": "sample"}
    policy = {"apiVersion": "networking.gke.io/v1", "kind": "GCPTrafficDistributionPolicy"}
    manifest = {**policy, "metadata": names, "spec": {"a": 1}}
    assert isinstance(mesh.states["ingress"], dict)
    mesh.states["ingress"]["kubernetes_manifest.tokyo_policy"] = {"manifest": {"value": manifest}}
    mesh.add("tokyo", {**policy, "metadata": names, "spec": {"a": 2}})
    failures = mesh.run_json("status").findings("failure")
    assert ("tokyo", "CRDs") not in failures
    assert "spec.a was changed from 1 to 2" in failures["tokyo", "GCPTrafficDistributionPolicy sample/shop"]["text"]


@with_modes(FLEET)
def test_a_fleet_that_does_not_answer(mesh: DeployedMesh) -> None:
    del mesh.cloud[f"projects/{PROJECT}/services/gkehub.googleapis.com"]
    answer = mesh.run_json("status")
    assert answer.findings("warning")["tokyo", "fleet management"]["fix"] == "see the section Fleet"
    assert ("Fleet", "feature servicemesh") in answer.findings("failure")


# --- one thing is left over


def _not_in_state(mesh: DeployedMesh) -> None:
    kept = mesh.states["mesh"]
    assert isinstance(kept, dict)
    del kept["google_gke_hub_feature_membership.tokyo"]


def _webhook_rule(mesh: DeployedMesh) -> None:
    """Add the firewall rule of a webhook that does not exist, in a checkout without terraform's state."""
    name = "matt-vpc-tokyo-control-plane"
    path = f"projects/{PROJECT}/global/firewalls/{name}"
    mesh.cloud[path] = {"name": name, "network": VPC, "selfLink": f"{mesh.gcp.base}/compute/v1/{path}"}
    mesh.states = {}


def _revision(mesh: DeployedMesh) -> None:
    crd, revision = "controlplanerevisions.mesh.cloud.google.com", {"name": REVISION, "namespace": "istio-system"}
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    mesh.add("tokyo", {"kind": "CustomResourceDefinition", "metadata": {"name": crd}, "status": established})
    mesh.add("tokyo", {"kind": "ControlPlaneRevision", "metadata": revision})


def _completion_marker(mesh: DeployedMesh) -> None:
    mesh.add("tokyo", {"kind": "ConfigMap", "metadata": {"name": COMPLETION_MARKER, "namespace": "istio-system"}})


MANAGEMENT = "fleet management of matt-tokyo-cluster-1 in asia-northeast1"
NOT_ON_THE_NODES = Case(
    _added(istiod()),
    ("Other mesh control planes", "deployment istiod-asm-1285-12 in tokyo"),
    "the configured mode does not run istiod on the nodes",
    f"istioctl {TOKYO.removeprefix('kubectl ')} uninstall --revision asm-1285-12",
)
NOT_BY_THE_FLEET = {
    "a Job that waits for another mesh": Case(
        _added(job("mesh-readiness-1a2b3c4d")),
        ("Other mesh control planes", "job mesh-readiness-1a2b3c4d in tokyo"),
        "the configured mode has no such Job",
        f"{IN_MESH} delete job mesh-readiness-1a2b3c4d",
    ),
    "the fleet manages a mesh": Case(
        _managed_by_the_fleet("tokyo"),
        ("Fleet and clusters", MANAGEMENT),
        "missing from the state",
        unmanage("tokyo"),
    ),
}
ORPHANS: dict[str, dict[str, Case]] = {
    MANAGED: {**NOT_BY_THE_FLEET, "istiod": NOT_ON_THE_NODES},
    IN_CLUSTER: {
        **NOT_BY_THE_FLEET,
        "a revision of Google's": Case(
            _revision,
            ("Other mesh control planes", f"controlplanerevision {REVISION} in tokyo"),
            "the configured mode runs istiod on the nodes",
            f"{IN_MESH} delete controlplanerevision {REVISION}",
        ),
    },
    FLEET: {
        "istiod": NOT_ON_THE_NODES,
        "the mark of a script": Case(
            _completion_marker,
            ("Other mesh control planes", f"configmap {COMPLETION_MARKER} in tokyo"),
            "the configured mode is not installed by a script",
            f"{IN_MESH} delete configmap {COMPLETION_MARKER}",
        ),
        "a remote secret": Case(
            _added(remote_secret("osaka")),
            ("Remote secrets", f"remote secret {secret_name('osaka')} in tokyo"),
            "the configured control plane mode does not use remote secrets, and it holds a token",
            f"{IN_MESH} delete secret {secret_name('osaka')}",
        ),
        "terraform does not know that the fleet manages it": Case(
            _not_in_state, ("Fleet and clusters", MANAGEMENT), "missing from the state", unmanage("tokyo")
        ),
        "the fleet manages a retired region's": Case(
            _also_managed("seoul"),
            ("Fleet and clusters", "fleet management of matt-seoul-cluster-1 in asia-northeast3"),
            "missing from the state",
            unmanage("seoul"),
        ),
        "a webhook's rule": Case(
            _webhook_rule,
            ("Network", "firewall rule matt-vpc-tokyo-control-plane"),
            "has no injection webhook on the nodes",
            f"gcloud compute firewall-rules delete matt-vpc-tokyo-control-plane --project {PROJECT}",
        ),
    },
}


@pytest.mark.parametrize(
    ("mesh", "mode", "name"),
    [(mode, mode, name) for mode, cases in ORPHANS.items() for name in cases],
    indirect=["mesh"],
)
def test_one_thing_is_left_over(mesh: DeployedMesh, mode: str, name: str) -> None:
    case = ORPHANS[mode][name]
    case.spoil(mesh)
    answer = mesh.run_json("audit")
    failures = answer.findings("failure")
    assert set(failures) == {case.where}
    assert answer.findings("warning") == {}
    [finding] = failures.values()
    assert case.text in finding["text"]
    assert finding["fix"] == case.fix
    assert answer.data["data"]["orphaned"] == [{"name": case.where[1], "why": finding["text"], "command": case.fix}]


@with_modes(FLEET)
def test_without_a_state_what_the_configuration_wants_belongs(mesh: DeployedMesh) -> None:
    mesh.states = {}
    somebody_elses = membership_key("tokyo").replace(cluster_name("tokyo"), "other")
    _also_managed("tokyo")(mesh)
    mesh.feature("servicemesh")["membershipSpecs"][somebody_elses] = automatic()
    answer = mesh.run_json("audit")
    assert answer.status == 0, answer.findings("failure")
    _also_managed("seoul")(mesh)
    [finding] = mesh.run_json("audit").findings("failure").values()
    assert finding["text"] == "no configured region has this cluster"
    mesh.content["mesh"]["control_plane"] = MANAGED
    left = [one["name"] for one in mesh.run_json("audit").data["data"]["orphaned"] if "management" in one["name"]]
    assert len(left) == 3


# --- what the scripts and manifests call things


def test_names_are_those_of_scripts_and_manifests() -> None:
    lib = (ROOT / "scripts" / "lib.sh").read_text(encoding="utf-8")
    assert re.findall(r"MARKER_NAME=(\S+)", lib) == [COMPLETION_MARKER]
    construct = (ROOT / "constructs" / "fleet_mesh.py").read_text(encoding="utf-8")
    assert f'"name": "{READINESS_JOB_PREFIX.removesuffix("-")}"' in construct


def test_the_checksum_is_terraforms(tmp_path: Any) -> None:
    """Terraform itself computes it, with its own mode to escape JSON."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on this machine: its checksum not compared")
    triggers = {"z": "a<b>&c", "a": 'é " \\ \n \t / \u2028', "identity": "", "x_y": "1"}
    expression = f"sha256(jsonencode(jsondecode({json.dumps(json.dumps(triggers))})))\n"
    result = subprocess.run(
        ["terraform", "console"],
        cwd=tmp_path,
        input=expression.replace("${", "$${"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (
        result.stdout.strip()
        == f'"{StateResource("null_resource", "null_resource.x", {"triggers": triggers}).checksum}"'
    )

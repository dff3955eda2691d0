"""The scripts that local-exec runs, run for real among recorded stand-ins."""

import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.scripts.sandbox import CANARY, ISTIOCTL, SCRIPTS, Sandbox
from tests.synthesized import Synthesis

NOT_FOUND = "printf 'ERROR: code=404, message=Not found: projects/p/locations/l/clusters/tokyo-1.\\n' >&2; exit 1"
CRASHED = "printf 'ERROR: gcloud crashed (FileNotFoundError): No such file\\n' >&2; exit 1"
NO_ACCOUNT = "printf 'ERROR: code=404, message=Not found; Gaia id not found for email a@b\\n' >&2; exit 1"
FORBIDDEN = "printf 'ERROR: ResponseError: code=403, message=Forbidden\\n' >&2; exit 1"

TRUST = {
    "HOLDER_CLUSTER": "tokyo-1",
    "HOLDER_KUBECONFIG": "kubeconfig of tokyo-1",
    "REMOTE_CLUSTER": "osaka-1",
    "REMOTE_KUBECONFIG": "kubeconfig of osaka-1",
    "REMOTE_NAME": "gke-test-project-asia-northeast2-osaka-1",
    "REMOTE_SERVER": "https://192.168.8.2",
    "INPUTS": "abc123",
}
CLUSTER = {"CLUSTER": "tokyo-1", "LOCATION": "asia-northeast1"}
WAIT = {"CLUSTER": "tokyo-1", "CLUSTER_KUBECONFIG": "kubeconfig of tokyo-1", "INSTALLED_BY": "x", "MARKER": "m"}
WITHDRAW = {
    "HOLDER_CLUSTER": "tokyo-1",
    "HOLDER_LOCATION": "asia-northeast1",
    "SECRET_NAME": "istio-remote-secret-x",
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def install_inputs(sandbox: Sandbox) -> dict[str, str]:
    return CLUSTER | {
        "MODE": "managed",
        "CHANNEL": "stable",
        "REVISION": "asm-managed-stable",
        "INPUTS": "abc123",
        "ASMCLI_URL": "https://example.invalid/asmcli_1",
        "ASMCLI_FILE": str(sandbox.folder / "home" / "asmcli"),
        "ASMCLI_SHA256": "",
    }


def checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# --- install-mesh.sh


def test_install_calls_asmcli_as_it_should(sandbox: Sandbox) -> None:
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 0, run.output
    (call,) = run.calls_of("asmcli")
    work = r"\S+/tmp/\S+"
    assert re.fullmatch(
        rf"apply --kubeconfig {work}/kubeconfig --context gke_test-project_asia-northeast1_tokyo-1 "
        rf"--fleet_id test-project --managed --channel stable --ca mesh_ca --enable_namespace_creation "
        rf"--output_dir {work}/output",
        call,
    )
    assert run.calls_of("gcloud") == [
        "container clusters get-credentials tokyo-1 --location asia-northeast1 --project test-project --quiet"
    ]
    patch, *rest = run.calls_of("kubectl")
    assert patch.endswith(
        """--namespace istio-system patch configmap asm-options --type merge """
        """--patch {"data": {"multicluster_mode": "connected"}}"""
    )
    assert_marked(rest)
    assert sandbox.leftovers() == []


def assert_marked(calls: Sequence[str]) -> None:
    """These calls, which run side by side, write the mark and nothing else."""
    create, apply = sorted(calls, key=lambda call: " apply " in call)
    assert "create configmap multi-region-mesh --from-literal installed=abc123 --dry-run=client" in create
    assert re.search(r"--namespace istio-system apply --server-side .*--filename -$", apply)


def test_a_control_plane_in_the_cluster(sandbox: Sandbox) -> None:
    """It gets the pinned revision, and what --managed implies one by one; it is marked when istiod is ready."""
    inputs = install_inputs(sandbox) | {"MODE": "in-cluster", "REVISION": "asm-1285-12"}
    run = sandbox.run("install-mesh.sh", **inputs)
    assert run.status == 0, run.output
    (call,) = run.calls_of("asmcli")
    assert "--managed" not in call
    assert "--channel" not in call
    assert (
        " --revision_name asm-1285-12 --enable_cluster_roles --enable_gcp_components --enable_gcp_iam_roles "
        "--option cni-gcp --ca mesh_ca --enable_namespace_creation --output_dir " in call
    )
    rollout, *rest = run.calls_of("kubectl")
    assert rollout.endswith("--namespace istio-system rollout status deployment/istiod-asm-1285-12 --timeout 600s")
    assert_marked(rest)


@pytest.mark.parametrize(
    ("mode", "call"),
    [("managed", "patch configmap"), ("in-cluster", "rollout status"), ("managed", "create configmap")],
)
def test_nothing_is_marked_that_is_not_done(sandbox: Sandbox, mode: str, call: str) -> None:
    sandbox.stand_in("kubectl", f'if [[ "$*" == *"{call}"* ]]; then exit 1; fi')
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox) | {"MODE": mode})
    assert run.status == 1
    assert "deploy again" in run.output.lower()
    if call != "create configmap":
        assert not [one for one in run.calls_of("kubectl") if "multi-region-mesh" in one]


def test_another_mode_is_refused(sandbox: Sandbox) -> None:
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox) | {"MODE": "fleet"})
    assert (run.status, run.calls) == (1, [])
    assert "MODE must be managed or in-cluster, and is fleet" in run.output


def test_asmcli_gets_a_clean_environment_and_a_fresh_folder(sandbox: Sandbox) -> None:
    sandbox.stand_in(
        "asmcli",
        'env >"$HERE/asmcli.env"; folder="${@: -1}"; [[ -d "$folder" && -z "$(echo "$folder"/*)" ]] || '
        '[[ "$(echo "$folder"/*)" == "$folder/*" ]] && printf fresh >"$HERE/fresh"',
        folder="home",
    )
    sandbox.variables = {
        "MAJOR": "9",
        "REV": "9",
        "DRY_RUN": "1",
        "CA": "citadel",
        "OUTPUT_DIR": "/elsewhere",
        "BASH_FUNC_gcloud%%": "() { echo trapped; }",
        "CLOUDSDK_CONFIG": "/home/me/.config/gcloud",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 0, run.output
    lines = (sandbox.folder / "asmcli.env").read_text(encoding="utf-8").splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "HOME", "CLOUDSDK_CONFIG", "HTTPS_PROXY"} <= names
    assert not names & {"MAJOR", "REV", "DRY_RUN", "CA", "OUTPUT_DIR", "CHANNEL", "PROJECT", "CLUSTER"}
    assert not [name for name in names if name.startswith("BASH_FUNC")]
    assert (sandbox.folder / "fresh").exists()


def test_a_download_runs_only_with_the_right_checksum(sandbox: Sandbox) -> None:
    asmcli = sandbox.folder / "home" / "asmcli"
    inputs = install_inputs(sandbox) | {"ASMCLI_FILE": "", "ASMCLI_SHA256": checksum(asmcli)}
    run = sandbox.run("install-mesh.sh", **inputs)
    assert run.status == 0, run.output
    assert run.calls_of("curl")[0].endswith("https://example.invalid/asmcli_1")
    assert len(run.calls_of("asmcli")) == 1


@pytest.mark.parametrize("downloaded", [True, False])
def test_a_wrong_checksum_stops_before_anything_runs(sandbox: Sandbox, downloaded: bool) -> None:
    inputs = install_inputs(sandbox) | {"ASMCLI_SHA256": "0" * 64}
    if downloaded:
        inputs["ASMCLI_FILE"] = ""
    run = sandbox.run("install-mesh.sh", **inputs)
    assert run.status == 1
    assert f"asmcli's checksum is {checksum(sandbox.folder / 'home' / 'asmcli')} and not 000" in run.output
    assert run.calls_of("asmcli") == run.calls_of("gcloud") == []
    assert sandbox.leftovers() == []


def test_a_download_without_a_checksum_is_refused_with_the_command(sandbox: Sandbox) -> None:
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox) | {"ASMCLI_FILE": ""})
    assert run.status == 1
    assert "curl -fsSL https://example.invalid/asmcli_1 | sha256sum" in run.output
    assert run.calls == []


def test_every_missing_tool_is_named_before_anything_is_done(sandbox: Sandbox) -> None:
    for tool in ("istioctl", "jq", "curl", "gke-gcloud-auth-plugin"):
        (sandbox.folder / "bin" / tool).unlink()
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 1
    assert "istioctl is missing on this machine (1.16 or later" in run.output
    assert "jq is missing" in run.output
    assert "gke-gcloud-auth-plugin is missing" in run.output
    assert "curl is missing" in run.output
    assert "nothing was done" in run.output
    assert run.calls == []


def test_another_architecture_is_refused(sandbox: Sandbox) -> None:
    sandbox.stand_in("uname", "printf 'aarch64\\n'")
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 1
    assert "x86_64 only, and this machine is aarch64" in run.output
    assert run.calls == []


def test_a_failing_asmcli_fails_the_script(sandbox: Sandbox) -> None:
    sandbox.stand_in("asmcli", "echo 'why it failed' >&2; exit 3", folder="home")
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 1
    assert "why it failed" in run.output
    assert "asmcli failed in tokyo-1" in run.output
    assert sandbox.leftovers() == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_when_it_is_stopped(sandbox: Sandbox, stop: signal.Signals) -> None:
    sandbox.stand_in("asmcli", 'touch "$HERE/running"; exec python3 -c "import time; time.sleep(20)"', folder="home")
    (sandbox.folder / "bin" / "python3").symlink_to(sys.executable)
    process = sandbox.start("install-mesh.sh", **install_inputs(sandbox))
    deadline = time.monotonic() + 20
    while not (sandbox.folder / "running").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(sandbox.leftovers()) == 1
    os.killpg(process.pid, stop)
    run = sandbox.finish(process)
    assert run.status != 0
    assert sandbox.leftovers() == []


# --- create-remote-secret.sh and delete-remote-secret.sh


def test_trust_goes_through_a_pipe_and_names_the_private_endpoint(sandbox: Sandbox) -> None:
    run = sandbox.run("create-remote-secret.sh", **TRUST)
    assert run.status == 0, run.output
    work = r"\S+/tmp/\S+"
    (made,) = run.calls_of("istioctl")
    assert re.fullmatch(
        rf"create-remote-secret --kubeconfig {work}/remote "
        rf"--name gke-test-project-asia-northeast2-osaka-1 --server https://192\.168\.8\.2",
        made,
    )
    annotated, applied = sorted(run.calls_of("kubectl"), key=lambda call: " apply " in call)
    assert annotated == "annotate --local --filename - multi-region-mesh/inputs=abc123 --output yaml"
    assert re.fullmatch(
        rf"--kubeconfig {work}/holder apply --server-side --force-conflicts "
        rf"--field-manager multi-region-mesh --filename -",
        applied,
    )
    assert CANARY in (sandbox.folder / "applied.yaml").read_text(encoding="utf-8")


def test_the_token_is_nowhere_else(sandbox: Sandbox) -> None:
    run = sandbox.run("create-remote-secret.sh", **TRUST)
    assert CANARY not in run.output
    assert CANARY not in "".join(run.calls)
    assert sandbox.leftovers() == []
    holders = [
        path
        for path in sandbox.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and CANARY in path.read_text(encoding="utf-8", errors="replace")
    ]
    # The stand-in that made it, and what the other one was given.
    assert sorted(path.name for path in holders) == ["applied.yaml", "istioctl"]


def test_trust_fails_when_either_end_of_the_pipe_does(sandbox: Sandbox) -> None:
    for tool in ("istioctl", "kubectl"):
        sandbox.stand_in(tool, "exit 1")
        run = sandbox.run("create-remote-secret.sh", **TRUST)
        assert run.status == 1
        assert "could not create the remote secret for osaka-1 in tokyo-1" in run.output
        sandbox.stand_in(tool, "")


TAKEN = "secrets istio-reader-service-account-istio-remote-secret-token already exists"


def test_another_cluster_was_the_first_to_ask_for_a_token(sandbox: Sandbox) -> None:
    """All others ask for it at once, and istioctl finds none and then one in its way (seen with the real one)."""
    first = f'if mkdir "$HERE/asked" 2>/dev/null; then echo "error: {TAKEN}" >&2; exit 1; fi\n'
    sandbox.stand_in("istioctl", first + ISTIOCTL)
    run = sandbox.run("create-remote-secret.sh", **TRUST)
    assert run.status == 0, run.output
    assert len(run.calls_of("istioctl")) == 2
    assert CANARY in (sandbox.folder / "applied.yaml").read_text(encoding="utf-8")
    assert "error" not in run.output
    assert sandbox.leftovers() == []


@pytest.mark.parametrize(("said", "asked"), [(TAKEN, 5), ("no such host", 1)])
def test_what_does_not_pass_is_told(sandbox: Sandbox, said: str, asked: int) -> None:
    sandbox.stand_in("istioctl", f'echo "error: {said}" >&2; exit 1')
    run = sandbox.run("create-remote-secret.sh", **TRUST)
    assert run.status == 1
    assert len(run.calls_of("istioctl")) == asked
    assert f"error: {said}" in run.output


def test_withdrawing_trust(sandbox: Sandbox) -> None:
    run = sandbox.run("delete-remote-secret.sh", **WITHDRAW)
    assert run.status == 0, run.output
    deleted, read = run.calls_of("kubectl")
    assert deleted.endswith("--namespace istio-system delete secret istio-remote-secret-x --ignore-not-found")
    assert read.endswith("get --namespace istio-system secret istio-remote-secret-x --ignore-not-found --output name")


STILL_THERE = 'if [[ "$*" == *" get "*"--output name"* ]]; then printf "%s\\n" still/there other/too; fi'


@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", WITHDRAW), ("remove-mesh.sh", CLUSTER)])
def test_a_deletion_counts_when_the_object_is_gone(sandbox: Sandbox, script: str, inputs: dict[str, str]) -> None:
    """kubectl can exit with 0 and delete nothing, as with an interactive delete in the caller's kuberc."""
    sandbox.stand_in("kubectl", STILL_THERE)
    run = sandbox.run(script, **inputs)
    assert run.status == 1
    assert "still present after its deletion: still/there, other/too; delete it and deploy again" in run.output


def test_personal_settings_change_nothing(sandbox: Sandbox) -> None:
    """Exported functions, other credentials, a traced shell and preferences of kubectl and gcloud."""
    sandbox.stand_in("kubectl", 'env >>"$HERE/kubectl.env"')
    sandbox.variables = {
        "BASH_FUNC_kubectl%%": "() { echo trapped; }",
        "SHELLOPTS": "xtrace",
        "KUBECONFIG": "/nowhere",
        "KUBE_TOKEN": CANARY,
        "CLOUDSDK_CORE_VERBOSITY": "none",
    }
    run = sandbox.run("delete-remote-secret.sh", **WITHDRAW)
    assert run.status == 0, run.output
    assert "trapped" not in run.output
    assert "++ make_workspace" not in run.output
    assert "+ make_workspace" not in run.output
    found = (sandbox.folder / "kubectl.env").read_text(encoding="utf-8").splitlines()
    assert "KUBERC=off" in found
    assert "CLOUDSDK_CORE_VERBOSITY=warning" in found
    assert not [line for line in found if line.startswith(("KUBE_", "KUBECONFIG=", "BASH_FUNC"))]


@pytest.mark.parametrize("script", [path.name for path in sorted(SCRIPTS.glob("*.sh")) if path.name != "lib.sh"])
def test_nothing_runs_without_the_library(sandbox: Sandbox, script: str) -> None:
    alone = sandbox.folder / script
    alone.write_text((SCRIPTS / script).read_text(encoding="utf-8"), encoding="utf-8")
    inputs = {**TRUST, **CLUSTER, **WAIT, **WITHDRAW, "CHANNEL": "c", "REVISION": "r", "ASMCLI_URL": "u", "CRDS": "c"}
    inputs |= {"GRANTED_BY": "a", "VPC": "v", "TOOLS": "t", "CONTROL_PLANE": "p", "MODE": "managed"}
    run = sandbox.run(str(alone), **inputs)
    assert run.status != 0
    assert run.calls == []


def test_a_temporary_folder_that_runs_nothing_is_found_at_once(sandbox: Sandbox) -> None:
    """As on a file system that is mounted noexec, where asmcli could not be run."""
    sandbox.stand_in("chmod", "")  # what is never made executable can't be run
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox))
    assert run.status == 1
    assert "programs can't run from" in run.output
    assert "set TMPDIR to another folder" in run.output
    assert run.calls_of("asmcli") == run.calls_of("gcloud") == []


def test_a_wait_ends_at_once_where_reading_is_forbidden(sandbox: Sandbox) -> None:
    sandbox.stand_in("kubectl", "echo 'Error from server (Forbidden): crds is forbidden' >&2; exit 1")
    run = sandbox.run("wait-for-crds.sh", **WAIT, CRDS="a.x.io")
    assert run.status == 1
    assert len(run.calls_of("kubectl")) == 1
    assert "can't read CRDs in tokyo-1" in run.output


# --- what holds for all


@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", WITHDRAW), ("remove-mesh.sh", CLUSTER)])
def test_a_cluster_that_is_gone_needs_no_cleaning(sandbox: Sandbox, script: str, inputs: dict[str, str]) -> None:
    sandbox.stand_in("gcloud", NOT_FOUND)
    run = sandbox.run(script, **inputs)
    assert run.status == 0
    assert "cluster tokyo-1 no longer exists" in run.output
    assert run.calls_of("kubectl") == []


@pytest.mark.parametrize("why", [FORBIDDEN, CRASHED, NO_ACCOUNT])
@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", WITHDRAW), ("remove-mesh.sh", CLUSTER)])
def test_a_cluster_out_of_reach_is_not_taken_for_gone(
    sandbox: Sandbox, script: str, inputs: dict[str, str], why: str
) -> None:
    sandbox.stand_in("gcloud", why)
    run = sandbox.run(script, **inputs)
    assert run.status == 1
    assert "ERROR: " in run.output
    assert "can't reach cluster tokyo-1" in run.output


@pytest.mark.parametrize(
    ("endpoint", "flag"), [("public", ""), ("private", " --internal-ip"), ("dns", " --dns-endpoint")]
)
def test_endpoints(sandbox: Sandbox, endpoint: str, flag: str) -> None:
    run = sandbox.run("delete-remote-secret.sh", **WITHDRAW, ENDPOINT=endpoint)
    assert run.status == 0, run.output
    (call,) = run.calls_of("gcloud")
    assert call.partition(" --quiet")[2] == flag


def test_the_account_to_act_as_reaches_gcloud(sandbox: Sandbox) -> None:
    sandbox.stand_in("gcloud", 'printf "%s" "${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT:-none}" >"$HERE/account"')
    sandbox.run("delete-remote-secret.sh", **WITHDRAW)
    assert (sandbox.folder / "account").read_text(encoding="utf-8") == "none"
    sandbox.run("delete-remote-secret.sh", **WITHDRAW, ACCOUNT="a@b.iam.gserviceaccount.com")
    assert (sandbox.folder / "account").read_text(encoding="utf-8") == "a@b.iam.gserviceaccount.com"


ALL_SCRIPTS = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != "lib.sh")


@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_a_missing_input_is_named(sandbox: Sandbox, script: str) -> None:
    run = sandbox.run(script)
    assert run.status != 0
    assert re.search(r"(CLUSTER|VPC|TOOLS): parameter null or not set", run.output)
    assert run.calls == []


@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_data_is_never_run(sandbox: Sandbox, script: str) -> None:
    nasty = "x; touch $HERE/ran; $(touch ran) `touch ran` ' \" \\ && touch ran #"
    names = {*TRUST, *CLUSTER, *WAIT, *WITHDRAW, "CHANNEL", "REVISION", "ASMCLI_URL", "CRDS", "GRANTED_BY", "VPC"}
    inputs = dict.fromkeys(names, nasty) | {"WAIT_SECONDS": "0", "PROJECT": nasty, "MODE": "in-cluster"}
    inputs |= {"TOOLS": nasty, "CONTROL_PLANE": nasty}
    sandbox.run(script, **inputs, ASMCLI_FILE=str(sandbox.folder / "home" / "asmcli"))
    assert not list(sandbox.folder.rglob("ran"))


def test_terraform_gives_each_script_all_its_inputs(reference: Synthesis) -> None:
    found = set()
    for stack in ("mesh", "ingress"):
        for resource in reference.scripts(stack).values():
            script = resource["provisioner"][0]["local-exec"]
            name = script["command"].rsplit("/", 1)[1]
            found.add(name)
            text = "".join((SCRIPTS / one).read_text(encoding="utf-8") for one in (name, "lib.sh"))
            required = {
                one for line in re.findall(r'^: (".*")$', text, re.M) for one in re.findall(r"\{(\w+):\?", line)
            }
            assert required
            assert required <= script["environment"].keys(), name
    assert found == set(ALL_SCRIPTS)


# --- the waits


def test_waiting_for_crds_that_come_late(sandbox: Sandbox) -> None:
    late = 'echo x >>"$HERE/tries"; [[ "$(grep -c x "$HERE/tries")" -gt 3 ]] || exit 1'
    sandbox.stand_in("kubectl", f'{late}; if [[ "$*" == *configmap* ]]; then printf m; fi')
    run = sandbox.run("wait-for-crds.sh", **WAIT, CRDS="a.x.io b.x.io")
    assert run.status == 0, run.output
    assert run.output.count("waiting for CRD a.x.io in tokyo-1") == 3
    assert "2 CRDs are established in tokyo-1" in run.output
    assert "customresourcedefinition/b.x.io" in run.calls_of("kubectl")[-2]


def test_waiting_for_crds_ends(sandbox: Sandbox) -> None:
    sandbox.stand_in("kubectl", "exit 1")
    run = sandbox.run("wait-for-crds.sh", **WAIT, CRDS="a.x.io", WAIT_SECONDS="1")
    assert run.status == 1
    assert "CRD a.x.io is not established in tokyo-1 after 1 s; deploy again" in run.output


def test_waiting_for_the_load_balancer_to_go(sandbox: Sandbox) -> None:
    body = 'if [[ "$*" == *backend-services* && ! -e "$HERE/asked" ]]; then touch "$HERE/asked"; echo mci-abc; fi'
    sandbox.stand_in("gcloud", body)
    run = sandbox.run("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert run.status == 0, run.output
    assert "waiting for the deletion of 1 backend-services of the load balancer" in run.output
    assert "the load balancer's resources are deleted" in run.output
    assert all("--project test-project" in call for call in run.calls_of("gcloud"))


def test_what_is_left_of_the_load_balancer_is_listed(sandbox: Sandbox) -> None:
    sandbox.stand_in("gcloud", 'if [[ "$*" == *url-maps* ]]; then echo mci-map-1; fi')
    run = sandbox.run("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", WAIT_SECONDS="1")
    assert run.status == 1
    assert "url-maps: mci-map-1\n" in run.output


@pytest.mark.parametrize("kind", ["forwarding-rules", "health-checks", "firewall-rules", "network-endpoint-groups"])
def test_not_being_able_to_ask_is_not_taken_for_nothing_left(sandbox: Sandbox, kind: str) -> None:
    sandbox.stand_in("gcloud", f'if [[ "$*" == *{kind}* ]]; then echo "permission denied" >&2; exit 1; fi')
    run = sandbox.run("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert run.status == 1
    assert "permission denied" in run.output


@pytest.mark.parametrize("kind", ["forwarding-rules", "url-maps", "network-endpoint-groups"])
def test_a_list_that_gcloud_only_warns_about_is_asked_for_again(sandbox: Sandbox, kind: str) -> None:
    """gcloud exits with 0 and prints nothing but a warning if it could not get most kinds of lists."""
    warning = 'echo "WARNING: Some requests did not succeed." >&2'
    sandbox.stand_in(
        "gcloud", f'if [[ "$*" == *{kind}* && ! -e "$HERE/asked" ]]; then touch "$HERE/asked"; {warning}; fi'
    )
    run = sandbox.run("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert run.status == 0, run.output
    assert "trying again" in run.output
    assert len([call for call in run.calls_of("gcloud") if kind in call]) == 2
    sandbox.stand_in("gcloud", f'if [[ "$*" == *{kind}* ]]; then {warning}; fi')
    run = sandbox.run("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", WAIT_SECONDS="1")
    assert run.status == 1
    assert "the remaining resources of the load balancer are not known" in run.output


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("configmap", 'null_resource.install["tokyo"]'),
        ("another mark", 'null_resource.install["tokyo"]'),
        ("secret", 'null_resource.trust_grant["tokyo/osaka"]'),
        ("another secret", 'null_resource.trust_grant["tokyo/osaka"]'),
    ],
)
def test_what_terraform_was_killed_in_is_found(sandbox: Sandbox, missing: str, words: str) -> None:
    answers = 'case "$*" in *"get configmap"*) printf m ;; *"get secret "*) printf n ;; esac'
    sandbox.stand_in("kubectl", f'if [[ "$*" != *"get {missing}"* ]]; then {answers}; fi')
    if "secret" in missing:
        script, inputs = "check-remote-secret.sh", {**TRUST, **WITHDRAW, "MARKER": "n", "GRANTED_BY": words}
    else:
        script, inputs = "wait-for-crds.sh", {**WAIT, "CRDS": "a.x.io", "INSTALLED_BY": words}
    if missing.startswith("another"):
        changed = "printf m" if missing == "another mark" else "printf n"
        sandbox.stand_in("kubectl", answers.replace(changed, "printf of-older-inputs"))
    run = sandbox.run(script, **inputs)
    assert run.status == 1
    assert "although terraform counts it as complete" in run.output
    command = run.output[run.output.index("terraform -chdir=") :]
    of_this = [f"-replace={words}", f"-target={words}"]
    assert shlex.split(command) == ["terraform", f"-chdir={sandbox.folder}", "apply", *of_this]
    assert words not in run.output, "cdktf-cli would put something behind the name"
    sandbox.stand_in("kubectl", answers)
    run = sandbox.run(script, **inputs)
    assert run.status == 0, run.output


def test_removing_the_mesh(sandbox: Sandbox) -> None:
    run = sandbox.run("remove-mesh.sh", **CLUSTER)
    assert run.status == 0, run.output
    deleted = [call for call in run.calls_of("kubectl") if " delete " in call]
    assert [re.search(r"delete (\S+)", call)[1] for call in deleted] == [  # type: ignore[index]
        "controlplanerevisions",
        "validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "namespace",
    ]
    assert all("--ignore-not-found" in call for call in deleted)


def test_an_istiod_on_the_nodes_is_uninstalled_whole(sandbox: Sandbox) -> None:
    sandbox.stand_in("kubectl", 'if [[ "$*" == *"get deployment"*app=istiod* ]]; then printf deployment/istiod; fi')
    run = sandbox.run("remove-mesh.sh", **CLUSTER)
    assert run.status == 0, run.output
    (call,) = run.calls_of("istioctl")
    assert re.fullmatch(r"uninstall --kubeconfig \S+/kubeconfig --purge --skip-confirmation", call)
    order = [one.split(" ")[0] for one in run.calls if one == f"istioctl {call}" or "delete namespace" in one]
    assert order == ["istioctl", "kubectl"]


def test_not_knowing_whether_there_is_a_control_plane_is_not_taken_for_none(sandbox: Sandbox) -> None:
    sandbox.stand_in("kubectl", 'if [[ "$*" == *"get customresourcedefinition"* ]]; then exit 1; fi')
    run = sandbox.run("remove-mesh.sh", **CLUSTER)
    assert run.status != 0
    assert not [call for call in run.calls_of("kubectl") if " delete " in call]
    sandbox.stand_in("kubectl", "")
    run = sandbox.run("remove-mesh.sh", **CLUSTER)
    assert run.status == 0, run.output
    assert not [call for call in run.calls_of("kubectl") if "delete controlplanerevisions" in call]


# --- style

SHELL_FILES = [f"scripts/{name}" for name in ("lib.sh", *ALL_SCRIPTS)] + [
    "tools/setup",
    "tools/activate",
    "tools/bin/mesh",
    "tools/cdk",
    "tools/check",
    "tools/environment.sh",
    "tools/sh",
    ".ci/run",
    "cli/traffic/client.sh",
    "tests/local_mesh/fake_tools/gcloud",
    "tests/local_mesh/fake_tools/gke-gcloud-auth-plugin",
]


@pytest.mark.parametrize("file", SHELL_FILES)
def test_shellcheck(file: str) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    result = subprocess.run([shellcheck, file], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout

"""The scripts of local-exec, run with fake tools that record their calls."""

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from config.paths import ROOT
from tests.scripts.sandbox import ISTIOCTL, SCRIPTS, TOKEN, Sandbox
from tests.synthesized import Synthesis

NOT_FOUND = "printf 'ERROR: code=404, message=Not found: projects/p/locations/l/clusters/tokyo-1.\\n' >&2; exit 1"
CRASHED = "printf 'ERROR: gcloud crashed (FileNotFoundError): No such file\\n' >&2; exit 1"
NO_ACCOUNT = "printf 'ERROR: code=404, message=Not found; Gaia id not found for email a@b\\n' >&2; exit 1"
FORBIDDEN = "printf 'ERROR: ResponseError: code=403, message=Forbidden\\n' >&2; exit 1"

REMOTE_SECRET = {
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
DELETION = {
    "HOLDER_CLUSTER": "tokyo-1",
    "HOLDER_LOCATION": "asia-northeast1",
    "SECRET_NAME": "istio-remote-secret-x",
}


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


def test_install_calls_asmcli_with_its_options(sandbox: Sandbox) -> None:
    run = sandbox.succeed("install-mesh.sh", **install_inputs(sandbox))
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
    assert_writes_completion_marker(rest)


def assert_writes_completion_marker(calls: Sequence[str]) -> None:
    """Two parallel calls write the completion marker."""
    create, apply = sorted(calls, key=lambda call: " apply " in call)
    assert "create configmap multi-region-mesh --from-literal installed=abc123 --dry-run=client" in create
    assert re.search(r"--namespace istio-system apply --server-side .*--filename -$", apply)


def test_a_control_plane_in_the_cluster(sandbox: Sandbox) -> None:
    """It gets the pinned revision and what --managed implies; the marker is written when istiod is ready."""
    inputs = install_inputs(sandbox) | {"MODE": "in-cluster", "REVISION": "asm-1285-12"}
    run = sandbox.succeed("install-mesh.sh", **inputs)
    (call,) = run.calls_of("asmcli")
    assert "--managed" not in call
    assert "--channel" not in call
    assert (
        " --revision_name asm-1285-12 --enable_cluster_roles --enable_gcp_components --enable_gcp_iam_roles "
        "--option cni-gcp --ca mesh_ca --enable_namespace_creation --output_dir " in call
    )
    rollout, *rest = run.calls_of("kubectl")
    assert rollout.endswith("--namespace istio-system rollout status deployment/istiod-asm-1285-12 --timeout 600s")
    assert_writes_completion_marker(rest)


@pytest.mark.parametrize(
    ("mode", "call"),
    [("managed", "patch configmap"), ("in-cluster", "rollout status"), ("managed", "create configmap")],
)
def test_an_incomplete_installation_writes_no_completion_marker(sandbox: Sandbox, mode: str, call: str) -> None:
    sandbox.fake_tool("kubectl", f'if [[ "$*" == *"{call}"* ]]; then exit 1; fi')
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox) | {"MODE": mode})
    assert "deploy again" in run.output.lower()
    if call != "create configmap":
        assert not [one for one in run.calls_of("kubectl") if "multi-region-mesh" in one]


def test_an_unknown_mode_is_an_error(sandbox: Sandbox) -> None:
    run = sandbox.run("install-mesh.sh", **install_inputs(sandbox) | {"MODE": "fleet"})
    assert (run.status, run.calls) == (1, [])
    assert "MODE is fleet, and must be managed or in-cluster" in run.output


def test_asmcli_gets_a_clean_environment_and_an_empty_folder(sandbox: Sandbox) -> None:
    sandbox.fake_tool(
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
    sandbox.succeed("install-mesh.sh", **install_inputs(sandbox))
    lines = (sandbox.folder / "asmcli.env").read_text(encoding="utf-8").splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "HOME", "CLOUDSDK_CONFIG", "HTTPS_PROXY"} <= names
    assert not names & {"MAJOR", "REV", "DRY_RUN", "CA", "OUTPUT_DIR", "CHANNEL", "PROJECT", "CLUSTER"}
    assert not [name for name in names if name.startswith("BASH_FUNC")]
    assert (sandbox.folder / "fresh").exists()


def test_a_download_runs_only_with_the_right_checksum(sandbox: Sandbox) -> None:
    asmcli = sandbox.folder / "home" / "asmcli"
    inputs = install_inputs(sandbox) | {"ASMCLI_FILE": "", "ASMCLI_SHA256": checksum(asmcli)}
    run = sandbox.succeed("install-mesh.sh", **inputs)
    assert run.calls_of("curl")[0].endswith("https://example.invalid/asmcli_1")
    assert len(run.calls_of("asmcli")) == 1


@pytest.mark.parametrize("downloaded", [True, False])
def test_a_wrong_checksum_stops_the_script_before_any_change(sandbox: Sandbox, downloaded: bool) -> None:
    inputs = install_inputs(sandbox) | {"ASMCLI_SHA256": "0" * 64}
    if downloaded:
        inputs["ASMCLI_FILE"] = ""
    run = sandbox.fail("install-mesh.sh", **inputs)
    found = checksum(sandbox.folder / "home" / "asmcli")
    assert f"asmcli's checksum is {found}, and mesh.asmcli.sha256 is 000" in run.output
    assert run.calls_of("asmcli") == run.calls_of("gcloud") == []


def test_a_download_without_a_checksum_prints_the_command_for_it(sandbox: Sandbox) -> None:
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox) | {"ASMCLI_FILE": ""})
    assert "curl -fsSL https://example.invalid/asmcli_1 | sha256sum" in run.output
    assert run.calls == []


def test_missing_tools_are_reported_before_any_change(sandbox: Sandbox) -> None:
    for tool in ("istioctl", "jq", "curl", "gke-gcloud-auth-plugin"):
        (sandbox.folder / "bin" / tool).unlink()
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox))
    assert "istioctl is missing on this machine (required: 1.16 or later" in run.output
    assert "jq is missing" in run.output
    assert "gke-gcloud-auth-plugin is missing" in run.output
    assert "curl is missing" in run.output
    assert "nothing was changed" in run.output
    assert run.calls == []


def test_another_architecture_is_an_error(sandbox: Sandbox) -> None:
    sandbox.fake_tool("uname", "printf 'aarch64\\n'")
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox))
    assert "x86_64 only, and this machine is aarch64" in run.output
    assert run.calls == []


def test_a_failing_asmcli_fails_the_script(sandbox: Sandbox) -> None:
    sandbox.fake_tool("asmcli", "echo 'why it failed' >&2; exit 3", folder="home")
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox))
    assert "why it failed" in run.output
    assert "asmcli failed in tokyo-1" in run.output


def start_installation(sandbox: Sandbox, asmcli: str) -> "subprocess.Popen[str]":
    """Start an installation, and return it when asmcli runs, which takes its time."""
    sandbox.fake_tool("asmcli", f'touch "$HERE/running"; {asmcli}', folder="home")
    (sandbox.folder / "bin" / "python3").symlink_to(sys.executable)
    process = sandbox.start("install-mesh.sh", **install_inputs(sandbox))
    deadline = time.monotonic() + 20
    while not (sandbox.folder / "running").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_temporary_file(sandbox: Sandbox, stop: signal.Signals) -> None:
    process = start_installation(sandbox, 'exec python3 -c "import time; time.sleep(20)"')
    assert len(sandbox.temporary_files()) == 1
    os.killpg(process.pid, stop)
    run = sandbox.finish(process)
    assert run.status != 0


def test_what_a_killed_script_leaves_is_deleted_by_the_next_one(sandbox: Sandbox) -> None:
    """Not while the program that it has started still runs."""
    process = start_installation(sandbox, 'python3 -c "import time; time.sleep(60)"')
    [left] = sandbox.temporary_files()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    networking = {"VPC": "vpc", "LOCATION": "asia-northeast1", "CLUSTER": "cluster"}
    with sandbox.start("delete-mesh-networking.sh", **networking) as other:
        other.communicate(timeout=20)
    assert sandbox.temporary_files() == [left]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    sandbox.succeed("delete-mesh-networking.sh", **networking)
    assert sandbox.temporary_files() == []


# --- create-remote-secret.sh and delete-remote-secret.sh


def test_a_remote_secret_is_piped_and_has_the_private_endpoint(sandbox: Sandbox) -> None:
    run = sandbox.succeed("create-remote-secret.sh", **REMOTE_SECRET)
    work = r"\S+/tmp/\S+"
    (made,) = run.calls_of("istioctl")
    assert re.fullmatch(
        rf"create-remote-secret --kubeconfig {work}/remote --istioNamespace istio-system "
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
    assert TOKEN in (sandbox.folder / "applied.yaml").read_text(encoding="utf-8")


def test_the_token_is_only_in_the_remote_secret(sandbox: Sandbox) -> None:
    run = sandbox.run("create-remote-secret.sh", **REMOTE_SECRET)
    assert TOKEN not in run.output
    assert TOKEN not in "".join(run.calls)
    files = [
        path
        for path in sandbox.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and TOKEN in path.read_text(encoding="utf-8", errors="replace")
    ]
    # The fake tool that returns it, and the input of the other one.
    assert sorted(path.name for path in files) == ["applied.yaml", "istioctl"]


def test_creation_fails_when_either_end_of_the_pipe_fails(sandbox: Sandbox) -> None:
    for tool in ("istioctl", "kubectl"):
        sandbox.fake_tool(tool, "exit 1")
        run = sandbox.fail("create-remote-secret.sh", **REMOTE_SECRET)
        assert "could not create the remote secret for osaka-1 in tokyo-1" in run.output
        sandbox.fake_tool(tool, "")


CONFLICT = "secrets istio-reader-service-account-istio-remote-secret-token already exists"
NOT_FILLED = 'no "ca.crt" data found'


@pytest.mark.parametrize("message", [CONFLICT, NOT_FILLED])
def test_a_conflict_with_another_clusters_token_is_retried(sandbox: Sandbox, message: str) -> None:
    """Parallel runs create the same token, and the real istioctl was seen to fail for all but the first."""
    first = f"if mkdir \"$HERE/asked\" 2>/dev/null; then echo 'error: {message}' >&2; exit 1; fi\n"
    sandbox.fake_tool("istioctl", first + ISTIOCTL)
    run = sandbox.succeed("create-remote-secret.sh", **REMOTE_SECRET)
    assert len(run.calls_of("istioctl")) == 2
    assert TOKEN in (sandbox.folder / "applied.yaml").read_text(encoding="utf-8")
    assert "error" not in run.output


@pytest.mark.parametrize(("message", "calls"), [(CONFLICT, 10), ("no such host", 1)])
def test_a_lasting_error_of_istioctl_is_reported(sandbox: Sandbox, message: str, calls: int) -> None:
    sandbox.fake_tool("istioctl", f'echo "error: {message}" >&2; exit 1')
    run = sandbox.fail("create-remote-secret.sh", **REMOTE_SECRET)
    assert len(run.calls_of("istioctl")) == calls
    assert f"error: {message}" in run.output


def test_deletion_of_a_remote_secret(sandbox: Sandbox) -> None:
    run = sandbox.succeed("delete-remote-secret.sh", **DELETION)
    deleted, read = run.calls_of("kubectl")
    assert deleted.endswith("--namespace istio-system delete secret istio-remote-secret-x --ignore-not-found")
    assert read.endswith("get --namespace istio-system secret istio-remote-secret-x --ignore-not-found --output name")


STILL_THERE = 'if [[ "$*" == *" get "*"--output name"* ]]; then printf "%s\\n" still/there other/too; fi'


@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", DELETION), ("remove-mesh.sh", CLUSTER)])
def test_a_deletion_counts_when_the_object_is_gone(sandbox: Sandbox, script: str, inputs: dict[str, str]) -> None:
    """With an interactive delete in the caller's kuberc, kubectl deletes nothing and exits with 0."""
    sandbox.fake_tool("kubectl", STILL_THERE)
    run = sandbox.fail(script, **inputs)
    assert "still present after its deletion: still/there, other/too. Delete it and deploy again" in run.output


@pytest.mark.parametrize("script", [path.name for path in sorted(SCRIPTS.glob("*.sh")) if path.name != "lib.sh"])
def test_the_callers_shell_options_and_functions_let_no_script_succeed(sandbox: Sandbox, script: str) -> None:
    """With noexec bash runs nothing and exits with 0; a function takes the place of a builtin."""
    sandbox.variables = {"SHELLOPTS": "noexec", "BASH_FUNC_source%%": "() { exit 0; }", "BASH_ENV": "/dev/null/x"}
    assert sandbox.run(script).status != 0


def test_personal_settings_change_nothing(sandbox: Sandbox) -> None:
    """Exported functions, other credentials, a traced shell and preferences of kubectl and gcloud."""
    sandbox.fake_tool("kubectl", 'env >>"$HERE/kubectl.env"')
    sandbox.variables = {
        "BASH_FUNC_kubectl%%": "() { echo trapped; }",
        "SHELLOPTS": "xtrace",
        "KUBECONFIG": "/nowhere",
        "KUBE_TOKEN": TOKEN,
        "CLOUDSDK_CORE_USER_OUTPUT_ENABLED": "false",
        "CLOUDSDK_CORE_VERBOSITY": "none",
    }
    run = sandbox.succeed("delete-remote-secret.sh", **DELETION)
    assert "trapped" not in run.output
    assert "++ make_workspace" not in run.output
    assert "+ make_workspace" not in run.output
    found = (sandbox.folder / "kubectl.env").read_text(encoding="utf-8").splitlines()
    assert "KUBERC=off" in found
    assert {"CLOUDSDK_CORE_USER_OUTPUT_ENABLED=true", "CLOUDSDK_CORE_VERBOSITY=warning"} <= set(found)
    assert not [line for line in found if line.startswith(("KUBE_", "KUBECONFIG=", "BASH_FUNC"))]


def test_a_gcloud_that_is_to_print_nothing_hides_no_resource(sandbox: Sandbox) -> None:
    """With `gcloud config set core/user_output_enabled false`, a list is empty and the exit status 0."""
    sandbox.fake_tool(
        "gcloud",
        'if [[ "${CLOUDSDK_CORE_USER_OUTPUT_ENABLED:-false}" == false ]]; then exit; fi\n'
        'if [[ "$*" == *groups\\ list* ]]; then printf "gsmrsvd-a\\tasia-northeast1-a\\n"; fi',
    )
    run = sandbox.succeed("delete-mesh-networking.sh", **LEFT)
    assert "network-endpoint-groups delete gsmrsvd-a" in "".join(run.calls)


@pytest.mark.parametrize("script", [path.name for path in sorted(SCRIPTS.glob("*.sh")) if path.name != "lib.sh"])
def test_nothing_runs_without_the_library(sandbox: Sandbox, script: str) -> None:
    alone = sandbox.folder / script
    alone.write_text((SCRIPTS / script).read_text(encoding="utf-8"), encoding="utf-8")
    inputs = {
        **REMOTE_SECRET,
        **CLUSTER,
        **WAIT,
        **DELETION,
        "CHANNEL": "c",
        "REVISION": "r",
        "ASMCLI_URL": "u",
        "CRDS": "c",
    }
    inputs |= {"GRANTED_BY": "a", "VPC": "v", "TOOLS": "t", "CONTROL_PLANE": "p", "MODE": "managed"}
    run = sandbox.run(str(alone), **inputs)
    assert run.status != 0
    assert run.calls == []


def test_a_temporary_folder_that_runs_nothing_is_found_at_once(sandbox: Sandbox) -> None:
    """As on a file system that is mounted noexec, where asmcli could not be run."""
    sandbox.fake_tool("chmod", "")  # what is never made executable can't be run
    run = sandbox.fail("install-mesh.sh", **install_inputs(sandbox))
    assert "programs can't run from" in run.output
    assert "set TMPDIR to another folder" in run.output
    assert run.calls_of("asmcli") == run.calls_of("gcloud") == []


def test_a_wait_ends_at_once_where_reading_is_forbidden(sandbox: Sandbox) -> None:
    sandbox.fake_tool("kubectl", "echo 'Error from server (Forbidden): crds is forbidden' >&2; exit 1")
    run = sandbox.fail("wait-for-crds.sh", **WAIT, CRDS="a.x.io")
    assert len(run.calls_of("kubectl")) == 1
    assert "can't read CRDs in tokyo-1" in run.output


# --- all scripts


@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", DELETION), ("remove-mesh.sh", CLUSTER)])
def test_a_deleted_cluster_needs_no_cleanup(sandbox: Sandbox, script: str, inputs: dict[str, str]) -> None:
    sandbox.fake_tool("gcloud", NOT_FOUND)
    run = sandbox.succeed(script, **inputs)
    assert "cluster tokyo-1 no longer exists" in run.output
    assert run.calls_of("kubectl") == []


@pytest.mark.parametrize("error", [FORBIDDEN, CRASHED, NO_ACCOUNT])
@pytest.mark.parametrize(("script", "inputs"), [("delete-remote-secret.sh", DELETION), ("remove-mesh.sh", CLUSTER)])
def test_an_unreachable_cluster_is_an_error(sandbox: Sandbox, script: str, inputs: dict[str, str], error: str) -> None:
    sandbox.fake_tool("gcloud", error)
    run = sandbox.fail(script, **inputs)
    assert "ERROR: " in run.output
    assert "can't reach cluster tokyo-1" in run.output


@pytest.mark.parametrize(
    ("endpoint", "flag"), [("public", ""), ("private", " --internal-ip"), ("dns", " --dns-endpoint")]
)
def test_endpoints(sandbox: Sandbox, endpoint: str, flag: str) -> None:
    run = sandbox.succeed("delete-remote-secret.sh", **DELETION, ENDPOINT=endpoint)
    (call,) = run.calls_of("gcloud")
    assert call.partition(" --quiet")[2] == flag


def test_gcloud_impersonates_the_account(sandbox: Sandbox) -> None:
    sandbox.fake_tool("gcloud", 'printf "%s" "${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT:-none}" >"$HERE/account"')
    sandbox.run("delete-remote-secret.sh", **DELETION)
    assert (sandbox.folder / "account").read_text(encoding="utf-8") == "none"
    sandbox.run("delete-remote-secret.sh", **DELETION, ACCOUNT="a@b.iam.gserviceaccount.com")
    assert (sandbox.folder / "account").read_text(encoding="utf-8") == "a@b.iam.gserviceaccount.com"


ALL_SCRIPTS = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != "lib.sh")


@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_a_missing_input_is_an_error_with_its_name(sandbox: Sandbox, script: str) -> None:
    run = sandbox.run(script)
    assert run.status != 0
    assert re.search(r"(CLUSTER|VPC|TOOLS): parameter null or not set", run.output)
    assert run.calls == []


@pytest.mark.parametrize("script", ALL_SCRIPTS)
def test_inputs_are_never_executed(sandbox: Sandbox, script: str) -> None:
    nasty = "x; touch $HERE/ran; $(touch ran) `touch ran` ' \" \\ && touch ran #"
    names = {
        *REMOTE_SECRET,
        *CLUSTER,
        *WAIT,
        *DELETION,
        "CHANNEL",
        "REVISION",
        "ASMCLI_URL",
        "CRDS",
        "GRANTED_BY",
        "VPC",
    }
    inputs = dict.fromkeys(names, nasty) | {"WAIT_SECONDS": "0", "PROJECT": nasty, "MODE": "in-cluster"}
    inputs |= {"TOOLS": nasty, "CONTROL_PLANE": nasty}
    sandbox.run(script, **inputs, ASMCLI_FILE=str(sandbox.folder / "home" / "asmcli"))
    assert not list(sandbox.folder.rglob("ran"))


def test_terraform_passes_all_inputs_to_each_script(reference: Synthesis) -> None:
    found = set()
    for resource in reference.scripts("network", "mesh", "ingress").values():
        script = resource["provisioner"][0]["local-exec"]
        name = script["command"].rsplit("/", 1)[1]
        found.add(name)
        text = "".join((SCRIPTS / one).read_text(encoding="utf-8") for one in (name, "lib.sh"))
        required = {one for line in re.findall(r'^: (".*")$', text, re.M) for one in re.findall(r"\{(\w+):\?", line)}
        assert required
        assert required <= script["environment"].keys(), name
    assert found == set(ALL_SCRIPTS)


# --- the waits


def test_the_wait_for_crds_retries(sandbox: Sandbox) -> None:
    late = 'echo x >>"$HERE/tries"; [[ "$(grep -c x "$HERE/tries")" -gt 3 ]] || exit 1'
    sandbox.fake_tool("kubectl", f'{late}; if [[ "$*" == *configmap* ]]; then printf m; fi')
    run = sandbox.succeed("wait-for-crds.sh", **WAIT, CRDS="a.x.io b.x.io")
    assert run.output.count("waiting for CRD a.x.io in tokyo-1") == 3
    assert "2 CRDs are established in tokyo-1" in run.output
    assert "customresourcedefinition/b.x.io" in run.calls_of("kubectl")[-2]


def test_the_wait_for_crds_times_out(sandbox: Sandbox) -> None:
    sandbox.fake_tool("kubectl", "exit 1")
    run = sandbox.fail("wait-for-crds.sh", **WAIT, CRDS="a.x.io", WAIT_SECONDS="1")
    assert "CRD a.x.io is not established in tokyo-1 after 1 s. Deploy again" in run.output


COMPUTE = "https://www.googleapis.com/compute/v1/projects/test-project"
PARTS = ("forwarding-rules", "target-http-proxies", "url-maps", "backend-services", "health-checks")
"""Each refers to the next; a backend service also to endpoint groups."""


def balancer(prefix: str, group: str) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of a load balancer that leads to an endpoint group, by kind."""
    links = {kind: f"{COMPUTE}/global/{kind}/{prefix}-{kind}" for kind in PARTS}
    refers: dict[str, dict[str, Any]] = {
        "forwarding-rules": {"target": links["target-http-proxies"]},
        "target-http-proxies": {"urlMap": links["url-maps"]},
        "url-maps": {"pathMatchers": [{"pathRules": [{"service": links["backend-services"]}]}]},
        "backend-services": {"backends": [{"group": group}] if group else [], "healthChecks": [links["health-checks"]]},
        "health-checks": {},
    }
    return {kind: [{"name": f"{prefix}-{kind}", "selfLink": links[kind], **refers[kind]}] for kind in PARTS}


def endpoint_group(name: str) -> dict[str, str]:
    link = f"{COMPUTE}/zones/z/networkEndpointGroups/{name}"
    return {"name": name, "selfLink": link, "network": f"{COMPUTE}/global/networks/matt-vpc"}


OWN = endpoint_group("k8s1-a-istio-gateway-mci-x-80-b")
OTHERS = f"{COMPUTE}/zones/z/networkEndpointGroups/k8s1-a-shop-mci-x-80-b"
RULE = {"name": "mci-1-matt-vpc-l7", "selfLink": f"{COMPUTE}/global/firewalls/mci-1-matt-vpc-l7"}


def serve_lists(sandbox: Sandbox, *rounds: dict[str, list[dict[str, Any]]]) -> None:
    """Have gcloud print the lists of a round after the other; the last one stays."""
    for number, lists in enumerate(rounds):
        for kind in (*PARTS, "target-https-proxies", "firewall-rules", "network-endpoint-groups"):
            file = sandbox.folder / f"{number}-{kind}.json"
            file.write_text(json.dumps(lists.get(kind, [])), encoding="utf-8")
    body = f"""
        number=0; while [[ -e "$HERE/asked-$number-$2" ]]; do number=$((number + 1)); done
        if [[ $number -lt {len(rounds) - 1} ]]; then touch "$HERE/asked-$number-$2"; fi
        cat "$HERE/$number-$2.json"
    """
    sandbox.fake_tool("gcloud", body)


def test_the_wait_for_the_load_balancers_deletion_retries(sandbox: Sandbox) -> None:
    serve_lists(sandbox, {"network-endpoint-groups": [OWN]}, {})
    run = sandbox.succeed("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert "waiting for the deletion of the load balancer; remaining resources: 1 (" in run.output
    assert "the load balancer's resources are deleted" in run.output
    assert all("--project test-project" in call for call in run.calls_of("gcloud"))


def test_another_teams_load_balancer_is_not_waited_for(sandbox: Sandbox) -> None:
    """It leads to another network; its names begin like ours."""
    serve_lists(sandbox, balancer("mci-1", OTHERS))
    sandbox.succeed("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")


@pytest.mark.parametrize("gone", range(6))
def test_remaining_resources_of_the_load_balancer_are_listed(sandbox: Sandbox, gone: int) -> None:
    """Its parts are deleted from the forwarding rule on; the last one is told by the hash of our firewall rule."""
    own, others = balancer("mci-1", OWN["selfLink"]), balancer("mci-2", OTHERS)
    lists = {kind: (own[kind] if number >= gone else []) + others[kind] for number, kind in enumerate(PARTS)}
    serve_lists(sandbox, lists | {"network-endpoint-groups": [OWN], "firewall-rules": [RULE]})
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", WAIT_SECONDS="1")
    left = {line for line in run.output.splitlines() if re.match(r"[a-z-]+: (mci|k8s1)-", line)}
    names = {f"{kind}: mci-1-{kind}" for kind in PARTS[gone:]}
    assert left == names | {f"firewall-rules: {RULE['name']}", f"network-endpoint-groups: {OWN['name']}"}


def test_parts_that_were_ours_are_remembered(sandbox: Sandbox) -> None:
    """A health check leads nowhere as soon as its backend service is deleted."""
    own = balancer("mci-1", OWN["selfLink"])
    last = {"health-checks": own["health-checks"] + balancer("mci-3", "")["health-checks"]}
    serve_lists(sandbox, own | {"network-endpoint-groups": [OWN]}, last)
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", WAIT_SECONDS="1")
    assert "health-checks: mci-1-health-checks\n" in run.output
    assert "mci-3" not in run.output


def exported_group(namespace: str, service: str) -> dict[str, str]:
    """Return the endpoint group of an exported Service, whose name is cut."""
    about = {"cluster-uid": "1", "namespace": namespace, "service-name": service, "port": "80"}
    return endpoint_group(f"k8s1-a-{namespace[:9]}-{service[:9]}-80-b") | {"description": json.dumps(about)}


EXPORTED = exported_group("istio-gateway", "istio-ingressgateway")


def test_the_load_balancer_of_multi_cluster_gateway_is_waited_for(sandbox: Sandbox) -> None:
    """Its endpoint groups, which the export still has, are not; nor are the parts of other namespaces."""
    theirs = exported_group("shop", "cart")
    own, others = balancer("gkemcg1-a", EXPORTED["selfLink"]), balancer("gkemcg1-b", theirs["selfLink"])
    lists = {kind: own[kind] + others[kind] for kind in PARTS}
    serve_lists(sandbox, lists | {"network-endpoint-groups": [EXPORTED, theirs]})
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", CONTROLLER="gkemcg1", WAIT_SECONDS="1")
    left = {line for line in run.output.splitlines() if re.match(r"[a-z-]+: (gke|k8s1)", line)}
    assert left == {f"{kind}: gkemcg1-a-{kind}" for kind in PARTS}
    assert "name~^gkemcg1- " in run.calls_of("gcloud")[0]


def test_a_rule_that_leads_nowhere_is_ours_if_it_is_in_our_network(sandbox: Sandbox) -> None:
    """That of an internal load balancer: a repeated run remembers nothing of what the first one has seen."""
    [ours], [other] = (balancer(f"gkemcg1-{network}", "")["forwarding-rules"] for network in ("matt-vpc", "other"))
    inside = ours | {"network": f"{COMPUTE}/global/networks/matt-vpc"}
    serve_lists(sandbox, {"forwarding-rules": [inside, other], "network-endpoint-groups": [EXPORTED]})
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", CONTROLLER="gkemcg1", WAIT_SECONDS="1")
    assert f"forwarding-rules: {ours['name']}\n" in run.output
    assert other["name"] not in run.output
    assert EXPORTED["name"] not in run.output


@pytest.mark.parametrize("kind", ["forwarding-rules", "health-checks", "firewall-rules", "network-endpoint-groups"])
def test_a_failed_list_of_the_load_balancers_resources_is_an_error(sandbox: Sandbox, kind: str) -> None:
    sandbox.fake_tool("gcloud", f'if [[ "$*" == *{kind}* ]]; then echo "permission denied" >&2; exit 1; fi')
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert "permission denied" in run.output


def test_a_list_that_can_not_be_read_is_an_error(sandbox: Sandbox) -> None:
    sandbox.fake_tool("gcloud", 'echo "[{\\"name\\": 1}]"')
    assert "could not read the lists" in sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc").output


@pytest.mark.parametrize("kind", ["forwarding-rules", "url-maps", "network-endpoint-groups"])
def test_an_incomplete_list_of_gcloud_is_requested_again(sandbox: Sandbox, kind: str) -> None:
    """If gcloud can't get most kinds of lists, it prints a warning and exits with 0."""
    warning = 'echo "WARNING: Some requests did not succeed." >&2'
    sandbox.fake_tool(
        "gcloud", f'if [[ "$*" == *{kind}* && ! -e "$HERE/asked" ]]; then touch "$HERE/asked"; {warning}; fi; echo "[]"'
    )
    run = sandbox.succeed("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc")
    assert "trying again" in run.output
    assert len([call for call in run.calls_of("gcloud") if kind in call]) == 2
    sandbox.fake_tool("gcloud", f'if [[ "$*" == *{kind}* ]]; then {warning}; fi')
    run = sandbox.fail("wait-for-load-balancer-cleanup.sh", VPC="matt-vpc", WAIT_SECONDS="1")
    assert "the load balancer's remaining resources are unknown" in run.output


LEFT = {"VPC": "matt-vpc", "LOCATION": "asia-northeast1", "CLUSTER": "matt-tokyo-cluster-1"}


def test_what_a_mesh_leaves_in_a_region_is_deleted(sandbox: Sandbox) -> None:
    groups = r"gsmrsvd-a\tasia-northeast1-a\ngsmrsvd-b\tasia-northeast2-b\n"
    sandbox.fake_tool(
        "gcloud",
        f'case "$*" in *endpoint-groups\\ list*) printf "{groups}" ;; '
        "*firewall-rules\\ list*) echo gke-matt-tokyo-cluster-1-0a-mcsd ;; esac",
    )
    run = sandbox.succeed("delete-mesh-networking.sh", **LEFT)
    lists = [call for call in run.calls_of("gcloud") if " list " in call]
    assert "name~^gsmrsvd AND network~/matt-vpc$" in lists[0]
    assert "name~^gke-matt-tokyo-cluster-1.*-mcsd$ AND network~/matt-vpc$" in lists[1]
    flags = "--project test-project --quiet"
    assert [call for call in run.calls_of("gcloud") if " delete " in call] == [
        f"compute network-endpoint-groups delete gsmrsvd-a --zone asia-northeast1-a {flags}",
        f"compute firewall-rules delete gke-matt-tokyo-cluster-1-0a-mcsd {flags}",
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('echo "WARNING: Some requests did not succeed." >&2', "could not list orphaned resources of the mesh"),
        ('if [[ "$*" == *firewall-rules* ]]; then echo forbidden >&2; exit 1; fi', "forbidden"),
        (
            'case "$*" in *groups\\ list*) printf "gsmrsvd-a\\tasia-northeast1-a\\n" ;; *delete*) exit 1 ;; esac',
            "could not delete gsmrsvd-a",
        ),
    ],
)
def test_what_a_mesh_has_left_is_not_forgotten(sandbox: Sandbox, body: str, reason: str) -> None:
    sandbox.fake_tool("gcloud", body)
    assert reason in sandbox.fail("delete-mesh-networking.sh", **LEFT).output


@pytest.mark.parametrize(
    ("missing", "address"),
    [
        ("configmap", 'null_resource.install["tokyo"]'),
        ("another mark", 'null_resource.install["tokyo"]'),
        ("secret", 'null_resource.trust_grant["tokyo/osaka"]'),
        ("another secret", 'null_resource.trust_grant["tokyo/osaka"]'),
    ],
)
def test_incomplete_work_of_a_killed_terraform_is_found(sandbox: Sandbox, missing: str, address: str) -> None:
    answers = 'case "$*" in *"get configmap"*) printf m ;; *"get secret "*) printf n ;; esac'
    sandbox.fake_tool("kubectl", f'if [[ "$*" != *"get {missing}"* ]]; then {answers}; fi')
    if "secret" in missing:
        script, inputs = "check-remote-secret.sh", {**REMOTE_SECRET, **DELETION, "MARKER": "n", "GRANTED_BY": address}
    else:
        script, inputs = "wait-for-crds.sh", {**WAIT, "CRDS": "a.x.io", "INSTALLED_BY": address}
    if missing.startswith("another"):
        changed = "printf m" if missing == "another mark" else "printf n"
        sandbox.fake_tool("kubectl", answers.replace(changed, "printf of-older-inputs"))
    run = sandbox.fail(script, **inputs)
    assert "although terraform counts it as complete" in run.output
    command = run.output[run.output.index("terraform -chdir=") :]
    options = [f"-replace={address}", f"-target={address}"]
    assert shlex.split(command) == ["terraform", f"-chdir={sandbox.folder}", "apply", *options]
    assert address not in run.output, "cdktf-cli would append a text to the address"
    sandbox.fake_tool("kubectl", answers)
    run = sandbox.succeed(script, **inputs)


@pytest.mark.parametrize("level", ["4.0", "4.2", "5.0"])
def test_the_printed_command_is_the_same_by_any_bash(sandbox: Sandbox, level: str) -> None:
    """Up to 4.2, quotes in a quoted replacement stay."""
    sandbox.variables = {"BASH_COMPAT": level}
    sandbox.fake_tool("kubectl", "")
    run = sandbox.fail("wait-for-crds.sh", **WAIT | {"INSTALLED_BY": "null_resource.a_b"}, CRDS="a.x.io")
    assert "apply -replace='null''_resource.a''_b' -target='null''_resource.a''_b'" in run.output


def test_removal_deletes_the_managed_control_plane(sandbox: Sandbox) -> None:
    run = sandbox.succeed("remove-mesh.sh", **CLUSTER)
    deleted = [call for call in run.calls_of("kubectl") if " delete " in call]
    assert [re.search(r"delete (\S+)", call)[1] for call in deleted] == [  # type: ignore[index]
        "controlplanerevisions",
        "validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "namespace",
    ]
    assert all("--ignore-not-found" in call for call in deleted)


def test_removal_uninstalls_istiod_completely(sandbox: Sandbox) -> None:
    sandbox.fake_tool("kubectl", 'if [[ "$*" == *"get deployment"*app=istiod* ]]; then printf deployment/istiod; fi')
    run = sandbox.succeed("remove-mesh.sh", **CLUSTER)
    (call,) = run.calls_of("istioctl")
    options = "--istioNamespace istio-system --purge --skip-confirmation"
    assert re.fullmatch(rf"uninstall --kubeconfig \S+/kubeconfig {options}", call)
    order = [one.split(" ")[0] for one in run.calls if one == f"istioctl {call}" or "delete namespace" in one]
    assert order == ["istioctl", "kubectl"]


def test_a_failed_check_for_a_control_plane_is_an_error(sandbox: Sandbox) -> None:
    sandbox.fake_tool("kubectl", 'if [[ "$*" == *"get customresourcedefinition"* ]]; then exit 1; fi')
    run = sandbox.run("remove-mesh.sh", **CLUSTER)
    assert run.status != 0
    assert not [call for call in run.calls_of("kubectl") if " delete " in call]
    sandbox.fake_tool("kubectl", "")
    run = sandbox.succeed("remove-mesh.sh", **CLUSTER)
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

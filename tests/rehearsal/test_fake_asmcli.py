"""Tests of the fake asmcli: the command lines that it accepts, and what it does to a simulated cluster.

With the variable ASMCLI naming the real asmcli (release asmcli_1.28.5-asm.12), both are compared.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from config.paths import ROOT
from tests.scripts.sandbox import Sandbox, ScriptRun

T = TypeVar("T")

ASMCLI = ROOT / "tests" / "rehearsal" / "fake_tools" / "asmcli"

# Programs that the real asmcli and the fake run themselves, besides those of a sandbox.
MACHINE_TOOLS = ("csplit", "cut", "git", "head", "jq", "ln", "mv", "readlink", "sed", "seq", "tr", "which")

ISTIO = "istio-1.28.5-asm.12"
REVISION = "state/revision.yaml"

# A cluster, as far as kubectl shows one: a folder in which each object is a file.
KUBECTL = """
cluster=gke_test-project_asia-northeast1_tokyo-1
KUBECTL_CALLS=$(grep -c '^kubectl' "$HERE/calls")
if [[ -e "$HERE/kill-before-$KUBECTL_CALLS" ]]; then kill -KILL 0; fi
shows() { if [[ -e "$HERE/state/$1" ]]; then printf '%s' "$2"; fi; }
needs() { [[ -e "$HERE/state/$1" ]] || { printf 'no %s\\n' "$1" >&2; exit 1; }; }
lacks() { [[ ! -e "$HERE/state/$1" ]] || { printf '%s is there\\n' "$1" >&2; exit 1; }; }
case "$*" in
  *"config current-context") printf '%s\\n' "$cluster" ;;
  *"config get-contexts --no-headers")
    printf '          other other other\\n*         %s %s user\\n' "$cluster" "$cluster" ;;
  *"get namespace istio-system"*jsonpath*) shows label test-project-default ;;
  *"get namespace istio-system"*) shows namespace namespace/istio-system ;;
  *"create namespace istio-system") lacks namespace; touch "$HERE/state/namespace" ;;
  *"label namespace istio-system "*) needs namespace; lacks label; touch "$HERE/state/label" ;;
  *"get customresourcedefinition "*) shows crd.yaml customresourcedefinition/it ;;
  *"apply --filename crd.yaml") cat crd.yaml >"$HERE/state/crd.yaml" ;;
  *"wait --for condition=established"*) needs crd.yaml ;;
  *"get configmap asm-options"*) if [[ -e "$HERE/state/options" ]]; then cat "$HERE/state/options"; fi ;;
  *"apply --overwrite=true --filename mcp_configmap.yaml")
    needs namespace; cat mcp_configmap.yaml >"$HERE/state/configmap.yaml" ;;
  *"patch configmap asm-options"*) needs configmap.yaml ;;
  *"rollout status deployment/istiod-"*) needs istiod ;;
  *"create configmap multi-region-mesh "*"--dry-run=client"*) printf '%s\\n' "$*" ;;
  *"apply --server-side "*) cat >"$HERE/state/marker" ;;
  *"apply --filename asm/control-plane-revision/cr_"*)
    needs namespace; needs crd.yaml; cat "${@: -1}" >"$HERE/state/revision.yaml" ;;
  *"wait --for=condition=ProvisioningFinished"*)
    needs revision.yaml; if [[ -e "$HERE/never" ]]; then printf 'timed out\\n' >&2; exit 1; fi ;;
  *) printf 'what is this?\\n' >&2; exit 98 ;;
esac
if [[ -e "$HERE/kill-after-$KUBECTL_CALLS" ]]; then kill -KILL 0; fi
"""

MANAGED = (
    "apply --kubeconfig kubeconfig --context it --fleet_id test-project --managed --channel stable --ca mesh_ca "
    "--enable_namespace_creation --output_dir out"
)
AGAIN = MANAGED.replace("--output_dir out", "--output_dir fresh")
IN_CLUSTER = (
    "apply --kubeconfig kubeconfig --context it --fleet_id test-project --revision_name asm-1285-12 "
    "--enable_cluster_roles --enable_gcp_components --enable_gcp_iam_roles --option cni-gcp --ca mesh_ca "
    "--enable_namespace_creation --output_dir out"
)

CHECKED_TOOLS = ("awk", "gcloud", "git", "grep", "jq", "kubectl", "sed", "tr", "head", "csplit")

# The exit status of the fake. The real asmcli refuses what the first refuses, and may accept what the second does.
DONE, REFUSED, UNSUPPORTED = 0, 2, 3

CASES: dict[str, int] = {
    MANAGED: DONE,
    MANAGED.replace("stable", "regular"): DONE,
    MANAGED.replace("stable", "rapid"): DONE,
    MANAGED.replace("stable", "preview"): REFUSED,
    MANAGED.replace("stable", ""): REFUSED,
    MANAGED.replace("test-project", "''"): REFUSED,
    MANAGED.replace("test-project", "-x"): REFUSED,
    f"{MANAGED} word": REFUSED,
    IN_CLUSTER: DONE,
    IN_CLUSTER.replace("asm-1285-12", "a.b"): REFUSED,
    IN_CLUSTER.replace("asm-1285-12", "mine-"): REFUSED,
    IN_CLUSTER.replace("asm-1285-12", "a" * 64): REFUSED,
    IN_CLUSTER.replace("--option cni-gcp", "--option"): REFUSED,
    "": UNSUPPORTED,
    "install": UNSUPPORTED,
    "apply": UNSUPPORTED,
    f"{MANAGED} --bogus": REFUSED,
    f"{MANAGED} --bogus x": UNSUPPORTED,
    f"{MANAGED} --enable_bogus": UNSUPPORTED,
    f"{MANAGED} --revision_name asm-mine": UNSUPPORTED,
    f"{MANAGED} --option cni-gcp": UNSUPPORTED,
    MANAGED.replace("--channel stable", "--channel=stable"): REFUSED,
    MANAGED.replace("--channel stable ", ""): UNSUPPORTED,
    MANAGED.replace("mesh_ca", "citadel"): UNSUPPORTED,
    MANAGED.replace("--enable_namespace_creation ", ""): UNSUPPORTED,
    IN_CLUSTER.replace("cni-gcp", "cloud-tracing"): UNSUPPORTED,
    IN_CLUSTER.replace("--enable_gcp_components ", ""): UNSUPPORTED,
    f"{IN_CLUSTER} --managed": UNSUPPORTED,
    f"{IN_CLUSTER} --channel stable": UNSUPPORTED,
}


# The responses that the real asmcli needs from Google Cloud.
GCLOUD = """
case "$*" in
  *releaseChannel*) printf 'CHANNEL\\n' ;;
  *"services list"*) printf 'mesh.googleapis.com\\n' ;;
  *projectNumber*) printf '42\\n' ;;
  *resourceLabels*) printf 'mesh_id=proj-42\\n' ;;
  *"value(selfLink, network)"*) printf 'uri default\\n' ;;
  *json*) printf '{}' ;;
  *) printf 'me@example.com\\n' ;;
esac
"""
REAL_ASMCLI_KUBECTL = """
cluster=gke_test-project_asia-northeast1_tokyo-1
case "$*" in
  *get-contexts*) printf '* %s %s user\\n' "$cluster" "$cluster" ;;
  *"version -o json") printf '{"serverVersion": {"major": "1", "minor": "34"}}' ;;
  *" json") printf '{}' ;;
  *"cm asm-options"*) cat "$HERE/state/options" ;;
esac
"""


class AsmcliSandbox(Sandbox):
    """A sandbox with a kubeconfig, output folders, and a cluster that is a folder of files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("state", "out", "fresh"):
            (self.folder / name).mkdir()
        (self.folder / "kubeconfig").touch()
        for tool in MACHINE_TOOLS:
            self.without(tool)
            (self.folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
        self.fake_tool("kubectl", KUBECTL)
        self.fake_tool("gcloud", "exit 99")
        self.fake_tool("istioctl", 'if [[ -e "$HERE/never" ]]; then exit 1; fi; touch "$HERE/state/istiod"')
        self.fake_tool("curl", "exit 7")
        self.fake_tool("tar", "exit 7")
        self.fake_tool("uname", "if [[ \"$*\" == -m ]]; then printf 'x86_64\\n'; else printf 'Linux\\n'; fi")

    def without(self, tool: str) -> None:
        (self.folder / "bin" / tool).unlink(missing_ok=True)

    def run_asmcli(
        self, arguments: str, asmcli: Path = ASMCLI, timeout: float = 30, variables: dict[str, str] | None = None
    ) -> ScriptRun:
        """ScriptRun a command line, in a process group of its own."""
        calls = self.folder / "calls"
        calls.write_text("", encoding="utf-8")
        result = subprocess.run(
            [str(asmcli), *shlex.split(arguments)],
            env={"PATH": str(self.folder / "bin"), "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")}
            | (variables or {}),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
            start_new_session=True,
        )
        lines = calls.read_text(encoding="utf-8").splitlines()
        recorded = [line for line in lines if line.startswith(("kubectl", "gcloud", "istioctl"))]
        return ScriptRun(result.returncode, result.stdout, recorded)

    def fill_output_folder(self) -> None:
        """Put into the output folder what the real asmcli would download."""
        out = self.folder / "out"
        for name in (f"{ISTIO}/bin", "asm/istio", "samples"):
            (out / name).mkdir(parents=True, exist_ok=True)
        for name in (f"{ISTIO}/bin/istioctl", "asm/istio/istio-operator.yaml"):
            (out / name).touch()
        (out / ".asm_version").write_text("1.28.5-asm.12+config1\n", encoding="utf-8")
        (out / ".asm_settings").write_text("1 mesh_ca\n", encoding="utf-8")
        (out / "kpt").symlink_to("/bin/true")
        (out / "istioctl").symlink_to(self.folder / "bin" / "istioctl")

    def kubectl_calls(self, run: ScriptRun) -> list[str]:
        """Return the calls without the kubeconfig and context that they share."""
        common = f"kubectl --kubeconfig {self.folder}/kubeconfig --context it "
        assert all(call.startswith(common) for call in run.calls), run.calls
        return [call.removeprefix(common) for call in run.calls]

    def objects(self) -> dict[str, str]:
        """Return the objects in the cluster."""
        return {path.name: path.read_text(encoding="utf-8") for path in (self.folder / "state").iterdir()}


def changes_of(sandbox: AsmcliSandbox, run: ScriptRun) -> list[str]:
    """Return the calls that change a cluster or wait for it, abbreviated."""
    short = {"--filename": "-f", "--namespace": "-n", "namespace": "ns", "customresourcedefinition/": "crd/"}
    calls = sandbox.kubectl_calls(ScriptRun(0, "", [call for call in run.calls if call.startswith("kubectl")]))
    for long, brief in short.items():
        calls = [call.replace(long, brief) for call in calls]
    return [call for call in calls if re.match(r"(create ns|label|apply|annotate|patch|delete|wait) ?", call)]


@pytest.fixture
def sandbox(tmp_path: Path) -> AsmcliSandbox:
    return AsmcliSandbox(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The objects after a run without any fault."""
    sandbox = AsmcliSandbox(tmp_path_factory.mktemp("undisturbed"))
    assert sandbox.run_asmcli(MANAGED).status == 0
    return sandbox.objects()


# --- the command line


@pytest.mark.parametrize(("arguments", "status"), CASES.items())
def test_the_command_line(sandbox: AsmcliSandbox, arguments: str, status: int) -> None:
    run = sandbox.run_asmcli(arguments)
    assert run.status == status, run.output
    if status == DONE:
        assert "done: gke_test-project" in run.output
    else:
        assert ("refuses" if status == REFUSED else "does not support") in run.output
        assert sandbox.objects() == {}, "it changed the cluster"
        assert run.calls == []


# --- the environment


@pytest.mark.parametrize("name", ["MAJOR", "REV", "DRY_RUN", "CA", "OUTPUT_DIR", "CHANNEL", "_CI_NO_VALIDATE"])
def test_a_variable_that_changes_the_real_asmcli_is_reported(sandbox: AsmcliSandbox, name: str) -> None:
    run = sandbox.run_asmcli(MANAGED, variables={name: ""})
    assert run.status == UNSUPPORTED
    assert f"the variable {name}," in run.output
    assert run.calls == []


def test_an_exported_function_is_reported(sandbox: AsmcliSandbox) -> None:
    run = sandbox.run_asmcli(MANAGED, variables={"BASH_FUNC_curl%%": "() { exit 0; }"})
    assert run.status == UNSUPPORTED
    assert "the exported function curl," in run.output
    assert run.calls == []


def test_variables_that_install_mesh_keeps_are_no_obstacle(sandbox: AsmcliSandbox) -> None:
    names = ("LANG", "CLOUDSDK_CONFIG", "HTTPS_PROXY", "USE_GKE_GCLOUD_AUTH_PLUGIN")
    run = sandbox.run_asmcli(MANAGED, variables=dict.fromkeys(names, "x"))
    assert run.status == 0, run.output


# --- the machine


@pytest.mark.parametrize("tools", [*((tool,) for tool in CHECKED_TOOLS), ("curl",), ("tar",), ("git", "head")])
def test_missing_tools_are_named(sandbox: AsmcliSandbox, tools: tuple[str, ...]) -> None:
    for tool in tools:
        sandbox.without(tool)
    run = sandbox.run_asmcli(MANAGED)
    assert run.status == REFUSED
    assert f"without these tools: {' '.join(tools)}\n" in run.output
    assert sandbox.objects() == {}


@pytest.mark.parametrize(
    ("kubectl", "status"),
    [
        ("exit 1", 1),
        (
            'printf "  other other user\n"',
            REFUSED,
        ),
        ('printf "* kind kind kind\n"', REFUSED),
    ],
)
def test_a_kubeconfig_without_a_gke_cluster_as_its_current_context(
    sandbox: AsmcliSandbox, kubectl: str, status: int
) -> None:
    sandbox.fake_tool("kubectl", kubectl)
    assert sandbox.run_asmcli(MANAGED).status == status


def test_the_output_folder_has_to_be_fresh(sandbox: AsmcliSandbox) -> None:
    (sandbox.folder / "out" / "asm").mkdir()
    run = sandbox.run_asmcli(MANAGED)
    assert run.status == UNSUPPORTED
    assert "an output folder that is not empty" in run.output
    assert sandbox.objects() == {}


# --- the cluster


@pytest.mark.parametrize(
    ("channel", "revision"),
    [("stable", "asm-managed-stable"), ("regular", "asm-managed"), ("rapid", "asm-managed-rapid")],
)
def test_what_it_does_to_a_cluster(sandbox: AsmcliSandbox, channel: str, revision: str) -> None:
    run = sandbox.run_asmcli(MANAGED.replace("stable", channel))
    assert run.status == 0, run.output
    crd = "controlplanerevisions.mesh.cloud.google.com"
    assert sandbox.kubectl_calls(run) == [
        "config get-contexts --no-headers",
        "get namespace istio-system --ignore-not-found --output name",
        "create namespace istio-system",
        "get namespace istio-system --output jsonpath={.metadata.labels.topology\\.istio\\.io/network}",
        "label namespace istio-system topology.istio.io/network=test-project-default",
        f"get customresourcedefinition {crd} --ignore-not-found --output name",
        "apply --filename crd.yaml",
        f"wait --for condition=established --timeout=10s customresourcedefinition/{crd}",
        "get configmap asm-options --namespace istio-system --ignore-not-found --output jsonpath={.data.ASM_OPTS}",
        "apply --overwrite=true --filename mcp_configmap.yaml",
        f"apply --filename asm/control-plane-revision/cr_{channel}.yaml",
        f"wait --for=condition=ProvisioningFinished controlplanerevision {revision} "
        "--namespace istio-system --timeout 600s",
    ]
    applied = (sandbox.folder / REVISION).read_text(encoding="utf-8")
    assert f"  name: {revision}\n  namespace: istio-system\n" in applied
    assert applied.endswith(f"spec:\n  type: managed_service\n  channel: {channel}\n")


@pytest.mark.parametrize("failures", [2, 3])
def test_what_fails_is_tried_three_times(sandbox: AsmcliSandbox, failures: int) -> None:
    condition = f'[[ "$(grep -c "create namespace" "$HERE/calls")" -gt {failures} ]] || exit 1'
    sandbox.fake_tool("kubectl", KUBECTL.replace("lacks namespace;", f"{condition}; lacks namespace;"))
    run = sandbox.run_asmcli(MANAGED)
    assert run.status == (0 if failures == 2 else 1), run.output


def test_existing_options_stay_and_no_other_key_is_named(sandbox: AsmcliSandbox) -> None:
    (sandbox.folder / "state" / "options").write_text("CA=x", encoding="utf-8")
    assert sandbox.run_asmcli(MANAGED).status == 0
    written = sandbox.objects()["configmap.yaml"]
    assert written.endswith('data:\n  ASM_OPTS: "CA=x;"\n')


def test_a_control_plane_that_is_not_provisioned_is_an_error(sandbox: AsmcliSandbox) -> None:
    (sandbox.folder / "never").touch()
    run = sandbox.run_asmcli(MANAGED)
    assert run.status == 1
    assert "asm-managed-stable is not provisioned (condition ProvisioningFinished) after 600s" in run.output
    assert "done" not in run.output


def test_a_second_run_changes_nothing(sandbox: AsmcliSandbox) -> None:
    assert sandbox.run_asmcli(MANAGED).status == 0
    before = sandbox.objects()
    run = sandbox.run_asmcli(AGAIN)
    assert run.status == 0, run.output
    assert sandbox.objects() == before
    assert not [call for call in run.calls if re.search(r" (create|label) |crd\.yaml", call)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 13))
def test_killed_anywhere_it_converges_in_a_fresh_folder(
    sandbox: AsmcliSandbox, undisturbed: dict[str, str], when: str, call: int
) -> None:
    kill = sandbox.folder / f"kill-{when}-{call}"
    kill.touch()
    run = sandbox.run_asmcli(MANAGED)
    assert run.status == -signal.SIGKILL
    assert len(run.calls) == call
    kill.unlink()
    run = sandbox.run_asmcli(AGAIN)
    assert run.status == 0, run.output
    assert sandbox.objects() == undisturbed


# --- a control plane in the cluster


def test_istioctl_installs_a_revision(sandbox: AsmcliSandbox) -> None:
    run = sandbox.run_asmcli(IN_CLUSTER)
    assert run.status == 0, run.output
    *before, installed = run.calls
    assert sandbox.kubectl_calls(ScriptRun(0, "", before)) == [
        "config get-contexts --no-headers",
        "get namespace istio-system --ignore-not-found --output name",
        "create namespace istio-system",
        "get namespace istio-system --output jsonpath={.metadata.labels.topology\\.istio\\.io/network}",
        "label namespace istio-system topology.istio.io/network=test-project-default",
    ]
    assert installed == (
        f"istioctl install --kubeconfig {sandbox.folder}/kubeconfig --context it "
        "--filename asm/istio/istio-operator.yaml --filename asm/istio/options/cni-gcp.yaml "
        "--set revision=asm-1285-12 --skip-confirmation"
    )


def test_an_istiod_that_cannot_be_installed_is_an_error(sandbox: AsmcliSandbox) -> None:
    (sandbox.folder / "never").touch()
    run = sandbox.run_asmcli(IN_CLUSTER)
    assert run.status == 1
    assert len([call for call in run.calls if call.startswith("istioctl")]) == 5
    assert "could not istioctl install" in run.output


# --- the script that calls it


@pytest.mark.parametrize(
    ("mode", "revision", "last"),
    [
        ("managed", "asm-managed-rapid", "patch configmap asm-options"),
        ("in-cluster", "asm-1285-12", "rollout status deployment/istiod-asm-1285-12"),
    ],
)
def test_install_mesh_calls_it_with_a_clean_environment(
    sandbox: AsmcliSandbox, mode: str, revision: str, last: str
) -> None:
    sandbox.fake_tool("gcloud", 'touch "$KUBECONFIG"')
    inputs = {
        **{"PROJECT": "test-project", "CLUSTER": "tokyo-1", "LOCATION": "asia-northeast1", "ENDPOINT": "public"},
        **{"CHANNEL": "rapid", "ASMCLI_URL": "https://example.invalid", "ASMCLI_FILE": str(ASMCLI)},
        **{"MODE": mode, "REVISION": revision, "INPUTS": "abc123"},
        **{"MAJOR": "9", "DRY_RUN": "1", "CA": "citadel", "BASH_FUNC_jq%%": "() { exit 0; }"},
    }
    run = sandbox.run_asmcli("", ROOT / "scripts" / "install-mesh.sh", variables=inputs)
    assert run.status == 0, run.output
    if mode == "managed":
        assert f"  name: {revision}\n" in sandbox.objects()["revision.yaml"]
    else:
        assert [f"--set revision={revision} " in call for call in run.calls if call.startswith("istioctl")] == [True]
    # The completion marker comes last.
    *_, before, first, second = run.calls
    assert last in before
    assert sorted(word in first + second for word in ("create configmap", "apply --server-side")) == [True, True]
    assert "installed=abc123" in sandbox.objects()["marker"]


# --- the real asmcli


def if_real(cases: Iterable[T]) -> list[T]:
    """Return the cases; the first alone, to be skipped with the reason, where there is no real asmcli."""
    found = list(cases)
    return found if os.environ.get("ASMCLI") else found[:1]


@pytest.fixture(scope="session")
def real() -> Path:
    """The path of the real asmcli, if there is one to compare with."""
    named = os.environ.get("ASMCLI")
    if not named:
        pytest.skip("ASMCLI names no real asmcli to compare with")
    assert os.access(named, os.X_OK), f"{named} is not executable"
    return Path(named).resolve()


@pytest.mark.parametrize(
    ("arguments", "status"),
    if_real((arguments, status) for arguments, status in CASES.items() if status != UNSUPPORTED),
)
def test_the_real_asmcli_accepts_and_refuses_the_same(
    sandbox: AsmcliSandbox, real: Path, arguments: str, status: int
) -> None:
    # The real asmcli looks for this tool once it has accepted its command line.
    sandbox.without("csplit")
    run = sandbox.run_asmcli(arguments, real)
    assert ("Dependency not found: csplit" in run.output) == (status == DONE), run.output
    assert run.status != 0


@pytest.mark.parametrize("tool", if_real(CHECKED_TOOLS))
def test_the_real_asmcli_needs_the_same_tools(sandbox: AsmcliSandbox, real: Path, tool: str) -> None:
    sandbox.without(tool)
    run = sandbox.run_asmcli(MANAGED, real)
    assert run.status != 0
    assert "Downloading" not in run.output


def test_the_real_asmcli_fails_in_a_half_filled_folder(sandbox: AsmcliSandbox, real: Path) -> None:
    sandbox.fill_output_folder()
    (sandbox.folder / "out" / ISTIO / "bin" / "istioctl").unlink()
    sandbox.fake_tool("gcloud", "printf 'stable\\n'")
    sandbox.fake_tool("curl", "")
    sandbox.fake_tool("tar", "")
    run = sandbox.run_asmcli(MANAGED, real)
    assert run.status == 1
    assert re.search(r"Downloading ASM\.\.\nln: .*File exists", run.output), run.output


@pytest.mark.parametrize("channel", if_real(["stable", "regular", "rapid"]))
def test_the_real_asmcli_changes_a_cluster_in_the_same_way(sandbox: AsmcliSandbox, real: Path, channel: str) -> None:
    arguments = MANAGED.replace("stable", channel)
    (sandbox.folder / "state" / "options").write_text("CA=x", encoding="utf-8")
    fake_run = sandbox.run_asmcli(arguments)
    options = sandbox.folder / "out" / "mcp_configmap.yaml"
    fake_options = options.read_text(encoding="utf-8")
    # What the real asmcli needs of Google: a cluster that it finds in order, and the tools that it downloads.
    sandbox.fake_tool("kubectl", REAL_ASMCLI_KUBECTL)
    sandbox.fake_tool("gcloud", GCLOUD.replace("CHANNEL", channel.upper()))
    sandbox.fill_output_folder()
    real_run = sandbox.run_asmcli(f"{arguments} --offline", real, timeout=300)
    assert real_run.status == 0, real_run.output
    # Only the fake applies the CRD, and only the real asmcli the caller's binding.
    changes = [change for change in changes_of(sandbox, fake_run) if change != "apply -f crd.yaml"]
    assert changes == [change for change in changes_of(sandbox, real_run) if change != "apply -f -"]
    assert len(changes) == 6
    assert options.read_text(encoding="utf-8").removeprefix("---\n") == fake_options


def test_the_real_asmcli_installs_the_same_in_a_cluster(sandbox: AsmcliSandbox, real: Path) -> None:
    fake_run = sandbox.run_asmcli(IN_CLUSTER)
    sandbox.fake_tool("kubectl", REAL_ASMCLI_KUBECTL)
    sandbox.fake_tool("gcloud", GCLOUD.replace("CHANNEL", "STABLE"))
    sandbox.fake_tool("curl", "")
    sandbox.fill_output_folder()
    # Where it downloads nothing it ignores this option.
    real_run = sandbox.run_asmcli(f"{IN_CLUSTER} --offline".replace("--option cni-gcp ", ""), real, timeout=300)
    assert real_run.status == 0, real_run.output
    # Only the real asmcli applies the caller's binding.
    changes = changes_of(sandbox, fake_run)
    assert changes == [change for change in changes_of(sandbox, real_run) if change != "apply -f -"]
    assert len(changes) == 2
    assert installed(fake_run) - {"-f asm/istio/options/cni-gcp.yaml"} == installed(real_run)


def installed(run: ScriptRun) -> set[str]:
    """Return the options of `istioctl install`."""
    calls = [call.replace("--filename", "-f") for call in run.calls if re.match(r"istioctl .*\binstall\b", call)]
    assert len(calls) == 1, run.output
    return set(re.findall(r"-f \S+|--[a-z-]+(?: [^- ]\S*)?", calls[0]))


def test_the_real_asmcli_has_these_options_and_variables(real: Path) -> None:
    text = real.read_text(encoding="utf-8")
    fake = ASMCLI.read_text(encoding="utf-8")
    parser = text[text.index("\nparse_args() {") : text.index("\nx_parse_install_args() {")]
    takes_value: dict[str, bool] = {}
    for spellings, body in re.findall(r"^      (-[^)]*)\)\n(.*?);;$", parser, re.MULTILINE | re.DOTALL):
        for spelling in spellings.split("|"):
            takes_value[spelling.strip()] = "shift 2" in body or "shift" not in body
    options = " ".join(re.findall(r"^readonly (?:COMMON|MANAGED|IN_CLUSTER)=\((.*)\)$", fake, re.MULTILINE)).split()
    assert len(options) == 13
    for option in options:
        assert takes_value[option] == (option != "--managed" and not option.startswith("--enable_")), option

    # It takes a variable from its environment where it gives it a default.
    defaults = set(re.findall(r"\$\{([A-Z]\w+):[-=]", text)) - {"BASH_VERSINFO", "HTTPS_PROXY"}
    listed = re.search(r"^readonly VARIABLES='([^']*)'", fake, re.MULTILINE)
    assert listed is not None
    assert set(listed[1].split()) == defaults

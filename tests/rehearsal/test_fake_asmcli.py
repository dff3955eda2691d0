"""The stand-in for asmcli: its grammar, and what it does to a cluster, among recorded stand-ins.

With the real asmcli (the release asmcli_1.28.5-asm.12) named by the variable ASMCLI, the grammar is compared with it.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from config.paths import ROOT

T = TypeVar("T")

ASMCLI = ROOT / "tests" / "rehearsal" / "fake_tools" / "asmcli"

# What the real script and the stand-in use of the machine itself.
REAL = (
    *("awk", "bash", "cat", "csplit", "cut", "env", "git", "grep", "head", "jq", "ln", "mkdir", "mktemp", "mv"),
    *("readlink", "rm", "sed", "seq", "touch", "tr", "which"),
)

CLUSTER = "gke_test-project_asia-northeast1_tokyo-1"
REVISION = "state/revision.yaml"

# A cluster, as far as kubectl shows one: a folder in which each object is a file.
KUBECTL = """
KUBECTL_CALLS=$(grep -c '^kubectl' "$HERE/calls")
if [[ -e "$HERE/kill-before-$KUBECTL_CALLS" ]]; then kill -KILL 0; fi
shows() { if [[ -e "$HERE/state/$1" ]]; then printf '%s' "$2"; fi; }
needs() { [[ -e "$HERE/state/$1" ]] || { printf 'no %s\\n' "$1" >&2; exit 1; }; }
lacks() { [[ ! -e "$HERE/state/$1" ]] || { printf '%s is there\\n' "$1" >&2; exit 1; }; }
case "$*" in
  *"config current-context") printf '%s\\n' "$CLUSTER" ;;
  *"config get-contexts --no-headers")
    printf '          other other other\\n*         %s %s user\\n' "$CLUSTER" "$CLUSTER" ;;
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

APPLY = "apply --kubeconfig kubeconfig --context it --managed --enable_namespace_creation"
IN_CLUSTER = (
    "apply --kubeconfig kubeconfig --context it --fleet_id test-project --revision_name asm-1285-12 "
    "--enable_cluster_roles --enable_gcp_components --enable_gcp_iam_roles --option cni-gcp --ca mesh_ca "
    "--enable_namespace_creation"
)
CREDENTIALS = "-p test-project -l asia-northeast1 -n tokyo-1"
POOL = "projects/p/locations/l/caPools/c"

# What becomes of a command line, with the stand-in's status.
DONE = "done", 0
HELP = "help", 0
REFUSED = "refused", 2
DIES = "dies", 1
# The real one goes on, or never comes back; the stand-in says so.
NOT_DONE = "not done", 3
HANGS = "hangs", 3

CASES: dict[str, tuple[str, int]] = {
    # The subcommand.
    "": REFUSED,
    "--help": HELP,
    "--version": HELP,
    "-v": HELP,
    "uninstall": REFUSED,
    "--help uninstall": REFUSED,
    f"{APPLY} --help": HELP,
    f"{APPLY} --help --bogus": REFUSED,
    "validate --version": HELP,
    # Options of apply.
    f"{APPLY} --channel stable": DONE,
    f"{APPLY} --fleet_id test-project --ca mesh_ca --channel regular --output_dir out": DONE,
    "APPLY --Kubeconfig kubeconfig --CTX it --MANAGED --enable-namespace-creation -C MESH_CA -d out": DONE,
    f"{APPLY} --channel RAPID --working-dir out": DONE,
    f"{APPLY} -o hub-meshca --legacy --use_managed_cni --disable_canonical_service --mode install": DONE,
    f"{APPLY} --mode -x --enable_cluster_roles --enable-gcp-components --disable_ui -v": DONE,
    f"{APPLY} --use-vpcsc --network_id n": DONE,
    "apply --kc kubeconfig --managed --enable_namespace_creation": DONE,
    f"{APPLY} --bogus": REFUSED,
    f"{APPLY} word": REFUSED,
    f"{APPLY} --channel=stable": REFUSED,
    f"{APPLY} --disable-ui": REFUSED,
    f"{APPLY} --managed-certificates": REFUSED,
    f"{APPLY} --channel": REFUSED,
    f"{APPLY} --output_dir --verbose": REFUSED,
    f"{APPLY} --fleet_id ''": REFUSED,
    f"{APPLY} --mode": DIES,
    f"{APPLY} --ca_name {POOL}": HANGS,
    # Values and combinations.
    f"{APPLY} --channel preview": REFUSED,
    f"{APPLY} --ca letsencrypt": REFUSED,
    f"{APPLY} --ca citadel": REFUSED,
    f"{APPLY} --ca gcp_cas": REFUSED,
    f"{APPLY} --ca gcp_cas --ca_pool pool": REFUSED,
    f"{APPLY} --ca gcp_cas --ca_pool {POOL}:template": REFUSED,
    f"{APPLY} --ca gcp_cas --ca_pool {POOL}": NOT_DONE,
    f"{APPLY} --ca managed_cas": NOT_DONE,
    f"{APPLY} --ca mesh_ca --managed_certificates": REFUSED,
    f"{APPLY} --managed_certificates": REFUSED,
    f"{APPLY} --ca_cert file.yaml": REFUSED,
    f"{APPLY} --revision_name asm-mine": REFUSED,
    f"{APPLY} --custom_overlay file.yaml": REFUSED,
    f"{APPLY} --platform aws": REFUSED,
    f"{APPLY} --platform multicloud": NOT_DONE,
    f"{APPLY} --platform multicloud --enable_registration": REFUSED,
    f"{APPLY} --option cloud-tracing": NOT_DONE,
    f"{APPLY} --offline": REFUSED,
    f"{APPLY} --offline --output_dir out": REFUSED,
    f"{APPLY} --offline --output_dir tmp": NOT_DONE,
    f"{APPLY} --only_validate": REFUSED,
    f"{APPLY} --only_enable": NOT_DONE,
    "apply --kubeconfig kubeconfig --context it --managed --only_enable": REFUSED,
    f"{APPLY} --enable_all": NOT_DONE,
    f"{APPLY} --use_fleet_api --channel regular": NOT_DONE,
    f"{APPLY} --service_account a": REFUSED,
    f"{APPLY} --key_file file.yaml": REFUSED,
    f"{APPLY} --service_account a --key_file nowhere": REFUSED,
    f"{APPLY} --service_account a --key_file file.yaml": NOT_DONE,
    # The cluster.
    "apply --managed": REFUSED,
    f"apply --managed {CREDENTIALS}": NOT_DONE,
    "apply --managed -p test-project": REFUSED,
    f"apply --managed --kubeconfig kubeconfig {CREDENTIALS}": REFUSED,
    # A control plane in the cluster.
    IN_CLUSTER: DONE,
    f"{IN_CLUSTER} --channel stable -o cni-gcp": DONE,
    IN_CLUSTER.replace("--revision_name asm-1285-12 ", ""): DONE,
    IN_CLUSTER.replace("--option cni-gcp ", ""): DONE,
    f"{IN_CLUSTER} --managed": REFUSED,
    f"{IN_CLUSTER} --revision_name": REFUSED,
    f"{IN_CLUSTER} --revision-name a.b": REFUSED,
    f"{IN_CLUSTER} --option": REFUSED,
    f"{IN_CLUSTER} --option cloud-tracing": NOT_DONE,
    f"{IN_CLUSTER} --custom_overlay file.yaml": NOT_DONE,
    f"{IN_CLUSTER} --enable-cluster-labels": NOT_DONE,
    # What is not rehearsed.
    "apply --kubeconfig kubeconfig --context it": NOT_DONE,
    "apply --kubeconfig kubeconfig --context it --revision_name asm-mine --co file.yaml": NOT_DONE,
    "apply --kubeconfig kubeconfig --context it --revision_name -mine": REFUSED,
    "apply --kubeconfig kubeconfig --context it --revision_name mine-": REFUSED,
    f"apply --kubeconfig kubeconfig --context it --revision_name {'a' * 64}": REFUSED,
    "apply --kubeconfig kubeconfig --context it --custom_overlay nowhere": REFUSED,
    "apply --kubeconfig kubeconfig --context it --ca_cert file.yaml": REFUSED,
    "apply --kubeconfig kubeconfig --context it --ca citadel --ca_cert file.yaml": REFUSED,
    "install --kubeconfig kubeconfig --context it --managed": NOT_DONE,
    "install --bogus": REFUSED,
    "validate --kubeconfig kubeconfig --context it": NOT_DONE,
    "validate --kubeconfig kubeconfig --context it --enable_gcp_apis": REFUSED,
    "validate": REFUSED,
    "create-mesh": REFUSED,
    "create-mesh test-project": REFUSED,
    "create-mesh --offline test-project": REFUSED,
    "create-mesh -v --help": HELP,
    "create-mesh test-project --help": HELP,
    "create-mesh test-project kubeconfig test-project/asia-northeast1/tokyo-1 -D out": NOT_DONE,
    "create-mesh test-project kubeconfig --output_dir": REFUSED,
    "build-offline-package --help": HELP,
    "build-offline-package -D out": NOT_DONE,
    "build-offline-package -D": REFUSED,
    "build-offline-package --bogus": HANGS,
    "experimental": REFUSED,
    "x apply": HELP,
    "x install --kubeconfig kubeconfig --context it --managed --managed_certificates": NOT_DONE,
    "x install --kubeconfig kubeconfig --context it --managed --bogus": REFUSED,
    "x mcp-migrate-check -f file.yaml": NOT_DONE,
    "x mcp-migrate-check -f nowhere": REFUSED,
    "x mcp-migrate-check --bogus": REFUSED,
}


# Google's side, for the real one: what it asks before it goes on.
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
KUBECTL_OF_THE_REAL_ONE = """
case "$*" in
  *get-contexts*) printf '* %s %s user\\n' "$CLUSTER" "$CLUSTER" ;;
  *"version -o json") printf '{"serverVersion": {"major": "1", "minor": "34"}}' ;;
  *" json") printf '{}' ;;
  *"cm asm-options"*) cat "$HERE/state/options" ;;
esac
"""


@dataclass(frozen=True)
class Run:
    """How a run ended: its status, what it printed, and its calls of kubectl, gcloud and istioctl."""

    status: int
    output: str
    calls: list[str]


class Machine:
    """A PATH of stand-ins, a kubeconfig, and a cluster that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "tmp", "state"):
            (folder / name).mkdir()
        for name in ("kubeconfig", "file.yaml", "calls"):
            (folder / name).touch()
        for tool in REAL:
            found = shutil.which(tool)
            assert found is not None, f"{tool} is missing on this machine"
            (folder / "bin" / tool).symlink_to(found)
        self.stand_in("kubectl", KUBECTL)
        self.stand_in("gcloud", "exit 99")
        self.stand_in("istioctl", 'if [[ -e "$HERE/never" ]]; then exit 1; fi; touch "$HERE/state/istiod"')
        self.stand_in("curl", "exit 7")
        self.stand_in("tar", "exit 7")
        self.stand_in("sleep", "")
        self.stand_in("uname", "if [[ \"$*\" == -m ]]; then printf 'x86_64\\n'; else printf 'Linux\\n'; fi")

    def stand_in(self, tool: str, body: str) -> None:
        """Make a stand-in that records its call and then runs ``body``."""
        path = self.folder / "bin" / tool
        path.write_text(
            f"#!{shutil.which('bash')}\nset -u\nHERE='{self.folder}'\nCLUSTER={CLUSTER}\n"
            f'printf \'%s\\n\' "{tool} $*" >>"$HERE/calls"\n{body}\n',
            encoding="utf-8",
        )
        path.chmod(0o755)

    def without(self, tool: str) -> None:
        (self.folder / "bin" / tool).unlink()

    def run(
        self, arguments: str, asmcli: Path = ASMCLI, timeout: float = 30, variables: dict[str, str] | None = None
    ) -> Run:
        """Run a command line, in a process group of its own."""
        (self.folder / "calls").write_text("", encoding="utf-8")
        process = subprocess.Popen(
            [str(asmcli), *shlex.split(arguments)],
            env={"PATH": str(self.folder / "bin"), "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")}
            | (variables or {}),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        lines = (self.folder / "calls").read_text(encoding="utf-8").splitlines()
        tools = ("kubectl", "gcloud", "istioctl")
        return Run(process.returncode, output, [line for line in lines if line.startswith(tools)])

    def kubectl_calls(self, run: Run) -> list[str]:
        """The calls without what they have in common: this kubeconfig and this context."""
        common = f"kubectl --kubeconfig {self.folder}/kubeconfig --context it "
        assert all(call.startswith(common) for call in run.calls), run.calls
        return [call.removeprefix(common) for call in run.calls]

    def objects(self) -> dict[str, str]:
        """What is in the cluster."""
        return {path.name: path.read_text(encoding="utf-8") for path in (self.folder / "state").iterdir()}

    def objects_of_a_run(self) -> dict[str, str]:
        assert self.run(f"{APPLY} --channel stable").status == 0
        return self.objects()


def changes_of(machine: Machine, run: Run) -> list[str]:
    """The calls that change a cluster or wait for it, spelled shortly."""
    short = {"--filename": "-f", "--namespace": "-n", "namespace": "ns", "customresourcedefinition/": "crd/"}
    calls = machine.kubectl_calls(Run(0, "", [call for call in run.calls if call.startswith("kubectl")]))
    for long, brief in short.items():
        calls = [call.replace(long, brief) for call in calls]
    return [call for call in calls if re.match(r"(create ns|label|apply|annotate|patch|delete|wait) ?", call)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- the command line


@pytest.mark.parametrize(("arguments", "expected"), CASES.items())
def test_the_grammar(machine: Machine, arguments: str, expected: tuple[str, int]) -> None:
    kind, status = expected
    run = machine.run(arguments)
    assert run.status == status, run.output
    if expected == DONE:
        assert "done: gke_test-project" in run.output
    else:
        assert machine.objects() == {}, "it did something"
        assert all(" config " in call for call in run.calls)
    if kind == "not done":
        assert "this stand-in does not do" in run.output
    if kind == "hangs":
        assert "never comes back" in run.output
    if kind == "help":
        assert "stand-in" in run.output or arguments == "-v"


@pytest.mark.parametrize("options", ["--channel stable", "--channel regular --ca gcp_cas --ca_pool " + POOL])
def test_the_fleet_api_is_refused_for_some(machine: Machine, options: str) -> None:
    run = machine.run(f"{APPLY} --use_fleet_api {options}")
    assert run.status == 2
    assert "--use_fleet_api" in run.output
    assert machine.objects() == {}


# --- the environment


@pytest.mark.parametrize("name", ["MAJOR", "REV", "DRY_RUN", "CA", "OUTPUT_DIR", "CHANNEL", "_CI_NO_VALIDATE"])
def test_a_variable_that_changes_the_real_one_is_named(machine: Machine, name: str) -> None:
    run = machine.run(f"{APPLY} --channel stable", variables={name: ""})
    assert run.status == 3
    assert f"the variable {name}," in run.output
    assert run.calls == []


def test_an_exported_function_is_named(machine: Machine) -> None:
    run = machine.run(APPLY, variables={"BASH_FUNC_curl%%": "() { exit 0; }"})
    assert run.status == 3
    assert "the function curl," in run.output
    assert run.calls == []


def test_what_install_mesh_lets_through_is_no_obstacle(machine: Machine) -> None:
    names = ("LANG", "CLOUDSDK_CONFIG", "HTTPS_PROXY", "USE_GKE_GCLOUD_AUTH_PLUGIN")
    run = machine.run(APPLY, variables=dict.fromkeys(names, "x"))
    assert run.status == 0, run.output


# --- the machine


@pytest.mark.parametrize(
    ("tool", "status"),
    [
        *((tool, 2) for tool in ("awk", "gcloud", "git", "tr", "head", "csplit")),
        *((tool, 127) for tool in ("jq", "grep", "sed")),
        ("kubectl", 1),
    ],
)
def test_a_missing_tool_is_named(machine: Machine, tool: str, status: int) -> None:
    machine.without(tool)
    run = machine.run(f"{APPLY} --ca mesh_ca --output_dir out")
    assert run.status == status
    assert re.search(rf"missing on this machine: {tool}$", run.output, re.MULTILINE)
    assert machine.objects() == {}


@pytest.mark.parametrize("tool", ["curl", "tar"])
def test_what_it_downloads_with_is_needed(machine: Machine, tool: str) -> None:
    machine.without(tool)
    assert machine.run(APPLY).status == 127
    assert machine.objects() == {}


def test_all_missing_tools_are_named_in_one_go(machine: Machine) -> None:
    for tool in ("git", "head"):
        machine.without(tool)
    assert "missing on this machine: git head\n" in machine.run(APPLY).output


def test_another_architecture_is_no_more_than_a_warning(machine: Machine) -> None:
    machine.stand_in("uname", "printf 'aarch64\\n'")
    run = machine.run(APPLY)
    assert run.status == 0
    assert "warning: the real asmcli supports x86_64 only" in run.output


# --- the kubeconfig


def test_a_kubeconfig_without_a_current_context(machine: Machine) -> None:
    machine.stand_in("kubectl", 'printf \'          %s %s user\\n\' "$CLUSTER" "$CLUSTER"')
    run = machine.run(APPLY)
    assert run.status == 1
    assert "no current context" in run.output


def test_a_cluster_that_is_not_gkes(machine: Machine) -> None:
    machine.stand_in("kubectl", "printf '* kind kind kind\\n'")
    run = machine.run(APPLY)
    assert run.status == 2
    assert "no GKE cluster: kind" in run.output


# --- the output folder


def test_a_file_in_place_of_the_output_folder(machine: Machine) -> None:
    run = machine.run(f"{APPLY} --output_dir file.yaml")
    assert run.status == 2
    assert "is no folder" in run.output


def test_the_folder_of_the_output_folder_is_not_made(machine: Machine) -> None:
    assert machine.run(f"{APPLY} --output_dir far/out").status == 1
    assert not (machine.folder / "far").exists()


def test_other_files_in_the_output_folder_are_no_obstacle(machine: Machine) -> None:
    (machine.folder / "out").mkdir()
    (machine.folder / "out" / "notes").touch()
    assert machine.run(f"{APPLY} --output_dir out").status == 0


# What is not there yet when the real one is killed after it has downloaded Istio, while it
# fetches its packages, and before it has noted that it has them.
@pytest.mark.parametrize("missing", [("istio-1.28.5-asm.12", "asm", "samples"), ("asm", "samples"), ("samples",), ()])
def test_a_half_filled_output_folder_is_the_end(machine: Machine, missing: tuple[str, ...]) -> None:
    out = machine.folder / "out"
    assert machine.run(f"{APPLY} --output_dir out").status == 0
    for name in missing:
        shutil.rmtree(out / name)
    (out / ".asm_settings").unlink()
    for _ in range(2):
        run = machine.run(f"{APPLY} --output_dir out")
        assert run.status == 1
        assert "half filled" in run.output
        assert all(" config " in call for call in run.calls)
    assert machine.run(f"{APPLY} --output_dir fresh").status == 0


# --- the cluster


@pytest.mark.parametrize(
    ("channel", "revision"),
    [("stable", "asm-managed-stable"), ("regular", "asm-managed"), ("rapid", "asm-managed-rapid")],
)
def test_what_it_does_to_a_cluster(machine: Machine, channel: str, revision: str) -> None:
    run = machine.run(f"{APPLY} --channel {channel} --output_dir out")
    assert run.status == 0, run.output
    crd = "controlplanerevisions.mesh.cloud.google.com"
    assert machine.kubectl_calls(run) == [
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
    applied = (machine.folder / REVISION).read_text(encoding="utf-8")
    assert f"  name: {revision}\n  namespace: istio-system\n" in applied
    assert applied.endswith(f"spec:\n  type: managed_service\n  channel: {channel}\n")


def test_the_context_is_the_current_one_if_none_is_named(machine: Machine) -> None:
    run = machine.run("apply --kubeconfig kubeconfig --managed --enable_namespace_creation")
    assert run.status == 0, run.output
    first, *others = run.calls
    assert first == f"kubectl --kubeconfig {machine.folder}/kubeconfig config current-context"
    assert all(f" --context {CLUSTER} " in call for call in others)


def test_without_a_channel_it_is_the_regular_one(machine: Machine) -> None:
    assert machine.run(APPLY).status == 0
    assert "  name: asm-managed\n" in (machine.folder / REVISION).read_text(encoding="utf-8")


def test_the_namespace_is_made_only_if_that_is_allowed(machine: Machine) -> None:
    arguments = "apply --kubeconfig kubeconfig --context it --managed"
    run = machine.run(arguments)
    assert run.status == 2
    assert "there is no namespace istio-system" in run.output
    (machine.folder / "state" / "namespace").touch()
    assert machine.run(arguments).status == 0


def test_the_options_that_are_there_stay_and_no_other_key_is_named(machine: Machine) -> None:
    (machine.folder / "state" / "options").write_text("CA=x", encoding="utf-8")
    assert machine.run(APPLY).status == 0
    written = machine.objects()["configmap.yaml"]
    assert written.endswith('data:\n  ASM_OPTS: "CA=x;"\n')


def test_a_control_plane_that_does_not_come_is_an_error(machine: Machine) -> None:
    (machine.folder / "never").touch()
    run = machine.run(f"{APPLY} --channel stable")
    assert run.status == 1
    assert "asm-managed-stable is not provisioned (condition ProvisioningFinished) after 600s" in run.output
    assert "done" not in run.output


@pytest.mark.parametrize("folder", ["out", "fresh"])
def test_a_second_run_changes_nothing(machine: Machine, folder: str) -> None:
    assert machine.run(f"{APPLY} --channel stable --output_dir out").status == 0
    before = machine.objects()
    run = machine.run(f"{APPLY} --channel stable --output_dir {folder}")
    assert run.status == 0, run.output
    assert machine.objects() == before
    assert not [call for call in run.calls if re.search(r" (create|label) |crd\.yaml", call)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 13))
def test_killed_anywhere_it_converges_in_a_fresh_folder(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory, when: str, call: int
) -> None:
    kill = machine.folder / f"kill-{when}-{call}"
    kill.touch()
    run = machine.run(f"{APPLY} --channel stable --output_dir out")
    assert run.status == -signal.SIGKILL
    assert len(run.calls) == call
    kill.unlink()
    run = machine.run(f"{APPLY} --channel stable --output_dir fresh")
    assert run.status == 0, run.output
    undisturbed = Machine(tmp_path_factory.mktemp("undisturbed"))
    assert machine.objects() == undisturbed.objects_of_a_run()


# --- a control plane in the cluster


def test_it_has_istioctl_install_a_revision(machine: Machine) -> None:
    run = machine.run(f"{IN_CLUSTER} --output_dir out")
    assert run.status == 0, run.output
    *before, installed = run.calls
    assert machine.kubectl_calls(Run(0, "", before)) == [
        "config get-contexts --no-headers",
        "get namespace istio-system --ignore-not-found --output name",
        "create namespace istio-system",
        "get namespace istio-system --output jsonpath={.metadata.labels.topology\\.istio\\.io/network}",
        "label namespace istio-system topology.istio.io/network=test-project-default",
    ]
    assert installed == (
        f"istioctl install --kubeconfig {machine.folder}/kubeconfig --context it "
        "--filename asm/istio/istio-operator.yaml --filename asm/istio/options/cni-gcp.yaml "
        "--set revision=asm-1285-12 --skip-confirmation"
    )


def test_without_a_name_the_revision_is_called_after_the_version(machine: Machine) -> None:
    run = machine.run(IN_CLUSTER.replace("--revision_name asm-1285-12 --option cni-gcp ", ""))
    assert run.status == 0, run.output
    assert " --set revision=asm-1285-12 " in run.calls[-1]


def test_an_istiod_that_can_not_be_installed_is_an_error(machine: Machine) -> None:
    (machine.folder / "never").touch()
    run = machine.run(IN_CLUSTER)
    assert run.status == 1
    assert len([call for call in run.calls if call.startswith("istioctl")]) == 5
    assert "could not install istiod-asm-1285-12" in run.output


# --- its caller


@pytest.mark.parametrize(
    ("mode", "revision", "last"),
    [
        ("managed", "asm-managed-rapid", "patch configmap asm-options"),
        ("in-cluster", "asm-1285-12", "rollout status deployment/istiod-asm-1285-12"),
    ],
)
def test_install_mesh_calls_it_with_a_clean_environment(machine: Machine, mode: str, revision: str, last: str) -> None:
    for tool in ("chmod", "cp", "dirname"):
        (machine.folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    machine.stand_in("gke-gcloud-auth-plugin", "exit 99")
    machine.stand_in("gcloud", 'touch "$KUBECONFIG"')
    inputs = {
        **{"PROJECT": "test-project", "CLUSTER": "tokyo-1", "LOCATION": "asia-northeast1", "ENDPOINT": "public"},
        **{"CHANNEL": "rapid", "ASMCLI_URL": "https://example.invalid", "ASMCLI_FILE": str(ASMCLI)},
        **{"MODE": mode, "REVISION": revision, "INPUTS": "abc123"},
        **{"MAJOR": "9", "DRY_RUN": "1", "CA": "citadel", "BASH_FUNC_jq%%": "() { exit 0; }"},
    }
    run = machine.run("", ROOT / "scripts" / "install-mesh.sh", variables=inputs)
    assert run.status == 0, run.output
    if mode == "managed":
        assert f"  name: {revision}\n" in machine.objects()["revision.yaml"]
    else:
        assert [f"--set revision={revision} " in call for call in run.calls if call.startswith("istioctl")] == [True]
    # What is left in the cluster comes after all else.
    *_, before, first, second = run.calls
    assert last in before
    assert sorted(word in first + second for word in ("create configmap", "apply --server-side")) == [True, True]
    assert "installed=abc123" in machine.objects()["marker"]


# --- the real one

CHECKED_TOOLS = ("awk", "gcloud", "git", "grep", "jq", "kubectl", "sed", "tr", "head", "csplit")


def with_the_real_one(cases: Iterable[T]) -> list[T]:
    """Return the cases; one, to be skipped with the reason, where there is no real one."""
    found = list(cases)
    return found if os.environ.get("ASMCLI") else found[:1]


@pytest.fixture(scope="session")
def real() -> Path:
    """The real asmcli, if there is one to compare with."""
    named = os.environ.get("ASMCLI")
    if not named:
        pytest.skip("ASMCLI names no real asmcli to compare with")
    assert os.access(named, os.X_OK), f"{named} can't be run"
    return Path(named).resolve()


@pytest.mark.parametrize(("arguments", "expected"), with_the_real_one(CASES.items()))
def test_the_real_one_has_this_grammar(machine: Machine, real: Path, arguments: str, expected: tuple[str, int]) -> None:
    # A tool that it looks for after it has read its command line: where it says so, it has accepted it.
    machine.without("csplit")
    if expected == HANGS:
        with pytest.raises(subprocess.TimeoutExpired):
            machine.run(arguments, real, timeout=3)
        return
    run = machine.run(arguments, real)
    # Two subcommands look for no tools, but download at once.
    accepted = "Dependency not found: csplit" in run.output or "Downloading" in run.output
    assert accepted == (expected in (DONE, NOT_DONE)), run.output
    if not accepted:
        assert run.status == expected[1], run.output


@pytest.mark.parametrize("tool", with_the_real_one(CHECKED_TOOLS))
def test_the_real_one_misses_the_same_tools(machine: Machine, real: Path, tool: str) -> None:
    machine.without(tool)
    arguments = f"{APPLY} --ca mesh_ca --output_dir out"
    assert machine.run(arguments, real).status == machine.run(arguments).status


@pytest.mark.parametrize(
    "options",
    with_the_real_one(["--channel stable", f"--channel regular --ca gcp_cas --ca_pool {POOL}", "--channel regular"]),
)
def test_the_real_one_refuses_the_fleet_api_to_the_same(machine: Machine, real: Path, options: str) -> None:
    machine.stand_in("gcloud", f"printf '%s\\n' {options.split()[1]}")
    machine.stand_in("kubectl", 'printf \'* %s %s user\\n\' "$CLUSTER" "$CLUSTER"')
    run = machine.run(f"{APPLY} --use_fleet_api {options} --offline --output_dir tmp", real)
    assert ("Fleet API requested" in run.output) == (options != "--channel regular"), run.output


def test_the_real_one_dies_in_a_half_filled_folder(machine: Machine, real: Path) -> None:
    assert machine.run(f"{APPLY} --output_dir out").status == 0
    for name in ("asm", "samples"):
        shutil.rmtree(machine.folder / "out" / name)
    machine.stand_in("gcloud", "printf 'stable\\n'")
    machine.stand_in("curl", "")
    machine.stand_in("tar", "")
    run = machine.run(f"{APPLY} --output_dir out", real)
    assert run.status == 1
    assert re.search(r"Downloading ASM\.\.\nln: .*File exists", run.output), run.output


@pytest.mark.parametrize("channel", with_the_real_one(["stable", "regular", "rapid"]))
def test_the_real_one_does_the_same_to_a_cluster(machine: Machine, real: Path, channel: str) -> None:
    arguments = f"{APPLY} --channel {channel} --output_dir out"
    (machine.folder / "state" / "options").write_text("CA=x", encoding="utf-8")
    ours = machine.run(arguments)
    options = machine.folder / "out" / "mcp_configmap.yaml"
    our_options = options.read_text(encoding="utf-8")
    # What the real one has of Google: a cluster that it finds in order, and the tools it downloads.
    machine.stand_in("kubectl", KUBECTL_OF_THE_REAL_ONE)
    machine.stand_in("gcloud", GCLOUD.replace("CHANNEL", channel.upper()))
    for name in ("kpt", "istioctl"):
        (machine.folder / "out" / name).unlink(missing_ok=True)
        (machine.folder / "out" / name).symlink_to("/bin/true")
    theirs = machine.run(f"{arguments} --offline", real)
    assert theirs.status == 0, theirs.output
    # The CRD is the stand-in's own; the caller's binding is the real one's.
    changes = [change for change in changes_of(machine, ours) if change != "apply -f crd.yaml"]
    assert changes == [change for change in changes_of(machine, theirs) if change != "apply -f -"]
    assert len(changes) == 6
    assert options.read_text(encoding="utf-8").removeprefix("---\n") == our_options


def test_the_real_one_installs_the_same_in_a_cluster(machine: Machine, real: Path) -> None:
    # Without the option, which the real one takes no notice of where it downloads nothing.
    arguments = f"{IN_CLUSTER} --output_dir out".replace("--option cni-gcp ", "")
    ours = machine.run(arguments)
    machine.stand_in("kubectl", KUBECTL_OF_THE_REAL_ONE)
    machine.stand_in("gcloud", GCLOUD.replace("CHANNEL", "STABLE"))
    machine.stand_in("curl", "")
    for name, target in (("kpt", Path("/bin/true")), ("istioctl", machine.folder / "bin" / "istioctl")):
        (machine.folder / "out" / name).unlink(missing_ok=True)
        (machine.folder / "out" / name).symlink_to(target)
    theirs = machine.run(f"{arguments} --offline", real, timeout=120)
    assert theirs.status == 0, theirs.output
    # The caller's binding is the real one's.
    changes = changes_of(machine, ours)
    assert changes == [change for change in changes_of(machine, theirs) if change != "apply -f -"]
    assert len(changes) == 2
    assert installed(ours) == installed(theirs)


def installed(run: Run) -> set[str]:
    """What istioctl was told to install, each option by itself."""
    calls = [call.replace("--filename", "-f") for call in run.calls if re.match(r"istioctl .*\binstall\b", call)]
    assert len(calls) == 1, run.output
    return set(re.findall(r"-f \S+|--[a-z-]+(?: [^- ]\S*)?", calls[0]))


def test_the_real_one_has_these_options_and_variables(real: Path) -> None:
    text = real.read_text(encoding="utf-8")
    ours = ASMCLI.read_text(encoding="utf-8")
    parser = text[text.index("\nparse_args() {") : text.index("\nx_parse_install_args() {")]
    theirs: dict[str, bool] = {}
    for spellings, body in re.findall(r"^      (-[^)]*)\)\n(.*?);;$", parser, re.MULTILINE | re.DOTALL):
        for spelling in spellings.split("|"):
            theirs[spelling.strip()] = "shift 2" in body or "shift" not in body
    table = ours[ours.index("COMMON_OPTIONS='") : ours.index("readonly PACKAGE_OPTIONS")]
    rows = re.findall(r"^(flag|value|list|any|hangs) \w+ (-.*?)[\"']?$", table, re.MULTILINE)
    assert {spelling: kind != "flag" for kind, spellings in rows for spelling in spellings.split()} == theirs

    # It takes a variable from its environment where it gives it a default.
    defaults = set(re.findall(r"\$\{([A-Z]\w+):[-=]", text)) - {"BASH_VERSINFO", "HTTPS_PROXY"}
    listed = re.search(r"^readonly VARIABLES='([^']*)'", ours, re.MULTILINE)
    assert listed is not None
    assert set(listed[1].split()) == defaults

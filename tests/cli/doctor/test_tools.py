"""`mesh doctor`: tools on the operator's machine."""

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cli.doctor import tools
from cli.report.findings import FindingState
from config.paths import ROOT
from tests.cli.doctor.diagnosis import DEPLOYER, DIGEST, PROJECT, assert_all_ok, diagnose, expect, gcloud_replies
from tests.cli.emulated_project import SILENT, TOOLS, EmulatedProject

ACTIVATE = "make synth && . tools/activate"
PLUGIN = "gke-gcloud-auth-plugin"
SDK, CLIENT, BASH = "Google Cloud SDK", "Client Version:", "GNU bash, version"
LATER = "1.16 or later, which has create-remote-secret"
VERSIONS = {
    "too old": {
        "terraform": (
            "Terraform v1.4.6\non linux_amd64",
            "1.4.6 is installed; required: 1.5 or later",
            "terraform/install",
        ),
        "cdktf": ("0.20.12", f"0.20.12 is installed; required: {tools.CDKTF.needed}", ACTIVATE),
        "node": ("v18.20.1", f"18.20.1 is installed; required: {tools.NODE.needed}", ACTIVATE),
        "gcloud": (
            f"{SDK} 399.0.0\ncore 2022.08.19",
            "399.0.0 is installed; required: 400 or later",
            "cloud.google.com/sdk/docs",
        ),
        "kubectl": (
            f"{CLIENT} v1.27.16\nKustomize Version: v5.0.1",
            "1.27.16 is installed; required: 1.28",
            "gcloud components",
        ),
        "istioctl": ("client version: 1.15.7", f"1.15.7 is installed; required: {LATER}", "istio.io/latest/docs/setup"),
        "bash": (
            f"{BASH} 3.2.57(1)-release (arm64-apple-darwin23)",
            "3.2.57 is installed; required: 4 or later",
            "gnu.org",
        ),
        "CPU architecture": ("aarch64", "aarch64, and asmcli runs on x86_64 only", "shell.cloud.google.com"),
    },
    "just not": {
        "cdktf": ("0.99.0", f"0.99.0 is installed; required: {tools.CDKTF.needed}", ACTIVATE),
        "node": ("v23.1.0", f"23.1.0 is installed; required: {tools.NODE.needed}", ACTIVATE),
        "kubectl": (
            f'{CLIENT} version.Info{{Major:"1", GitVersion:"v1.26.1"}}',
            "1.26.1 is installed; required: 1.28",
            "gcloud",
        ),
    },
    "right": {
        "terraform": ("Terraform v1.5.0\non linux_amd64\n\nYour version is out of date! 1.14.9", "1.5.0", ""),
        "node": ("v22.20.0", "22.20.0", ""),
        "gcloud": (f"{SDK} 400.0.0", "400.0.0", ""),
        "kubectl": (f"{CLIENT} v1.28.0", "1.28.0", ""),
        "istioctl": ("1.16.0", "1.16.0", ""),
        "bash": (f"{BASH} 4.0.0(1)-release", "4.0.0", ""),
        PLUGIN: ("Kubernetes v0", "any version", ""),
    },
    "newer": {
        "terraform": ("Terraform v1.12.0-beta2", "1.12.0", ""),
        "gcloud": (f"{SDK} 1000.0.0", "1000.0.0", ""),
        "bash": (f"{BASH} 10.1", "10.1", ""),
    },
}
"""By case and tool: the tool's output, and a part of the finding's text and of its fix."""


@pytest.mark.parametrize("case", VERSIONS)
def test_versions(project: EmulatedProject, case: str) -> None:
    versions, good = VERSIONS[case], case in ("right", "newer")
    for name, (printed, _, _) in versions.items():
        project.prints("uname" if name == "CPU architecture" else name, printed)
    if "gcloud" in versions:
        gcloud_replies(project, f"echo {project.token()}", versions["gcloud"][0])
    found = diagnose(project)
    assert found.bad() == ([] if good else list(versions))
    for name, (_, text, fix) in versions.items():
        found.expect(name, "ok" if good else "failure", f"...{text}...", f"...{fix}...")
    assert found.status == (0 if good else 1)


def test_a_version_that_is_not_told(project: EmulatedProject) -> None:
    """As of istioctl that somebody has built."""
    project.prints("istioctl", "client version: unknown")
    text = f"prints no version; required: {LATER}"
    expect(project, "istioctl", "warning", text, "istioctl version --remote=false")


def test_what_the_tools_print_is_what_the_real_ones_print() -> None:
    """On a machine that has them: what was written down above has the form of what they say."""
    real = [tool for tool in (tools.TERRAFORM, *tools.TOOLS) if shutil.which(tool.name) and tool.name != "cdktf"]
    assert real, "at least bash is on every machine that runs this"
    for tool in real:
        pattern = re.compile(tool.pattern)
        assert pattern.search(tools.run(tool.name, *tool.arguments)), tool.name
        assert pattern.search(TOOLS[tool.name]), tool.name


def test_variables_that_lead_terraform_elsewhere(project: EmulatedProject) -> None:
    """Their values are not printed, and the programs that doctor runs do not get them."""
    project.fake_program(
        "kubectl", 'test -z "${KUBE_TOKEN-}" && test "$KUBERC" = off && echo "Client Version: v1.32.4"'
    )
    given = {"KUBE_TOKEN": "canary-token-1f0b9d", "KUBE_HOST": "https://192.0.2.1", "TF_DATA_DIR": "/tmp/data"}
    found = diagnose(project, **given)
    text, fix = "KUBE_HOST, KUBE_TOKEN in the environment...; TF_DATA_DIR in the environment...", "unset KUBE_HOST ..."
    found.expect("environment variables", "failure", text, f"{fix} && unset TF_DATA_DIR")
    assert (found.bad(), found.status) == (["environment variables"], 1)
    assert not any(value in str(found.data) for value in given.values())


def remove(project: EmulatedProject, *missing: str) -> None:
    for tool in missing:
        project.remove(tool)


def test_missing_tools(project: EmulatedProject) -> None:
    fixes = {tool: f"install {tool}" for tool in ("terraform", "cdktf", "node", "gcloud", PLUGIN, "istioctl", "bash")}
    fixes |= {"cdktf": ACTIVATE, "node": ACTIVATE, PLUGIN: f"gcloud components install {PLUGIN}"}
    remove(project, *fixes)
    found = diagnose(project)
    assert found.bad() == list(fixes)
    for tool, fix in fixes.items():
        assert found.of(tool)[1].startswith("not installed; ")
        assert found.of(tool)[2].partition(",")[0] == fix


def test_small_tools_are_installed_by_the_machines_own_manager(project: EmulatedProject) -> None:
    remove(project, "jq", "csplit", "head", "sha256sum")
    project.fake_program("apt-get", "exit 9")
    text = "not installed: jq, head, csplit, sha256sum"
    expect(project, "other programs", "failure", text, "sudo apt-get install --yes jq coreutils")
    assert "apt-get" not in project.calls()


def test_a_tool_that_fails_or_hangs(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.fake_program("terraform", "echo 'no such library' >&2; exit 127")
    text = "failed with status 127: no such library"
    expect(project, "terraform", "failure", text, "run it to see the error: terraform version")
    # The rest in this process: fifteen seconds are long.
    monkeypatch.setattr(tools, "SECONDS", 0.3)
    monkeypatch.setenv("PATH", str(project.folder / "bin"))
    project.fake_program("terraform", f"sleep 60 & echo $! >{project.folder}/child; wait")
    start = time.monotonic()
    found = tools.check_tool(tools.TERRAFORM)
    assert time.monotonic() - start < 20, "it was waited for what the program had started"
    assert (found.state, found.text) == (FindingState.FAILURE, "did not end within 0 s")
    child = Path("/proc", (project.folder / "child").read_text(encoding="utf-8").strip(), "cmdline")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or not child.read_bytes(), "what it had started goes on"


def test_terraform_for_an_account_to_act_as(project: EmulatedProject) -> None:
    project.prints("terraform", "Terraform v1.9.8")
    expect(project, "terraform", "ok", "...")
    project.act_as(f"deployer@{PROJECT}.iam.gserviceaccount.com")
    text = "1.9.8 is installed; required: 1.10 or later, because project.impersonate_service_account is set"
    expect(project, "terraform", "failure", text, "...")


def test_doctor_and_the_scripts_need_the_same() -> None:
    """And say it in the same words."""
    known = {tool.name: f"{tool.needed}: {tool.source}" for tool in tools.TOOLS}
    known |= dict.fromkeys(tools.SMALL, "any version, from your package manager")
    required = set[str]()
    for script in sorted((ROOT / "scripts").glob("*.sh")):
        for line in re.findall(r"^\s*require_tools (.+)$", script.read_text(encoding="utf-8"), re.MULTILINE):
            required |= {tool for tool in shlex.split(line) if "$" not in tool}
    assert required >= {"gcloud", "istioctl", "csplit"}
    assert required <= set(known)
    for tool in sorted(required):
        told = subprocess.run(
            ["bash", "-c", f'source {ROOT}/scripts/lib.sh; required_version "$1"', "-", tool],
            env={"PROJECT": "p", "ENDPOINT": "public", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        assert told.stdout == known[tool]
    assert set(tools.SMALL) <= required
    for one in tools.TOOLS:
        assert one.needed.startswith(".".join(map(str, one.least))), one.name


def test_the_emulated_machine_has_all_that_is_looked_for() -> None:
    assert {tool.name for tool in (tools.TERRAFORM, *tools.TOOLS)} | {"uname"} == set(TOOLS)
    assert {*tools.SMALL, tools.CHECKSUMS[0]} == set(SILENT)


def test_a_fleet_needs_no_tool_but_terraforms(project: EmulatedProject) -> None:
    """And kubectl for the command itself. No script runs, no installer is fetched, no webhook's port is opened."""
    project.set_mode("fleet")
    (project.folder / "asmcli").unlink()
    remove(project, "gcloud", "istioctl", "bash", "jq", "csplit", "sha256sum", "uname")
    project.configure(f', file: asmcli, sha256: "{DIGEST}"', "")
    found = assert_all_ok(project)
    sections = {section["title"]: [one["name"] for one in section["findings"]] for section in found.data["sections"]}
    assert sections["Tools on this machine"] == [
        "environment variables",
        "terraform",
        "cdktf",
        "node",
        PLUGIN,
        "kubectl",
    ]
    assert "asmcli" not in sections
    assert "roles/meshconfig.admin" not in sections["IAM roles"]
    assert "google_gke_hub_feature_membership" in found.of("roles/gkehub.admin")[1]
    assert ".sh" not in " ".join(found.of(role)[1] for role in sections["IAM roles"])
    assert [name for name in found.findings if "control-plane" in name] == []
    assert found.of("FIREWALLS")[1].endswith("12 required (including those of GKE and the load balancer)")


def test_what_terraform_needs_with_a_fleet(project: EmulatedProject) -> None:
    """Its kubernetes provider has the plugin make its tokens, unless it acts as an account."""
    project.set_mode("fleet")
    remove(project, "kubectl", PLUGIN)
    text = "...a deploy does not use it, but mesh status, verify, drill and audit do"
    found = expect(project, "kubectl", "warning", text, "gcloud components install kubectl")
    assert found.of(PLUGIN)[0] == "failure"
    project.act_as(DEPLOYER)
    found = diagnose(project)
    assert found.of("terraform")[1] == "1.11.4"
    assert found.of(PLUGIN)[0] == found.of("kubectl")[0] == "warning"


@pytest.mark.parametrize("tool", ["terraform", "cdktf", "node"])
def test_a_fleet_is_not_made_without(project: EmulatedProject, tool: str) -> None:
    project.set_mode("fleet")
    project.remove(tool)
    found = diagnose(project)
    assert (found.status, found.bad()) == (1, [tool])

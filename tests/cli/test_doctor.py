"""`mesh doctor`: the command in this process, against the fake cloud, with fake tools."""

import hashlib
import json
import re
import shlex
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from cli.doctor import connectivity, credentials, installer, permissions, tools
from cli.doctor.conflicts import FEATURE_ADDRESSES
from cli.doctor.quota_demand import cpu_quotas
from cli.report.findings import FindingState
from cli.sources import google, observed_address
from cli.sources.google import ApiError, GoogleClient, http_session
from cli.sources.provider_credentials import ADC_VARIABLE, CREDENTIAL_VARIABLES
from cli.sources.resources import FEATURES, MEMBERSHIPS, CloudResource, expected_resources
from config.apis import APIS
from config.backend import state_file
from config.loading.load import displayed
from config.mesh import Asmcli
from config.output_folder import OutputFolder
from config.paths import ROOT
from tests.cli.emulated_project import SILENT, TOOLS, EmulatedProject, emulated_project
from tests.fake_cloud.faults import RequestFault
from tests.fake_cloud.identity import TOKEN_MARKER
from tests.synthesized import Synthesis, environment_of, synthesize

PROJECT = "test-project"
TOKYO, OSAKA = "asia-northeast1", "asia-northeast2"
INSTALLER = b"an installer"
DIGEST = hashlib.sha256(INSTALLER).hexdigest()
CONFIGURATION = f"""
project: {{id: {PROJECT}, name_prefix: acme}}
regions:
  tokyo: {{region: {TOKYO}, number: 0}}
  osaka: {{region: {OSAKA}, number: 8}}
cluster:
  endpoint: public
  authorized_networks:
    - {{name: office, cidr: 203.0.113.0/24}}
mesh:
  asmcli: {{file: asmcli, sha256: "{DIGEST}"}}
ingress: {{config_cluster: tokyo, plain_http: true}}
"""
KUBECTL_CASES = '*"get secrets"*) {} ;; *) echo "Client Version: v1.32.4" ;;'
KUBECTL = f'case "$*" in {KUBECTL_CASES} esac'
"""A kubectl that prints its version, and the output for remote secrets that is filled in."""

Body = dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """The report of the command.

    Attributes:
        status: Its exit status.
        findings: The findings by name, each with its state, text and fix.
        data: The whole report.
    """

    status: int
    findings: dict[str, dict[str, str]]
    data: Body

    def of(self, name: str) -> tuple[str, str, str]:
        one = self.findings[name]
        return one["state"], one["text"], one["fix"]

    def bad(self) -> list[str]:
        """Return the names of all findings that are not ok."""
        return [name for name, one in self.findings.items() if one["state"] != "ok"]


def diagnose(project: EmulatedProject, **variables: str) -> Diagnosis:
    """Run `mesh doctor --json`, which must change nothing, make no unknown call, and print no token."""
    start = project.server.journal.count()
    result = project.run("doctor", "--json", **variables)
    calls = project.server.journal.calls(start)
    assert [str(call) for call in calls if call.changes] == []
    assert project.server.journal.unknown() == []
    assert TOKEN_MARKER not in result.stdout + result.stderr + project.calls()
    assert "Traceback" not in result.stderr
    data = json.loads(result.stdout)
    names = [one["name"] for section in data["sections"] for one in section["findings"]]
    assert len(names) == len(set(names)), "machines know a finding by its name"
    findings = {one["name"]: one for section in data["sections"] for one in section["findings"]}
    assert data["ok"] == (result.returncode == 0) == all(one["state"] != "failure" for one in findings.values())
    return Diagnosis(result.returncode, findings, data)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[EmulatedProject]:
    """A project with enabled APIs, before the first deploy."""
    (tmp_path / "asmcli").write_bytes(INSTALLER)
    with emulated_project(tmp_path, CONFIGURATION, PROJECT) as found:
        found.enable(*APIS, "cloudbilling")
        log_in(found)
        found.fake_program("kubectl", KUBECTL.format("true"))
        yield found


def log_in(project: EmulatedProject) -> None:
    """Give terraform a key, and gcloud a token of the same account."""
    key = project.folder / "key.json"
    key.write_text(project.server.cloud.identity.credentials(), encoding="utf-8")
    project.variables[ADC_VARIABLE] = str(key)
    gcloud_replies(project, f"echo {project.token()}")


def gcloud_replies(project: EmulatedProject, reply: str, version: str = TOOLS["gcloud"]) -> None:
    """Have gcloud run a few lines of shell when it is to print a token, and print its version otherwise."""
    shown = f"cat <<'END'\n{version}\nEND"
    project.fake_program("gcloud", f'case "$*" in "auth print-access-token") {reply} ;; *) {shown}\n;; esac')


def configure(project: EmulatedProject, old: str, new: str) -> None:
    text = project.config.read_text(encoding="utf-8")
    assert old in text
    project.config.write_text(text.replace(old, new), encoding="utf-8")


def set_mode(project: EmulatedProject, mode: str) -> None:
    """Configure another control plane mode."""
    configure(project, "mesh:\n", f"mesh:\n  control_plane: {mode}\n")


def act_as(project: EmulatedProject, account: str) -> None:
    configure(project, "name_prefix", f"impersonate_service_account: {account}, name_prefix")


# --- the whole


def test_all_is_well_before_the_first_deploy(project: EmulatedProject) -> None:
    start = time.monotonic()
    found = diagnose(project)
    assert time.monotonic() - start < 10
    assert found.status == 0
    assert found.bad() == []
    assert [section["title"] for section in found.data["sections"]] == [
        "Tools on this machine",
        "Credentials",
        "Project",
        "APIs",
        "Roles of the caller",
        "Quotas",
        "Control planes",
        "Conflicts",
        "Installer of the mesh, asmcli",
    ]
    assert found.of("network acme-vpc") == ("ok", "free", "")
    assert found.of("control plane of tokyo")[1] == "is still to be made"


def test_all_is_well_when_all_is_deployed(project: EmulatedProject) -> None:
    before = set(diagnose(project).findings)
    project.deploy()
    found = diagnose(project)
    assert found.status == 0
    assert found.bad() == []
    assert found.of("network acme-vpc") == ("ok", "terraform's own", "")
    assert found.of("fleet feature servicemesh")[1] == "terraform's own"
    assert found.of("control plane of osaka")[1] == f"is reached at {project.planes.hosts[OSAKA]}"
    assert set(found.findings) - before == {
        *("tokyo: remote secrets", "osaka: remote secrets"),
        *("tokyo: objects", "osaka: objects"),
    }
    assert before <= set(found.findings), "a finding has its name at every run"


def test_all_is_well_in_an_empty_project(tmp_path: Path) -> None:
    """As after README's step 2: what is switched on first is on, and nothing else."""
    (tmp_path / "asmcli").write_bytes(INSTALLER)
    with emulated_project(tmp_path, CONFIGURATION, PROJECT) as empty:
        log_in(empty)
        found = diagnose(empty)
    assert found.status == 0
    assert found.bad() == ["billing", "quotas"]
    enable = f"gcloud services enable compute.googleapis.com --project {PROJECT} && mesh doctor"
    assert found.of("quotas")[2] == enable
    assert found.of("billing") == (
        "warning",
        "not known: cloudbilling.googleapis.com is off in the project",
        f"gcloud services enable cloudbilling.googleapis.com --project {PROJECT}",
    )
    assert "0 of 16 are on" in found.of("the other APIs")[1]


def test_for_people(project: EmulatedProject) -> None:
    project.remove("jq")
    off = [api for api in APIS if api not in ("cloudresourcemanager", "compute", "container", "gkehub", "iam")]
    for api in off:
        project.server.cloud.store.remove(f"projects/{PROJECT}/services/{api}.googleapis.com")
    result = project.run("doctor")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "small tools" in line)
    assert lines[at] == "  failure  small tools: not on this machine: jq"
    assert lines[at + 1] == "           install from your package manager: jq"
    assert "  ok       terraform: 1.11.4" in lines
    apis = f"  ok       the other APIs: 4 of 16 are on; the network stack switches on {', '.join(off)}"
    assert len(apis) > 200
    assert apis in lines, "a log is no terminal: lines are not wrapped"
    assert re.fullmatch(r"doctor: \d+ ok, 1 failure", lines[-1])
    assert result.stderr.splitlines()[0] == "mesh: asking this machine's tools, and Google who may do what"


def test_junit(project: EmulatedProject, tmp_path: Path) -> None:
    project.remove("jq")
    file = tmp_path / "doctor.xml"
    assert project.run("doctor", "--junit", str(file)).returncode == 1
    suites = {suite.get("name"): suite for suite in ElementTree.parse(file).getroot()}
    failures = [(case.get("name"), case.find("failure")) for suite in suites.values() for case in suite]
    failed = [(name, failure.get("message")) for name, failure in failures if failure is not None]
    assert failed == [
        ("small tools", "not on this machine: jq; install from your package manager: jq"),
    ]
    assert len(failures) > 50
    assert {case.get("name") for case in suites["Project"]} == {"project", "billing"}


def test_a_configuration_that_is_not_right(project: EmulatedProject) -> None:
    configure(project, "config_cluster: tokyo", "config_cluster: kyoto")
    result = project.run("doctor", "--json")
    assert result.returncode == 2
    [section] = json.loads(result.stdout)["sections"]
    assert [one["name"] for one in section["findings"]] == ["ingress.config_cluster"]
    assert "ingress.config_cluster = 'kyoto'" in result.stderr
    assert len(result.stderr.splitlines()) == 2


# --- tools


ACTIVATE = "make synth && . tools/activate"
LATER = "1.16 or later, which has create-remote-secret"
VERSIONS = {
    "too old": {
        "terraform": ("Terraform v1.4.6\non linux_amd64", "is 1.4.6; needed: 1.5 or later", "terraform/install"),
        "cdktf": ("0.20.12", f"is 0.20.12; needed: {tools.CDKTF.needed}", ACTIVATE),
        "node": ("v18.20.1", f"is 18.20.1; needed: {tools.NODE.needed}", ACTIVATE),
        "gcloud": (
            "Google Cloud SDK 399.0.0\ncore 2022.08.19",
            "is 399.0.0; needed: 400 or later",
            "cloud.google.com/sdk/docs",
        ),
        "kubectl": (
            "Client Version: v1.27.16\nKustomize Version: v5.0.1",
            "is 1.27.16; needed: 1.28",
            "gcloud components",
        ),
        "istioctl": ("client version: 1.15.7", f"is 1.15.7; needed: {LATER}", "istio.io/latest/docs/setup"),
        "bash": (
            "GNU bash, version 3.2.57(1)-release (arm64-apple-darwin23)",
            "is 3.2.57; needed: 4 or later",
            "gnu.org",
        ),
        "machine": ("aarch64", "is aarch64, and asmcli runs on x86_64 only", "shell.cloud.google.com"),
    },
    "just not": {
        "cdktf": ("0.99.0", f"is 0.99.0; needed: {tools.CDKTF.needed}", ACTIVATE),
        "node": ("v23.1.0", f"is 23.1.0; needed: {tools.NODE.needed}", ACTIVATE),
        "kubectl": (
            'Client Version: version.Info{Major:"1", GitVersion:"v1.26.1"}',
            "is 1.26.1; needed: 1.28",
            "gcloud",
        ),
    },
    "right": {
        "terraform": ("Terraform v1.5.0\non linux_amd64\n\nYour version is out of date! 1.14.9", "1.5.0", ""),
        "node": ("v22.20.0", "22.20.0", ""),
        "gcloud": ("Google Cloud SDK 400.0.0", "400.0.0", ""),
        "kubectl": ("Client Version: v1.28.0", "1.28.0", ""),
        "istioctl": ("1.16.0", "1.16.0", ""),
        "bash": ("GNU bash, version 4.0.0(1)-release", "4.0.0", ""),
        "gke-gcloud-auth-plugin": ("Kubernetes v0", "any version", ""),
    },
    "newer": {
        "terraform": ("Terraform v1.12.0-beta2", "1.12.0", ""),
        "gcloud": ("Google Cloud SDK 1000.0.0", "1000.0.0", ""),
        "bash": ("GNU bash, version 10.1", "10.1", ""),
    },
}
"""What tools print, and what is said of it."""


@pytest.mark.parametrize("kind", VERSIONS)
def test_versions(project: EmulatedProject, kind: str) -> None:
    for name, (printed, _, _) in VERSIONS[kind].items():
        project.prints("uname" if name == "machine" else name, printed)
    if "gcloud" in VERSIONS[kind]:
        gcloud_replies(project, f"echo {project.token()}", VERSIONS[kind]["gcloud"][0])
    found = diagnose(project)
    good = kind in ("right", "newer")
    assert found.bad() == ([] if good else list(VERSIONS[kind]))
    for name, (_, text, fix) in VERSIONS[kind].items():
        assert found.of(name)[0] == ("ok" if good else "failure")
        assert text in found.of(name)[1]
        assert fix in found.of(name)[2]
    assert found.status == (0 if good else 1)


def test_a_version_that_is_not_told(project: EmulatedProject) -> None:
    """As of istioctl that somebody has built."""
    project.prints("istioctl", "client version: unknown")
    text = f"does not tell its version; needed: {LATER}"
    assert diagnose(project).of("istioctl") == ("warning", text, "istioctl version --remote=false")


def test_what_the_tools_print_is_what_the_real_ones_print() -> None:
    """On a machine that has them: what was written down above has the form of what they say."""
    real = [tool for tool in (tools.TERRAFORM, *tools.TOOLS) if shutil.which(tool.name) and tool.name != "cdktf"]
    assert real, "at least bash is on every machine that runs this"
    for tool in real:
        pattern = re.compile(tool.pattern)
        assert pattern.search(tools.run(tool.name, *tool.arguments)), tool.name
        assert pattern.search(TOOLS[tool.name]), tool.name


def test_missing_tools(project: EmulatedProject) -> None:
    missing = ["terraform", "cdktf", "node", "gcloud", "gke-gcloud-auth-plugin", "istioctl", "bash"]
    for tool in missing:
        project.remove(tool)
    found = diagnose(project)
    assert found.bad() == missing
    for tool in missing:
        assert found.of(tool)[1].startswith("is not on this machine; ")
    assert [found.of(tool)[2].partition(",")[0] for tool in missing] == [
        "install terraform",
        ACTIVATE,
        ACTIVATE,
        "install gcloud",
        "gcloud components install gke-gcloud-auth-plugin",
        "install istioctl",
        "install bash",
    ]


def test_small_tools_are_installed_by_the_machines_own_manager(project: EmulatedProject) -> None:
    for tool in ("jq", "csplit", "head", "sha256sum"):
        project.remove(tool)
    project.fake_program("apt-get", "exit 9")
    state, text, fix = diagnose(project).of("small tools")
    assert (state, fix) == ("failure", "sudo apt-get install --yes jq coreutils")
    assert text == "not on this machine: jq, head, csplit, sha256sum"
    assert "apt-get" not in project.calls()


def test_a_tool_that_fails_or_hangs(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.fake_program("terraform", "echo 'no such library' >&2; exit 127")
    state, text, fix = diagnose(project).of("terraform")
    assert (state, text) == ("failure", "failed with status 127: no such library")
    assert fix == "see why it fails: terraform version"
    # The rest in this process: fifteen seconds are long.
    monkeypatch.setattr(tools, "SECONDS", 0.3)
    monkeypatch.setenv("PATH", str(project.folder / "bin"))
    project.fake_program("terraform", f"sleep 60 & echo $! >{project.folder}/child; wait")
    start = time.monotonic()
    found = tools.check_tool(tools.TERRAFORM)
    assert time.monotonic() - start < 20, "it was waited for what the program had started"
    assert (found.state, found.text) == (FindingState.FAILURE, "has not answered within 0 s")
    child = Path("/proc", (project.folder / "child").read_text(encoding="utf-8").strip(), "cmdline")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or not child.read_bytes(), "what it had started goes on"


def test_terraform_for_an_account_to_act_as(project: EmulatedProject) -> None:
    project.prints("terraform", "Terraform v1.9.8")
    assert diagnose(project).of("terraform")[0] == "ok"
    act_as(project, f"nodes@{PROJECT}.iam.gserviceaccount.com")
    state, text, _ = diagnose(project).of("terraform")
    assert (state, text) == (
        "failure",
        "is 1.9.8; needed: 1.10 or later, as project.impersonate_service_account is set",
    )


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


# --- credentials, project, APIs, roles


def test_no_credentials(project: EmulatedProject) -> None:
    del project.variables[ADC_VARIABLE]
    found = diagnose(project, NO_GCE_CHECK="true")
    assert found.status == 1
    assert found.bad() == [credentials.OWN]
    assert found.of(credentials.OWN) == (
        "failure",
        "there are no application default credentials; nothing in Google Cloud was looked at",
        "gcloud auth application-default login",
    )
    assert "terraform" in found.findings
    assert "project" not in found.findings
    lines = project.run("doctor", NO_GCE_CHECK="true").stdout.splitlines()
    at = lines.index("Credentials")
    assert len([line for line in lines[at + 1 :] if line][:2]) == 2
    assert lines[at + 3] == "", "two calm lines"


def test_credentials_that_are_of_no_use(project: EmulatedProject) -> None:
    found = diagnose(project, GOOGLE_OAUTH_ACCESS_TOKEN="ya29.of-somebody-else")
    assert found.of(credentials.OWN) == (
        "failure",
        "Google does not take the token in GOOGLE_OAUTH_ACCESS_TOKEN; nothing in Google Cloud was looked at",
        'export GOOGLE_OAUTH_ACCESS_TOKEN="$(gcloud auth print-access-token)"',
    )
    assert "of-somebody-else" not in json.dumps(found.data)


def test_a_key_file(project: EmulatedProject) -> None:
    found = diagnose(project)
    assert found.of(credentials.OWN) == ("ok", f"deployer@{PROJECT}.iam.gserviceaccount.com", "")
    assert found.bad() == []
    project.server.resource_manager.withheld.add("compute.firewalls.create")
    fix = diagnose(project).of("roles/compute.securityAdmin")[2]
    assert fix == (
        f"gcloud projects add-iam-policy-binding {PROJECT} "
        f"--member=serviceAccount:deployer@{PROJECT}.iam.gserviceaccount.com --role=roles/compute.securityAdmin"
    )


def test_a_persons_login_is_no_reason_for_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's library has one for it (here it would be an error), and terraform takes it."""
    login = {
        "type": "authorized_user",
        "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
        "client_secret": "gclouds-own-and-known-to-all",
        "refresh_token": "nobodys",
    }
    (tmp_path / "login.json").write_text(json.dumps(login), encoding="utf-8")
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    assert GoogleClient(PROJECT).caller == ""


@pytest.mark.parametrize(("account", "may"), [("deployer", True), ("somebody", False)])
def test_acting_as_an_account(project: EmulatedProject, account: str, may: bool) -> None:
    email = f"{account}@{PROJECT}.iam.gserviceaccount.com"
    act_as(project, email)
    token = project.token()
    gcloud_replies(project, f"echo {token}")
    found = diagnose(project, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    state, text, fix = found.of("impersonation")
    if may:
        assert (state, text, found.bad()) == ("ok", f"acts as {email}", [])
        return
    assert state == "failure"
    assert text.startswith(f"may not act as {email}: the credentials are of no use: ")
    assert fix == (
        f"gcloud iam service-accounts add-iam-policy-binding {email} "
        '--member="user:$(gcloud config get-value account)" '
        f"--role=roles/iam.serviceAccountTokenCreator --project {PROJECT}"
    )
    assert "project" not in found.findings


DEPLOYER = f"deployer@{PROJECT}.iam.gserviceaccount.com"


@pytest.mark.parametrize("variable", CREDENTIAL_VARIABLES)
@pytest.mark.parametrize("form", ["path", "content"])
def test_credentials_in_a_variable_of_the_provider(project: EmulatedProject, variable: str, form: str) -> None:
    key = Path(project.variables.pop(ADC_VARIABLE))
    given = str(key) if form == "path" else key.read_text(encoding="utf-8")
    found = diagnose(project, NO_GCE_CHECK="true", **{variable: given})
    assert found.of(credentials.OWN) == ("ok", f"{DEPLOYER}, of {variable}", "")
    # Without application default credentials, terraform's kubernetes provider gets no token.
    assert found.bad() == [credentials.KUBERNETES]
    assert found.of(credentials.KUBERNETES) == (
        "warning",
        f"gke-gcloud-auth-plugin takes the application default credentials, and not {variable}; "
        "there are no application default credentials",
        "gcloud auth application-default login",
    )


def test_the_providers_order(project: EmulatedProject) -> None:
    """An access token comes first, then the variables for keys, and the application default credentials last."""
    nonsense = str(project.folder / "no-such-file")
    variables = {ADC_VARIABLE: nonsense, "GCLOUD_KEYFILE_JSON": nonsense, "GOOGLE_CLOUD_KEYFILE_JSON": nonsense}
    variables["GOOGLE_CREDENTIALS"] = project.variables[ADC_VARIABLE]
    assert diagnose(project, **variables).of(credentials.OWN)[1] == f"{DEPLOYER}, of GOOGLE_CREDENTIALS"
    (project.folder / "token").write_text(f"{project.token()}\n", encoding="utf-8")
    for token in (project.token(), str(project.folder / "token")):
        found = diagnose(project, **variables, GOOGLE_OAUTH_ACCESS_TOKEN=token)
        assert found.of(credentials.OWN) == ("ok", "the token in GOOGLE_OAUTH_ACCESS_TOKEN", "")
    for variable in ("GOOGLE_CLOUD_KEYFILE_JSON", ADC_VARIABLE):
        found = diagnose(project, **{variable: nonsense})
        state, text, _ = found.of(credentials.OWN)
        assert (state, text.partition(":")[0]) == ("failure", f"{variable} can't be used")
        assert "project" not in found.findings


def test_application_default_credentials_are_where_terraform_looks(project: EmulatedProject) -> None:
    """Go's library ignores CLOUDSDK_CONFIG, Python's does not."""
    key = Path(project.variables.pop(ADC_VARIABLE))
    folder = project.folder / "sdk"
    folder.mkdir()
    shutil.copy(key, folder / "application_default_credentials.json")
    found = diagnose(project, CLOUDSDK_CONFIG=str(folder))
    assert found.of(credentials.OWN)[::2] == (
        "failure",
        'export GOOGLE_APPLICATION_CREDENTIALS="$CLOUDSDK_CONFIG/application_default_credentials.json"',
    )
    home = project.folder / ".config" / "gcloud"
    home.mkdir(parents=True)
    shutil.copy(key, home)
    (home / key.name).rename(home / "application_default_credentials.json")
    assert diagnose(project, CLOUDSDK_CONFIG=str(folder)).of(credentials.OWN) == ("ok", DEPLOYER, "")


def test_the_account_in_the_environment(project: EmulatedProject) -> None:
    """The configuration's comes first."""
    other = f"somebody@{PROJECT}.iam.gserviceaccount.com"
    found = diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=DEPLOYER)
    assert found.of("impersonation") == ("ok", f"acts as {DEPLOYER}", "")
    assert found.bad() == [credentials.KUBERNETES]
    assert "and not GOOGLE_IMPERSONATE_SERVICE_ACCOUNT" in found.of(credentials.KUBERNETES)[1]
    assert diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=other).of("impersonation")[0] == "failure"
    act_as(project, DEPLOYER)
    found = diagnose(project, GOOGLE_IMPERSONATE_SERVICE_ACCOUNT=other)
    assert found.of("impersonation") == ("ok", f"acts as {DEPLOYER}", "")
    assert found.bad() == []


@pytest.mark.parametrize(
    ("variables", "charged"),
    [
        ({}, None),
        ({"GOOGLE_BILLING_PROJECT": "billed"}, None),
        ({"USER_PROJECT_OVERRIDE": "true"}, PROJECT),
        ({"USER_PROJECT_OVERRIDE": "1", "GOOGLE_BILLING_PROJECT": "billed"}, "billed"),
        ({"USER_PROJECT_OVERRIDE": "false", "GOOGLE_BILLING_PROJECT": "billed"}, None),
        ({"GOOGLE_CLOUD_QUOTA_PROJECT": "quota"}, "quota"),
        ({"GOOGLE_CLOUD_QUOTA_PROJECT": "quota", "USER_PROJECT_OVERRIDE": "t"}, PROJECT),
    ],
)
def test_calls_are_charged_to_the_providers_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], charged: str | None
) -> None:
    """Not to the quota project of a credential file, which the provider ignores."""
    login = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "login.json").write_text(json.dumps({**login, "quota_project_id": "of-the-file"}), encoding="utf-8")
    for name in ("GOOGLE_BILLING_PROJECT", "USER_PROJECT_OVERRIDE", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({ADC_VARIABLE: str(tmp_path / "login.json")} | variables).items():
        monkeypatch.setenv(name, value)
    session = GoogleClient(PROJECT).session
    assert session.credentials.quota_project_id is None  # type: ignore[attr-defined]
    assert session.headers.get("X-Goog-User-Project") == charged


def test_netrc_is_not_for_google(project: EmulatedProject) -> None:
    """The library requests would replace the token by what a default entry has, for every host."""
    (project.folder / ".netrc").write_text("default login somebody password x\n", encoding="utf-8")
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, [])
    act_as(project, DEPLOYER)
    assert diagnose(project).bad() == []


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library requests would look into ~/.netrc again."""
    (tmp_path / ".netrc").write_text("default login somebody password x\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(requests.TooManyRedirects):
            http_session(retries=False).get(f"http://127.0.0.1:{server.server_port}/here", timeout=5)
        server.shutdown()
    assert asked == ["/here None"]


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "http://127.0.0.1:1"])
def test_without_an_answer_nothing_is_ok(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Here, as a proxy of the environment is in the way."""
    monkeypatch.setattr(google, "RETRIES", 0)
    token = project.token()
    found = diagnose(project, ALL_PROXY=proxy, GOOGLE_OAUTH_ACCESS_TOKEN=token)
    state, text, fix = found.of(credentials.OWN)
    assert (state, fix) == ("failure", "see that Google's APIs can be reached from here, and try again")
    assert text.startswith("not known: no answer from 127.0.0.1")
    assert found.of(credentials.OWN)[0] == diagnose(project, ALL_PROXY=proxy).of(credentials.OWN)[0]
    assert "project" not in found.findings
    assert diagnose(project, ALL_PROXY=proxy, NO_PROXY="127.0.0.1").bad() == []


def test_gcloud_is_not_logged_in(project: EmulatedProject) -> None:
    problem = "ERROR: (gcloud.auth.print-access-token) You do not currently have an active account selected."
    advice = "to select an already authenticated account to use."
    gcloud_replies(project, f"printf '{problem}\\n\\n{advice}\\n' >&2; exit 1")
    found = diagnose(project)
    assert (found.status, found.bad()) == (1, [credentials.GCLOUD])
    assert found.of(credentials.GCLOUD) == (
        "failure",
        f"the scripts need it, and gcloud gives no token: failed with status 1: {problem}",
        "gcloud auth login",
    )
    set_mode(project, "fleet")  # no script is run
    assert diagnose(project).bad() == []


def test_gcloud_has_a_token_that_is_of_no_use(project: EmulatedProject) -> None:
    gcloud_replies(project, "echo ya29.revoked")
    found = diagnose(project)
    assert found.bad() == [credentials.GCLOUD]
    assert found.of(credentials.GCLOUD) == ("failure", "Google does not take gcloud's token", "gcloud auth login")


def test_gcloud_acts_as_somebody_else(project: EmulatedProject) -> None:
    other = f"somebody@{PROJECT}.iam.gserviceaccount.com"
    assert diagnose(project).of(credentials.GCLOUD) == ("ok", DEPLOYER, "")
    token = project.server.cloud.identity.new_token(other)["access_token"]
    gcloud_replies(project, f"echo {token}")
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, [credentials.GCLOUD])
    state, text, fix = found.of(credentials.GCLOUD)
    assert (state, text) == ("warning", f"the scripts act as {other}, and terraform as {DEPLOYER}")
    assert fix.startswith(f"gcloud config set account {DEPLOYER}, or ")


def test_gcloud_acts_as_the_account(project: EmulatedProject) -> None:
    """As scripts/lib.sh has it act."""
    act_as(project, DEPLOYER)
    variable = '"${CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT:-nobody}"'
    gcloud_replies(project, f"echo {variable} >{project.folder}/acts; echo {project.token()}")
    assert diagnose(project).bad() == []
    assert (project.folder / "acts").read_text(encoding="utf-8") == f"{DEPLOYER}\n"


def test_an_identity_that_is_not_told(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google, "RETRIES", 0)
    found = diagnose(project, MESH_USERINFO_ENDPOINT="http://127.0.0.1:1/")
    text = "a token; Google does not tell whether terraform acts as the same identity"
    assert found.of(credentials.GCLOUD) == ("ok", text, "")


def test_a_project_that_is_not_there(project: EmulatedProject) -> None:
    configure(project, PROJECT, "other-project")
    found = diagnose(project)
    assert found.of("project") == (
        "failure",
        "there is no project other-project",
        "gcloud projects list; then put project.id right",
    )


def test_a_project_on_its_way_out(project: EmulatedProject) -> None:
    project.server.resource_manager.state = "DELETE_REQUESTED"
    found = diagnose(project)
    assert found.of("project") == (
        "failure",
        f"{PROJECT} is DELETE_REQUESTED",
        f"gcloud projects undelete {PROJECT}",
    )


def test_nobody_pays(project: EmulatedProject) -> None:
    project.server.resource_manager.billing = False
    found = diagnose(project)
    assert found.of("billing") == (
        "failure",
        "is off",
        f"gcloud billing projects link {PROJECT} --billing-account=ACCOUNT_ID",
    )


@pytest.mark.parametrize(
    ("reason", "message", "off"),
    [
        ("accessNotConfigured", "no", True),
        ("SERVICE_DISABLED", "no", True),
        ("PERMISSION_DENIED", "X API has not been used in project 1 before or it is disabled.", True),
        ("PERMISSION_DENIED", "The caller does not have permission", False),
    ],
)
def test_how_google_says_that_an_api_is_off(reason: str, message: str, off: bool) -> None:
    assert ApiError(403, reason, message).api_is_off is off


@pytest.mark.parametrize("api", ["cloudresourcemanager", "serviceusage"])
def test_what_has_to_be_on_first(project: EmulatedProject, api: str) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/{api}.googleapis.com")
    found = diagnose(project)
    state, _, fix = found.of(api if api == "serviceusage" else "project")
    assert state == "failure"
    assert fix.startswith("gcloud services enable cloudresourcemanager.googleapis.com")
    assert fix.endswith(f"--project {PROJECT}")
    assert found.of(api)[::2] == (
        "failure",
        f"gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project {PROJECT}",
    )


def test_other_apis_are_switched_on_by_the_network_stack(project: EmulatedProject) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/meshca.googleapis.com")
    found = diagnose(project)
    text = "15 of 16 are on; the network stack switches on meshca"
    assert found.of("the other APIs") == ("ok", text, "")


@pytest.mark.parametrize("mode", ["asmcli-managed", "fleet"])
def test_each_permission_is_missed(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    for name, value in {**project.server.variables(), **project.variables}.items():
        monkeypatch.setenv(name, value)
    google = GoogleClient(PROJECT)
    if mode != "asmcli-managed":
        set_mode(project, mode)
    environment = project.environment
    for need in permissions.required_permissions(environment):
        for permission in need.permissions:
            project.server.resource_manager.withheld = {permission}
            found = {one.name: one for one in permissions.check(google, environment)}
            assert found[need.role].state is FindingState.FAILURE
            assert f"lacks {permission}, which " in found[need.role].text
            assert need.by in found[need.role].text
            assert found[need.role].fix.endswith(f"--role={need.role}")
    project.server.resource_manager.withheld = set()
    assert {one.state for one in permissions.check(google, environment)} == {FindingState.OK}


def test_permissions_in_the_command(project: EmulatedProject) -> None:
    project.server.resource_manager.withheld.update({"gkehub.features.create", "meshconfig.projects.init"})
    found = diagnose(project)
    assert found.status == 1
    assert found.bad() == ["roles/gkehub.admin", "roles/meshconfig.admin"]
    assert found.of("roles/gkehub.admin") == (
        "failure",
        "the caller lacks gkehub.features.create, which google_gke_hub_feature needs",
        f"gcloud projects add-iam-policy-binding {PROJECT} "
        f"--member=serviceAccount:deployer@{PROJECT}.iam.gserviceaccount.com --role=roles/gkehub.admin",
    )


def test_the_dns_endpoint_asks_for_a_permission_of_its_own(project: EmulatedProject) -> None:
    project.server.resource_manager.withheld.add("container.clusters.connect")
    assert diagnose(project).of("roles/container.admin")[0] == "ok"
    configure(project, "endpoint: public", "endpoint: dns")
    state, text, _ = diagnose(project).of("roles/container.admin")
    assert (state, text.partition(",")[0]) == ("failure", "the caller lacks container.clusters.connect")


def test_every_resource_and_script_has_its_permissions(
    reference: Synthesis, three_regions: Synthesis, tmp_path: Path
) -> None:
    """What the stacks make is what the list is for, no more and no less."""

    def used(*syntheses: Synthesis) -> set[str]:
        contents = [content for synthesis in syntheses for content in synthesis.stacks.values()]
        found = {kind for content in contents for kind in content.get("resource", {}) if kind != "null_resource"}
        return found | {kind for one in contents for kind in one.get("data", {}) if kind.startswith("google_")}

    def needed(mode: str) -> tuple[set[str], int]:
        needs = permissions.required_permissions(
            environment_of(CONFIGURATION.replace("mesh:", f"mesh:\n  control_plane: {mode}"))
        )
        return {need.by for need in needs}, len({one for need in needs for one in need.permissions})

    # Two of them ask nobody.
    scripts = {script.name for script in (ROOT / "scripts").glob("*.sh")} - {"lib.sh", "check-tools.sh"}
    for mode in ("asmcli-managed", "asmcli-in-cluster"):
        by, count = needed(mode)
        assert by == used(reference, three_regions) | scripts
        assert count <= permissions.MOST_AT_ONCE
    fleet = CONFIGURATION.replace("mesh:", "mesh:\n  control_plane: fleet")
    fleet = fleet.replace("plain_http: true", "domains: [shop.example.com]")  # as three_regions has some
    assert needed("fleet")[0] == used(synthesize(environment_of(fleet), tmp_path))


def test_every_kind_of_object_has_its_permission(tmp_path: Path) -> None:
    """Where terraform makes the mesh's objects itself; Istio's kinds are third parties'."""
    fleet = environment_of(CONFIGURATION.replace("mesh:", "mesh:\n  control_plane: fleet"))
    made = synthesize(fleet, tmp_path).all("mesh", "kubernetes_manifest").values()
    kinds = {one["manifest"]["kind"] for one in made}
    assert {"Job", "ClusterRoleBinding", "ConfigMap"} <= kinds
    granted = {one.lower() for need in permissions.required_permissions(fleet) for one in need.permissions}
    assert [kind for kind in sorted(kinds) if f"container.{kind.lower()}s.create" not in granted] == []


# --- other ways to a mesh


def test_a_fleet_needs_no_tool_but_terraforms(project: EmulatedProject) -> None:
    """And kubectl for the command itself. No script runs, no installer is fetched, no webhook's port is opened."""
    set_mode(project, "fleet")
    (project.folder / "asmcli").unlink()
    for tool in ("gcloud", "istioctl", "bash", "jq", "csplit", "sha256sum", "uname"):
        project.remove(tool)
    configure(project, f'asmcli: {{file: asmcli, sha256: "{DIGEST}"}}', "asmcli: {}")
    found = diagnose(project)
    assert found.status == 0
    assert found.bad() == []
    sections = {section["title"]: [one["name"] for one in section["findings"]] for section in found.data["sections"]}
    assert sections["Tools on this machine"] == ["terraform", "cdktf", "node", "gke-gcloud-auth-plugin", "kubectl"]
    assert "Installer of the mesh, asmcli" not in sections
    assert "roles/meshconfig.admin" not in sections["Roles of the caller"]
    assert "google_gke_hub_feature_membership" in found.of("roles/gkehub.admin")[1]
    assert ".sh" not in " ".join(found.of(role)[1] for role in sections["Roles of the caller"])
    assert [name for name in found.findings if "control-plane" in name] == []
    assert found.of("FIREWALLS")[1].endswith("needs 12 (GKE's and the ingress' too)")


def test_what_terraform_needs_with_a_fleet(project: EmulatedProject) -> None:
    """Its kubernetes provider has the plugin make its tokens, unless it acts as an account."""
    set_mode(project, "fleet")
    for tool in ("kubectl", "gke-gcloud-auth-plugin"):
        project.remove(tool)
    found = diagnose(project)
    assert found.of("gke-gcloud-auth-plugin")[0] == "failure"
    state, text, fix = found.of("kubectl")
    assert (state, fix) == ("warning", "gcloud components install kubectl")
    assert text.endswith("a deploy does without, and mesh status and others do not")
    act_as(project, f"deployer@{PROJECT}.iam.gserviceaccount.com")
    found = diagnose(project)
    assert found.of("terraform")[1] == "1.11.4"
    assert found.of("gke-gcloud-auth-plugin")[0] == found.of("kubectl")[0] == "warning"


@pytest.mark.parametrize("tool", ["terraform", "cdktf", "node"])
def test_a_fleet_is_not_made_without(project: EmulatedProject, tool: str) -> None:
    set_mode(project, "fleet")
    project.remove(tool)
    found = diagnose(project)
    assert (found.status, found.bad()) == (1, [tool])


def test_remote_secrets_of_which_a_fleet_knows_nothing(project: EmulatedProject) -> None:
    set_mode(project, "fleet")
    project.deploy()
    ours = f"istio-remote-secret-gke-{PROJECT}-{OSAKA}-acme-osaka-cluster-1"
    project.fake_program("kubectl", KUBECTL.format(f"printf '%s  Opaque  1  2d\\n' {ours}"))
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, ["tokyo: remote secrets", "osaka: remote secrets"])
    state, text, fix = found.of("tokyo: remote secrets")
    assert (state, text) == ("warning", f"the control plane knows none, and there are {ours}: each holds a token")
    assert fix.endswith(f"--namespace istio-system delete secret {ours}")


def test_all_is_well_with_a_control_plane_on_the_nodes(project: EmulatedProject) -> None:
    """It is installed by the same script, and its webhook is where the firewall's rules lead."""
    set_mode(project, "asmcli-in-cluster")
    project.deploy()
    found = diagnose(project)
    assert (found.status, found.bad()) == (0, [])
    assert found.of("checksum")[0] == "ok"
    assert found.of("tokyo: firewall rule acme-vpc-tokyo-control-plane")[1] == "terraform's own"
    project.remove("istioctl")
    assert diagnose(project).bad() == ["istioctl"]


def test_pods_that_watch_a_control_plane_may_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in Osaka from which somebody deploys: its own cluster admits it by itself, Tokyo's as a watcher."""
    text = CONFIGURATION.replace("endpoint: public", "endpoint: private")
    monkeypatch.setattr(connectivity, "_route_to", lambda _: IPv4Address("10.32.0.9"))
    for mode, state in (("asmcli-managed", FindingState.WARNING), ("asmcli-in-cluster", FindingState.OK)):
        environment = environment_of(text.replace("mesh:", f"mesh:\n  control_plane: {mode}"))
        first, *_ = connectivity.check(environment, connectivity.try_all(environment, {}))
        assert first.state is state
    assert "10.32.0.9 may come to every private address" in first.text


def test_a_mesh_that_was_made_in_another_way(project: EmulatedProject) -> None:
    """Terraform refuses that in its plan; here it is known before the clusters are changed."""
    assert diagnose(project).of("mesh.control_plane") == ("ok", "asmcli-managed", "")
    resource = {"mode": "managed", "type": "null_resource", "name": "fixed"}
    instance = {"attributes": {"id": "1", "triggers": {"control_plane": "fleet"}}}
    state = {"version": 4, "resources": [{**resource, "instances": [instance]}]}
    state_file(project.config, "mesh").write_text(json.dumps(state), encoding="utf-8")
    found = diagnose(project)
    assert (found.status, found.bad()) == (1, ["mesh.control_plane"])
    _, said, fix = found.of("mesh.control_plane")
    assert said == "fleet made this mesh, and there is no migration to asmcli-managed"
    assert "cdktf destroy ingress mesh, then set asmcli-managed" in fix
    set_mode(project, "fleet")
    assert diagnose(project).of("mesh.control_plane") == ("ok", "fleet", "")


# --- quotas


def more(name: str, wanted: int) -> str:
    quota, _, place = name.partition(" in ")
    of = f"--quota-id={quota.replace('_', '-')}-per-project" + (f"-region --dimensions=region={place}" if place else "")
    return (
        f"gcloud beta quotas preferences create --service=compute.googleapis.com --project={PROJECT} "
        f"{of} --preferred-value={wanted}"
    )


def limit(project: EmulatedProject, limits: dict[str, tuple[int, str, int]]) -> None:
    """Set limits, by the names of their findings."""
    for name, (most, _, _) in limits.items():
        quota, _, place = name.partition(" in ")
        project.server.quotas.limits[f"{place or 'project'}/{quota}"] = most


NODES = "3 to 10 e2-standard-4"
FIRST_DEPLOY: dict[str, dict[str, tuple[int, str, int]]] = {
    "failure": {
        f"CPUS in {TOKYO}": (11, f"11 of 11 free; needs 12 to 40 ({NODES}): 1 short", 40),
        f"SSD_TOTAL_GB in {OSAKA}": (299, f"299 of 299 free; needs 300 to 1000 ({NODES}): 1 short", 1000),
        f"INSTANCES in {OSAKA}": (2, f"2 of 2 free; needs 3 to 10 ({NODES}): 1 short", 10),
        f"NETWORK_ENDPOINT_GROUPS in {OSAKA}": (2, "2 of 2 free; needs 3 (the gateways, one a zone): 1 short", 3),
        "CPUS_ALL_REGIONS": (23, "23 of 23 free; needs 24 to 80 (of all regions): 1 short", 80),
        "NETWORKS": (0, "0 of 0 free; needs 1: 1 short", 1),
        "SUBNETWORKS": (1, "1 of 1 free; needs 2: 1 short", 2),
        "ROUTERS": (1, "1 of 1 free; needs 2: 1 short", 2),
        "FIREWALLS": (13, "13 of 13 free; needs 14 (GKE's and the ingress' too): 1 short", 14),
        "STATIC_ADDRESSES": (0, "0 of 0 free; needs 1 (the ingress' address): 1 short", 1),
        "FORWARDING_RULES": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
        "TARGET_HTTP_PROXIES": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
        "URL_MAPS": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
        "BACKEND_SERVICES": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
        "HEALTH_CHECKS": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
    },
    "warning": {
        f"CPUS in {TOKYO}": (12, f"12 of 12 free; needs 12 to 40 ({NODES}): the autoscaler would be 28 short", 40),
        f"CPUS in {OSAKA}": (39, f"39 of 39 free; needs 12 to 40 ({NODES}): the autoscaler would be 1 short", 40),
        f"SSD_TOTAL_GB in {OSAKA}": (
            300,
            f"300 of 300 free; needs 300 to 1000 ({NODES}): the autoscaler would be 700 short",
            1000,
        ),
        f"INSTANCES in {OSAKA}": (9, f"9 of 9 free; needs 3 to 10 ({NODES}): the autoscaler would be 1 short", 10),
        "CPUS_ALL_REGIONS": (79, "79 of 79 free; needs 24 to 80 (of all regions): the autoscaler would be 1 short", 80),
    },
    "ok": {
        f"CPUS in {TOKYO}": (40, f"40 of 40 free; needs 12 to 40 ({NODES})", 0),
        f"SSD_TOTAL_GB in {OSAKA}": (1000, f"1000 of 1000 free; needs 300 to 1000 ({NODES})", 0),
        f"INSTANCES in {OSAKA}": (10, f"10 of 10 free; needs 3 to 10 ({NODES})", 0),
        "CPUS_ALL_REGIONS": (80, "80 of 80 free; needs 24 to 80 (of all regions)", 0),
        "FIREWALLS": (14, "14 of 14 free; needs 14 (GKE's and the ingress' too)", 0),
        "FORWARDING_RULES": (1, "1 of 1 free; needs 1 (the ingress' load balancer)", 0),
    },
}
"""By what is said of them: limits, in what words, and how much is to be asked for."""


@pytest.mark.parametrize("state", FIRST_DEPLOY)
def test_quotas_of_what_is_still_to_be_made(project: EmulatedProject, state: str) -> None:
    limit(project, FIRST_DEPLOY[state])
    found = diagnose(project)
    for name, (_, text, wanted) in FIRST_DEPLOY[state].items():
        assert found.of(name) == (state, text, more(name, wanted) if wanted else "")
    assert set(found.bad()) == (set() if state == "ok" else set(FIRST_DEPLOY[state]))
    assert found.status == (1 if state == "failure" else 0)


def test_quotas_of_domains(project: EmulatedProject) -> None:
    configure(project, "plain_http: true", "domains: [shop.example.com, www.example.com]")
    limits: dict[str, tuple[int, str, int]] = {
        "SSL_CERTIFICATES": (1, "1 of 1 free; needs 2 (the certificates of 2 domains): 1 short", 2),
        "TARGET_HTTPS_PROXIES": (0, "0 of 0 free; needs 1 (the ingress' load balancer): 1 short", 1),
    }
    limit(project, limits)
    found = diagnose(project)
    for name, (_, text, wanted) in limits.items():
        assert found.of(name) == ("failure", text, more(name, wanted))


def test_quotas_of_what_is_there(project: EmulatedProject) -> None:
    """It is in the usage already, and is needed no second time."""
    project.deploy()
    there = f"{NODES}, 3 of them there"
    limits: dict[str, tuple[int, str, int]] = {
        f"CPUS in {TOKYO}": (40, f"28 of 40 free; needs 0 to 28 ({there})", 0),
        f"CPUS in {OSAKA}": (12, f"0 of 12 free; needs 0 to 28 ({there}): the autoscaler would be 28 short", 40),
        f"SSD_TOTAL_GB in {TOKYO}": (1000, f"700 of 1000 free; needs 0 to 700 ({there})", 0),
        f"INSTANCES in {TOKYO}": (10, f"7 of 10 free; needs 0 to 7 ({there})", 0),
        f"NETWORK_ENDPOINT_GROUPS in {TOKYO}": (0, "0 of 0 free; needs no more (the gateways, one a zone)", 0),
        "NETWORKS": (1, "0 of 1 free; needs no more", 0),
        "FIREWALLS": (3, "0 of 3 free; needs no more (GKE's and the ingress' too)", 0),
        "STATIC_ADDRESSES": (1, "0 of 1 free; needs no more (the ingress' address)", 0),
        "FORWARDING_RULES": (0, "0 of 0 free; needs no more (the ingress' load balancer)", 0),
    }
    limit(project, limits)
    found = diagnose(project)
    for name, (_, text, wanted) in limits.items():
        assert found.of(name)[1:] == (text, more(name, wanted) if wanted else "")
    assert found.bad() == [f"CPUS in {OSAKA}"]
    assert found.status == 0


def test_only_what_is_missing_counts(project: EmulatedProject) -> None:
    """One of two clusters is there."""
    project.make_cluster("tokyo")
    project.write_state("clusters", *(path for path in project.server.cloud.store.all() if "/clusters/" in path))
    found = diagnose(project)
    assert "60 of 72 free; needs 0 to 28" in found.of(f"CPUS in {TOKYO}")[1]
    assert "72 of 72 free; needs 12 to 40" in found.of(f"CPUS in {OSAKA}")[1]
    assert "188 of 200 free; needs 12 to 68" in found.of("CPUS_ALL_REGIONS")[1]
    assert "needs 9 (GKE's" in found.of("FIREWALLS")[1]
    assert found.status == 0


def test_other_machines_have_quotas_of_their_own(project: EmulatedProject) -> None:
    """And GKE's first pool, which goes at once, is made of small e2 machines with 100 GB each."""
    machine = "{machine_type: n2-standard-8, max_nodes: 2, disk_size_gb: 20}"
    configure(project, "number: 0}", f"number: 0, zones: [{TOKYO}-a, {TOKYO}-b], cluster: {machine}}}")
    project.server.quotas.limits.update({f"{TOKYO}/N2_CPUS": 30, f"{TOKYO}/CPUS": 3})
    found = diagnose(project)
    state, text, fix = found.of(f"N2_CPUS in {TOKYO}")
    assert (state, fix) == ("warning", more(f"N2_CPUS in {TOKYO}", 40))
    assert text == "30 of 30 free; needs 16 to 40 (2 to 5 n2-standard-8): the autoscaler would be 10 short"
    state, text, fix = found.of(f"CPUS in {TOKYO}")
    assert (state, fix) == ("failure", more(f"CPUS in {TOKYO}", 4))
    assert text == "3 of 3 free; needs 4 (the pool that GKE makes first): 1 short"
    assert "needs 200 (2 to 5" in found.of(f"SSD_TOTAL_GB in {TOKYO}")[1]


def test_nodes_of_another_family_are_no_room_for_these(project: EmulatedProject) -> None:
    """The pool is to be of other machines: what is there counts against another quota."""
    project.make_cluster("tokyo")
    project.write_state("clusters", *(path for path in project.server.cloud.store.all() if "/clusters/" in path))
    configure(project, "number: 0}", "number: 0, cluster: {machine_type: n2-standard-4}}")
    found = diagnose(project)
    text = "72 of 72 free; needs 12 to 40 (3 to 10 n2-standard-4, 3 e2-standard-4 there)"
    assert found.of(f"N2_CPUS in {TOKYO}") == ("ok", text, "")
    assert f"CPUS in {TOKYO}" not in found.findings


def test_a_family_whose_quota_is_not_shown(project: EmulatedProject) -> None:
    configure(project, "number: 0}", "number: 0, cluster: {machine_type: c4-standard-4}}")
    state, text, fix = diagnose(project).of(f"C4_CPUS in {TOKYO}")
    assert (state, text) == ("warning", "Compute Engine does not show it; needs 12 to 40 (3 to 10 c4-standard-4)")
    assert fix == (
        "gcloud beta quotas info describe CPUS-PER-VM-FAMILY-per-project-region "
        f"--service=compute.googleapis.com --project={PROJECT}"
    )


@pytest.mark.parametrize(
    ("own", "shared", "states"),
    [(8, 72, ("warning", "ok")), (72, 8, ("ok", "warning")), (8, 8, ("failure", "failure"))],
)
def test_e2_counts_against_one_of_two(project: EmulatedProject, own: int, shared: int, states: tuple[str, str]) -> None:
    assert cpu_quotas("e2") == ("E2_CPUS", "CPUS")
    project.server.quotas.limits.update({f"{TOKYO}/E2_CPUS": own, f"{TOKYO}/CPUS": shared})
    found = diagnose(project)
    assert (found.of(f"E2_CPUS in {TOKYO}")[0], found.of(f"CPUS in {TOKYO}")[0]) == states
    assert found.status == ("failure" in states)


def test_quotas_that_are_not_told(project: EmulatedProject) -> None:
    project.server.cloud.faults.add(RequestFault(f"GET .*/regions/{TOKYO}$", 403, 9))
    found = diagnose(project)
    assert found.of(f"quotas of {TOKYO}") == (
        "failure",
        "are not told: injected: 403",
        f"have roles/viewer granted to you in {PROJECT}, and try again",
    )
    assert found.of(f"CPUS in {OSAKA}")[0] == "ok"


# --- control planes


def test_an_address_that_is_not_admitted(project: EmulatedProject) -> None:
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.bad() == ["authorized networks"]
    assert found.of("authorized networks") == (
        "failure",
        "this machine, 198.51.100.9, is in none of 203.0.113.0/24 (office): no control plane would let it in",
        "export MESH_OPERATOR_ADDRESS=198.51.100.9/32",
    )
    fixed = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9", MESH_OPERATOR_ADDRESS="198.51.100.9/32")
    assert fixed.of("authorized networks") == ("ok", "198.51.100.9 is in 198.51.100.9/32 (operator)", "")


def test_the_next_deploy_would_shut_us_out(project: EmulatedProject) -> None:
    project.make_cluster("tokyo", "198.51.100.9/32", "203.0.113.0/24")
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    state, text, fix = found.of("authorized networks")
    assert (state, fix) == ("failure", "export MESH_OPERATOR_ADDRESS=198.51.100.9/32")
    assert text.endswith("clusters admit it now, and the next deploy ends that")


def test_reached_from_another_address_than_the_observed_one(project: EmulatedProject) -> None:
    project.deploy()
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.of("authorized networks")[0] == "warning"
    assert found.status == 0


@pytest.mark.parametrize(
    ("admitted", "observed", "state", "fix"),
    [
        ("203.0.113.0/24", "203.0.113.9", "failure", "see what is in between: curl --insecure --max-time 5 https://"),
        ("192.0.2.0/24", "203.0.113.9", "warning", "cdktf deploy network clusters"),
        (
            "192.0.2.0/24",
            "198.51.100.9",
            "failure",
            "export MESH_OPERATOR_ADDRESS=198.51.100.9/32 && cdktf deploy network clusters",
        ),
        (
            "192.0.2.0/24",
            "nonsense",
            "failure",
            "export MESH_OPERATOR_ADDRESS=YOUR_ADDRESS/32 && cdktf deploy network clusters",
        ),
    ],
)
def test_a_control_plane_that_is_not_reached(
    project: EmulatedProject, admitted: str, observed: str, state: str, fix: str
) -> None:
    project.make_cluster("tokyo", admitted)
    host = project.planes.hosts[TOKYO]
    project.planes.stop(TOKYO, "")
    found = diagnose(project, MESH_OBSERVED_ADDRESS=observed)
    assert found.of("control plane of tokyo")[0] == state
    assert f"is not reached at {host}: Connection refused" in found.of("control plane of tokyo")[1]
    assert found.of("control plane of tokyo")[2].startswith(fix)
    assert "tokyo: remote secrets" not in found.findings


def test_an_address_that_can_not_be_found_out(project: EmulatedProject) -> None:
    for variables, reason in (
        ({"MESH_OBSERVED_ADDRESS": "2001:db8::1"}, "MESH_OBSERVED_ADDRESS is no IPv4 address: '2001:db8::1'"),
        (
            {"MESH_OBSERVED_ADDRESS": "", "HTTPS_PROXY": "http://127.0.0.1:9"},
            "HTTPS_PROXY is set, and control planes see the proxy's address",
        ),
    ):
        found = diagnose(project, **variables)
        state, text, fix = found.of("authorized networks")
        assert (state, fix) == ("warning", "export MESH_OBSERVED_ADDRESS=YOUR_ADDRESS && mesh doctor")
        assert text == f"not compared with this machine's address: {reason}"
        assert found.status == 0


def test_the_dns_endpoint_needs_no_list(project: EmulatedProject) -> None:
    configure(project, "endpoint: public", "endpoint: dns")
    project.deploy()
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.of("authorized networks") == ("ok", "are not asked for at the DNS endpoint, where IAM decides", "")
    assert found.status == 0
    project.planes.stop(OSAKA, "")
    state, _, fix = diagnose(project).of("control plane of osaka")
    assert (state, fix.partition(":")[0]) == ("failure", "see what is in between")


def test_the_private_endpoint_is_for_machines_inside(project: EmulatedProject) -> None:
    configure(project, "endpoint: public", "endpoint: private")
    project.deploy()
    found = diagnose(project)
    text = "127.0.0.1 is in none, and gets to tokyo, osaka all the same"
    assert found.of("authorized networks") == ("ok", text, "")
    project.planes.stop(TOKYO, "")
    found = diagnose(project)
    state, text, fix = found.of("authorized networks")
    assert (state, text) == ("warning", "this machine has 127.0.0.1 on its way to tokyo, osaka, which is in none")
    assert fix.startswith("deploy from a machine in the VPC")
    assert found.of("control plane of tokyo")[0] == "failure"


def test_a_cluster_that_is_being_made(project: EmulatedProject) -> None:
    cluster = project.make_cluster("tokyo")
    cluster.update(status="PROVISIONING", endpoint="")
    state, text, fix = diagnose(project).of("control plane of tokyo")
    assert (state, fix) == ("warning", "cdktf deploy network clusters")
    assert text == "has no such endpoint; the cluster is PROVISIONING"


# --- the observed address


def reply(question: bytes, *records: tuple[int, bytes], flags: int = 0x8400) -> bytes:
    """Return a name server's answer, authoritative if not told otherwise."""
    head = question[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for kind, data in records)
    return head + question[12:] + body


def text_record(text: str) -> tuple[int, bytes]:
    return 16, bytes([len(text)]) + text.encode()


@contextmanager
def name_server(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, int]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, caller = server.recvfrom(512)
                if not question:
                    return
                found = answer(question)
                if found is not None:
                    server.sendto(found, caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = server.getsockname()
        yield address
        server.sendto(b"", address)
        thread.join(5)


def test_googles_name_server_tells_who_asks() -> None:
    asked: list[bytes] = []

    def answer(question: bytes) -> bytes:
        asked.append(question)
        return reply(
            question, (5, b"\0"), text_record("edns0-client-subnet 203.0.113.0/24"), text_record("203.0.113.9")
        )

    with name_server(answer) as server:
        assert observed_address.query(server) == IPv4Address("203.0.113.9")
    assert len(asked) == 1
    assert asked[0][2:] == bytes.fromhex("00000001000000000000") + (
        b"\x03o-o\x06myaddr\x01l\x06google\x03com\x00" + bytes.fromhex("00100001")
    )


def test_a_question_that_gets_lost_is_asked_again() -> None:
    dropped: list[bytes] = []

    def answer(question: bytes) -> bytes | None:
        if not dropped:
            dropped.append(question)
            return None
        return reply(question, text_record("203.0.113.9"))

    with name_server(answer) as server:
        assert observed_address.query(server, seconds=0.3) == IPv4Address("203.0.113.9")


@pytest.mark.parametrize(
    ("flags", "text", "reason"),
    [
        (0x8000, "203.0.113.9", "somebody else answers"),
        (0x8080, "203.0.113.9", "somebody else answers"),
        (0x8480, "203.0.113.9", "somebody else answers"),
        (0x8403, "203.0.113.9", "no answer that is of use"),
        (0x8600, "203.0.113.9", "no answer that is of use"),
        (0x0400, "203.0.113.9", "no answer that is of use"),
        (0x8400, "2001:db8::1", "tells no address"),
    ],
)
def test_answers_that_are_not_taken(flags: int, text: str, reason: str) -> None:
    with (
        name_server(lambda question: reply(question, text_record(text), flags=flags)) as server,
        pytest.raises(observed_address.NotObservedError, match=reason),
    ):
        observed_address.query(server)


@pytest.mark.parametrize("answer", [b"", b"\0\1", b"cut in the middle of it"])
def test_answers_that_are_none(answer: bytes) -> None:
    with (
        name_server(lambda question: question[:2] + b"\x84\0\0\1\0\1" + answer) as server,
        pytest.raises(observed_address.NotObservedError),
    ):
        observed_address.query(server)


def test_an_answer_to_another_question_is_not_taken() -> None:
    def answer(question: bytes) -> bytes:
        other = bytes([question[0] ^ 1]) + question[1:]
        return reply(other, text_record("203.0.113.9"))

    with (
        name_server(answer) as server,
        pytest.raises(observed_address.NotObservedError, match="no answer that is of use"),
    ):
        observed_address.query(server)


def test_nobody_answers() -> None:
    with (
        name_server(lambda question: None) as server,
        pytest.raises(observed_address.NotObservedError, match="gives no answer: timed out"),
    ):
        observed_address.query(server, seconds=0.1)


def test_a_name_that_nobody_resolves_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()

    def hung(*_: object) -> None:
        hang.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hung)
    start = time.monotonic()
    try:
        with pytest.raises(observed_address.NotObservedError, match="its name is not known here"):
            observed_address.query(("ns1.google.com", 53), seconds=0.1)
    finally:
        hang.set()
    assert time.monotonic() - start < 10


# --- asmcli


@contextmanager
def downloads(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve what Google publishes, by name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.rpartition("/")[2])
            self.send_response(200 if content else 404)
            self.end_headers()
            self.wfile.write((content or "").encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def address_string(self) -> str:
            return "loopback"

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("config.mesh.DOWNLOADS", f"http://127.0.0.1:{server.server_port}/asm")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("published", "state", "text"),
    [
        (f"{DIGEST}\n", FindingState.OK, "mesh.asmcli.sha256 is what Google publishes"),
        (f"{DIGEST}  asmcli\n", FindingState.OK, "mesh.asmcli.sha256 is what Google publishes"),
        ("0" * 64, FindingState.FAILURE, f"Google publishes {'0' * 64}, and not mesh.asmcli.sha256"),
        ("<html>log in first</html>", FindingState.WARNING, "answers with 200 and no checksum"),
        (None, FindingState.FAILURE, "Google publishes no asmcli_1.28.5-asm.12-config1"),
    ],
)
def test_the_checksum_of_the_download(
    monkeypatch: pytest.MonkeyPatch, published: str | None, state: FindingState, text: str
) -> None:
    files = {} if published is None else {"asmcli_1.28.5-asm.12-config1.sha256": published}
    with downloads(files, monkeypatch):
        asmcli = Asmcli(sha256=DIGEST)
        (found,) = installer.check(asmcli)
        compare = f"curl -fsSL {asmcli.url} | sha256sum; curl -fsSL {asmcli.url}.sha256"
    assert found.state is state
    assert text in found.text
    if published is None:
        assert found.fix.endswith("/asm/ASMCLI_VERSIONS")
    elif state is not FindingState.OK:
        assert found.fix == compare


def test_a_checksum_that_can_not_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr("config.mesh.DOWNLOADS", f"http://127.0.0.1:{port}/asm")
    (found,) = installer.check(Asmcli(sha256=DIGEST))
    assert found.state is FindingState.WARNING
    assert found.text.endswith(f"not compared with Google's: no answer from 127.0.0.1:{port}")


def test_no_checksum(project: EmulatedProject) -> None:
    configure(project, f'asmcli: {{file: asmcli, sha256: "{DIGEST}"}}', "asmcli: {}")
    found = diagnose(project)
    url = "https://storage.googleapis.com/csm-artifacts/asm/asmcli_1.28.5-asm.12-config1"
    assert found.of("checksum") == (
        "failure",
        "mesh.asmcli.sha256 is not set: the mesh stack stops in its plan; set it to what is printed twice",
        f"curl -fsSL {url} | sha256sum; curl -fsSL {url}.sha256",
    )


def test_a_local_installer_that_is_another_one(project: EmulatedProject) -> None:
    (project.folder / "asmcli").write_bytes(b"another one")
    state, text, fix = diagnose(project).of("checksum")
    assert state == "failure"
    assert text == f"asmcli has {hashlib.sha256(b'another one').hexdigest()}, and not mesh.asmcli.sha256"
    assert fix.startswith(f"sha256sum {project.folder.resolve()}/asmcli; curl -fsSL https://")
    configure(project, f', sha256: "{DIGEST}"', "")
    assert diagnose(project).of("checksum")[0] == "warning"


# --- conflicts


NAMES = {
    "network acme-vpc": "compute networks delete acme-vpc",
    "firewall rule acme-vpc-istio-multicluster-pods": "compute firewall-rules delete acme-vpc-istio-multicluster-pods",
    "tokyo: subnet acme-private-vm": f"compute networks subnets delete acme-private-vm --region {TOKYO}",
    "tokyo: router acme-tokyo-router": f"compute routers delete acme-tokyo-router --region {TOKYO}",
    "osaka: NAT acme-osaka-nat": (
        f"compute routers nats delete acme-osaka-nat --router acme-osaka-router --region {OSAKA}"
    ),
    "osaka: firewall rule acme-vpc-osaka-control-plane": "compute firewall-rules delete acme-vpc-osaka-control-plane",
    f"osaka: node account acme-osaka-node@{PROJECT}.iam.gserviceaccount.com": (
        f"iam service-accounts delete acme-osaka-node@{PROJECT}.iam.gserviceaccount.com"
    ),
    "osaka: cluster acme-osaka-cluster-1": f"container clusters delete acme-osaka-cluster-1 --location {OSAKA}",
    "tokyo: node pool acme-tokyo-nodes": (
        f"container node-pools delete acme-tokyo-nodes --cluster acme-tokyo-cluster-1 --location {TOKYO}"
    ),
    "address acme-ingress": "compute addresses delete acme-ingress --global",
}
"""Resources that are missing from the state, and how they are deleted."""


def test_names_that_are_taken(project: EmulatedProject) -> None:
    """All is deployed, and some of it is missing from the state."""
    project.deploy()
    untracked = {name.rpartition(" ")[2] for name in NAMES}
    kept = [
        path
        for path in project.server.cloud.store.all()
        if path.rpartition("/")[2] not in untracked or f"{OSAKA}/subnetworks" in path
    ]
    project.write_state("network", *kept)
    found = diagnose(project)
    assert set(found.bad()) == set(NAMES)
    text = "is there, and terraform does not know it: delete it if nobody needs it"
    for name, delete in NAMES.items():
        # Another prefix would make all anew for the sake of a part.
        rename = "" if " NAT " in name or " node pool " in name else ", or change project.name_prefix"
        assert found.of(name) == ("failure", text + rename, f"gcloud {delete} --project {PROJECT}")
    # Whichever stack made it: all states are read.
    project.write_state("ingress", *(path for path in project.server.cloud.store.all() if "/addresses/" in path))
    assert set(diagnose(project).bad()) == set(NAMES) - {"address acme-ingress"}


def test_somebody_elses_nat_is_in_nobodys_way(project: EmulatedProject) -> None:
    project.deploy()
    (router,) = [path for path in project.server.cloud.store.all() if path.endswith("/acme-tokyo-router")]
    project.server.cloud.store.get(router)["nats"] = [{"name": "theirs"}]
    found = diagnose(project)
    assert found.bad() == []
    assert found.of("tokyo: NAT acme-tokyo-nat") == ("ok", "free", "")


@pytest.mark.parametrize(("feature", "resource"), FEATURE_ADDRESSES.items())
def test_a_fleet_feature_that_is_on_already(project: EmulatedProject, feature: str, resource: str) -> None:
    spec = {"multiclusteringress": {"configMembership": f"projects/{PROJECT}/locations/global/memberships/theirs"}}
    project.add(f"locations/global/features/{feature}", **({"spec": spec} if "ingress" in feature else {}))
    found = diagnose(project)
    state, text, fix = found.of(f"fleet feature {feature}")
    assert state == "failure"
    assert text == "is on already, and not by terraform" + (
        "; its config cluster is theirs" if "ingress" in feature else ""
    )
    stack = f"terraform -chdir={displayed(OutputFolder.of(project.config).stack('mesh'))}"
    assert fix == (
        f"cdktf synth && {stack} init && {stack} import google_gke_hub_feature.{resource} "
        f"projects/{PROJECT}/locations/global/features/{feature}"
    )
    assert found.bad() == [f"fleet feature {feature}"]


def test_features_have_the_address_that_terraform_is_told(reference: Synthesis) -> None:
    features = reference.all("mesh", "google_gke_hub_feature")
    assert {one["name"]: address for address, one in features.items()} == FEATURE_ADDRESSES


def test_all_that_the_stacks_name_is_looked_for(reference: Synthesis) -> None:
    environment = environment_of((ROOT / "mesh.yaml").read_text(encoding="utf-8"))
    made = set[str]()
    for stack, kind, name in (
        ("network", "google_compute_network", "name"),
        ("network", "google_compute_subnetwork", "name"),
        ("network", "google_compute_router", "name"),
        ("network", "google_compute_router_nat", "name"),
        ("network", "google_compute_firewall", "name"),
        ("clusters", "google_container_cluster", "name"),
        ("clusters", "google_container_node_pool", "name"),
        ("clusters", "google_service_account", "account_id"),
        ("mesh", "google_gke_hub_feature", "name"),
        ("ingress", "google_compute_global_address", "name"),
    ):
        made |= {one[name] for one in reference.all(stack, kind).values()}
    resources = expected_resources(environment)
    assert {one.name.partition("@")[0] for one in resources} == made
    assert len(resources) == 19
    assert {one.name for one in resources if one.kind is FEATURES} == set(FEATURE_ADDRESSES)


@pytest.mark.parametrize(
    ("backend", "place"),
    [
        ("{type: cloud, organization: acme}", "organization acme of app.terraform.io"),
        ("{type: gcs, bucket: acme-states}", "bucket acme-states"),
    ],
)
def test_a_state_elsewhere_is_not_known(project: EmulatedProject, backend: str, place: str) -> None:
    project.deploy()
    with project.config.open("a", encoding="utf-8") as file:
        file.write(f"backend: {backend}\n")
    found = diagnose(project)
    assert found.status == 0
    assert len(found.bad()) == 15
    assert found.of("network acme-vpc") == (
        "warning",
        f"is there already; whether terraform has made it, its state in {place} knows",
        "cdktf diff network clusters mesh ingress",
    )


def test_a_state_that_can_not_be_read(project: EmulatedProject) -> None:
    (project.folder / "terraform.mesh.tfstate").write_text("{", encoding="utf-8")
    state, text, fix = diagnose(project).of("terraform's state")
    assert (state, fix) == ("failure", "put it back from its .backup")
    assert "terraform.mesh.tfstate can't be read" in text


MEMBERS = [
    ("global", "acme-tokyo-cluster-1", "theirs", "is taken in global, by us-east1/clusters/theirs"),
    (TOKYO, "acme-tokyo-cluster-1", "theirs", f"is taken in {TOKYO}, by us-east1/clusters/theirs"),
    ("global", "by-hand", "ours", "the cluster is in the fleet as by-hand in global"),
]


@pytest.mark.parametrize(("place", "name", "whose", "text"), MEMBERS)
def test_a_membership_in_the_way(project: EmulatedProject, place: str, name: str, whose: str, text: str) -> None:
    ours = f"locations/{TOKYO}/clusters/acme-tokyo-cluster-1"
    link = f"//container.googleapis.com/projects/{PROJECT}/" + (
        ours if whose == "ours" else "locations/us-east1/clusters/theirs"
    )
    member = project.add(f"locations/{place}/memberships/{name}", endpoint={"gkeCluster": {"resourceLink": link}})
    member["name"] = f"projects/{PROJECT}/locations/{place}/memberships/{name}"
    found = diagnose(project)
    assert found.bad() == ["tokyo: membership acme-tokyo-cluster-1"]
    assert found.of("tokyo: membership acme-tokyo-cluster-1") == (
        "failure",
        text,
        f"gcloud container fleet memberships delete {name} --location {place} --project {PROJECT}",
    )


def test_a_list_of_memberships_with_a_place_missing(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The membership in the way may be there."""
    get = GoogleClient.get

    def partial_get(self: GoogleClient, api: str, path: str, **query: str) -> Body:
        found = get(self, api, path, **query)
        return {**found, "unreachable": ["locations/us-east1"]} if path.endswith("/memberships") else found

    monkeypatch.setattr(GoogleClient, "get", partial_get)
    found = diagnose(project)
    assert found.bad() == ["memberships"]
    text = "are not told: locations/us-east1 did not answer"
    assert found.of("memberships") == ("failure", text, "try again in a while")


@dataclass
class PagedClient(GoogleClient):
    """Responds with pages, by token."""

    pages: dict[str, Body]
    project: str = PROJECT

    def get(self, api: str, path: str, **query: str) -> Body:
        return self.pages[query.get("pageToken", "")]


NONE_THERE = {"warning": {"code": "NO_RESULTS_ON_PAGE"}}


def test_a_list_is_read_to_its_end() -> None:
    empty = {"nextPageToken": "3"}
    pages: dict[str, Body] = {"": {"items": [{"a": 1}], "nextPageToken": "2"}, "2": empty, "3": {"items": [{"a": 2}]}}
    plain = PagedClient(pages)
    assert list(plain.list_items("compute", "x", "items")) == [{"a": 1}, {"a": 2}]
    first = {"items": {"zones/a": {"groups": [{"a": 1}]}, "zones/b": NONE_THERE}, "nextPageToken": "2"}
    aggregated = PagedClient({"": first, "2": {"items": {"zones/a": {"groups": [{"a": 2}]}}, **NONE_THERE}})
    assert list(aggregated.list_items("compute", "x", "items")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ({"unreachable": ["zones/b"]}, "zones/b did not answer"),
        ({"unreachables": ["zones/b", "zones/c"]}, "zones/b, zones/c did not answer"),
        ({"missingZones": ["b"]}, "b did not answer"),
        ({"warning": {"code": "UNREACHABLE", "message": "so it is"}}, "so it is"),
        ({"items": {"zones/b": {"warning": {"code": "UNREACHABLE"}}}}, "zones/b: UNREACHABLE"),
    ],
)
def test_a_part_of_a_list_is_no_list(page: Body, text: str) -> None:
    """On whichever page it says so."""
    google = PagedClient({"": {"items": [{"a": 1}], "nextPageToken": "2"}, "2": {"items": [{"a": 2}], **page}})
    with pytest.raises(ApiError, match=f"^{text}$"):
        list(google.list_items("compute", "x", "items"))


def test_delete_commands_name_the_place() -> None:
    """Where `mesh doctor` and `mesh audit` have none of the kind to show it."""
    member = CloudResource(MEMBERSHIPS, f"projects/{PROJECT}/locations/global/memberships/theirs")
    delete = "gcloud container fleet memberships delete theirs --location global"
    assert member.delete_command == f"{delete} --project {PROJECT}"


def test_somebody_elses_remote_secrets(project: EmulatedProject) -> None:
    project.deploy()
    ours = f"istio-remote-secret-gke-{PROJECT}-{OSAKA}-acme-osaka-cluster-1"
    table = f"printf '%s  Opaque  1  2d\\n' {ours} istio-remote-secret-theirs"
    project.fake_program("kubectl", KUBECTL.format(table))
    found = diagnose(project)
    # Of what Osaka holds, its own secret is a stranger there, too.
    assert found.bad() == ["tokyo: remote secrets", "osaka: remote secrets"]
    assert found.of("tokyo: remote secrets") == (
        "failure",
        "somebody else's: istio-remote-secret-theirs",
        f"kubectl --context gke_{PROJECT}_{TOKYO}_acme-tokyo-cluster-1 --namespace istio-system "
        "delete secret istio-remote-secret-theirs",
    )
    assert ours in found.of("osaka: remote secrets")[1]
    asked = [line for line in project.calls().splitlines() if "get secrets" in line]
    assert len(asked) == 2
    assert all(line.endswith("--selector istio/multiCluster=true --no-headers") for line in asked)


def test_a_cluster_that_does_not_tell(project: EmulatedProject) -> None:
    project.deploy()
    project.fake_program("kubectl", KUBECTL.format("echo 'error: (Forbidden): no' >&2; exit 1"))
    found = diagnose(project)
    assert found.of("tokyo: remote secrets") == (
        "failure",
        "not told by the cluster: error: (Forbidden): no",
        "have roles/container.admin granted to you, and try again",
    )


def test_without_kubectl_the_rest_is_looked_at(project: EmulatedProject) -> None:
    project.deploy()
    project.remove("kubectl")
    found = diagnose(project)
    assert found.bad() == ["kubectl", "clusters"]
    assert found.of("clusters")[0] == "warning"


@dataclass(frozen=True)
class UntrackedObjects:
    """Objects in Tokyo's cluster that are not in terraform's state.

    Attributes:
        project: The project.
        folder: The synthesized output.
    """

    project: EmulatedProject
    folder: Path

    def tell(self, reply: str) -> None:
        """Have kubectl keep its input, and run a few lines of shell."""
        keep = f'cat >"{self.project.folder}/asked.$$"'
        others = KUBECTL_CASES.format("true")
        self.project.fake_program("kubectl", f'case "$*" in *"get --filename -"*) {keep}; {reply} ;; {others} esac')

    def asked(self) -> list[Body]:
        files = self.project.folder.glob("asked.*")
        return [one for file in files for one in json.loads(file.read_text(encoding="utf-8"))["items"]]


@pytest.fixture
def untracked(project: EmulatedProject) -> UntrackedObjects:
    """Everything is deployed, and terraform's state of `ingress` has all objects but two of Tokyo's."""
    project.deploy()
    made = synthesize(project.environment, project.folder)
    project.variables["CDKTF_OUTDIR"] = str(made.outdir)
    known = {
        name
        for name, one in made.all("ingress", "kubernetes_manifest").items()
        if not (one["provider"] == "kubernetes.tokyo" and one["manifest"]["kind"] in ("Gateway", "Namespace"))
    }
    assert len(known) > 30
    resources = [
        {"mode": "managed", "type": "kubernetes_manifest", "name": name, "instances": [{"attributes": {}}]}
        for name in sorted(known)
    ]
    state = json.dumps({"version": 4, "resources": resources})
    state_file(project.config, "ingress").write_text(state, encoding="utf-8")
    return UntrackedObjects(project, made.outdir)


ROWS = "printf '%s\n' 'Namespace <none> sample' 'Gateway sample helloworld-gateway'"


def test_objects_that_terraform_has_lost(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell(ROWS)
    found = diagnose(project)
    assert found.bad() == ["tokyo: objects"]
    kubectl = f"kubectl --context gke_{PROJECT}_{TOKYO}_acme-tokyo-cluster-1"
    assert found.of("tokyo: objects") == (
        "failure",
        "there, not in terraform's state, and the next deploy would stop at it: Namespace sample, "
        "Gateway sample/helloworld-gateway; delete it if nobody needs it, "
        "but look first: a Namespace goes with all that is in it",
        f"{kubectl} --namespace sample delete --ignore-not-found gateway.networking.istio.io/helloworld-gateway && "
        f"{kubectl} delete --ignore-not-found namespace/sample",
    )
    # Those that terraform knows are not asked for, and of the others no more than it takes to find them.
    asked = sorted((one["kind"], one["metadata"]["name"]) for one in untracked.asked())
    assert ("Gateway", "helloworld-gateway") in asked
    assert {kind for kind, _ in asked} == {"Gateway", "Namespace"}
    assert all(set(one) == {"apiVersion", "kind", "metadata"} for one in untracked.asked())


@pytest.mark.parametrize("reply", ["true", "echo 'unable to recognize no matches for kind \"Gateway\"' >&2; exit 1"])
def test_objects_that_are_still_to_be_made(project: EmulatedProject, untracked: UntrackedObjects, reply: str) -> None:
    untracked.tell(reply)
    found = diagnose(project)
    assert found.bad() == []
    assert found.of("tokyo: objects") == ("ok", "terraform's own, or still to be made", "")
    assert untracked.asked()


def test_objects_of_another_synthesis_are_not_compared(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell(ROWS)
    (untracked.folder / "elsewhere").mkdir()
    synthesize(project.environment, untracked.folder / "elsewhere")
    for folder in (untracked.folder / "elsewhere" / "cdktf.out", project.folder / "nothing"):
        found = diagnose(project, CDKTF_OUTDIR=str(folder))
        assert found.bad() == []
        assert found.of("tokyo: objects")[1].startswith("not compared")
    assert untracked.asked() == []


def test_objects_that_are_not_told(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell("echo 'error: (Forbidden): no' >&2; exit 1")
    found = diagnose(project)
    assert found.bad() == ["tokyo: objects"]
    assert found.of("tokyo: objects")[1:] == (
        "not told by the cluster: error: (Forbidden): no",
        "have roles/container.admin granted to you, and try again",
    )


def test_a_thing_that_is_not_told(project: EmulatedProject) -> None:
    project.server.cloud.faults.add(RequestFault("GET .*/networks/acme-vpc$", 403, 9))
    found = diagnose(project)
    assert found.bad() == ["network acme-vpc"]
    refused = (
        "failure",
        "is not known: injected: 403",
        f"have roles/viewer granted to you in {PROJECT}, and try again",
    )
    assert found.of("network acme-vpc") == refused
    project.server.cloud.faults.add(RequestFault("GET .*/routers/acme-tokyo-router$", 403, 9))
    assert diagnose(project).of("tokyo: NAT acme-tokyo-nat") == refused

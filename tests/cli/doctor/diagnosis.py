"""Runs `mesh doctor` in this process against the fake cloud, with fake tools, and reads its report."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cli.sources.provider_credentials import ADC_VARIABLE
from tests.cli.emulated_project import TOOLS, EmulatedProject
from tests.fake_cloud.identity import TOKEN_MARKER

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


DEPLOYER = f"deployer@{PROJECT}.iam.gserviceaccount.com"

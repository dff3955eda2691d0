"""Runs `mesh doctor` in this process against the fake cloud, with fake tools, and reads its report."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from cli.sources.provider_credentials import ADC_VARIABLE
from tests.cli.emulated_project import TOOLS, EmulatedProject
from tests.fake_cloud.identity import TOKEN_MARKER

PROJECT = "test-project"
DEPLOYER = f"deployer@{PROJECT}.iam.gserviceaccount.com"
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
  control_plane: asmcli-managed
  asmcli: {{version: 1.31.3-asm.9+config1, file: asmcli, sha256: "{DIGEST}"}}
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

    def expect(self, name: str, state: str, text: str, fix: str = "") -> None:
        """Compare a finding; "..." in the expected text or fix matches any text."""
        found, wanted = self.of(name), (state, text, fix)
        patterns = [".*".join(re.escape(part) for part in one.split("...")) for one in wanted]
        matches = [re.fullmatch(pattern, one, re.DOTALL) for pattern, one in zip(patterns, found, strict=True)]
        assert all(matches), f"{name}:\nfound    {found}\nexpected {wanted}"

    def bad(self) -> list[str]:
        """Return the names of all findings that are not ok."""
        return [name for name, one in self.findings.items() if one["state"] != "ok"]


def in_mode(mode: str) -> str:
    """Return the configuration with another control plane mode."""
    return CONFIGURATION.replace("control_plane: asmcli-managed", f"control_plane: {mode}")


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
    reported = [one for section in data["sections"] for one in section["findings"]]
    findings = {one["name"]: one for one in reported}
    assert len(reported) == len(findings), "machines know a finding by its name"
    assert data["ok"] == (result.returncode == 0) == all(one["state"] != "failure" for one in findings.values())
    return Diagnosis(result.returncode, findings, data)


def expect(project: EmulatedProject, name: str, state: str, text: str, fix: str = "", **variables: str) -> Diagnosis:
    """Run `mesh doctor` and compare one finding; "..." in the expected text or fix matches any text.

    Returns:
        The report, for further assertions.
    """
    found = diagnose(project, **variables)
    found.expect(name, state, text, fix)
    return found


def assert_all_ok(project: EmulatedProject, **variables: str) -> Diagnosis:
    """Run `mesh doctor`, which must find nothing wrong, and return its report."""
    found = diagnose(project, **variables)
    assert (found.status, found.bad()) == (0, [])
    return found


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

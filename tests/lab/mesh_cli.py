"""The operator's command, `mesh`, in the lab: as a user gives it, and what it says."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from config.environment import Environment
from config.paths import ROOT
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.toolchain import Toolchain
from tests.reporting.table import Table

SECONDS = 900
"""For one command; a drill waits until ejections have ended."""


class MeshCli:
    """Gives commands in a lab.

    Attributes:
        config: file that says what the lab has now.
        kubeconfig: has a context a region.
    """

    def __init__(self, lab: LocalMesh, tools: Toolchain, folder: Path) -> None:
        folder.mkdir()
        self.config = folder / "mesh.yaml"
        self.kubeconfig = folder / "kubeconfig"
        self._path = tools.variables()["PATH"]
        files = [str(region.cluster.kubeconfig) for region in lab.regions.values()]
        merged = subprocess.run(
            [str(tools.path("kubectl")), "config", "view", "--flatten"],
            env=os.environ | {"KUBECONFIG": os.pathsep.join(files)},
            capture_output=True,
            text=True,
            check=True,
        )
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(merged.stdout, encoding="utf-8")

    def configure(self, environment: Environment) -> None:
        """Write the configuration.

        Args:
            environment: what the lab has now.
        """
        content = environment.model_dump(mode="json", exclude_defaults=True)
        self.config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def variables(self) -> Mapping[str, str]:
        """Return the environment of a command."""
        return os.environ | {"MESH_CONFIG": str(self.config), "PATH": self._path, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str) -> Table:
        """Return what a command has found out; right if it says so by its exit status, and has found something out."""
        result = subprocess.run(
            [sys.executable, "-m", "cli", *arguments, "--kubeconfig", str(self.kubeconfig), "--json"],
            cwd=ROOT,
            env=dict(self.variables()),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        return table_of(f"mesh {' '.join(arguments)}", result.returncode, result.stdout, result.stderr)


def table_of(title: str, status: int, report: str, words: str) -> Table:
    """Return a table of a command's findings.

    Args:
        report: its JSON; empty if it could not do its work.
        words: what it said besides.
    """
    table = Table(title, ["what", "found"])
    sections = json.loads(report)["sections"] if report.strip() else []
    findings = [finding for section in sections for finding in section["findings"]]
    for finding in findings:
        table.add(finding["name"], finding["text"], ok=status == 0 and finding["state"] != "failure")
    if not findings:
        table.add("nothing", f"exit status {status}", ok=False)
        table.notes += words.splitlines()
    return table

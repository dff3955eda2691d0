"""The `mesh` CLI in the lab, run as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from config.backend import state_file
from config.environment import Environment
from config.paths import ROOT
from config.synthesized import read_stack
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.kubeconfig import merge_kubeconfigs
from tests.local_mesh.toolchain import Toolchain
from tests.reporting.table import Table

SECONDS = 900
"""Timeout of a command; a drill waits for the end of ejections."""


class MeshCli:
    """Runs the `mesh` CLI in a lab.

    Attributes:
        config: mesh.yaml of the lab's current environment.
        kubeconfig: with a context for each region.
    """

    def __init__(self, lab: LocalMesh, tools: Toolchain, folder: Path) -> None:
        folder.mkdir()
        self.config = folder / "mesh.yaml"
        self.kubeconfig = folder / "kubeconfig"
        self._path = tools.variables()["PATH"]
        files = [region.cluster.kubeconfig for region in lab.regions.values()]
        merge_kubeconfigs(files, self.kubeconfig, str(tools.path("kubectl")))

    def configure(self, environment: Environment) -> None:
        """Write the configuration of the lab's current environment."""
        content = environment.model_dump(mode="json", exclude_defaults=True)
        self.config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def write_state(self, rendered: Path, pairs: Iterable[str]) -> None:
        """Write what terraform's state has about remote secrets, so that `mesh status` names their addresses.

        Args:
            rendered: output folder of the configuration's synthesis.
            pairs: ``HOST/REMOTE`` of each remote secret.
        """
        scripts = read_stack(rendered, "mesh")["resource"].get("null_resource", {})
        name = next((name for name in scripts if "_grant_" in name), None)
        if name is None:  # a mode without remote secrets
            return
        instances = [{"index_key": pair, "attributes": {}} for pair in pairs]
        resource = {"mode": "managed", "type": "null_resource", "name": name, "instances": instances}
        state_file(self.config, "mesh").write_text(json.dumps({"resources": [resource]}), encoding="utf-8")

    def variables(self) -> Mapping[str, str]:
        """Return the environment of a command."""
        return os.environ | {"MESH_CONFIG": str(self.config), "PATH": self._path, "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str) -> Table:
        """Return a command's findings; they are right if it exits with 0 and has any."""
        result = subprocess.run(
            [sys.executable, "-m", "cli", *arguments, "--kubeconfig", str(self.kubeconfig), "--json"],
            cwd=ROOT,
            env=dict(self.variables()),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        return build_table(f"mesh {' '.join(arguments)}", result.returncode, result.stdout, result.stderr)


def build_table(title: str, status: int, report: str, errors: str) -> Table:
    """Return a table of a command's findings.

    Args:
        title: of the table.
        status: exit status.
        report: its JSON; empty after an error.
        errors: its standard error.
    """
    table = Table(title, ["Check", "Finding"])
    sections = json.loads(report)["sections"] if report.strip() else []
    findings = [finding for section in sections for finding in section["findings"]]
    for finding in findings:
        table.add(finding["name"], finding["text"], ok=status == 0 and finding["state"] != "failure")
    if not findings:
        table.add("none", f"exit status {status}", ok=False)
        table.notes += errors.splitlines()
    return table

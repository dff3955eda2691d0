"""A workspace, and a machine whose mesh, cdktf and terraform do nothing but what a test says."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.init.document import document
from tools.acceptance.commands import Signals
from tools.acceptance.configuration import NAME_PREFIX
from tools.acceptance.progress import Progress
from tools.acceptance.run import Acceptance
from tools.acceptance.step import Step, StepContext
from tools.acceptance.steps import CHECKS, CLEAN_UP
from tools.acceptance.workspace import Workspace

PROJECT = "acme-mesh-prod"
STATE = '{"version": 4, "resources": [{"mode": "managed", "type": "google_compute_network"}]}'

PROGRAM = """#!/bin/sh
folder={folder}
name="$(basename "$0")"
for word; do case "$word" in -*) ;; *) name="$name-$word" ;; esac; done
printf '%s\\n' "$(basename "$0") $*" >>"$folder/calls"
case "$name" in
  cdktf-deploy-network*) printf '%s' '{state}' >"$folder/terraform.network.tfstate" ;;
esac
if [ -e "$folder/behaviour" ]; then . "$folder/behaviour"; fi
case "$name" in
  cdktf-deploy-ingress) echo "ingress"; echo "     Apply complete! Resources: 0 added, 2 changed, 0 destroyed." ;;
  cdktf-destroy*) rm -f "$folder/terraform.network.tfstate" ;;
  terraform-plan) echo "No changes. Your infrastructure matches the configuration." ;;
esac
"""


def _record(context: StepContext) -> None:
    context.measure("calls", 0)


@dataclass
class FakeMachine:
    """The machine.

    Attributes:
        workspace: files of the run.
        checks: steps of the run.
        signals: received by the run.
    """

    workspace: Workspace
    checks: Sequence[Step] = CHECKS
    signals: Signals = field(default_factory=Signals)

    @classmethod
    def create(cls, folder: Path, use: Callable[[Path], object]) -> "FakeMachine":
        """Write the configuration and the programs.

        Args:
            folder: of everything.
            use: makes a folder of programs the first one on the PATH.
        """
        workspace = Workspace.of(PROJECT, folder)
        workspace.logs.mkdir(parents=True)
        answers = {"project": [PROJECT], "name_prefix": [NAME_PREFIX], "control_plane": ["fleet"]}
        regions = {"regions": ["us-central1", "us-east1"]}
        workspace.config.write_text(document(answers | regions, workspace.config), encoding="utf-8")
        programs = folder / "bin"
        programs.mkdir()
        for name in ("cdktf", "gcloud", "kubectl", "mesh", "terraform"):
            text = PROGRAM.format(folder=workspace.folder, state=STATE)
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        use(programs)
        return cls(workspace)

    def behave(self, shell: str) -> None:
        """Let the programs run some lines of shell, which know the call by ``$name``."""
        (self.workspace.folder / "behaviour").write_text(shell, encoding="utf-8")

    def run(self) -> int:
        """Begin a run, or go on with the one that was cut off, and return its exit status."""
        progress = Progress.read(self.workspace.progress) or Progress(self.workspace.progress, "2026-11-28T00:00:00")
        record = Step("record", "nothing here", (1, 1), _record)
        clean_up = (record, *(step for step in CLEAN_UP if step.name != "record"))
        return Acceptance(self.workspace, progress, self.signals, self.checks, clean_up, pause=0.01).run()

    def calls(self) -> list[str]:
        return (self.workspace.folder / "calls").read_text(encoding="utf-8").splitlines()

    def called(self, start: str) -> int:
        """Return how often a command was called."""
        return sum(one.startswith(start) for one in self.calls())

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workspace.folder / "report.json").read_text(encoding="utf-8"))
        return found

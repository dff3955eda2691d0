"""Rehearses ``make acceptance PROJECT=ID YES=1``, the command for a real project, in the simulated cloud."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from config.paths import ROOT
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.isolation import ignore_sigint
from tests.rehearsal import checks
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.deployment import kill_all
from tests.rehearsal.secret_scan import scan_for_secrets
from tests.rehearsal.snapshot import take_snapshot
from tests.reporting.table import Table
from tools.acceptance.configuration import ZONES, write_configuration
from tools.acceptance.recording import ANSWERS
from tools.acceptance.steps import CHECKS, CLEAN_UP
from tools.acceptance.workspace import FOLDER, Workspace

PROJECT = "my-mesh-project"
SECONDS = 1800


def acceptance_content(state: Path) -> dict[str, Any]:
    """Return the content of the configuration that the command is going to write.

    Args:
        state: folder that is deleted with the rehearsal.
    """
    workspace = Workspace.of(PROJECT, state / "expected")
    workspace.folder.mkdir(parents=True)
    write_configuration(workspace, ZONES)
    content: dict[str, Any] = yaml.safe_load(workspace.config.read_text(encoding="utf-8"))
    return content


class AcceptanceRehearsal:
    """Runs of the command, one after the other, in one project.

    Attributes:
        tables: results so far.
    """

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._workspace = Workspace.of(PROJECT)
        self._runs = 0
        self.tables: list[Table] = []

    def run(self) -> None:
        """Run the scenarios until one fails."""
        self._empty = take_snapshot(self._context.cloud)
        for scenario in (self._interrupt, self._cut_off):
            scenario()
            if not all(table.ok for table in self.tables):
                break
        context = self._context
        folders = [self._workspace.folder, context.logs, *(context.state / name for name in ("home", "tmpdir"))]
        self._show(scan_for_secrets(context.cloud.fake.identity, [], folders))

    def _interrupt(self) -> None:
        """Press Ctrl-C while clusters are created: everything is destroyed."""
        self._context.say("make acceptance, and Ctrl-C while the clusters are created")
        status = self._command(lambda process: os.killpg(process.pid, signal.SIGINT))
        report = self._report()
        table = Table("1  Ctrl-C while the clusters are created", ["status", "result"])
        steps = report["steps"]
        destroyed = steps.get("destroy", {}).get("state") == "done" and steps.get("audit", {}).get("state") == "done"
        table.add(status, report["result"], ok=status != 0 and report["signal"] == signal.SIGINT and destroyed)
        self._show(table, checks.orphaned("   what is left", self._empty, take_snapshot(self._context.cloud)))

    def _cut_off(self) -> None:
        """Kill everything while clusters are created, and run the command again: it goes on to its end."""
        self._context.say("make acceptance, and SIGKILL to all its processes while the clusters are created")
        killed = self._command(kill_all)
        self._context.say("make acceptance again")
        status = self._command()
        report = self._report()
        table = Table(
            "2  all killed while the clusters are created, and run again", ["step", "state", "seconds", "commands"]
        )
        for step in (*CHECKS, *CLEAN_UP):
            record = report["steps"].get(step.name, {"state": "not run", "seconds": 0, "commands": []})
            table.add(
                *(step.name, record["state"], f"{record['seconds']:.0f}", len(record["commands"])),
                ok=record["state"] == "done",
            )
            table.notes += record.get("problem", "").splitlines()
        good = killed == -signal.SIGKILL and status == 0 and report["resumed"] == 1
        table.add("all", report["result"], "", f"status {status}", ok=good and report["result"] == "accepted")
        table.notes += [f"{name}: {version}" for name, version in sorted(report["versions"].items())]
        shutil.copy(self._workspace.folder / ANSWERS, self._context.logs)
        self._show(table, checks.orphaned("   what is left", self._empty, take_snapshot(self._context.cloud)))

    def _command(self, disturb: Callable[["subprocess.Popen[str]"], None] | None = None) -> int:
        """Run the command to its end and return its exit status.

        Args:
            disturb: called with the process, once clusters are being created.
        """
        self._runs += 1
        log = self._context.logs / f"acceptance-{self._runs}.log"
        deadline = time.monotonic() + SECONDS
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["make", "acceptance", f"PROJECT={PROJECT}", "YES=1"],
                cwd=ROOT,
                env=self._context.command_environment.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        while process.poll() is None:
            if disturb and any("/clusters/" in path for path in self._context.cloud.fake.store.all()):
                disturb(process)
                disturb = None
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.2)
        return process.returncode

    def _report(self) -> dict[str, Any]:
        """Return the report of the last run.

        Raises:
            LocalMeshError: there is none.
        """
        try:
            content = (self._workspace.folder / "report.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise LocalMeshError(f"there is no report; output: {self._context.logs}") from None
        report: dict[str, Any] = json.loads(content)
        return report

    def _show(self, *tables: Table) -> None:
        for table in tables:
            print(f"\n{table}", flush=True)
            self.tables.append(table)


def run_acceptance(context: RehearsalContext) -> int:
    """Rehearse the command, and return the exit status: 0 if everything is as it has to be, else 1.

    Raises:
        LocalMeshError: something did not start.
    """
    ignore_sigint()
    _use_private_folder(context.state / "acceptance")
    rehearsal = AcceptanceRehearsal(context)
    rehearsal.run()
    return conclude(context, rehearsal.tables)


def _use_private_folder(folder: Path) -> None:
    """Mount a folder in place of the checkout's, where a run in a real project may have its states."""
    folder.mkdir()
    FOLDER.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(folder), str(FOLDER)], check=True)

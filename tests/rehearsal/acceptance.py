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
    """Runs of the command, one after the other, in one project."""

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._workspace = Workspace.of(PROJECT)
        self._report = context.report
        self._runs = 0

    def run(self) -> None:
        """Run the scenarios until one fails."""
        self._empty = take_snapshot(self._context.cloud)
        for scenario in (self._interrupt, self._cut_off):
            scenario()
            if not self._report.ok:
                break
        context = self._context
        folders = [self._workspace.folder, context.logs, *(context.state / name for name in ("home", "tmpdir"))]
        scan_for_secrets(self._report, context.cloud.fake.identity, [], folders)

    def _interrupt(self) -> None:
        """Interrupt the command while it creates clusters: everything is destroyed."""
        self._report.progress("make acceptance, interrupted by Ctrl-C while it creates clusters")
        status = self._command(lambda process: os.killpg(process.pid, signal.SIGINT))
        report = self._read_report()
        table = Table(
            "Ctrl-C while clusters are created: everything is destroyed", ["Exit status", "Result of the command"]
        )
        steps = report["steps"]
        destroyed = steps.get("destroy", {}).get("state") == "done" and steps.get("audit", {}).get("state") == "done"
        table.add(status, report["result"], ok=status != 0 and report["signal"] == signal.SIGINT and destroyed)
        orphaned = checks.orphaned("Ctrl-C: orphaned resources", self._empty, take_snapshot(self._context.cloud))
        self._report.figure("After Ctrl-C", f"result: {report['result']}; {orphaned.rows[0][0]} orphaned resources")
        self._report.add(table, orphaned)

    def _cut_off(self) -> None:
        """Kill all processes while they create clusters, and run the command again: it continues to its end."""
        self._report.progress("make acceptance, killed by SIGKILL while it creates clusters")
        killed = self._command(kill_all)
        self._report.progress("make acceptance, run again")
        status = self._command()
        report = self._read_report()
        table = Table(
            "SIGKILL while clusters are created, and a second run: it continues",
            ["Step", "State", "Duration (s)", "Commands"],
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
        orphaned = checks.orphaned("SIGKILL: orphaned resources", self._empty, take_snapshot(self._context.cloud))
        self._report.figure("After SIGKILL", f"result: {report['result']}; {orphaned.rows[0][0]} orphaned resources")
        self._report.add(table, orphaned)

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

    def _read_report(self) -> dict[str, Any]:
        """Return the report of the last run.

        Raises:
            LocalMeshError: there is none.
        """
        try:
            content = (self._workspace.folder / "report.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise LocalMeshError(f"make acceptance left no report; its output is in {self._context.logs}") from None
        report: dict[str, Any] = json.loads(content)
        return report


def run_acceptance(context: RehearsalContext) -> None:
    """Rehearse the command.

    Raises:
        LocalMeshError: something did not start.
    """
    ignore_sigint()
    _use_private_folder(context.state / "acceptance")
    context.report.tried = (
        "make acceptance, interrupted by Ctrl-C, then killed and run again: real terraform, Kubernetes and proxies, "
        "emulated Google Cloud"
    )
    AcceptanceRehearsal(context).run()
    conclude(context)


def _use_private_folder(folder: Path) -> None:
    """Mount a folder in place of the checkout's, where a run in a real project may have its states."""
    folder.mkdir()
    FOLDER.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(folder), str(FOLDER)], check=True)

"""Performs runs: in an empty folder, with the uploaded files and the tools of a given machine."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fake_cloud.terraform_cloud.model import (
    AUTO_APPLY,
    PLAN_ONLY,
    Organization,
    StateVersion,
    TerraformRun,
    TokenOwner,
    new_id,
)

SECONDS = 300
"""Timeout of a confirmation, and of a client that polls."""

START, END = b"\x02Terraform\non linux_amd64\nInitializing plugins and modules...\n", b"\x03"
"""Around a log: the client waits for the end, and of an apply it shows nothing before the fourth line."""

CHANGES = 2
"""Exit status of `terraform plan -detailed-exitcode` when there are changes."""


@dataclass(frozen=True)
class RunnerMachine:
    """The machine of a runner.

    Attributes:
        path: the only folder on the PATH.
        configuration: terraform's CLI configuration, with the providers and this API's address.
    """

    path: Path
    configuration: str


class Runner:
    """Runs terraform on a single-use machine: each run has its own home, which is removed afterwards."""

    def __init__(self, organization: Organization, host: str, machine: RunnerMachine) -> None:
        self._organization = organization
        self._token_variable = f"TF_TOKEN_{host.replace('.', '_').replace('-', '__')}"
        self._machine = machine

    def perform(self, run: TerraformRun) -> None:
        """Perform a run to its end, and update its status meanwhile."""
        token = self._organization.new_token(TokenOwner(run.id, run.workspace))
        try:
            with tempfile.TemporaryDirectory(prefix="run-") as folder:
                self._perform(Path(folder), run, token)
        finally:
            self._organization.forget_token(token)

    def _perform(self, folder: Path, run: TerraformRun, token: str) -> None:
        work, home = folder / "configuration", folder / "home"
        work.mkdir()
        home.mkdir()
        content = self._organization.uploads[run.upload].content
        assert content is not None
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            # Rejects absolute paths and links to the outside. Python has it from 3.11.4 on.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            archive.extractall(work)
        # Replaces the cloud block: the state is a file, which is downloaded before and uploaded after the run.
        backend = {"terraform": {"backend": {"local": {"path": "terraform.tfstate"}}}}
        (work / "runner_override.tf.json").write_text(json.dumps(backend), encoding="utf-8")
        workspace = self._organization.workspaces[run.workspace]
        state = workspace.current()
        if state is not None and state.content is not None:
            (work / "terraform.tfstate").write_bytes(state.content)
        configuration = folder / "terraform.rc"
        configuration.write_text(self._machine.configuration, encoding="utf-8")
        environment = {
            "PATH": str(self._machine.path),
            "HOME": str(home),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_CLI_CONFIG_FILE": str(configuration),
            self._token_variable: token,
            "TFC_RUN_ID": run.id,
            "TFC_WORKSPACE_NAME": workspace.name,
            "TFC_WORKSPACE_SLUG": f"{self._organization.name}/{workspace.name}",
            **workspace.variables,
        }
        run.logs["plan"] += START
        status = self._terraform(work, environment, run.logs["plan"], "init")
        if status == 0:
            plan = ("plan", "-out=plan", "-detailed-exitcode", *run.options)
            status = self._terraform(work, environment, run.logs["plan"], *plan)
        run.has_changes = status == CHANGES
        run.phases["plan"] = "finished" if status in (0, CHANGES) else "errored"
        if status not in (0, CHANGES):
            run.status = "errored"
        elif not run.has_changes or run.wanted == PLAN_ONLY:
            run.status = "planned_and_finished"
        else:
            run.status = "apply_queued" if run.wanted == AUTO_APPLY else "planned"
        run.logs["plan"] += END  # last: the client then reads the status
        if run.status == "planned" and not run.confirmed.wait(SECONDS):
            run.status = "discarded"
        if run.status != "apply_queued":
            return
        run.polled.wait(SECONDS)  # like a queue: the client shows no log of an apply that ended before it polled
        run.phases["apply"], run.status = "running", "applying"
        run.logs["apply"] += START
        status = self._terraform(work, environment, run.logs["apply"], "apply", "plan")
        self._save_state(run, work / "terraform.tfstate")
        run.phases["apply"] = "finished" if status == 0 else "errored"
        run.status = "applied" if status == 0 else "errored"
        run.logs["apply"] += END

    def _terraform(self, folder: Path, environment: Mapping[str, str], log: bytearray, *arguments: str) -> int:
        with subprocess.Popen(
            ["terraform", *arguments, "-no-color"],
            cwd=folder,
            env=dict(environment),
            executable=self._machine.path / "terraform",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log += line
        return process.returncode

    def _save_state(self, run: TerraformRun, file: Path) -> None:
        """Save the state, also after a failed apply."""
        if not file.exists():
            return
        content = file.read_bytes()
        document = json.loads(content)
        version = StateVersion(
            new_id("sv"), run.workspace, document["serial"], document["lineage"], md5="", content=content
        )
        with self._organization.lock:
            self._organization.workspaces[run.workspace].states.append(version)

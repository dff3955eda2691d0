"""Terraform is killed while it runs scripts, twenty times: the next deploy finds incomplete work.

With the real terraform and null provider. The state of a killed terraform may contain
resources whose scripts did not finish, so the tests inspect the clusters.
"""

import base64
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.sources.provider_processes import orphaned_providers
from tests.terraform.terraform import APPLY, NO_TOKEN, VARIABLES, run_terraform, terraform
from tests.terraform.test_terraform_scripts import MeshDeployment

pytestmark = pytest.mark.usefixtures("_providers")

KILLS = 20
PAUSES = (0.05, 0.2, 0.4, 0.6)
"""Seconds between the call of a tool and the kill; a call takes longer."""

# At its end, each tool writes the number of the deploy into the cluster, independently of completion markers.
SLOWLY = 'if [[ -e "$HERE/slow" ]]; then printf x >>"$HERE/begun"; {sleep} 0.8; fi\n'
ASMCLI = SLOWLY + 'read -r line <"$3"; cat "$HERE/deploy" >"$HERE/installed-${{line##* }}"\n'
ISTIOCTL = '\nprintf \'deploy: %s\\n\' "$(cat "$HERE/deploy")"\n'


class InterruptedDeployment:
    """Deploys of a mesh with fake tools, each with new inputs."""

    def __init__(self, deployment: MeshDeployment) -> None:
        self._deployment = deployment
        self._here = deployment.sandbox.folder
        self._stack = deployment.stack
        sleep = shutil.which("sleep")
        deployment.sandbox.fake_tool("asmcli", ASMCLI.format(sleep=sleep), folder="home")
        istioctl = (self._here / "bin" / "istioctl").read_text(encoding="utf-8").split("\n", 4)[4]
        deployment.sandbox.fake_tool("istioctl", SLOWLY.format(sleep=sleep) + istioctl + ISTIOCTL)
        self.path = str(self._here / "bin")
        self._environment = {**os.environ, **VARIABLES, **NO_TOKEN, "PATH": self.path}
        self.number = 0
        (self._here / "deploy").write_text("0", encoding="utf-8")

    def next_inputs(self) -> None:
        """Change the address and certificate of every cluster, so that every script runs again."""
        self.number += 1
        (self._here / "deploy").write_text(str(self.number), encoding="utf-8")
        state = self._stack.parents[2] / "terraform.clusters.tfstate"
        value = base64.b64encode(f"inputs {self.number}".encode()).decode()
        text = re.sub(r'("value": )"[^"]*"', rf'\1"{value}"', state.read_text(encoding="utf-8"))
        state.write_text(text, encoding="utf-8")

    def kill(self, pause: float, after: int, with_scripts: bool) -> None:
        """Start an apply, and kill terraform, or its process group, while the ``after``-th tool runs."""
        begun = self._here / "begun"
        begun.unlink(missing_ok=True)
        (self._here / "slow").touch()
        process = subprocess.Popen(
            ["terraform", *APPLY, "-no-color"],
            cwd=self._stack,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not begun.exists() or len(begun.read_text(encoding="utf-8")) < after:
            assert time.monotonic() < deadline, "no tool was called"
            time.sleep(0.02)
        time.sleep(pause)
        (os.killpg if with_scripts else os.kill)(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)  # a script that survives keeps the pipe open until its end
        (self._here / "slow").unlink()
        assert process.returncode == -signal.SIGKILL
        self._end_providers(alone=not with_scripts)

    def _end_providers(self, *, alone: bool) -> None:
        """End the providers of a killed terraform, if it was killed alone: they do not end with it."""
        left = list(orphaned_providers([self._stack]))
        assert bool(left) == alone, left
        for one in left:
            os.kill(one.pid, signal.SIGKILL)

    def deploy(self) -> str:
        """Deploy; return ``recovered``, or the output of a deploy that found incomplete work."""
        result = terraform(self._stack, *APPLY, PATH=self.path)
        if result.returncode == 0:
            return "recovered"
        output = result.stdout + result.stderr
        assert "although terraform counts it as complete" in output, output
        return output

    def recover(self, output: str) -> None:
        """Run the commands of the messages."""
        lines = {line[line.index("terraform -chdir=") :] for line in self._commands(output)}
        assert lines
        for line in sorted(lines):
            command = [*shlex.split(line), "-auto-approve", "-no-color"]
            subprocess.run(command, env=self._environment, capture_output=True, check=True, timeout=120)

    @staticmethod
    def _commands(output: str) -> list[str]:
        # As the script prints it; in its own message terraform breaks the line.
        return [line for line in output.splitlines() if "(local-exec): " in line and "terraform -chdir=" in line]

    def incomplete(self) -> list[str]:
        """Return the tools' files that are not of the latest deploy."""
        files = [*self._here.glob("installed-*"), *self._here.glob("*/istio-remote-secret-*.deploy")]
        assert len(files) == 4, "an installation and a secret of two clusters"
        return [str(file) for file in sorted(files) if file.read_text(encoding="utf-8") != str(self.number)]


def test_the_next_deploy_finds_the_incomplete_work_of_every_kill(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    deployment = MeshDeployment(tmp_path)
    interrupted = InterruptedDeployment(deployment)
    deployment.run("apply -auto-approve", deployment.config)
    assert interrupted.incomplete() == []
    recovered = repeated = 0
    for number in range(KILLS):
        interrupted.next_inputs()
        if number % 2:  # the next apply creates resources, or replaces them
            run_terraform(deployment.stack, "destroy", "-auto-approve", PATH=interrupted.path)
        interrupted.kill(PAUSES[number % 4], after=(1, 3)[number // 4 % 2], with_scripts=number % 3 == 0)
        output = interrupted.deploy()
        for _ in range(4):  # a message names one resource at a time
            if output == "recovered":
                break
            repeated += 1
            interrupted.recover(output)
            output = interrupted.deploy()
        assert output == "recovered"
        recovered += 1
        assert interrupted.incomplete() == [], f"kill {number}: incomplete, and not found"
        run_terraform(deployment.stack, "plan", "-detailed-exitcode")
    print(f"{KILLS} kills: {recovered} recovered; the deploy stopped {repeated} times with a recovery command")
    assert recovered == KILLS

"""Terraform is killed inside its scripts, twenty times: what was not done is found by the next deploy.

With the real terraform and null provider. A killed terraform may have counted what was
under way as done, so the state is no proof; the clusters are.
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

from tests.terraform.terraform import VARIABLES, terraform
from tests.terraform.test_terraform_scripts import MeshDeployment

pytestmark = pytest.mark.usefixtures("_providers")

KILLS = 20
PAUSES = (0.05, 0.2, 0.4, 0.6)
"""Seconds from the call of a tool to the kill; a call takes longer."""

# What a tool leaves in a cluster, whatever our marks say: the number of the deploy, at its end.
SLOWLY = 'if [[ -e "$HERE/slow" ]]; then printf x >>"$HERE/begun"; {sleep} 0.8; fi\n'
ASMCLI = SLOWLY + 'read -r line <"$3"; cat "$HERE/deploy" >"$HERE/installed-${{line##* }}"\n'
ISTIOCTL = '\nprintf \'deploy: %s\\n\' "$(cat "$HERE/deploy")"\n'


class Killing:
    """Deploys of a mesh among stand-ins, each with other inputs than the one before it."""

    def __init__(self, deployment: MeshDeployment) -> None:
        self._deployment = deployment
        self._here = deployment.sandbox.folder
        self._stack = deployment.stack
        sleep = shutil.which("sleep")
        deployment.sandbox.stand_in("asmcli", ASMCLI.format(sleep=sleep), folder="home")
        istioctl = (self._here / "bin" / "istioctl").read_text(encoding="utf-8").split("\n", 4)[4]
        deployment.sandbox.stand_in("istioctl", SLOWLY.format(sleep=sleep) + istioctl + ISTIOCTL)
        self.path = str(self._here / "bin")
        self.number = 0
        (self._here / "deploy").write_text("0", encoding="utf-8")

    def next_inputs(self) -> None:
        """Let every cluster have another address and another certificate: all is to be done anew."""
        self.number += 1
        (self._here / "deploy").write_text(str(self.number), encoding="utf-8")
        state = self._stack.parents[2] / "terraform.clusters.tfstate"
        value = base64.b64encode(f"inputs {self.number}".encode()).decode()
        text = re.sub(r'("value": )"[^"]*"', rf'\1"{value}"', state.read_text(encoding="utf-8"))
        state.write_text(text, encoding="utf-8")

    def kill(self, pause: float, after: int, with_scripts: bool) -> None:
        """Start an apply, and kill terraform, or it and all that it runs, while the ``after``-th tool works."""
        begun = self._here / "begun"
        begun.unlink(missing_ok=True)
        (self._here / "slow").touch()
        process = subprocess.Popen(
            ["terraform", "apply", "-auto-approve", "-no-color"],
            cwd=self._stack,
            env={**os.environ, **VARIABLES, "PATH": self.path},
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
        process.communicate(timeout=60)  # a script that lives on holds the pipe until its end
        (self._here / "slow").unlink()
        assert process.returncode == -signal.SIGKILL

    def deploy(self) -> str:
        """Deploy; return ``recovered``, or the message and command with which it stopped."""
        result = terraform(self._stack, "apply", "-auto-approve", PATH=self.path)
        if result.returncode == 0:
            return "recovered"
        output = result.stdout + result.stderr
        assert "although terraform counts it as complete" in output, output
        return output

    def mend(self, output: str) -> None:
        """Run the commands that the messages give."""
        lines = {line[line.index("terraform -chdir=") :] for line in self._commands(output)}
        assert lines
        for line in sorted(lines):
            command = [*shlex.split(line), "-auto-approve", "-no-color"]
            environment = {**os.environ, **VARIABLES, "PATH": self.path}
            subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)

    @staticmethod
    def _commands(output: str) -> list[str]:
        # As the script prints it; in its own message terraform breaks the line.
        return [line for line in output.splitlines() if "(local-exec): " in line and "terraform -chdir=" in line]

    def lacking(self) -> list[str]:
        """Return what the clusters lack of this deploy: asked of what the tools left, not of the marks."""
        left = [*self._here.glob("installed-*"), *self._here.glob("*/istio-remote-secret-*.deploy")]
        assert len(left) == 4, "an installation and a secret of two clusters"
        return [str(file) for file in sorted(left) if file.read_text(encoding="utf-8") != str(self.number)]


def test_twenty_kills_of_twenty_are_found(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    deployment = MeshDeployment(tmp_path)
    killing = Killing(deployment)
    deployment.run("apply -auto-approve", deployment.config)
    assert killing.lacking() == []
    recovered = stopped = 0
    for number in range(KILLS):
        killing.next_inputs()
        if number % 2:  # something new, or something that is done anew
            assert terraform(deployment.stack, "destroy", "-auto-approve", PATH=killing.path).returncode == 0
        killing.kill(PAUSES[number % 4], after=(1, 3)[number // 4 % 2], with_scripts=number % 3 == 0)
        said = killing.deploy()
        for _ in range(4):  # a message names one resource at a time
            if said == "recovered":
                break
            stopped += 1
            killing.mend(said)
            said = killing.deploy()
        assert said == "recovered"
        recovered += 1
        assert killing.lacking() == [], f"kill {number}: believed, and not there"
        assert terraform(deployment.stack, "plan", "-detailed-exitcode").returncode == 0
    print(f"{KILLS} kills: {recovered} found; {stopped} times the deploy stopped with the command to give")
    assert recovered == KILLS

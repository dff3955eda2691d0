"""Runs the real terraform."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.synthesized import read_stack

# Nothing is asked of Google Cloud: a call with this token would fail the test.
VARIABLES = {
    "CHECKPOINT_DISABLE": "1",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "GOOGLE_OAUTH_ACCESS_TOKEN": "no-token",
}


def terraform(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env={**os.environ, **VARIABLES, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@dataclass
class Desk:
    """A machine with the real terraform, an empty home, and nothing of this machine's environment but its PATH.

    Attributes:
        folder: of the home and of terraform's CLI configuration, ``terraform.rc``.
        variables: for terraform, besides those that it always gets.
    """

    folder: Path
    variables: dict[str, str]

    def terraform(self, folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
            **{name: VARIABLES[name] for name in ("CHECKPOINT_DISABLE", "TF_IN_AUTOMATION", "TF_INPUT")},
            **self.variables,
            **variables,
        }
        return subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def ok(self, folder: Path, *arguments: str, **variables: str) -> str:
        """Run terraform, which has to succeed, and return what it printed."""
        result = self.terraform(folder, *arguments, **variables)
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"[-3000:]
        return result.stdout

    def refused(self, folder: Path, *arguments: str, **variables: str) -> str:
        """Run terraform, which has to fail, and return what it printed, as one line."""
        result = self.terraform(folder, *arguments, **variables)
        assert result.returncode != 0, result.stdout
        return " ".join(f"{result.stdout} {result.stderr}".replace("│", " ").split())


def initialized(folder: Path, *arguments: str) -> Path:
    result = terraform(folder, "init", *arguments)
    assert result.returncode == 0, result.stderr
    return folder


def leave_state(outdir: Path, stack: str) -> None:
    """Write a state that has nothing but the stack's outputs."""
    names = read_stack(outdir, stack)["output"]
    outputs = {name: {"value": "cGxhY2Vob2xkZXI=", "type": "string"} for name in names}
    assert outputs
    state = {
        "version": 4,
        "terraform_version": "1.5.0",
        "serial": 1,
        "lineage": "x",
        "outputs": outputs,
        "resources": [],
    }
    (outdir.parent / f"terraform.{stack}.tfstate").write_text(json.dumps(state), encoding="utf-8")


def plan(outdir: Path, stack: str) -> "subprocess.CompletedProcess[str]":
    return terraform(initialized(outdir / "stacks" / stack), "plan", "-lock=false")


def planned_number(result: "subprocess.CompletedProcess[str]") -> str:
    assert result.returncode == 0, result.stderr
    return next(line for line in result.stdout.splitlines() if line.startswith("Plan:"))

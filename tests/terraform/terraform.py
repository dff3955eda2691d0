"""Runs the real terraform."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.synthesized import read_stack

APPLY = ("apply", "-auto-approve")

VARIABLES = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}

# Tests send no request to Google Cloud: a call with this token would fail.
NO_TOKEN = {"GOOGLE_OAUTH_ACCESS_TOKEN": "no-token"}

Result = subprocess.CompletedProcess[str]


def terraform(folder: Path, *arguments: str, **variables: str) -> Result:
    return _run(folder, arguments, {**os.environ, **VARIABLES, **NO_TOKEN, **variables})


def run_terraform(folder: Path, *arguments: str, **variables: str) -> str:
    """Run terraform, which has to succeed, and return its output."""
    return output_of(terraform(folder, *arguments, **variables))


def output_of(result: Result) -> str:
    """Return the output of a run that has to have succeeded."""
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"[-3000:]
    return result.stdout


def error_of(result: Result) -> str:
    """Return the output of a run that has to have failed, as one line."""
    assert result.returncode == 1, result.stdout
    return " ".join(f"{result.stdout} {result.stderr}".replace("│", " ").split())


def _run(folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Result:
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@dataclass
class TerraformUser:
    """A user of the real terraform with an empty home, and nothing of this machine's environment but its PATH.

    Attributes:
        folder: the folder of the home and of terraform's CLI configuration, ``terraform.rc``.
        variables: additional environment variables of every run.
    """

    folder: Path
    variables: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a run."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
            **VARIABLES,
            **self.variables,
        }

    def terraform(self, folder: Path, *arguments: str, **variables: str) -> Result:
        return _run(folder, arguments, {**self.environment, **variables})

    def run(self, folder: Path, *arguments: str, **variables: str) -> str:
        """Run terraform, which has to succeed, and return its output."""
        return output_of(self.terraform(folder, *arguments, **variables))

    def fail(self, folder: Path, *arguments: str, **variables: str) -> str:
        """Run terraform, which has to fail, and return its output as one line."""
        return error_of(self.terraform(folder, *arguments, **variables))


def initialized(folder: Path, *arguments: str) -> Path:
    run_terraform(folder, "init", *arguments)
    return folder


def write_stack(folder: Path, name: str, settings: Mapping[str, Any], content: Mapping[str, Any]) -> Path:
    """Write a small stack into a new folder, and return the folder.

    Args:
        folder: the parent folder.
        name: the stack's name.
        settings: the stack's ``terraform`` block.
        content: its other blocks.
    """
    stack = folder / name
    stack.mkdir()
    (stack / "cdk.tf.json").write_text(json.dumps({"terraform": settings, **content}), encoding="utf-8")
    return stack


PRODUCER: dict[str, Any] = {
    "resource": {"terraform_data": {"x": {"input": "hello"}}},
    "output": {
        "open": {"value": "${terraform_data.x.output}"},
        "closed": {"value": "${terraform_data.x.output}", "sensitive": True},
    },
}
"""A small stack that needs no provider."""


def consumer(backend: str, **config: Any) -> dict[str, Any]:
    """Return a stack that reads an output of `PRODUCER`.

    Args:
        backend: the type of the backend with the producer's state.
        **config: the backend's configuration.
    """
    return {
        "data": {"terraform_remote_state": {"producer": {"backend": backend, "config": config}}},
        "output": {"copy": {"value": "${data.terraform_remote_state.producer.outputs.open}"}},
    }


def write_outputs_state(outdir: Path, stack: str) -> None:
    """Write a state that contains only the stack's outputs."""
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


def plan(outdir: Path, stack: str) -> Result:
    return terraform(initialized(outdir / "stacks" / stack), "plan", "-lock=false")


def plan_summary(result: Result) -> str:
    return next(line for line in output_of(result).splitlines() if line.startswith("Plan:"))

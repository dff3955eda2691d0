"""Runs the real terraform."""

import json
import os
import subprocess
from pathlib import Path

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


def initialized(folder: Path, *arguments: str) -> Path:
    result = terraform(folder, "init", *arguments)
    assert result.returncode == 0, result.stderr
    return folder


def leave_state(outdir: Path, stack: str) -> None:
    """Write a state that has nothing but the stack's outputs."""
    content = json.loads((outdir / "stacks" / stack / "cdk.tf.json").read_text(encoding="utf-8"))
    outputs = {name: {"value": "cGxhY2Vob2xkZXI=", "type": "string"} for name in content["output"]}
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

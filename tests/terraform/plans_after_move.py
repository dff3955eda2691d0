"""Compares terraform's plans before and after a move to another library.

Stacks `network` and `clusters` are applied to the fake cloud as synthesized before the
move, and planned as synthesized after it. The other two stacks need a cluster, so that
only their JSON is compared.
"""

import os
import shutil
import tempfile
from pathlib import Path

from tests.cli.emulated_project import emulated_project
from tests.synthesized import load_without_variables
from tests.terraform.terraform import APPLY, terraform

STACKS = ("network", "clusters")


class PlanError(Exception):
    """There is no plan; the message states the reason.

    Attributes:
        here: whether this machine lacks a prerequisite, which proves nothing about the move.
    """

    def __init__(self, text: str, *, here: bool = False) -> None:
        super().__init__(text)
        self.here = here


def plans_after(before: Path, after: Path, output: str) -> dict[str, str]:
    """Apply two stacks as synthesized before a move, and return terraform's plans for them after it.

    Args:
        before: a folder with mesh.yaml and an output folder.
        after: the same after the move. Its states are overwritten.
        output: the name of the output folder in both.

    Returns:
        The plan by stack; empty if it has no changes.

    Raises:
        PlanError: terraform or its providers are missing, or terraform fails.
    """
    if shutil.which("terraform") is None:
        raise PlanError("terraform is not on this machine", here=True)
    config = before / "mesh.yaml"
    project_id = load_without_variables(config).project.id
    with (
        tempfile.TemporaryDirectory() as name,
        emulated_project(Path(name), config.read_text(encoding="utf-8"), project_id) as project,
    ):
        project.enable("cloudresourcemanager", "serviceusage")
        # Stack `network` looks for all tools: fakes, behind the real ones, replace those that this machine lacks.
        path = os.pathsep.join([os.environ["PATH"], str(project.folder / "bin")])
        variables = {**project.server.variables(), "GOOGLE_OAUTH_ACCESS_TOKEN": project.token(), "PATH": path}
        for stack in STACKS:
            _init(before / output / "stacks" / stack)
            _run(before / output / "stacks" / stack, variables, *APPLY)
            shutil.copy(before / f"terraform.{stack}.tfstate", after)
        return {stack: _plan(after / output / "stacks" / stack, variables) for stack in STACKS}


def _init(folder: Path) -> None:
    result = terraform(folder, "init")
    if result.returncode != 0:
        raise PlanError(f"terraform init can't get the providers: {result.stderr.strip()[-300:]}", here=True)


def _run(folder: Path, variables: dict[str, str], *arguments: str) -> None:
    result = terraform(folder, *arguments, **variables)
    if result.returncode != 0:
        raise PlanError(f"terraform {arguments[0]} failed in {folder}: {result.stderr.strip()[-1000:]}")


def _plan(folder: Path, variables: dict[str, str]) -> str:
    _init(folder)
    result = terraform(folder, "plan", "-detailed-exitcode", **variables)
    if result.returncode == 0:
        return ""
    if result.returncode == 2:
        return result.stdout
    raise PlanError(f"terraform plan failed in {folder}: {result.stderr.strip()[-1000:]}")

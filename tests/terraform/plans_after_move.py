"""What terraform would change after a move to another library: nothing, with states made before it.

Network and clusters are applied to the emulated cloud as they were synthesized before
the move, and planned as they are synthesized after it. The other two stacks need a
cluster; their JSON is compared only.
"""

import os
import shutil
import tempfile
from pathlib import Path

from tests.cli.emulated_project import emulated_project
from tests.synthesized import load_without_variables
from tests.terraform.terraform import terraform

STACKS = ("network", "clusters")


class PlanError(Exception):
    """Why there is no plan.

    Attributes:
        here: what is missing is this machine's, and says nothing of the move.
    """

    def __init__(self, text: str, *, here: bool = False) -> None:
        super().__init__(text)
        self.here = here


def plans_after(before: Path, after: Path, output: str) -> dict[str, str]:
    """Apply two stacks as they were before a move, and return what terraform plans for them after it.

    Args:
        before: a folder with mesh.yaml, and in ``output`` what was synthesized of it.
        after: the same after the move. Its states are overwritten.

    Returns:
        By stack: the empty text where nothing would change, else the plan.

    Raises:
        PlanError: terraform or its providers are missing, or it fails.
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
        # The network stack looks for the tools of later ones: stand-ins, behind the real ones, for what is not here.
        path = os.pathsep.join([os.environ["PATH"], str(project.folder / "bin")])
        variables = {**project.server.variables(), "GOOGLE_OAUTH_ACCESS_TOKEN": project.token(), "PATH": path}
        for stack in STACKS:
            _init(before / output / "stacks" / stack)
            _run(before / output / "stacks" / stack, variables, "apply", "-auto-approve")
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

"""The JSON before the real terraform and the real providers, where they can be had.

`terraform init` needs the three pinned providers: from the registry, or from a
mirror that TF_CLI_CONFIG_FILE names. Elsewhere these tests are skipped and say so.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.environment import Environment
from config.naming import STACKS
from tests.synthesized import ENVIRONMENTS, REFERENCE, Synthesis, load_without_variables, synthesize
from tests.terraform.terraform import initialized, leave_state, plan, planned_number, terraform


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest, synthesized: Callable[[str], Synthesis], _providers: None) -> Synthesis:
    return synthesized(request.param)


@pytest.mark.parametrize("stack", STACKS)
def test_valid(environment: Synthesis, stack: str, tmp_path: Path) -> None:
    folder = tmp_path / stack
    shutil.copytree(environment.outdir / "stacks" / stack, folder)
    result = terraform(initialized(folder, "-backend=false"), "validate", "-json")
    answer = json.loads(result.stdout)
    assert answer["diagnostics"] == []
    assert answer["valid"] is True


@pytest.fixture
def planned(_providers: None, tmp_path: Path) -> Path:
    """The reference environment, with states of network and clusters as an apply would leave them."""
    return synthesize(load_without_variables(REFERENCE), tmp_path).outdir


def test_plan_of_network(planned: Path) -> None:
    # the look for tools, 17 APIs, a VPC, 2 subnets, 2 routers, 2 NATs, 3 firewall rules
    assert planned_number(plan(planned, "network")) == "Plan: 28 to add, 0 to change, 0 to destroy."


def test_plan_of_clusters(planned: Path) -> None:
    leave_state(planned, "network")
    # of each region a cluster, a node pool, an account, 2 roles
    assert planned_number(plan(planned, "clusters")) == "Plan: 10 to add, 0 to change, 0 to destroy."


def with_checksum(environment: Environment) -> Environment:
    asmcli = environment.mesh.asmcli.model_copy(update={"sha256": "0" * 64})
    return environment.model_copy(update={"mesh": environment.mesh.model_copy(update={"asmcli": asmcli})})


@pytest.mark.usefixtures("_providers")
def test_plan_of_mesh(tmp_path: Path) -> None:
    outdir = synthesize(with_checksum(load_without_variables(REFERENCE)), tmp_path).outdir
    leave_state(outdir, "network")
    leave_state(outdir, "clusters")
    # what made it, 2 features, a grant; of a region an install, a removal, a wait; of a pair a
    # grant, its check, a withdrawal
    assert planned_number(plan(outdir, "mesh")) == "Plan: 17 to add, 0 to change, 0 to destroy."


def test_plan_of_mesh_stops_where_nothing_vouches_for_the_installer(planned: Path) -> None:
    leave_state(planned, "network")
    leave_state(planned, "clusters")
    result = plan(planned, "mesh")
    assert result.returncode == 1
    message = " ".join(result.stderr.replace("│", " ").split())
    assert "mesh.asmcli.sha256 is not set: nothing would vouch for the installer." in message
    assert "asmcli_1.28.5-asm.12-config1 | sha256sum" in message

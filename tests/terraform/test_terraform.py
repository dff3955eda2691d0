"""The synthesized JSON with the real terraform and the real providers.

`terraform init` needs the three pinned providers, from the registry or from a mirror
in TF_CLI_CONFIG_FILE. Without them these tests are skipped.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.environment import Environment
from config.naming import STACKS
from tests.synthesized import ENVIRONMENTS, REFERENCE, Synthesis, load_without_variables, synthesize
from tests.terraform.terraform import error_of, initialized, plan, plan_summary, run_terraform, write_outputs_state


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest, synthesized: Callable[[str], Synthesis], _providers: None) -> Synthesis:
    return synthesized(request.param)


@pytest.mark.parametrize("stack", STACKS)
def test_valid(environment: Synthesis, stack: str, tmp_path: Path) -> None:
    folder = tmp_path / stack
    shutil.copytree(environment.outdir / "stacks" / stack, folder)
    result = json.loads(run_terraform(initialized(folder, "-backend=false"), "validate", "-json"))
    assert result["diagnostics"] == []
    assert result["valid"] is True


@pytest.fixture
def planned(_providers: None, tmp_path: Path) -> Path:
    """The sample environment, in a folder of its own."""
    return synthesize(load_without_variables(REFERENCE), tmp_path).outdir


def test_plan_of_network(planned: Path) -> None:
    # the check of tools, 17 APIs, a VPC, 2 subnets, 2 routers, 2 NATs, 3 firewall rules
    assert plan_summary(plan(planned, "network")) == "Plan: 29 to add, 0 to change, 0 to destroy."


def test_plan_of_clusters(planned: Path) -> None:
    write_outputs_state(planned, "network")
    # for each region a cluster, a node pool, an account, 2 roles
    assert plan_summary(plan(planned, "clusters")) == "Plan: 10 to add, 0 to change, 0 to destroy."


def with_checksum(environment: Environment) -> Environment:
    asmcli = environment.mesh.asmcli.model_copy(update={"sha256": "0" * 64})
    return environment.model_copy(update={"mesh": environment.mesh.model_copy(update={"asmcli": asmcli})})


@pytest.mark.usefixtures("_providers")
def test_plan_of_mesh(tmp_path: Path) -> None:
    outdir = synthesize(with_checksum(load_without_variables(REFERENCE)), tmp_path).outdir
    write_outputs_state(outdir, "network")
    write_outputs_state(outdir, "clusters")
    # the control plane mode, 2 features, a grant; for each region an installation, a removal, a wait; for each
    # pair of regions a grant, its check, a withdrawal
    assert plan_summary(plan(outdir, "mesh")) == "Plan: 16 to add, 0 to change, 0 to destroy."


def test_plan_of_mesh_requires_the_checksum_of_the_installer(planned: Path) -> None:
    write_outputs_state(planned, "network")
    write_outputs_state(planned, "clusters")
    message = error_of(plan(planned, "mesh"))
    assert "mesh.asmcli.sha256 is not set, so the installer can't be verified." in message
    assert "asmcli_1.31.3-asm.9-config1 | sha256sum" in message

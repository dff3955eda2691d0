"""The JSON before the real terraform and the real providers, where they can be had.

`terraform init` needs the three pinned providers: from the registry, or from a
mirror that TF_CLI_CONFIG_FILE names. Elsewhere these tests are skipped and say so.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from config.environment import Environment
from tests.synthesis import REFERENCE, STACKS, Synthesis, load_without_variables, synthesize

# Nothing is asked of Google Cloud: a call with this token would fail the test.
VARIABLES = {
    "CHECKPOINT_DISABLE": "1",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "GOOGLE_OAUTH_ACCESS_TOKEN": "no-token",
}


def terraform(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env={**os.environ, **VARIABLES},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def initialized(folder: Path, *arguments: str) -> Path:
    result = terraform(folder, "init", *arguments)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def _providers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where terraform or the providers are not to be had."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on this machine: JSON not tried before the real providers")
    folder = tmp_path_factory.mktemp("providers")
    versions = {
        name: {"source": f"hashicorp/{name}", "version": version}
        for name, version in (("google", "6.50.0"), ("kubernetes", "2.38.0"), ("null", "3.2.4"))
    }
    (folder / "main.tf.json").write_text(json.dumps({"terraform": {"required_providers": versions}}), encoding="utf-8")
    result = terraform(folder, "init")
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
        pytest.skip(f"terraform init can't get the providers ({reason}): JSON not tried before the real ones")


@pytest.fixture(scope="module", params=["reference", "three_regions"])
def environment(request: pytest.FixtureRequest, _providers: None) -> Synthesis:
    synthesis: Synthesis = request.getfixturevalue(request.param)
    return synthesis


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


def test_plan_of_network(planned: Path) -> None:
    # 15 APIs, a VPC, 2 subnets, 2 routers, 2 NATs, 3 firewall rules
    assert planned_number(plan(planned, "network")) == "Plan: 25 to add, 0 to change, 0 to destroy."


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
    # 2 features, a grant, and of each region an install, a removal, a wait; of each pair a grant and a withdrawal
    assert planned_number(plan(outdir, "mesh")) == "Plan: 13 to add, 0 to change, 0 to destroy."


def test_plan_of_mesh_stops_where_nothing_vouches_for_the_installer(planned: Path) -> None:
    leave_state(planned, "network")
    leave_state(planned, "clusters")
    result = plan(planned, "mesh")
    assert result.returncode == 1
    message = " ".join(result.stderr.replace("│", " ").split())
    assert "mesh.asmcli.sha256 is not set: nothing would vouch for the installer." in message
    assert "asmcli_1.28.5-asm.12-config1 | sha256sum" in message

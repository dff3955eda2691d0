"""The project's own stacks in remote runs, with the real terraform and providers.

Terraform Cloud and Google Cloud are fakes (`tests/fake_cloud/`). Each test copies a stack to an
empty folder and uploads it from there. The run has another empty folder and an empty home,
on a machine without the tools that asmcli and the scripts need.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.backend import CloudState
from config.naming import STACKS
from config.paths import ROOT
from tests.fake_cloud.testing import PROJECT, FakeGcp, running
from tests.synthesized import REFERENCE, Synthesis, synthesize
from tests.terraform.google_cloud import google_variables, in_fake_project
from tests.terraform.terraform import APPLY
from tests.terraform.terraform_cloud_user import TerraformCloudUser, terraform_cloud_user
from tests.terraform.test_backends import READS

FLEET = ROOT / "examples" / "fleet.yaml"
LOCATIONS = tuple(f"/container/v1/projects/{PROJECT}/locations/asia-northeast{number}/clusters" for number in (1, 2))


@pytest.fixture
def gcp() -> Iterator[FakeGcp]:
    with running() as one:
        yield one


@pytest.fixture
def acme(provider_mirror: Path, tmp_path: Path) -> Iterator[TerraformCloudUser]:
    with terraform_cloud_user(tmp_path, mirror=provider_mirror) as one:
        one.cloud.run_on(one.runner_machine())
        yield one


def synthesized(example: Path, folder: Path) -> Synthesis:
    """Synthesize an example in the fake cloud's project, with its states in Terraform Cloud.

    The execution mode is agent, as remote runs require impersonation; the JSON is the same.
    """
    backend = CloudState(type="cloud", organization="acme", execution="agent")
    return synthesize(in_fake_project(example, backend=backend), folder)


def copy_stack(synthesis: Synthesis, stack: str, folder: Path) -> Path:
    """Copy a stack into an empty folder."""
    here = folder / "alone" / stack
    shutil.copytree(synthesis.outdir / "stacks" / stack, here)
    return here


def set_up(one: TerraformCloudUser, synthesis: Synthesis, gcp: FakeGcp) -> None:
    """Set up the workspaces of docs/backends.md: credentials in a variable, outputs shared with the readers."""
    for stack in STACKS:
        workspace = one.organization.add_workspace(_workspace_name(synthesis, stack))
        credentials = {"GOOGLE_CREDENTIALS": gcp.server.cloud.identity.credentials()}
        workspace.variables = {**google_variables(gcp), **credentials}
    for reader, producers in READS.items():
        for producer in producers:
            one.share_state(_workspace_name(synthesis, producer), _workspace_name(synthesis, reader))


def initialized(one: TerraformCloudUser, gcp: FakeGcp, example: Path, stack: str) -> Path:
    """Synthesize an example, set up its workspaces, and initialize a copy of one stack."""
    synthesis = synthesized(example, one.folder)
    set_up(one, synthesis, gcp)
    folder = copy_stack(synthesis, stack, one.folder)
    one.run(folder, "init")
    return folder


def _count(synthesis: Synthesis, stack: str) -> int:
    return sum(len(ones) for ones in synthesis.stacks[stack]["resource"].values())


def _workspace_name(synthesis: Synthesis, stack: str) -> str:
    name: str = synthesis.stacks[stack]["terraform"]["cloud"]["workspaces"]["name"]
    return name


def test_machines_without_tools_create_network_and_clusters(
    acme: TerraformCloudUser, gcp: FakeGcp, tmp_path: Path
) -> None:
    synthesis = synthesized(FLEET, tmp_path)
    set_up(acme, synthesis, gcp)
    network, clusters = (copy_stack(synthesis, stack, tmp_path) for stack in ("network", "clusters"))
    shutil.rmtree(synthesis.outdir)
    acme.run(network, "init")
    assert f"Plan: {_count(synthesis, 'network')} to add, 0 to change" in acme.run(network, "plan")
    assert f"Apply complete! Resources: {_count(synthesis, 'network')} added" in acme.run(network, *APPLY)
    acme.run(clusters, "init")
    assert f"Apply complete! Resources: {_count(synthesis, 'clusters')} added" in acme.run(clusters, *APPLY)
    assert "No changes." in acme.run(clusters, "plan")
    assert not [*network.glob("*.tfstate*"), *clusters.glob("*.tfstate*")]
    names = [one["name"] for place in LOCATIONS for one in gcp.client().ok("GET", place)["clusters"]]
    assert names == ["matt-tokyo-cluster-1", "matt-osaka-cluster-1"]
    assert [str(call) for call in gcp.server.journal.unknown()] == []


def test_clusters_need_the_shared_outputs_of_network(acme: TerraformCloudUser, gcp: FakeGcp) -> None:
    folder = initialized(acme, gcp, FLEET, "clusters")
    for workspace in acme.organization.workspaces.values():
        workspace.consumers.clear()
    assert "it is not shared with it" in acme.fail(folder, "plan")


def test_asmcli_fails_there_before_anything_is_created(acme: TerraformCloudUser, gcp: FakeGcp) -> None:
    folder = initialized(acme, gcp, REFERENCE, "network")
    text = acme.fail(folder, *APPLY)
    for tool in ("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl"):
        assert f"check-tools.sh: {tool} is missing on this machine" in text
    assert "set mesh.control_plane: fleet" in text
    assert "run terraform on agents" in text
    assert [str(call) for call in gcp.server.journal.calls() if call.changes] == []


def test_asmcli_continues_on_machines_with_tools(acme: TerraformCloudUser, gcp: FakeGcp, tmp_path: Path) -> None:
    """An agent's machine has them; the first stack only looks for them."""
    from constructs.required_tools import TOOLS  # noqa: PLC0415 (starts Node.js)

    for tool in TOOLS:
        there = tmp_path / "runner" / tool
        if not there.exists():
            there.write_text("#!/bin/sh\nexit 99\n", encoding="utf-8")
            there.chmod(0o755)
    folder = initialized(acme, gcp, REFERENCE, "network")
    text = acme.run(folder, *APPLY)
    assert "all tools are installed: gcloud gke-gcloud-auth-plugin" in text
    (made,) = re.findall(r"\A.*?(\S+\.\S+): Creating\.\.\.", text, re.S)
    assert made.startswith("null_resource.tools")
    assert text.index("all tools are installed") < text.index(
        "google_project_service.apis_compute_2915FCDA: Creating..."
    )
    assert "Apply complete!" in text


@pytest.mark.parametrize("example", [FLEET, REFERENCE], ids=lambda path: path.stem)
def test_the_other_stacks_are_valid_outside_of_the_checkout(
    acme: TerraformCloudUser, example: Path, tmp_path: Path
) -> None:
    """Their plans need the clusters' API servers: `make rehearse` tests them, with local states."""
    synthesis = synthesized(example, tmp_path)
    for stack in ("mesh", "ingress"):
        folder = copy_stack(synthesis, stack, tmp_path)
        acme.run(folder, "init")
        assert json.loads(acme.run(folder, "validate", "-json"))["valid"] is True

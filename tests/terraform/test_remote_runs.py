"""The project's own stacks on machines that get nothing but a stack's folder: real terraform, real providers.

Terraform Cloud and Google Cloud are stand-ins (`tests/fake_cloud/`). A stack is copied alone to
an empty place, uploaded from there, and run in another empty folder, with an empty home,
on a machine that has none of the tools that asmcli and the scripts need.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.naming import STACKS
from config.paths import ROOT
from tests.fake_cloud.testing import PROJECT, FakeGcp, running
from tests.synthesized import REFERENCE, Synthesis, environment_of, synthesize
from tests.terraform.member import Member, member
from tests.terraform.test_backends import READS
from tests.terraform.test_terraform_cloud import share

FLEET = ROOT / "examples" / "fleet.yaml"
NOWHERE = "http://127.0.0.1:9"
"""The provider asks Google who it is, whatever its endpoints are; nobody is to be asked here."""

APPLY = ("apply", "-auto-approve")
LOCATIONS = tuple(f"/container/v1/projects/{PROJECT}/locations/asia-northeast{number}/clusters" for number in (1, 2))


@pytest.fixture
def gcp() -> Iterator[FakeGcp]:
    with running() as one:
        yield one


@pytest.fixture
def acme(provider_mirror: Path, tmp_path: Path) -> Iterator[Member]:
    with member(tmp_path, mirror=provider_mirror) as one:
        one.cloud.run_on(one.machine())
        yield one


def synthesized(example: Path, folder: Path) -> Synthesis:
    """Synthesize an example, in the emulated cloud's project, with its states in Terraform Cloud.

    As its caller: the google provider asks for another account's tokens at Google's own
    address, whatever its endpoints are. That is why it says agent here and not remote,
    for which an account to act as is required; nothing else in the JSON depends on it.
    """
    lines = example.read_text(encoding="utf-8").replace("my-mesh-project", PROJECT).splitlines()
    text = "\n".join(line for line in lines if "impersonate_service_account" not in line)
    text += "\nbackend: {type: cloud, organization: acme, execution: agent}\n"
    return synthesize(environment_of(text), folder)


def alone(synthesis: Synthesis, stack: str, folder: Path) -> Path:
    """Copy a stack's folder to an empty place."""
    here = folder / "alone" / stack
    shutil.copytree(synthesis.outdir / "stacks" / stack, here)
    return here


def set_up(one: Member, synthesis: Synthesis, gcp: FakeGcp) -> None:
    """Make the workspaces as docs/backends.md says: credentials by a variable, outputs shared with their readers."""
    for stack in STACKS:
        workspace = one.organization.add_workspace(_workspace_name(synthesis, stack))
        workspace.variables = {
            **gcp.server.variables(),
            "GOOGLE_CREDENTIALS": gcp.server.cloud.identity.credentials(),
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1",
        }
    for reader, producers in READS.items():
        for producer in producers:
            share(one, _workspace_name(synthesis, producer), _workspace_name(synthesis, reader))


def _count(synthesis: Synthesis, stack: str) -> int:
    return sum(len(ones) for ones in synthesis.stacks[stack]["resource"].values())


def _workspace_name(synthesis: Synthesis, stack: str) -> str:
    name: str = synthesis.stacks[stack]["terraform"]["cloud"]["workspaces"]["name"]
    return name


def test_network_and_clusters_are_made_by_machines_without_tools(acme: Member, gcp: FakeGcp, tmp_path: Path) -> None:
    synthesis = synthesized(FLEET, tmp_path)
    set_up(acme, synthesis, gcp)
    network, clusters = (alone(synthesis, stack, tmp_path) for stack in ("network", "clusters"))
    shutil.rmtree(synthesis.outdir)
    acme.ok(network, "init")
    assert f"Plan: {_count(synthesis, 'network')} to add, 0 to change" in acme.ok(network, "plan")
    assert f"Apply complete! Resources: {_count(synthesis, 'network')} added" in acme.ok(network, *APPLY)
    acme.ok(clusters, "init")
    assert f"Apply complete! Resources: {_count(synthesis, 'clusters')} added" in acme.ok(clusters, *APPLY)
    assert "No changes." in acme.ok(clusters, "plan")
    assert not [*network.glob("*.tfstate*"), *clusters.glob("*.tfstate*")]
    names = [one["name"] for place in LOCATIONS for one in gcp.client().ok("GET", place)["clusters"]]
    assert names == ["matt-tokyo-cluster-1", "matt-osaka-cluster-1"]
    assert [str(call) for call in gcp.server.journal.unknown()] == []


def test_clusters_need_what_network_shares(acme: Member, gcp: FakeGcp, tmp_path: Path) -> None:
    synthesis = synthesized(FLEET, tmp_path)
    set_up(acme, synthesis, gcp)
    acme.organization.named(_workspace_name(synthesis, "network")).consumers.clear()
    folder = alone(synthesis, "clusters", tmp_path)
    acme.ok(folder, "init")
    assert "it is not shared with it" in acme.refused(folder, "plan")


def test_asmcli_stops_there_before_anything_is_made(acme: Member, gcp: FakeGcp, tmp_path: Path) -> None:
    synthesis = synthesized(REFERENCE, tmp_path)
    set_up(acme, synthesis, gcp)
    folder = alone(synthesis, "network", tmp_path)
    acme.ok(folder, "init")
    text = acme.refused(folder, *APPLY)
    for tool in ("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl"):
        assert f"check-tools.sh: {tool} is missing on this machine" in text
    assert "set mesh.control_plane: fleet" in text
    assert "run terraform on agents" in text
    assert [str(call) for call in gcp.server.journal.calls() if call.changes] == []


def test_asmcli_goes_on_where_the_tools_are(acme: Member, gcp: FakeGcp, tmp_path: Path) -> None:
    """An agent's machine, as far as the first stack looks at it."""
    from constructs.required_tools import TOOLS  # noqa: PLC0415 (starts Node.js)

    for tool in TOOLS:
        there = tmp_path / "runner" / tool
        if not there.exists():
            there.write_text("#!/bin/sh\nexit 99\n", encoding="utf-8")
            there.chmod(0o755)
    synthesis = synthesized(REFERENCE, tmp_path)
    set_up(acme, synthesis, gcp)
    folder = alone(synthesis, "network", tmp_path)
    acme.ok(folder, "init")
    text = acme.ok(folder, *APPLY)
    assert "this machine has all of gcloud gke-gcloud-auth-plugin" in text
    (made,) = re.findall(r"\A.*?(\S+\.\S+): Creating\.\.\.", text, re.S)
    assert made.startswith("null_resource.tools")
    assert text.index("this machine has all of") < text.index(
        "google_project_service.apis_compute_2915FCDA: Creating..."
    )
    assert "Apply complete!" in text


@pytest.mark.parametrize("example", [FLEET, REFERENCE], ids=lambda path: path.stem)
def test_the_others_are_valid_where_they_stand_alone(acme: Member, example: Path, tmp_path: Path) -> None:
    """Their plans need the clusters' API servers; make rehearse has those, and local states."""
    synthesis = synthesized(example, tmp_path)
    for stack in ("mesh", "ingress"):
        folder = alone(synthesis, stack, tmp_path)
        acme.ok(folder, "init")
        assert json.loads(acme.ok(folder, "validate", "-json"))["valid"] is True

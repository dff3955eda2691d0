"""A region that is lost for good, with the command of docs/operations.md: the others can be deployed again."""

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.paths import ROOT
from tests.local_mesh.toolchain import get_toolchain, is_available
from tests.synthesized import Synthesis
from tests.terraform.api_server import ApiServer, api_server
from tests.terraform.kubernetes_stack import region_resources
from tests.terraform.terraform import APPLY, error_of, initialized, run_terraform, terraform
from tests.terraform.test_terraform_scripts import MeshDeployment, actions

LOST, OTHER = "osaka", "tokyo"
STACKS = ("mesh", "ingress")

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SNAPSHOTS = ROOT / "tests" / "synthesis" / "__snapshots__" / "test_snapshots"

OBJECTS = re.compile("namespace-sample|service-helloworld_(service|service-account)_")
"""Resources that need no pods."""


def forget(stack: str, folder: Path) -> None:
    """Run the documented command for a stack."""
    [command] = re.findall(r"^ *\$ (terraform -chdir=FOLDER/STACK state rm(?:.*\\\n)*.*)$", PAGE, re.MULTILINE)
    for name, value in (("FOLDER", str(folder)), ("STACK", stack), ("KEY", LOST)):
        command = command.replace(name, value)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], env=os.environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def snapshot(environment: str) -> Synthesis:
    """Return the synthesized stacks of an environment, without a synthesis."""
    files = {stack: SNAPSHOTS / f"{stack}-{environment}.json" for stack in STACKS}
    return Synthesis(SNAPSHOTS, {stack: json.loads(file.read_text(encoding="utf-8")) for stack, file in files.items()})


def addresses(folder: Path) -> list[str]:
    return run_terraform(folder, "state", "list").splitlines()


class TwoClusters:
    """A part of stack `ingress`, with a provider for each region. Both clusters have the same API server.

    Attributes:
        folder: the folder of the stack.
    """

    def __init__(self, folder: Path, synthesis: Synthesis, cluster: ApiServer) -> None:
        self.folder = folder / "ingress"
        self.folder.mkdir()
        self._required = synthesis.stacks["ingress"]["terraform"]["required_providers"]["kubernetes"]
        self._kubeconfigs = {region: self.folder / region for region in (LOST, OTHER)}
        for file in self._kubeconfigs.values():
            file.write_bytes(cluster.kubeconfig.read_bytes())
        self._regions = {region: _resources(synthesis, region) for region in (LOST, OTHER)}

    def write(self, *regions: str, label: str = "first") -> None:
        """Write the JSON, with all providers and some regions' resources, as synthesis does for a retired region."""
        resources: dict[str, dict[str, Any]] = {}
        for region in regions:
            for kind, named in copy.deepcopy(self._regions[region]).items():
                for block in named.values():
                    if "manifest" in block:
                        block["manifest"]["metadata"].setdefault("labels", {})["test"] = label
                resources.setdefault(kind, {}).update(named)
        content = {
            "terraform": {"required_providers": {"kubernetes": self._required}},
            "provider": {
                "kubernetes": [{"alias": one, "config_path": str(file)} for one, file in self._kubeconfigs.items()]
            },
            "resource": resources,
        }
        (self.folder / "cdk.tf.json").write_text(json.dumps(content), encoding="utf-8")

    def lose(self) -> None:
        """Let the lost region's API server refuse connections."""
        file = self._kubeconfigs[LOST]
        file.write_text(re.sub(r"server: \S+", "server: https://127.0.0.1:9", file.read_text("utf-8")), "utf-8")


def _resources(synthesis: Synthesis, region: str) -> dict[str, dict[str, Any]]:
    """Return some objects of a region, in a namespace of the region's name: all are in one cluster."""
    found = region_resources(synthesis, region, "ingress")
    named = json.loads(json.dumps(found).replace('"sample"', f'"{region}"'))
    chosen = {
        kind: {name: {**one, "provider": f"kubernetes.{region}"} for name, one in every.items() if OBJECTS.search(name)}
        for kind, every in named.items()
    }
    return {kind: some for kind, some in chosen.items() if some}


@pytest.fixture
def clusters(tmp_path: Path, _providers: None) -> Iterator[tuple[TwoClusters, ApiServer]]:
    if not is_available():
        pytest.skip("no toolchain is built: `make lab` does, and then this is tried before a real API server")
    (tmp_path / "server").mkdir()
    with api_server(tmp_path / "server", get_toolchain(print)) as server:
        yield TwoClusters(tmp_path, snapshot("fleet"), server), server


def test_without_its_objects_in_the_state_the_other_regions_are_deployed(
    clusters: tuple[TwoClusters, ApiServer],
) -> None:
    stack, server = clusters
    stack.write(LOST, OTHER)
    run_terraform(initialized(stack.folder), *APPLY)

    stack.lose()
    stack.write(OTHER, label="second")
    assert "127.0.0.1:9: connect: connection refused" in error_of(terraform(stack.folder, *APPLY))

    forget("ingress", stack.folder.parent)
    assert addresses(stack.folder)
    assert not [one for one in addresses(stack.folder) if LOST in one]
    assert "0 destroyed" in run_terraform(stack.folder, *APPLY)
    assert server.get("namespace", OTHER)["metadata"]["labels"]["test"] == "second"


@pytest.mark.parametrize("environment", ["fleet", "reference", "asmcli-in-cluster"])
def test_the_command_finds_every_object_of_the_region_and_no_other(environment: str) -> None:
    [pattern] = re.findall(r"grep -E '(\S*KEY\S*)'", PAGE)
    for stack in STACKS:
        for kind, named in snapshot(environment).stacks[stack]["resource"].items():
            for name, block in named.items():
                expected = block.get("provider") == f"kubernetes.{LOST}"
                assert bool(re.search(pattern.replace("KEY", LOST), f"{kind}.{name}")) == expected, name


@pytest.mark.usefixtures("_providers")
def test_scripts_of_the_other_regions_run(tmp_path: Path) -> None:
    """With asmcli, the lost cluster's scripts are skipped, and the others' remote secrets for it are deleted."""
    (tmp_path / "machine").mkdir()
    mesh = MeshDeployment(tmp_path)
    mesh.run("apply -auto-approve", mesh.config)
    retired = mesh.config.replace("number: 8\n", "number: 8\n    retired: true\n")

    mesh.sandbox.fake_tool("gcloud", 'case "$*" in *asia-northeast2*) exit 1 ;; esac; printf x >"$KUBECONFIG"')
    with pytest.raises(AssertionError, match=r"can't reach cluster"):
        mesh.run("apply -auto-approve", retired)

    forget("mesh", mesh.stack.parent)
    assert actions(mesh.run("apply -auto-approve", retired)) in ([], ["withdraw 2"])
    assert not [one for one in addresses(mesh.stack) if LOST in one]

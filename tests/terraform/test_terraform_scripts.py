"""The scripts of stack `mesh`, run by the real terraform and null provider, without Google Cloud's resources.

The tests create the stack, plan it again, retire a region and destroy it, and check the order of calls.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.sandbox import Sandbox, link_tools
from tests.synthesized import REFERENCE, environment_of, synthesize
from tests.terraform.terraform import run_terraform, write_outputs_state

pytestmark = pytest.mark.usefixtures("_providers")


class MeshDeployment:
    """Stack `mesh` of a changing configuration, applied with fake tools."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "project"
        self._folder.mkdir()
        self.sandbox = Sandbox(folder / "machine")
        link_tools(self.sandbox.folder / "bin", "terraform", "sh")
        self.stack = self._folder / "cdktf.out" / "stacks" / "mesh"
        self.output = ""
        asmcli = self.sandbox.folder / "home" / "asmcli"
        reference = REFERENCE.read_text(encoding="utf-8")
        self.config = reference.replace("mesh:\n", f"mesh:\n  asmcli: {{file: {asmcli}}}\n")

    def run(self, command: str, config: str) -> list[str]:
        """Synthesize, run terraform, and return the calls of the scripts."""
        outdir = synthesize(environment_of(config), self._folder).outdir
        for stack in ("network", "clusters"):
            write_outputs_state(outdir, stack)
        file = self.stack / "cdk.tf.json"
        file.write_text(json.dumps(without_google(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")
        calls = self.sandbox.folder / "calls"
        calls.unlink(missing_ok=True)
        for arguments in (["init"], command.split(" ")):
            self.output = run_terraform(self.stack, *arguments, PATH=str(self.sandbox.folder / "bin"))
        assert self.sandbox.temporary_files() == []
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def without_google(content: dict[str, Any]) -> dict[str, Any]:
    """Remove resources, providers and dependencies that need Google's API."""
    for name in ("google", "kubernetes"):
        content["provider"].pop(name, None)
        content["terraform"]["required_providers"].pop(name, None)
    content.pop("ephemeral", None)
    content["resource"] = {"null_resource": content["resource"]["null_resource"]}
    for resource in content["resource"]["null_resource"].values():
        resource["depends_on"] = [one for one in resource.get("depends_on", []) if not one.startswith("google")]
    return content


def actions(calls: list[str]) -> list[str]:
    """Return the calls that change a cluster, each as an action's name."""
    words = {
        r"^asmcli apply .*asia-northeast(\d)": r"install \1",
        r"^istioctl create-remote-secret .*--name \S*asia-northeast(\d)": r"trust \1",
        r".* delete secret istio-remote-secret-\S*asia-northeast(\d)": r"withdraw \1",
        r".* delete namespace istio-system .*": "remove",
    }
    found = []
    for call in calls:
        for pattern, word in words.items():
            if match := re.match(pattern, call):
                found.append(match.expand(word))
    return found


@pytest.fixture
def deployment(tmp_path: Path) -> MeshDeployment:
    (tmp_path / "machine").mkdir()
    return MeshDeployment(tmp_path)


def test_the_lifecycle_of_a_mesh(deployment: MeshDeployment) -> None:
    text = deployment.config
    retired = text.replace("number: 8\n", "number: 8\n    retired: true\n")
    gone = re.sub(r"  osaka:\n.*\n.*number: 8\n", "", text).replace("    osaka: v2\n", "")

    created = actions(deployment.run("apply -auto-approve", text))
    assert sorted(created[:2]) == ["install 1", "install 2"]
    assert sorted(created[2:]) == ["trust 1", "trust 2"]

    assert deployment.run("plan", text) == []
    assert "No changes." in deployment.output

    removed = actions(deployment.run("apply -auto-approve", retired))
    assert sorted(removed) == ["remove", "withdraw 1", "withdraw 2"]
    assert removed[-1] == "remove"  # after the remote secrets of its endpoint discovery are gone

    assert deployment.run("apply -auto-approve", gone) == []

    # Created again, and destroyed as a whole.
    assert sorted(actions(deployment.run("apply -auto-approve", text))) == ["install 2", "trust 1", "trust 2"]
    down = actions(deployment.run("destroy -auto-approve", text))
    assert sorted(down[:2]) == ["withdraw 1", "withdraw 2"]
    assert down[2:] == ["remove", "remove"]


def test_a_change_of_the_endpoint_runs_no_script(deployment: MeshDeployment) -> None:
    text = deployment.config
    deployment.run("apply -auto-approve", text)
    by_dns = text.replace("endpoint: public\n", "endpoint: dns\n").replace(
        "project:\n", "project:\n  impersonate_service_account: deployer@my-mesh-project.iam.gserviceaccount.com\n"
    )
    assert deployment.run("apply -auto-approve", by_dns) == []


def test_destroy_cleans_up_after_a_failed_installation(deployment: MeshDeployment) -> None:
    """Terraform skips the destroy-time scripts of a failed resource: the cleanup is a separate resource."""
    text = deployment.config
    deployment.sandbox.fake_tool("asmcli", "exit 1", folder="home")
    with pytest.raises(AssertionError, match="asmcli failed in"):
        deployment.run("apply -auto-approve", text)
    assert actions(deployment.run("destroy -auto-approve", text)).count("remove") == 2

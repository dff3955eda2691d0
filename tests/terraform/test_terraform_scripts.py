"""The scripts as terraform runs them: the mesh stack, less what is Google's, with the real null provider.

Made, planned again, a region retired, taken down: what ran, and in which order.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.sandbox import Sandbox
from tests.synthesized import REFERENCE, environment_of, synthesize
from tests.terraform.terraform import leave_state, terraform

pytestmark = pytest.mark.usefixtures("_providers")


class MeshDeployment:
    """The mesh stack of a configuration that changes, applied among stand-ins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "project"
        self._folder.mkdir()
        self.sandbox = Sandbox(folder / "machine")
        installed = shutil.which("terraform")
        assert installed is not None
        (self.sandbox.folder / "bin" / "terraform").symlink_to(installed)
        (self.sandbox.folder / "bin" / "sh").symlink_to(str(shutil.which("sh")))
        self.stack = self._folder / "cdktf.out" / "stacks" / "mesh"
        self.plan = ""
        asmcli = self.sandbox.folder / "home" / "asmcli"
        reference = REFERENCE.read_text(encoding="utf-8")
        self.config = reference.replace("mesh:\n", f"mesh:\n  asmcli: {{file: {asmcli}}}\n")

    def run(self, command: str, config: str) -> list[str]:
        """Synthesize, run terraform, and return what the scripts called since the last time."""
        outdir = synthesize(environment_of(config), self._folder).outdir
        for stack in ("network", "clusters"):
            leave_state(outdir, stack)
        file = self.stack / "cdk.tf.json"
        file.write_text(json.dumps(without_google(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")
        calls = self.sandbox.folder / "calls"
        calls.unlink(missing_ok=True)
        for arguments in (["init"], command.split(" ")):
            result = terraform(self.stack, *arguments, PATH=str(self.sandbox.folder / "bin"))
            assert result.returncode == 0, result.stdout + result.stderr
        if command == "plan":
            self.plan = result.stdout
        assert self.sandbox.leftovers() == []
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def without_google(content: dict[str, Any]) -> dict[str, Any]:
    """Take out of a stack what only Google's API can make, and the ways to clusters that it would make."""
    for name in ("google", "kubernetes"):
        content["provider"].pop(name, None)
        content["terraform"]["required_providers"].pop(name, None)
    content.pop("ephemeral", None)
    content["resource"] = {"null_resource": content["resource"]["null_resource"]}
    for resource in content["resource"]["null_resource"].values():
        resource["depends_on"] = [one for one in resource.get("depends_on", []) if not one.startswith("google")]
    return content


def deeds(calls: list[str]) -> list[str]:
    """Return what was done, a word each: the calls that change a cluster."""
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


def test_a_meshs_life(deployment: MeshDeployment) -> None:
    text = deployment.config
    retired = text.replace("number: 8\n", "number: 8\n    retired: true\n")
    gone = re.sub(r"  osaka:\n.*\n.*number: 8\n", "", text).replace("    osaka: v2\n", "")

    made = deeds(deployment.run("apply -auto-approve", text))
    assert sorted(made[:2]) == ["install 1", "install 2"]
    assert sorted(made[2:]) == ["trust 1", "trust 2"]

    assert deployment.run("plan", text) == []
    assert "No changes." in deployment.plan

    left = deeds(deployment.run("apply -auto-approve", retired))
    assert sorted(left) == ["remove", "withdraw 1", "withdraw 2"]
    assert left[-1] == "remove"  # the cluster is left alone only when nobody watches it any more

    assert deployment.run("apply -auto-approve", gone) == []

    # Made again and taken down as a whole.
    assert sorted(deeds(deployment.run("apply -auto-approve", text))) == ["install 2", "trust 1", "trust 2"]
    down = deeds(deployment.run("destroy -auto-approve", text))
    assert sorted(down[:2]) == ["withdraw 1", "withdraw 2"]
    assert down[2:] == ["remove", "remove"]


def test_another_way_to_reach_a_cluster_changes_nothing_in_it(deployment: MeshDeployment) -> None:
    text = deployment.config
    deployment.run("apply -auto-approve", text)
    by_dns = text.replace("endpoint: public\n", "endpoint: dns\n").replace(
        "project:\n", "project:\n  impersonate_service_account: a@my-mesh-project.iam.gserviceaccount.com\n"
    )
    assert deployment.run("apply -auto-approve", by_dns) == []


def test_a_failed_installation_is_cleaned_up_after(deployment: MeshDeployment) -> None:
    """Terraform skips the destroy-time scripts of what failed: cleaning up is a resource of its own."""
    text = deployment.config
    deployment.sandbox.stand_in("asmcli", "exit 1", folder="home")
    with pytest.raises(AssertionError, match="asmcli failed in"):
        deployment.run("apply -auto-approve", text)
    assert deeds(deployment.run("destroy -auto-approve", text)).count("remove") == 2

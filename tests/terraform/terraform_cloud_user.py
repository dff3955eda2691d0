"""A user of the real terraform whose CLI configuration leads to the fake Terraform Cloud."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fake_cloud.terraform_cloud.model import Organization
from tests.fake_cloud.terraform_cloud.runner import RunnerMachine
from tests.fake_cloud.terraform_cloud.server import TerraformCloud
from tests.scripts.sandbox import link_tools
from tests.terraform.terraform import TerraformUser, run_terraform, write_stack

HOST = "app.terraform.io"
BASICS = ("awk", "bash", "cat", "dirname", "env", "grep", "head", "ls", "mktemp", "rm", "sed", "sh", "tr", "uname")
"""A shell and its basic tools, which a hosted runner has. The scripts of the mesh need more."""


@dataclass
class TerraformCloudUser(TerraformUser):
    """A member of an organization in Terraform Cloud.

    Attributes:
        cloud: the fake Terraform Cloud.
    """

    cloud: TerraformCloud

    @property
    def organization(self) -> Organization:
        return self.cloud.organization

    def runner_machine(self) -> RunnerMachine:
        """Return a machine for remote runs that has terraform and `BASICS`."""
        path = self.folder / "runner"
        path.mkdir()
        link_tools(path, "terraform", *BASICS)
        return RunnerMachine(path, (self.folder / "terraform.rc").read_text(encoding="utf-8"))

    def initialize(self, name: str, content: Mapping[str, Any], **cloud: str) -> Path:
        """Write a small stack as `write_cloud_stack` does, and run terraform init."""
        stack = write_cloud_stack(self.folder, name, content, **cloud)
        self.run(stack, "init")
        return stack

    def share_state(self, producer: str, consumer: str) -> None:
        """Allow runs of one workspace to read the state of another."""
        self.organization.named(producer).consumers.add(self.organization.named(consumer).id)


@contextmanager
def terraform_cloud_user(
    folder: Path, *, default_execution: str = "remote", mirror: Path | None = None
) -> Iterator[TerraformCloudUser]:
    """Run an empty organization, acme. The fake has to know all requests that terraform sends.

    Args:
        folder: the user's folder.
        default_execution: the execution mode of new workspaces.
        mirror: the source of providers, if any are needed.
    """
    version = json.loads(run_terraform(folder, "version", "-json"))["terraform_version"]
    organization = Organization("acme", terraform=version, default_execution=default_execution)
    cloud = TerraformCloud(organization, hostname=HOST)
    (folder / "home").mkdir()
    text = cloud.configuration() + ("" if mirror is None else from_mirror(mirror))
    (folder / "terraform.rc").write_text(text, encoding="utf-8")
    cloud.start()
    try:
        yield TerraformCloudUser(folder, cloud.variables(), cloud)
        assert [str(call) for call in cloud.journal.calls() if call.status in (500, 501)] == []
    finally:
        cloud.stop()


def from_mirror(mirror: Path) -> str:
    """Return a CLI configuration by which terraform gets providers from a folder only."""
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'


def write_cloud_stack(folder: Path, name: str, content: Mapping[str, Any], **cloud: str) -> Path:
    """Write a small stack with a workspace of the same name."""
    block = {"cloud": {"organization": "acme", "workspaces": {"name": name}, **cloud}}
    return write_stack(folder, name, block, content)

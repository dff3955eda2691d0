"""Somebody with the real terraform, whose command line leads to the stand-in for Terraform Cloud."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fake_cloud.terraform_cloud.model import Organization
from tests.fake_cloud.terraform_cloud.runner import RunnerMachine
from tests.fake_cloud.terraform_cloud.server import TerraformCloud
from tests.terraform.terraform import Desk

HOST = "app.terraform.io"
BASICS = ("awk", "bash", "cat", "dirname", "env", "grep", "head", "ls", "mktemp", "rm", "sed", "sh", "tr", "uname")
"""What a hosted runner has, besides terraform: nothing that the scripts of the mesh need beyond a shell's own."""


@dataclass
class Member(Desk):
    """A member of an organization, at a machine with terraform and an empty home.

    Attributes:
        cloud: the stand-in; the runner's programs are in the folder, too.
    """

    cloud: TerraformCloud

    @property
    def organization(self) -> Organization:
        return self.cloud.organization

    def machine(self, *tools: str) -> RunnerMachine:
        """Return a machine for runs that has terraform, a shell's basics, and these."""
        path = self.folder / "runner"
        path.mkdir(exist_ok=True)
        for tool in ("terraform", *BASICS, *tools):
            found = shutil.which(tool)
            assert found is not None, f"{tool} is missing on this machine"
            if not (path / tool).exists():
                (path / tool).symlink_to(found)
        return RunnerMachine(path, (self.folder / "terraform.rc").read_text(encoding="utf-8"))


@contextmanager
def member(
    folder: Path, *, name: str = "acme", default_execution: str = "remote", mirror: Path | None = None
) -> Iterator[Member]:
    """Run an empty organization for a while. All that terraform asked for has to be known to the stand-in.

    Args:
        mirror: where providers come from, if any are needed.
    """
    version = json.loads(subprocess.run(["terraform", "version", "-json"], capture_output=True, check=True).stdout)
    organization = Organization(name, terraform=version["terraform_version"], default_execution=default_execution)
    cloud = TerraformCloud(organization, hostname=HOST)
    (folder / "home").mkdir()
    text = cloud.configuration() + ("" if mirror is None else from_mirror(mirror))
    (folder / "terraform.rc").write_text(text, encoding="utf-8")
    cloud.start()
    try:
        yield Member(folder, cloud.variables(), cloud)
        unknown = [str(call) for call in cloud.journal.calls() if call.status in (500, 501)]
        assert unknown == []
    finally:
        cloud.stop()


def from_mirror(mirror: Path) -> str:
    """Return the part of a CLI configuration that has terraform take providers from a folder only."""
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'


def stack(folder: Path, name: str, content: Mapping[str, Any], **workspace: str) -> Path:
    """Write a small stack whose workspace is called after it."""
    here = folder / name
    here.mkdir()
    block = {"cloud": {"organization": "acme", "workspaces": {"name": name}, **workspace}}
    (here / "cdk.tf.json").write_text(json.dumps({"terraform": block, **content}), encoding="utf-8")
    return here

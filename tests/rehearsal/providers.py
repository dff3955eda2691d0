"""The terraform providers: found where terraform itself finds them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.local_mesh.errors import LocalMeshError

VERSIONS: Mapping[str, str] = {"google": "6.50.0", "kubernetes": "2.38.0", "null": "3.2.4"}
"""What the stacks pin."""

QUIET = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


def gather_providers(folder: Path) -> None:
    """Let terraform look for the providers, by the user's own configuration, and make a mirror of them.

    Inside there is no network, so this is done outside.

    Args:
        folder: made anew.

    Raises:
        LocalMeshError: terraform or a provider is missing; all that are, are named.
    """
    if shutil.which("terraform") is None:
        raise LocalMeshError(
            "terraform is missing: install 1.5 or later from developer.hashicorp.com/terraform/install"
        )
    shutil.rmtree(folder, ignore_errors=True)
    if not _init(folder / "all", VERSIONS):
        missing = [
            f"{name} {version}" for name, version in VERSIONS.items() if not _init(folder / name, {name: version})
        ]
        raise LocalMeshError(
            f"these providers are missing: {', '.join(missing)}. terraform init can't download them here; put them "
            "into ~/.terraform.d/plugins, or name a filesystem_mirror in your CLI configuration"
        )


def mirror_of(folder: Path) -> Path:
    """Return the mirror that `gather_providers` has made."""
    return folder / "all" / ".terraform" / "providers"


def _init(folder: Path, versions: Mapping[str, str]) -> bool:
    folder.mkdir(parents=True)
    wanted = {name: {"source": f"hashicorp/{name}", "version": version} for name, version in versions.items()}
    content = {"terraform": {"required_providers": wanted}}
    (folder / "main.tf.json").write_text(json.dumps(content), encoding="utf-8")
    result = subprocess.run(
        ["terraform", "init"], cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, check=False
    )
    return result.returncode == 0

"""What the machine has to have for a rehearsal, besides the prerequisites of a local mesh."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from tests.local_mesh.prerequisites import Prerequisite, check_prerequisites, local_mesh_prerequisites, program

VERSIONS: Mapping[str, str] = {"google": "6.50.0", "kubernetes": "2.38.0", "null": "3.2.4"}
"""Providers that the stacks pin."""

QUIET = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}

LEAST_TERRAFORM = (1, 5)
SCRIPT_TOOLS = ("awk", "csplit", "git", "grep", "head", "jq", "sed", "tar", "tr")
"""Programs that `scripts/` require and that neither the toolchain nor a local mesh brings."""


def rehearsal_prerequisites(providers: Path, *, with_terraform: bool) -> list[Prerequisite]:
    """Return everything that a rehearsal needs.

    Args:
        providers: folder for the mirror of the providers; see `provider_prerequisites`.
        with_terraform: whether terraform is rehearsed, too.
    """
    found = local_mesh_prerequisites("rehearse")
    found += [program(name, "by the project's scripts", "install it by your package manager") for name in SCRIPT_TOOLS]
    if with_terraform:
        make = "run `make rehearse`, which installs it"
        found += [program(name, "to deploy", make) for name in ("cdktf", "pipenv")]
        found += provider_prerequisites(providers)
    return found


def provider_prerequisites(folder: Path) -> list[Prerequisite]:
    """Return terraform and its providers.

    The check lets terraform look for the providers, by the user's own configuration, and so leaves a mirror of
    them: inside there is no network.

    Args:
        folder: for the mirror; replaced.
    """
    missing = cache(partial(_missing_providers, folder))

    def find_problem(name: str) -> str:
        if shutil.which("terraform") is None:
            return "can't be checked without terraform"
        return "missing" if name in missing() else ""

    remedy = (
        "terraform init can't download it here: put it into ~/.terraform.d/plugins, or configure a filesystem_mirror "
        "in your CLI configuration"
    )
    install = "install 1.5 or later from developer.hashicorp.com/terraform/install"
    return [
        Prerequisite("terraform", "to deploy", install, _terraform),
        *(
            Prerequisite(f"provider hashicorp/{name} {version}", "by terraform", remedy, partial(find_problem, name))
            for name, version in VERSIONS.items()
        ),
    ]


def gather_providers(folder: Path) -> None:
    """Make a mirror of the providers.

    Args:
        folder: for the mirror; replaced.

    Raises:
        MissingPrerequisiteError: terraform or a provider is missing; all that are, are named.
    """
    check_prerequisites(provider_prerequisites(folder))


def mirror_of(folder: Path) -> Path:
    """Return the mirror that `gather_providers` has left in a folder."""
    return folder / "all" / ".terraform" / "providers"


def _terraform() -> str:
    if shutil.which("terraform") is None:
        return "missing"
    result = subprocess.run(["terraform", "version"], capture_output=True, text=True, check=False)
    version = re.match(r"Terraform v(\d+)\.(\d+)", result.stdout)
    if version is None:
        return f"`terraform version` fails: {(result.stderr or result.stdout).strip()}"
    return "" if (int(version[1]), int(version[2])) >= LEAST_TERRAFORM else f"{version[0]} is too old"


def _missing_providers(folder: Path) -> set[str]:
    shutil.rmtree(folder, ignore_errors=True)
    if _init(folder / "all", VERSIONS):
        return set()
    return {name for name, version in VERSIONS.items() if not _init(folder / name, {name: version})}


def _init(folder: Path, versions: Mapping[str, str]) -> bool:
    folder.mkdir(parents=True)
    providers = {name: {"source": f"hashicorp/{name}", "version": version} for name, version in versions.items()}
    content = {"terraform": {"required_providers": providers}}
    (folder / "main.tf.json").write_text(json.dumps(content), encoding="utf-8")
    result = subprocess.run(
        ["terraform", "init"], cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, check=False
    )
    return result.returncode == 0

"""The versions of everything that takes part, as far as this machine knows them."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from config.naming import STACKS
from config.paths import ROOT
from tools.acceptance.workspace import Workspace

SECONDS = 60


def versions(workspace: Workspace) -> dict[str, str]:
    """Return the version of each program by its name; those that are not there are left out."""
    found = {
        "mesh": _line("mesh", "--version"),
        "commit": _line("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "cdktf": _line("cdktf", "--version"),
        "kubectl": _json("kubectl", "version", "--client", "--output=json").get("clientVersion", {}).get("gitVersion"),
        "gcloud": _json("gcloud", "version", "--format=json").get("Google Cloud SDK"),
    }
    for stack in (workspace.stack(name) for name in STACKS):
        if stack.is_dir():
            terraform = _json("terraform", f"-chdir={stack}", "version", "-json")
            found["terraform"] = terraform.get("terraform_version")
            for provider, version in terraform.get("provider_selections", {}).items():
                found[f"provider {provider.rpartition('/')[2]}"] = version
    return {name: version for name, version in found.items() if version}


def _line(*command: str) -> str:
    """Return the last line that a command prints; empty if it fails."""
    lines = _output(command).strip().splitlines()
    return lines[-1] if lines else ""


def _json(*command: str) -> dict[str, Any]:
    """Return the JSON object that a command prints; empty if it fails."""
    try:
        content = json.loads(_output(command))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _output(command: Sequence[str]) -> str:
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout if result.returncode == 0 else ""

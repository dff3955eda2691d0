"""The shell scripts that terraform and users run, as they were reviewed."""

import re
from hashlib import sha256
from pathlib import Path

import yaml

from config.paths import ROOT

FILE = Path(__file__).parent / "scripts.yaml"

_FOLDERS = (".ci", "cli", "config", "constructs", "docs", "examples", "manifests", "policy", "stacks", "tools")
_START = re.compile(rb"#!|# shellcheck shell=")


def unreviewed(root: Path = ROOT) -> list[str]:
    """Return what differs from the reviewed scripts in a checkout, each with what to do."""
    reviewed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    # Terraform runs the copy of all of scripts/. Other folders have scripts among other files.
    others = [*root.glob("[!.A-Z]*"), *(one for folder in _FOLDERS for one in (root / folder).rglob("*"))]
    files = [*(root / "scripts").rglob("*"), *(one for one in others if one.is_file() and _is_script(one, root))]
    found = {one.relative_to(root).as_posix(): sha256(one.read_bytes()).hexdigest() for one in files if one.is_file()}
    return [
        f"MESH_REVIEWED_SCRIPTS  {path}: not the reviewed content; review it (docs/policy.md#scripts), then set its "
        f"line in policy/scripts.yaml: sha256: {found.get(path, 'none, as it does not exist: remove the line')}"
        for path in sorted(reviewed.keys() | found.keys())
        if reviewed.get(path, {}).get("sha256") != found.get(path)
    ]


def _is_script(file: Path, root: Path) -> bool:
    """Return whether a file is a script, by name or first line; in the root, users have files such as kubeconfig."""
    named = file.suffix in (".sh", ".bash") or file == root / "cdktf.json" or not (file.suffix or file.parent == root)
    return named or bool(_START.match(file.read_bytes()))

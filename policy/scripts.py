"""The shell scripts that terraform and users run, as they were reviewed."""

import re
from hashlib import sha256
from pathlib import Path

import yaml

from config.paths import ROOT

FILE = Path(__file__).parent / "scripts.yaml"

_SHELL = re.compile(rb"#!/bin/sh\b|#!.*\bbash\b|# shellcheck shell=")
"""Begins a shell script."""


def unreviewed(root: Path = ROOT) -> list[str]:
    """Return what differs from the reviewed scripts in a checkout, each with what to do."""
    reviewed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    # Terraform runs the copy of all of scripts/. Other folders have scripts among other files.
    files = [*(root / "scripts").iterdir()]
    for folder in (".ci", "cli", "tools"):
        files += [one for one in (root / folder).rglob("*") if one.is_file() and _SHELL.match(one.read_bytes())]
    found = {one.relative_to(root).as_posix(): sha256(one.read_bytes()).hexdigest() for one in files}
    return [
        f"MESH_REVIEWED_SCRIPTS  {path}: not the reviewed content; review it (docs/policy.md#scripts), then set its "
        f"line in policy/scripts.yaml: sha256: {found.get(path, 'none, as it does not exist: remove the line')}"
        for path in sorted(reviewed.keys() | found.keys())
        if reviewed.get(path, {}).get("sha256") != found.get(path)
    ]

"""The scripts that terraform runs, as they were reviewed."""

import hashlib
from pathlib import Path

import yaml

from config.paths import ROOT

SCRIPTS = ROOT / "scripts"
FILE = Path(__file__).parent / "scripts.yaml"


def unreviewed(folder: Path = SCRIPTS) -> list[str]:
    """Return what differs from the reviewed scripts, each with what to do."""
    reviewed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    what = "review it (docs/policy.md#scripts), then set its line in policy/scripts.yaml:"
    return [
        *(
            f"MESH_REVIEWED_SCRIPTS  scripts/{name}: not the reviewed content; {what} sha256: {digest}"
            for name, digest in found.items()
            if reviewed.get(name, {}).get("sha256") != digest
        ),
        *(
            f"MESH_REVIEWED_SCRIPTS  scripts/{name}: does not exist; remove its line from policy/scripts.yaml"
            for name in sorted(reviewed.keys() - found.keys())
        ),
    ]

"""A copy of the checkout, with what is installed in it."""

import os
import shutil
import subprocess
from pathlib import Path

from config.paths import ROOT


def scratch_checkout(folder: Path) -> Path:
    """Copy the files of the checkout to a folder, and link what `make` has installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name in (".venv", "node_modules"):
        (folder / name).symlink_to(ROOT / name)
    installed = folder / ".tools"
    installed.mkdir()
    for part in (ROOT / ".tools").iterdir():
        if part.is_dir() and part.name not in ("bin", "stamps", "doctrees"):
            (installed / part.name).symlink_to(part)
    # Copies, as these belong to one checkout: its own commands, the age of each installation, and the path.
    shutil.copytree(ROOT / ".tools" / "bin", installed / "bin", symlinks=True)
    (installed / "stamps").mkdir()
    for stamp in (ROOT / ".tools" / "stamps").iterdir():
        (installed / "stamps" / stamp.name).touch()
    (installed / "root").write_text(f"{os.path.realpath(folder)}\n", encoding="utf-8")
    return folder

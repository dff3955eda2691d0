"""Kubeconfigs of several clusters as one."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path


def merge_kubeconfigs(files: Iterable[Path], merged: Path, kubectl: str = "kubectl") -> None:
    """Write a kubeconfig that has the contexts of others.

    Args:
        files: the others.
        merged: the new file.
        kubectl: the program.
    """
    result = subprocess.run(
        [kubectl, "config", "view", "--flatten"],
        env=os.environ | {"KUBECONFIG": os.pathsep.join(map(str, files))},
        capture_output=True,
        text=True,
        check=True,
    )
    merged.touch(mode=0o600)
    merged.write_text(result.stdout, encoding="utf-8")

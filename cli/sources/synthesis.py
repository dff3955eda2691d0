"""Synthesizes with main.py, as cdktf-cli does: without its own time, and into a folder of choice."""

import os
import subprocess
import sys
from pathlib import Path

from cli.errors import MeshError
from cli.sources.program_environment import program_environment
from config.paths import ROOT


def synthesize(config: Path, folder: Path | None = None) -> None:
    """Synthesize a configuration file.

    Args:
        config: The file.
        folder: The output folder; None for the environment's own (`config.output_folder`).

    Raises:
        MeshError: It failed.
    """
    source = os.path.relpath(config)
    path = f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # with Node.js
    # A symbolic link stays one: paths in the file are relative to the link's folder.
    own = {"MESH_CONFIG": os.path.abspath(config), "PATH": path}
    if folder is not None:
        own["CDKTF_OUTDIR"] = str(folder)
    command = [sys.executable, str(ROOT / "main.py")]
    result = subprocess.run(
        command, cwd=ROOT, env=program_environment(own), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise MeshError(f"can't synthesize {source}: {reason}", "for the whole error, run: cdktf synth")

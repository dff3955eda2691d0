"""Synthesizes environments for the policy."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.loading.load import CONFIG_VARIABLE
from config.naming import STACKS
from config.paths import ROOT
from config.synthesized import read_stack

Stacks = Mapping[str, Mapping[str, Any]]
"""The JSON of every stack, by the stack's name."""


def synthesize(config: Path) -> Stacks:
    """Synthesize a valid configuration as `cdktf synth` does, into a temporary folder.

    Raises:
        RuntimeError: The synthesis failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "main.py"],
            cwd=ROOT,
            env={**os.environ, CONFIG_VARIABLE: str(config.resolve()), "CDKTF_OUTDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"can't synthesize {config}: {result.stderr.strip()}")
        return {name: read_stack(Path(folder), name) for name in STACKS}

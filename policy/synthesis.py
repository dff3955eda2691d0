"""Synthesizes an environment for the policy."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from config.loading.load import CONFIG_VARIABLE
from config.paths import ROOT
from policy.environment import SynthesizedEnvironment


def synthesize(config: Path) -> SynthesizedEnvironment:
    """Synthesize a valid configuration as `cdktf synth` does, into a temporary folder.

    Raises:
        RuntimeError: The synthesis failed.
    """
    with tempfile.TemporaryDirectory(prefix="mesh-policy-") as folder:
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
        return SynthesizedEnvironment.read(Path(folder))

"""An environment, synthesized for the policy."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from config import load
from config.loading.load import CONFIG_VARIABLE
from config.paths import ROOT
from policy.environment import Environment


def synthesize(config: Path) -> Environment:
    """Synthesize a configuration as `cdktf synth` does, into a folder that is gone afterwards.

    Raises:
        ConfigError: the configuration can't be used.
        RuntimeError: it could not be synthesized.
    """
    load(config)  # says what is wrong with the file, and at once
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
            raise RuntimeError(f"{config} can't be synthesized: {result.stderr.strip()}")
        return Environment.read(Path(folder))

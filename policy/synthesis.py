"""Synthesizes environments for the policy."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from config.backend import state_file
from config.loading.load import CONFIG_VARIABLE
from config.naming import STACKS
from config.paths import ROOT
from config.synthesized import parse_stack, stack_file

Stacks = Mapping[str, Mapping[str, Any]]
"""The JSON of every stack, by the stack's name, and `FILES`."""

FILES = "files"
"""In the place of a stack: the checksum of each file that the output has beside the stacks' JSON, by path."""


def state_path(stack: str) -> str:
    """Return the path of a stack's local state from the folders of the stacks, if the output is in ``cdktf.out``."""
    return f"../../../terraform.{stack}.tfstate"


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
        stacks = {name: read(config.resolve(), Path(folder).resolve(), name) for name in STACKS}
        return with_files(stacks, Path(folder))


def with_files(stacks: Stacks, folder: Path) -> Stacks:
    """Return the JSON of the stacks with the files beside it, which terraform reads and runs, too."""
    known = {stack_file(folder, name) for name in stacks}
    files = [one for one in sorted((folder / "stacks").rglob("*")) if one.is_file() and one not in known]
    sums = {one.relative_to(folder).as_posix(): sha256(one.read_bytes()).hexdigest() for one in files}
    return {**stacks, **({FILES: sums} if sums else {})}


def read(config: Path, folder: Path, stack: str) -> Mapping[str, Any]:
    """Return a stack's JSON. Its paths of states beside the configuration are those of `state_path`, and no others."""
    file = stack_file(folder, stack)
    text = file.read_text(encoding="utf-8")
    for one in STACKS:
        parts = text.split(os.path.relpath(state_file(config, one), file.parent))
        text = state_path(one).join(part.replace(state_path(one), "elsewhere") for part in parts)
    return parse_stack(text)

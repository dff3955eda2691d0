"""`mesh picture`: the topology of a configuration, from what is synthesized of it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.errors import MeshError
from cli.report.output import Output
from cli.sources.synthesized import Synthesized, read_folder
from cli.topology import graphviz
from cli.topology.drawing import arrange
from cli.topology.mermaid import mermaid
from cli.topology.reader import read_topology
from config import load
from config.paths import ROOT

SECONDS = 300
"""For a synthesis, which takes three where nothing is wrong."""


def draw(config: Path, synthesized: Path | None, format_: str, output: Path | None) -> int:
    """Draw a configuration's topology, and return the exit status.

    Args:
        config: the configuration file; only read where nothing is synthesized yet.
        synthesized: folder that cdktf has written to.
        format_: ``mermaid``, ``dot`` or ``svg``.
        output: file to write to; standard output if absent.

    Raises:
        ConfigError: the configuration can't be used.
        MeshError: what is synthesized can't be read, a program is missing, or the file can't be written.
    """
    if format_ == "svg":
        graphviz.require()  # before something is done for nothing
    stacks = _synthesize(config) if synthesized is None else read_folder(synthesized)
    drawing = arrange(read_topology(stacks))
    match format_:
        case "mermaid":
            text = mermaid(drawing)
        case "dot":
            text = graphviz.dot(drawing)
        case _:
            text = graphviz.svg(graphviz.dot(drawing))
    if output is None:
        sys.stdout.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MeshError(f"can't write {output}: {error.strerror}", "name a file in a folder that exists") from error
    return 0


def _synthesize(config: Path) -> Synthesized:
    """Synthesize as cdktf-cli has main.py do it, into a folder that is gone afterwards.

    Raises:
        as `draw`.
    """
    load(config)  # says what is wrong with the file, and at once
    source = os.path.relpath(config)
    tools = ROOT / ".tools" / "bin"  # a Node.js that make has installed
    with tempfile.TemporaryDirectory(prefix="mesh-") as folder, Output().spinner(f"synthesizing {source}"):
        variables = os.environ | {
            "CDKTF_OUTDIR": folder,
            "MESH_CONFIG": str(config.resolve()),
            "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        try:
            result = subprocess.run(
                [sys.executable, "main.py"],
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise MeshError(
                f"{source} is not synthesized after {SECONDS} s", "cdktf synth shows where it stays"
            ) from error
        if result.returncode != 0:
            said = (result.stderr.strip().splitlines() or [f"main.py exited with {result.returncode}"])[-1]
            raise MeshError(f"{source} can't be synthesized: {said}", "cdktf synth tells more")
        return read_folder(Path(folder))

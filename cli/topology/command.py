"""`mesh picture`: draws the topology of an environment from its synthesized JSON."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.errors import MeshError
from cli.report.output import Output
from cli.sources.program_environment import program_environment
from cli.sources.synthesized import Synthesized, read_folder
from cli.topology.mermaid import mermaid
from cli.topology.reader import read_graph
from config import load
from config.paths import ROOT


def draw(config: Path, synthesized: Path | None, format_: str, output: Path | None) -> int:
    """Draw the topology in a synthesized folder, or else of a configuration file, and return the exit status."""
    graph = read_graph(_synthesize(config) if synthesized is None else read_folder(synthesized))
    if format_ == "mermaid":
        content = mermaid(graph)
    else:
        from cli.topology.image import image  # noqa: PLC0415 - matplotlib takes a second

        content = image(graph, format_)
    if output is not None:
        output.write_bytes(content)
    elif format_ == "png":
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content.decode())
    return 0


def _synthesize(config: Path) -> Synthesized:
    """Synthesize with main.py, as cdktf-cli does, into a temporary folder."""
    load(config)  # reports every problem of the file
    source = os.path.relpath(config)
    path = f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # with Node.js
    with tempfile.TemporaryDirectory(prefix="mesh-") as folder, Output().spinner(f"synthesizing {source}"):
        own = {"CDKTF_OUTDIR": folder, "MESH_CONFIG": str(config.resolve()), "PATH": path}
        command = [sys.executable, str(ROOT / "main.py")]
        result = subprocess.run(
            command, cwd=ROOT, env=program_environment(own), capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
            raise MeshError(f"can't synthesize {source}: {reason}", "for the whole error, run: cdktf synth")
        return read_folder(Path(folder))

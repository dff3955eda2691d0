"""`mesh picture`: draws the topology of an environment from its synthesized JSON."""

import sys
import tempfile
from pathlib import Path

from cli.report.output import Output
from cli.sources.synthesis import synthesize
from cli.sources.synthesized import Synthesized, read_folder
from cli.topology.mermaid import mermaid
from cli.topology.reader import read_graph
from config import load
from config.loading.load import displayed


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
    """Synthesize into a temporary folder."""
    load(config)  # reports every problem of the file
    with (
        tempfile.TemporaryDirectory() as folder,
        Output().spinner(f"synthesizing {displayed(config)}"),
    ):
        synthesize(config, Path(folder))
        return read_folder(Path(folder))

"""Writes a drawing in graphviz' language, and has graphviz make an SVG of it. https://graphviz.org/doc/info/lang.html"""

import html
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from cli.errors import MeshError
from cli.topology.drawing import Arrow, Box, Drawing, Frame, Legend, Look, folded

PROGRAM = "dot"
INDENT = "  "
FONT = "Helvetica,Arial,sans-serif"
WIDEST = 72
"""Characters in a line of the legend."""

_LOOKS = {
    Look.USERS: 'shape=ellipse style=filled fillcolor="#ffffff" color="#5f6368"',
    Look.ENTRY: 'fillcolor="#fef0d5" color="#c26401"',
    Look.NETWORK: 'fillcolor="#f1f3f4" color="#9aa0a6"',
    Look.CONTROL: 'fillcolor="#e8eefc" color="#3367d6"',
    Look.NODES: 'fillcolor="#f1f3f4" color="#5f6368"',
    Look.GATEWAY: 'fillcolor="#fef0d5" color="#c26401"',
    Look.SERVICE: 'fillcolor="#e3f4e8" color="#188038"',
    Look.ABSENT: 'style="rounded,dashed" color="#9aa0a6" fontcolor="#5f6368"',
}
_LINKS = {
    Look.REQUESTS: 'color="#c26401" fontcolor="#8f4a00"',
    Look.TRUST: 'color="#3367d6" fontcolor="#3367d6" penwidth=2',
    Look.ADMITTED: 'color="#5f6368" style=dashed',
    Look.HIDDEN: "style=invis",
}


def dot(drawing: Drawing) -> str:
    """Return a drawing as graphviz has it."""
    return "\n".join(_lines(drawing)) + "\n"


def svg(text: str) -> str:
    """Return the picture that graphviz makes of its language.

    Raises:
        MeshError: graphviz is missing, or fails.
    """
    require()
    result = subprocess.run([PROGRAM, "-Tsvg"], input=text.encode(), capture_output=True, check=False)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip() or f"it exited with {result.returncode}"
        raise MeshError(f"{PROGRAM} can't draw this: {said}", "mesh picture --format mermaid")
    return result.stdout.decode()


def require() -> None:
    """Raises:
    MeshError: graphviz is missing.
    """
    if shutil.which(PROGRAM) is None:
        raise MeshError(
            f"{PROGRAM}, of graphviz, is missing",
            "install graphviz (Debian: apt install graphviz; macOS: brew install graphviz), or use --format mermaid",
        )


def _lines(drawing: Drawing) -> Iterator[str]:
    yield "digraph mesh {"
    yield f'{INDENT}graph [fontname="{FONT}" fontsize=12 ranksep=0.45 nodesep=0.35 newrank=true'
    yield f"{INDENT}       labelloc=b labeljust=l label={_legend(drawing.legend)}]"
    yield f'{INDENT}node [fontname="{FONT}" fontsize=11 shape=box style="rounded,filled" margin="0.12,0.08"]'
    yield f'{INDENT}edge [fontname="{FONT}" fontsize=10 arrowsize=0.7]'
    for box in drawing.boxes:
        yield f"{INDENT}{_box(box)}"
    yield from _frame(drawing.frame, INDENT)
    for arrow in drawing.arrows:
        yield f"{INDENT}{_arrow(arrow)}"
    if len(drawing.peers) > 1:  # one alone would be a box that is not seen, and no arrow
        yield f"{INDENT}{{ rank=same {' -> '.join(drawing.peers)} [style=invis] }}"
    yield "}"


def _frame(frame: Frame, indent: str) -> Iterator[str]:
    inner = indent + INDENT
    yield f"{indent}subgraph cluster_{frame.id} {{"
    style = '"rounded,dashed"' if frame.faded else "rounded"
    yield f'{inner}label=<<b>{escaped(frame.title)}</b>> labelloc=t style={style} color="#9aa0a6"'
    for box in frame.boxes:
        yield f"{inner}{_box(box)}"
    for one in frame.frames:
        yield from _frame(one, inner)
    yield f"{indent}}}"


def _box(box: Box) -> str:
    name, *lines = map(escaped, box.lines)
    return f"{box.id} [label=<{_joined([f'<b>{name}</b>', *lines])}> {_LOOKS[box.look]}]"


def _arrow(arrow: Arrow) -> str:
    both = " dir=both" if arrow.both else ""
    text = ""
    if arrow.text and arrow.look is Look.TRUST:
        # A label between peers breaks the layout of eight regions (graphviz 2.43); the boxes say it too.
        text = f'tooltip="{arrow.text}" '
    elif arrow.text:
        text = f"label=<&nbsp;{escaped(arrow.text)}&nbsp;> "
    return f"{arrow.start} -> {arrow.end} [{text}{_LINKS[arrow.look]}{both}]"


def _legend(legend: Legend) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        texts = (_left(map(escaped, folded(cell, WIDEST) or [""])) for cell in cells)
        shown = (f"<{tag}>{text}</{tag}>" if tag and text else text for text in texts)
        return "<tr>" + "".join(f'<td align="left" valign="top">{text}</td>' for text in shown) + "</tr>"

    width = len(legend.columns)
    return "".join(
        [
            '<<table border="0" cellborder="0" cellspacing="0" cellpadding="4">',
            f'<tr><td align="left" colspan="{width}"><b>{escaped(legend.title)}</b></td></tr>',
            row(legend.columns, "i"),
            *(row(cells, "") for cells in legend.rows),
            f'<tr><td align="left" colspan="{width}">{escaped(legend.note)}</td></tr>',
            "</table>>",
        ]
    )


def _joined(lines: Iterable[str]) -> str:
    return "<br/>".join(lines)


def _left(lines: Iterable[str]) -> str:
    """Join lines that begin below each other: what ends a line says where it stands."""
    first, *rest = lines
    return "".join(f'{line}<br align="left"/>' for line in (first, *rest)) if rest else first


def escaped(text: str) -> str:
    """Return a text as a label in HTML has it."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return html.escape(" ".join(printable.split()), quote=True)

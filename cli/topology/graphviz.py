"""Writes a graph in graphviz' language, and has graphviz draw it: https://graphviz.org/doc/info/lang.html."""

import html
import shutil
import subprocess
from collections.abc import Iterator

from cli.errors import MeshError
from cli.topology.graph import Edge, Graph, Group, Kind, Node

HEAD = """digraph mesh {
  graph [fontname="Helvetica,Arial,sans-serif" fontsize=11 ranksep=0.4 newrank=true]
  node [fontname="Helvetica,Arial,sans-serif" fontsize=11 shape=box style="rounded,filled" margin="0.12,0.08"]
  edge [fontname="Helvetica,Arial,sans-serif" fontsize=10 arrowsize=0.7]"""
INSTALL = "install graphviz (Debian: apt install graphviz; macOS: brew install graphviz), or use --format mermaid"


def dot(graph: Graph) -> str:
    """Return a graph in graphviz' language."""
    frame = graph.group
    if len(frame.nodes) == 1:  # no junctions, but arrows that cross: graphviz places the groups from right to left
        frame = frame._replace(groups=frame.groups[::-1])
    lines = [*map(_node, graph.nodes), *_group(frame), *map(_edge, graph.edges)]
    return "\n".join([HEAD, *lines, "}"]) + "\n"


def svg(graph: Graph) -> str:
    """Return a graph as graphviz draws it, or raise a MeshError where graphviz is missing."""
    if shutil.which("dot") is None:
        raise MeshError("dot, of graphviz, is missing", INSTALL)
    return subprocess.run(["dot", "-Tsvg"], input=dot(graph), capture_output=True, check=True, encoding="utf-8").stdout


def _escape(text: str) -> str:
    return html.escape(" ".join(text.split()))


def _node(node: Node) -> str:
    line, fill = node.kind.value
    name, *others = map(_escape, node.lines)
    return f'  {node.id} [label=<{"<br/>".join([f"<b>{name}</b>", *others])}> color="{line}" fillcolor="{fill}"]'


def _group(group: Group) -> Iterator[str]:
    yield f'  subgraph cluster_{group.id} {{\n  graph [style="rounded{",dashed" * group.retired}" color="#9aa0a6"]'
    yield from map(_node, group.nodes)
    for inner in group.groups:
        yield from _group(inner)
    yield "  }"


def _edge(edge: Edge) -> str:
    if edge.kind is None:
        return f"  {edge.start} -> {edge.end} [style=invis]"
    style = "dashed" if edge.kind is Kind.FAILOVER else "solid"
    label = "<br/>".join(f"&nbsp;{_escape(line)}&nbsp;" for line in edge.label)
    color, _ = edge.kind.value
    return f'  {edge.start} -> {edge.end} [label=<{label}> style={style} color="{color}" fontcolor="{color}"]'

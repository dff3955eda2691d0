"""Writes a graph as a Mermaid flowchart: https://mermaid.js.org/syntax/flowchart.html."""

import re
from collections.abc import Iterator

from cli.topology.graph import Edge, Graph, Group, Kind, Node

# By default Mermaid wraps text at 200 pixels, within names and ranges.
HEAD = '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%\nflowchart TB'


def mermaid(graph: Graph) -> str:
    """Return a graph in Mermaid's language."""
    lines = [*map(_node, graph.nodes), *_group(graph.group), *map(_edge, graph.edges), *_styles(graph.edges)]
    return "\n".join([HEAD, *lines]) + "\n"


def _escape(text: str) -> str:
    """Return a text that Mermaid shows as it is: with entities, which in Mermaid have no ampersand."""
    # Mermaid searches for these words before it parses, and removes semicolons after a colon behind them.
    special = r"[^\w ]" if re.search("style|classDef", text) else r"[^\w .,:;/()*'=+~-]"
    return re.sub(special, lambda found: f"#{ord(found[0])};", " ".join(text.split()))


def _node(node: Node) -> str:
    name, *others = map(_escape, node.lines)
    return f'  {node.id}["{"<br/>".join([f"<b>{name}</b>", *others])}"]:::{node.kind.name.lower()}'


def _group(group: Group) -> Iterator[str]:
    yield f'  subgraph {group.id}[" "]'
    yield from map(_node, group.nodes)
    for inner in group.groups:
        yield from _group(inner)
    yield f"  end\n  class {group.id} {'retired' if group.retired else 'frame'}"


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.kind is Kind.FAILOVER else "-->" if edge.kind else "~~~"
    label = f'|"{"<br/>".join(map(_escape, edge.label))}"|' if edge.label else ""
    return f"  {edge.start} {arrow}{label} {edge.end}"


def _styles(edges: tuple[Edge, ...]) -> Iterator[str]:
    for kind in Kind:
        line, fill = kind.value
        yield f"  classDef {kind.name.lower()} fill:{fill},stroke:{line},color:#202124"
        if numbers := [str(number) for number, edge in enumerate(edges) if edge.kind is kind]:
            yield f"  linkStyle {','.join(numbers)} stroke:{line}"
    yield "  classDef frame fill:#ffffff,stroke:#9aa0a6"
    yield "  classDef retired fill:#ffffff,stroke:#9aa0a6,stroke-dasharray:4 3"

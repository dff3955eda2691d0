"""Writes a graph as a Mermaid flowchart: https://mermaid.js.org/syntax/flowchart.html."""

import re
from collections.abc import Iterator
from itertools import pairwise

from cli.topology.graph import Arrow, Box, Graph, Group, Kind

# By default Mermaid wraps text at 200 pixels, within names and ranges.
HEAD = '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%\nflowchart TB'
FRAME = "fill:#ffffff,stroke:#9aa0a6"
STYLES = f"""  classDef frame {FRAME}
  classDef retired {FRAME},stroke-dasharray:4 3
  classDef title fill:none,stroke:none,color:#202124"""


def mermaid(graph: Graph) -> bytes:
    """Return a graph in Mermaid's language."""
    many = {f"j{number}": arrow for number, arrow in enumerate(graph.arrows) if _is_many(arrow)}
    junctions = tuple(Box(id_, one.kind, (" ".join(one.label),)) for id_, one in many.items())
    drawn = [one for one in graph.arrows if not _is_many(one)]
    drawn += [Arrow(one.kind, (), one.starts, (id_,)) for id_, one in many.items()]
    drawn += [Arrow(one.kind, (), (id_,), one.ends) for id_, one in many.items()]
    edges = [(one, *pair) for one in drawn for pair in one.pairs()]
    lines = [*map(_box, graph.boxes), *_group(graph.vpc._replace(boxes=junctions))]
    lines += [_edge(*edge) for edge in edges]
    lines += [
        f"  {one} ~~~ {other}" for one, other in _order(graph) if (one, other) not in {edge[1:] for edge in edges}
    ]
    for kind in Kind:
        line, fill = kind.value
        lines.append(f"  classDef {kind.name.lower()} fill:{fill},stroke:{line},color:#202124")
        if numbers := [str(number) for number, edge in enumerate(edges) if edge[0].kind is kind]:
            lines.append(f"  linkStyle {','.join(numbers)} stroke:{line}")
    return "\n".join([HEAD, *lines, STYLES, ""]).encode()


def _is_many(arrow: Arrow) -> bool:
    """Return whether an arrow is drawn through a junction, which takes fewer lines."""
    return len(arrow.starts) > 1 and len([*arrow.pairs()]) > 2


def _order(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield boxes, each with the one below it. Titles are lowest: arrows come from above, and would cross them."""
    for region in graph.vpc.groups:
        (cluster,) = region.groups
        titles = (f"{group.id}_title" for group in (cluster, region, graph.vpc))
        yield from pairwise([*(box.id for box in cluster.boxes), *titles])


def _escape(text: str) -> str:
    """Return a text that Mermaid shows as it is: with entities, which in Mermaid have no ampersand."""
    # Mermaid searches for these words before it parses, and removes semicolons after a colon behind them.
    special = r"[^\w ]" if re.search("style|classDef", text) else r"[^\w .,:;/()*'=+~-]"
    return re.sub(special, lambda found: f"#{ord(found[0])};", " ".join(text.split()))


def _text(id_: str, style: str, lines: tuple[str, ...]) -> str:
    name, *others = map(_escape, lines)
    return f'  {id_}["{"<br/>".join([f"<b>{name}</b>", *others])}"]:::{style}'


def _box(box: Box) -> str:
    return _text(box.id, box.kind.name.lower(), box.lines)


def _group(group: Group) -> Iterator[str]:
    yield f'  subgraph {group.id}[" "]'
    yield from map(_box, group.boxes)
    for inner in group.groups:
        yield from _group(inner)
    yield _text(f"{group.id}_title", "title", group.title)
    yield f"  end\n  class {group.id} {'retired' if group.retired else 'frame'}"


def _edge(arrow: Arrow, start: str, end: str) -> str:
    line = "-.->" if arrow.kind is Kind.FAILOVER else "-->"
    label = f'|"{"<br/>".join(map(_escape, arrow.label))}"|' if arrow.label else ""
    return f"  {start} {line}{label} {end}"

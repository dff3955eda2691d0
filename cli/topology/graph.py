"""The graph that each format draws: nodes in nested groups, and edges between nodes."""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a node or an edge stands for: the color of its lines, and of the inside of a node."""

    INGRESS = ("#c26401", "#fef0d5")
    SERVICE = ("#188038", "#e3f4e8")
    FAILOVER = ("#c5221f", "#fce8e6")
    DISCOVERY = ("#3367d6", "#e8eefc")
    INFRASTRUCTURE = ("#3c4043", "#f1f3f4")
    CAPTION = ("#ffffff00", "#ffffff00")


class Node(NamedTuple):
    """A box with lines of text; the first one is its name."""

    id: str
    kind: Kind
    lines: tuple[str, ...]


class Edge(NamedTuple):
    """An arrow between two nodes; without a kind it is invisible, and keeps its end below its start."""

    start: str
    end: str
    kind: Kind | None = None
    label: tuple[str, ...] = ()


class Group(NamedTuple):
    """A frame around nodes and frames. Its caption is the lowest node: arrows come from above, and would cross it."""

    id: str
    nodes: tuple[Node, ...]
    groups: tuple["Group", ...] = ()
    retired: bool = False


class Graph(NamedTuple):
    """A picture: nodes, below them the outermost group, and the edges."""

    nodes: tuple[Node, ...]
    group: Group
    edges: tuple[Edge, ...]

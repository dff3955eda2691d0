"""Draws a graph as SVG or PNG: a row for each region, three columns, and left of each column a lane for arrows.

    nearest | gateway | requests, | services          | endpoint  |
    region  | nodes   | failover  | GKE control plane | discovery | mesh control plane

Arrows between regions share a vertical line in their lane. No arrow runs through a text: each has its height in a row.
"""

from collections.abc import Sequence
from itertools import groupby

from cli.topology.canvas import BOLD, LINE, NORMAL, Canvas, Rectangle
from cli.topology.graph import Arrow, Box, Graph, Group, Kind

ROWS = {("gateway", "services"): Kind.FAILOVER, ("nodes", "gke", "mesh"): Kind.DISCOVERY}
COLUMNS = {"gateway": 0, "nodes": 0, "services": 1, "gke": 1, "mesh": 2}
LANES = (Kind.INGRESS, Kind.FAILOVER, Kind.DISCOVERY)
PAD = 8.0


def image(graph: Graph, format_: str) -> bytes:
    """Return a graph as SVG or PNG."""
    return _Picture(graph).draw(format_)


def _part(box: Box) -> str:
    return box.id.rpartition("_")[2]


class _Picture:
    def __init__(self, graph: Graph) -> None:
        self._graph, self._canvas = graph, Canvas()
        self._places: dict[str, Rectangle] = {}
        above = {box.id for box in graph.boxes}
        self._above = [one for one in graph.arrows if above.issuperset((*one.starts, *one.ends))]
        self._within = [one for one in graph.arrows if one.kind not in LANES]
        self._between = {one.kind: one for one in graph.arrows if one not in self._above + self._within}
        # Below the upper edge of a box: where arrows within a region are, and those between regions start and end.
        self._level = level = LINE * max((len(one.label) for one in graph.arrows), default=0) + PAD / 2
        failover = (level + PAD, level + 2 * LINE + 2 * PAD)
        self._levels = dict(zip(LANES, ((0.0, level), failover, (level + LINE, level)), strict=True))
        self._columns, self._lanes = self._measure()

    def draw(self, format_: str) -> bytes:
        """Return the picture."""
        canvas, vpc = self._canvas, self._graph.vpc
        top = self._draw_ingress()
        left, right = self._columns[0][0] - 3 * PAD, self._columns[2][1] + 3 * PAD
        canvas.text("vpc_title", (left + PAD, top + PAD / 2), *vpc.title, font=BOLD)
        bottom = top + LINE + PAD
        for region in vpc.groups:
            bottom = self._draw_region(region, bottom) + PAD
        canvas.frame("vpc", Rectangle(left, top, right, bottom))
        for arrow in self._within:
            self._draw_within(arrow)
        for arrow in self._between.values():
            self._draw_between(arrow)
        right = max([right, *(place.right for place in self._places.values())])
        return canvas.write(format_, right + PAD, bottom + PAD, f"The topology of {vpc.title[0]}")

    def _measure(self) -> tuple[list[tuple[float, float]], dict[Kind, float]]:
        """Return the edges of the columns, and where the vertical lines of the lanes are."""
        width, widths = self._canvas.width, [0.0, 0.0, 0.0]
        lane = max((width(*one.label) for one in self._within), default=0) + 2 * PAD
        spaces = [width(*self._between[kind].label) + 2 * PAD if kind in self._between else 0 for kind in LANES]
        for region in self._graph.vpc.groups:
            (cluster,) = region.groups
            needed = [(COLUMNS[_part(box)], self._box_width(box)) for box in cluster.boxes]
            needed += [(0, width(*region.title[:1], *cluster.title, font=BOLD) + PAD - lane)]
            needed += [(1, width(*region.title[1:3])), (2, width(*region.title[3:]))]
            for column, size in needed:
                widths[column] = max(widths[column], size)
        first = 5 * PAD + spaces[0]
        failover = first + widths[0] + lane
        second = failover + spaces[1]
        discovery = second + widths[1] + spaces[2]
        lefts = (first, second, discovery + 2 * PAD)
        columns = [(left, left + size) for left, size in zip(lefts, widths, strict=True)]
        return columns, dict(zip(LANES, (2 * PAD, failover, discovery), strict=True))

    def _box_width(self, box: Box) -> float:
        return max(self._canvas.width(box.lines[0], font=BOLD), self._canvas.width(*box.lines[1:])) + 2 * PAD

    def _draw_box(self, box: Box, place: Rectangle) -> None:
        self._places[box.id] = place
        self._canvas.frame(box.id, place, box.kind)
        x, y = place.left + PAD, (place.top + place.bottom - LINE * len(box.lines)) / 2
        self._canvas.text(f"{box.id}.name", (x, y), box.lines[0], font=BOLD)
        self._canvas.text(box.id, (x, y + LINE), *box.lines[1:])

    def _draw_arrow(self, id_: str, arrow: Arrow, start: float, end: float, y: float) -> None:
        """Draw a horizontal arrow, and above it its label."""
        self._canvas.line(id_, arrow.kind, (start, y), (end, y), head=True)
        place = min(start, end) + PAD, y - LINE * len(arrow.label) - PAD / 4
        self._canvas.text(id_, place, *arrow.label, color=arrow.kind.value[0])

    def _draw_ingress(self) -> float:
        """Draw a row for each load balancer, beside its clients, and return where the VPC begins."""
        boxes = {box.id: box for box in self._graph.boxes}
        widths = [self._box_width(boxes[one.starts[0]]) + self._canvas.width(*one.label) for one in self._above]
        left, bottom = PAD + max(widths, default=0) + 2 * PAD, 0.0
        for users, group in groupby(self._above, lambda one: boxes[one.starts[0]]):
            top, right, rows = bottom + PAD, PAD + self._box_width(users), []
            for arrow in group:
                balancer, row = boxes[arrow.ends[0]], bottom + PAD
                bottom = row + max(LINE * len(box.lines) for box in (users, balancer)) + 2 * PAD
                rows.append((arrow, balancer, Rectangle(left, row, left + self._box_width(balancer), bottom)))
            self._draw_box(users, Rectangle(PAD, top, right, bottom))
            for _, balancer, place in rows:
                self._draw_box(balancer, place)
            for arrow, balancer, place in rows:
                self._draw_arrow(f"{users.id}-{balancer.id}", arrow, right, left, (place.top + place.bottom) / 2)
        return bottom + 2 * PAD if boxes else PAD

    def _draw_region(self, region: Group, top: float) -> float:
        """Draw a region from a height on, and return its bottom."""
        (cluster,) = region.groups
        left, right = self._columns[0][0], self._columns[2][1]
        titles = (region.title[:1], region.title[1:3], region.title[3:])
        for number, ((x, _), title) in enumerate(zip(self._columns, titles, strict=True)):
            self._canvas.text(
                f"{region.id}_title.{number}", (x, top + PAD / 2), *title, font=BOLD if x == left else NORMAL
            )
        inner = top + LINE * max(map(len, titles)) + PAD
        self._canvas.text(f"{cluster.id}_title", (left, inner + PAD / 2), *cluster.title, font=BOLD)
        bottom = inner + LINE + PAD
        for row, kind in ROWS.items():
            boxes = [box for box in cluster.boxes if _part(box) in row]
            height = max([*self._levels[kind], *(LINE * len(box.lines) for box in boxes)]) + PAD
            for box in boxes:
                edges = self._columns[COLUMNS[_part(box)]]
                self._draw_box(box, Rectangle(edges[0], bottom, edges[1], bottom + height))
            bottom += height + PAD if boxes else 0
        self._canvas.frame(cluster.id, Rectangle(left - PAD, inner, right + PAD, bottom), dashed=cluster.retired)
        place = Rectangle(left - 2 * PAD, top, right + 2 * PAD, bottom + PAD)
        self._canvas.frame(region.id, place, dashed=region.retired)
        return place.bottom

    def _draw_within(self, arrow: Arrow) -> None:
        for start, end in arrow.pairs():
            one, other = self._places[start], self._places[end]
            edges = (one.right, other.left) if one.left < other.left else (one.left, other.right)
            self._draw_arrow(f"{start}-{end}", arrow, *edges, one.top + self._level)

    def _way_down(self, id_: str, balancers: Sequence[str], lane: float) -> list[tuple[float, float]]:
        """Return the line from a load balancer to its lane: from below the last one, and beside it from others."""
        place, last = self._places[id_], self._places[balancers[-1]]
        level = last.bottom + PAD
        if place is last:
            x = place.left + 2 * PAD
            return [(x, place.bottom), (x, level), (lane, level)]
        x, y = max(self._places[one].right for one in balancers) + PAD, (place.top + place.bottom) / 2
        return [(place.right, y), (x, y), (x, level), (lane, level)]

    def _draw_between(self, arrow: Arrow) -> None:
        """Draw a vertical line in a lane, lines from each start to it, and arrows from it to each end."""
        lane, kind, name, joins = self._lanes[arrow.kind], arrow.kind, arrow.kind.name.lower(), set()
        edges = {id_: (one.right if one.right < lane else one.left, one.top) for id_, one in self._places.items()}
        for id_ in arrow.starts:
            (x, top), (level, _) = edges[id_], self._levels[kind]
            points = [(x, top + level), (lane, top + level)]
            if kind is Kind.INGRESS:
                points = self._way_down(id_, arrow.starts, lane)
            self._canvas.line(f"{id_}-{name}", kind, *points)
            joins.add(points[-1])
        for id_ in arrow.ends:
            (x, top), (_, level) = edges[id_], self._levels[kind]
            self._draw_arrow(f"{name}-{id_}", arrow, lane, x, top + level)
            joins.add((lane, top + level))
        self._canvas.line(name, kind, min(joins), max(joins))
        for join in joins - {min(joins), max(joins)}:
            self._canvas.dot(kind, join)

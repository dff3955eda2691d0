"""Draws text, frames and lines with matplotlib, which measures text and writes SVG and PNG. Lengths are in points."""

import io
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import BoxStyle, Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from cli.topology.graph import Kind

LINE = 12.0
TEXT, FRAME = "#202124", "#9aa0a6"
NORMAL, BOLD = (FontProperties(family="sans-serif", size=9, weight=weight) for weight in ("normal", "bold"))
Point = tuple[float, float]


class Rectangle(NamedTuple):
    """A place in the picture."""

    left: float
    top: float
    right: float
    bottom: float


class Canvas:
    """A picture, of which the size is known at the end. In the SVG, what is drawn has its id."""

    def __init__(self) -> None:
        self._figure = Figure(facecolor="white")  # without pyplot: needs no display
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()

    def width(self, *lines: str, font: FontProperties = NORMAL) -> float:
        """Return the width of the widest line."""
        sizes = (text_to_path.get_text_width_height_descent(_shown(line), font, ismath=False) for line in lines)
        return max((width for width, _, _ in sizes), default=0)

    def text(self, id_: str, place: Point, *lines: str, color: str = TEXT, font: FontProperties = NORMAL) -> None:
        """Write lines from a place on."""
        for number, line in enumerate(map(_shown, lines)):
            x, y = place[0], place[1] + LINE * (number + 0.75)
            self._axes.text(x, y, line, gid=f"{id_}.{number}", parse_math=False, color=color, fontproperties=font)

    def frame(self, id_: str, place: Rectangle, kind: Kind | None = None, dashed: bool = False) -> None:
        """Draw a frame, or a box of a kind."""
        line, fill = kind.value if kind else (FRAME, "none")
        size, style = (place.right - place.left, place.bottom - place.top), "--" if dashed else "-"
        shape = BoxStyle.Round(pad=0, rounding_size=5)
        self._axes.add_patch(FancyBboxPatch(place[:2], *size, boxstyle=shape, ec=line, fc=fill, ls=style, gid=id_))

    def line(self, id_: str, kind: Kind, *points: Point, head: bool = False) -> None:
        """Draw a line through points, or an arrow."""
        arrow, style = "-|>" if head else "-", "--" if kind is Kind.FAILOVER else "-"
        patch = FancyArrowPatch(path=Path(points), arrowstyle=arrow, mutation_scale=9, ls=style, lw=1.3, gid=id_)
        patch.set(color=kind.value[0])
        self._axes.add_patch(patch)

    def dot(self, kind: Kind, point: Point) -> None:
        """Draw the dot where a line joins another one."""
        self._axes.add_patch(Circle(point, 2, color=kind.value[0]))

    def write(self, format_: str, width: float, height: float, title: str) -> bytes:
        """Return the picture in a format, the same one each time."""
        self._figure.set_size_inches(width / 72, height / 72)
        self._axes.set(xlim=(0, width), ylim=(height, 0))
        stream, svg = io.BytesIO(), format_ == "svg"
        metadata = {"Title": title, **({"Date": None, "Creator": None} if svg else {"Software": None})}
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mesh"}):
            self._figure.savefig(stream, format=format_, dpi=72 if svg else 144, metadata=metadata)
        return stream.getvalue()


def _shown(text: str) -> str:
    return " ".join(text.split())

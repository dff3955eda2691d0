"""Writes a drawing as a Mermaid flowchart. https://mermaid.js.org/syntax/flowchart.html"""

import re
from collections.abc import Iterable, Iterator

from cli.topology.drawing import Arrow, Box, Drawing, Frame, Legend, Look

INDENT = "  "
NEW_LINE = "<br/>"

# Without this, labels are broken at 200 pixels, in the middle of what belongs together.
_SETTINGS = '%%{init: {"flowchart": {"wrappingWidth": 600}}}%%'

_LOOKS = {
    Look.USERS: "fill:#ffffff,stroke:#5f6368,color:#202124",
    Look.ENTRY: "fill:#fef0d5,stroke:#c26401,color:#202124",
    Look.NETWORK: "fill:#f1f3f4,stroke:#9aa0a6,color:#202124",
    Look.CONTROL: "fill:#e8eefc,stroke:#3367d6,color:#202124",
    Look.NODES: "fill:#f1f3f4,stroke:#5f6368,color:#202124",
    Look.GATEWAY: "fill:#fef0d5,stroke:#c26401,color:#202124",
    Look.SERVICE: "fill:#e3f4e8,stroke:#188038,color:#202124",
    Look.ABSENT: "fill:#ffffff,stroke:#9aa0a6,color:#5f6368,stroke-dasharray:4 3",
}
_LINKS = {
    Look.REQUESTS: ("-->", "<-->"),
    Look.TRUST: ("==>", "<==>"),
    Look.ADMITTED: ("-.->", "<-.->"),
    Look.HIDDEN: ("~~~", "~~~"),
}

_PLAIN = re.compile(r"[^\w .,:;/()*'=+~-]")


def mermaid(drawing: Drawing) -> str:
    """Return a drawing as Mermaid has it."""
    return "\n".join(_lines(drawing)) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield _SETTINGS
    yield "flowchart TB"
    for box in drawing.boxes:
        yield f"{INDENT}{_box(box)}"
    yield from _frame(drawing.frame, INDENT)
    yield from _legend(drawing.legend)
    for arrow in drawing.arrows:
        yield f"{INDENT}{_arrow(arrow)}"
    for box_id in drawing.lowest:
        yield f"{INDENT}{box_id} ~~~ rules"
    for look, style in _LOOKS.items():
        yield f"{INDENT}classDef {look.value} {style}"
    yield f"{INDENT}classDef frame fill:#ffffff00,stroke:#9aa0a6"
    yield f"{INDENT}classDef faded fill:#ffffff00,stroke:#9aa0a6,stroke-dasharray:4 3"
    yield f"{INDENT}classDef legend fill:#ffffff,stroke:#ffffff,color:#202124,text-align:left"


def _frame(frame: Frame, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph {frame.id}[{_quoted([frame.title])}]"
    for box in frame.boxes:
        yield f"{indent}{INDENT}{_box(box)}"
    for inner in frame.frames:
        yield from _frame(inner, indent + INDENT)
    yield f"{indent}end"
    yield f"{indent}class {frame.id} {'faded' if frame.faded else 'frame'}"


def _legend(legend: Legend) -> Iterator[str]:
    yield f"{INDENT}subgraph legend[{_quoted([legend.title])}]"
    rows = [
        _joined([f"{number} {name}", f"{what}, from {source} to {target}", why], strong=True)
        for number, name, what, source, target, why in legend.rows
    ]
    yield f'{INDENT}{INDENT}rules["{NEW_LINE.join([*rows, escaped(legend.note)])}"]:::legend'
    yield f"{INDENT}end"
    yield f"{INDENT}class legend frame"


def _box(box: Box) -> str:
    left, right = ("([", "])") if box.look is Look.USERS else ("[", "]")
    return f'{box.id}{left}"{_joined(box.lines, strong=True)}"{right}:::{box.look.value}'


def _arrow(arrow: Arrow) -> str:
    link = _LINKS[arrow.look][arrow.both]
    text = f"|{_quoted([arrow.text])}|" if arrow.text else ""
    return f"{arrow.start} {link}{text} {arrow.end}"


def _quoted(lines: Iterable[str]) -> str:
    return f'"{_joined(lines)}"'


def _joined(lines: Iterable[str], strong: bool = False) -> str:
    first, *rest = map(escaped, lines)
    return NEW_LINE.join([f"<b>{first}</b>" if strong else first, *rest])


def escaped(text: str) -> str:
    """Return a text such that Mermaid shows it and does nothing else with it: entities without the ampersand."""
    # Mermaid looks for these words before it parses, anywhere in a line, and takes a
    # semicolon away that comes somewhere after a colon behind them: ours, of an entity.
    pattern = re.compile(r"[^\w ]") if re.search("style|classDef", text) else _PLAIN
    return pattern.sub(lambda found: f"#{ord(found[0])};", " ".join(text.split()))

"""docs/troubleshooting.md quotes messages that exist, and explains each one that a script or a plan can stop with."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from config.paths import ROOT

OTHERS = {"terraform", "google provider", "kubernetes provider", "google, kubernetes provider", "cdktf-cli"}
OTHERS |= {"Google", "Kubernetes"}
"""Where messages come from that this project only passes on."""

SOURCES = ("config", "constructs", "stacks", "cli", "tools", "scripts", "main.py")
ELLIPSIS = "…"


def rows() -> list[tuple[str, str]]:
    """Return each quoted message of this project, and its section."""
    found = []
    section, columns = "", [""]
    for line in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section, columns = line.strip("# "), [""]
        if not line.startswith("| "):
            continue
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if "Cause" in cells:
            columns = cells
            continue
        row = dict(zip(columns, cells, strict=False))
        if "Message" in row and row.get("Component") not in OTHERS and not line.startswith("| ---"):
            found += [(message, section) for message in re.findall(r"`([^`]+)`", row["Message"])]
    return found


def pattern(message: str) -> "re.Pattern[str]":
    return re.compile(".*".join(re.escape(part.strip()) for part in message.split(ELLIPSIS) if part.strip()))


@cache
def texts() -> tuple[str, ...]:
    """Return the texts of the source: literals of Python files, with an ellipsis for values, and lines of scripts."""
    found: list[str] = []
    files = (path for name in SOURCES for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*")))
    for path in files:
        if path.suffix == ".py":
            found += literals(path)
        elif path.is_file() and path.suffix in ("", ".sh"):
            found += path.read_text(encoding="utf-8").splitlines()
    return tuple(found)


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (text := literal(node)) is not None:
            yield text


def literal(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(literal(one) or ELLIPSIS for one in values)
    return None


def messages_of_scripts() -> Iterator[str]:
    """Yield what scripts stop with; the second line of `stop_incomplete` is a command."""
    for path in sorted((ROOT / "scripts").glob("*.sh")):
        for text in re.findall(r'\b(?:die|stop_incomplete) "((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8")):
            if not text.startswith("  "):
                yield re.sub(r"\$\{[^}]*\}|\$\w+", ELLIPSIS, text)


def messages_of_plans() -> Iterator[str]:
    """Yield the messages of preconditions and postconditions."""
    for path in sorted((ROOT / "constructs").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "error_message":
                match node.value:
                    case ast.Call(func=ast.Name(id=name)):
                        returned = [
                            one for one in ast.walk(functions[name]) if isinstance(one, ast.Return) and one.value
                        ]
                        yield from filter(None, (literal(one.value) for one in returned if one.value))
                    case value:
                        yield literal(value) or ""


def test_there_are_messages() -> None:
    assert len(rows()) > 50
    assert len(list(messages_of_scripts())) > 20
    assert len(set(messages_of_plans())) >= 5


@pytest.mark.parametrize(("message", "section"), rows())
def test_a_quoted_message_is_in_the_source(message: str, section: str) -> None:
    assert any(map(pattern(message).search, texts())), f"{section}: nothing prints {message!r} any more"


@pytest.mark.parametrize("message", sorted({*messages_of_scripts(), *messages_of_plans()}))
def test_a_message_that_stops_a_deploy_is_explained(message: str) -> None:
    assert any(pattern(quoted).search(message) for quoted, _ in rows()), f"docs/troubleshooting.md lacks {message!r}"

"""Links between pages, as GitHub resolves them: each leads to a file that is there, and to one of its headings."""

import re
from functools import cache
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.site.blocks import pages

_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(text: str) -> list[str]:
    """Return the targets of a page's links, without those in code."""
    return _LINK.findall(_CODE.sub("", text))


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    found: set[str] = set()
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        names = [slug, *(f"{slug}-{number}" for number in range(1, 20))]
        found.add(next(name for name in names if name not in found))
    return found


def dead(page: Path, text: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page: Path) -> None:
    assert dead(page, page.read_text(encoding="utf-8")) == []


def test_what_is_dead_is_found() -> None:
    text = "[a](none.md) [b](CONTRIBUTING.md#layout) [c](CONTRIBUTING.md#nothing) [d](#nothing) `[e](none)` [f](docs/)"
    assert dead(ROOT / "README.md", text) == ["none.md", "CONTRIBUTING.md#nothing", "#nothing"]

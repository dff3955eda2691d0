"""`make docs`: what is wrong with a page fails the build."""

import subprocess
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.site.scratch import scratch_checkout

pytestmark = pytest.mark.slow

SPHINX = ROOT / ".tools" / "docs" / "bin" / "python"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/configuration.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with everything that pages link to."""
    if not SPHINX.exists():
        pytest.skip("Sphinx is not installed: make docs")
    return scratch_checkout(tmp_path)


def build(checkout: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command of `make docs`."""
    line = next(one for one in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "-m sphinx" in one)
    arguments = line.split()[1:]
    return subprocess.run([str(SPHINX), *arguments], cwd=checkout, capture_output=True, text=True, check=False)


def test_the_pages_are_right(checkout: Path) -> None:
    result = build(checkout)
    assert result.returncode == 0, result.stderr
    for page in PAGES:
        text = (checkout / "site" / page).with_suffix(".html").read_text(encoding="utf-8")
        assert "//fonts." not in text, "a web font"
    assert (checkout / "site" / "index.html").exists()


def test_what_is_wrong_fails(checkout: Path) -> None:
    """One build with one fault of each kind: each is named, with its page and line."""
    page = checkout / "CONTRIBUTING.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    faults = {
        "[dead](docs/no-such-page.md)": "docs/no-such-page.md",
        "[folder](no-such-folder/)": "no-such-folder/",
        "[anchor](docs/configuration.md#no-such-anchor)": "no-such-anchor",
        "[own anchor](#nor-this-one)": "nor-this-one",
        "![picture](docs/no-such-picture.svg)": "docs/no-such-picture.svg",
    }
    first = len(lines) + 2
    page.write_text("\n".join([*lines, "", *(f"{fault}\n" for fault in faults)]), encoding="utf-8")
    (checkout / "docs" / "orphan.md").write_text("# Nobody leads here\n", encoding="utf-8")
    result = build(checkout)
    assert result.returncode == 1
    for number, named in enumerate(faults.values()):
        [warning] = [line for line in result.stderr.splitlines() if named in line]
        assert f"CONTRIBUTING.md:{first + 2 * number}: WARNING" in warning
    assert "orphan.md: WARNING: document isn't included in any toctree" in result.stderr
    assert result.stderr.count("WARNING") == len(faults) + 1

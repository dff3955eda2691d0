"""Sphinx's configuration of the site that `make docs` builds.

The source folder is the whole checkout, so that a relative link leads to the same file on the site and on GitHub, also
to README.md or to an example. MyST gives headings GitHub's anchors. Every warning fails the build: a dead link, an
unknown anchor, and a page outside the navigation.

Why Sphinx: it is maintained, it can take the whole checkout as its source, and MyST reads GitHub's Markdown. MkDocs 1
has had no release since August 2024, and its theme, Material for MkDocs, announced fixes until November 2026 and no
more (https://github.com/squidfunk/mkdocs-material/releases/tag/9.7.2).
"""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

NAVIGATION = {
    "Get started": ["/docs/getting-started", "/docs/faq"],
    "Concepts": ["/docs/concepts", "/docs/failover", "/docs/gateway", "/docs/control-plane-modes"],
    "Guides": [
        "/docs/operations",
        "/docs/workloads",
        "/docs/versions",
        "/docs/troubleshooting",
        "/docs/exercises",
        "/docs/security",
        "/docs/backends",
        "/docs/cdktn",
    ],
    "Reference": ["/docs/configuration", "/docs/cli"],
    "Proof": ["/docs/testing", "/docs/verification-status", "/docs/acceptance", "/docs/policy"],
    "Project": ["README </README>", "/CONTRIBUTING", "/SECURITY", "/CHANGELOG", "/GOTCHAS", "/docs/licences"],
}
"""The pages of each group, in order."""

project = "multi-region-mesh"
html_title = "Multi-region service mesh"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md"]
exclude_patterns = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "docs"]
nitpicky = True

myst_heading_anchors = 6
myst_enable_extensions = ["html_image"]

html_theme = "furo"
html_extra_path = ["index.html"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def _add_navigation(_app: object, page: str, content: list[str]) -> None:
    """Append the navigation to the first page, which GitHub shows without it."""
    if page == root_doc:
        for group, pages in NAVIGATION.items():
            entries = "\n".join(pages)
            content[0] += f"\n```{{toctree}}\n:caption: {group}\n:hidden:\n\n{entries}\n```\n"


def setup(app: Any) -> None:
    """Connect what the configuration adds to Sphinx."""
    app.connect("source-read", _add_navigation)

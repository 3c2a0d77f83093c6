"""The documentation as a site: `scripts/docs` builds it."""

from __future__ import annotations

import re
from typing import Any

project = "target-kustomer"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "target-kustomer"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False

# A block without a language is what a command prints.
highlight_language = "none"

# Anchors are those of GitHub, where the pages are read too; a link to none is a warning.
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Let pages link to Markdown of the checkout that is no page: the site gives the file."""
    app.connect("source-read", _link_to_files)


def _link_to_files(_app: Any, _page: str, text: list[str]) -> None:
    text[0] = re.sub(r"\]\((\.\./[^)#]+\.md)\)", r"](path:\1)", text[0])

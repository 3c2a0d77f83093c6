"""The documentation as a site: `scripts/docs` builds it."""

from __future__ import annotations

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

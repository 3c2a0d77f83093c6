"""The report as one page of HTML that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_kustomer.models import JSON

_PARTS = {
    "library_style": "uPlot.min.css",
    "style": "page.css",
    "library": "uPlot.iife.min.js",
    "script": "page.js",
}
"""What the template takes from other files, by the names that it gives them."""


def page(document: JSON) -> str:
    """The page of a report's document.

    Its policy lets nothing run or style it but what is in it, and lets it load nothing.
    """
    folder = files("target_kustomer.report")
    parts = {name: folder.joinpath(file).read_text("utf-8") for name, file in _PARTS.items()}
    parts |= {f"{name}_hash": _hash(text) for name, text in parts.items()}
    parts["data"] = _data(document)
    template = folder.joinpath("page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(document: JSON) -> str:
    """JSON that cannot end the element it stands in, whatever names hold."""
    text = json.dumps(document, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text

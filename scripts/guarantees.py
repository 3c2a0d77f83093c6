"""Writes the table of docs/guarantees.md from what the guarantees' tests counted.

scripts/test tests/guarantees --guarantees-report=REPORT
python scripts/guarantees.py REPORT...           writes the table
python scripts/guarantees.py --check REPORT...   fails where the table is another
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "guarantees.md"

_COLUMNS = {
    "cells": "cells run",
    "fired": "faults fired",
    "lost": "records lost",
    "created_twice": "created twice",
    "acknowledged_unwritten": "acknowledged unwritten",
}

_VARIES = "fired"
"""How often a fault for ever fires depends on how busy the machine is."""


def main(arguments: list[str]) -> None:
    """Write or check the table."""
    reports = [Path(each) for each in arguments if each != "--check"]
    rows: dict[str, dict[str, int]] = {}
    for report in reports:
        rows |= json.loads(report.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    found = re.fullmatch(r"(.+<!-- table -->\n)(.*)(<!-- /table -->.+)", text, re.DOTALL)
    if not found:
        sys.exit("docs/guarantees.md has no place for the table")
    before, old, after = found.groups()
    new = table(rows)
    if "--check" not in arguments:
        PAGE.write_text(before + new + after, encoding="utf-8")
    elif lasting(old) != lasting(new):
        sys.exit(f"docs/guarantees.md has another table than the tests have counted:\n{new}")


def table(rows: dict[str, dict[str, int]]) -> str:
    """The table, its rows in alphabetical order, and their sum."""
    total = {name: sum(row[name] for row in rows.values()) for name in _COLUMNS}
    lines = ["| group | " + " | ".join(_COLUMNS.values()) + " |", "|---" * 6 + "|"]
    for group, row in [*sorted(rows.items()), ("all", total)]:
        cells = " | ".join(f"{row[name]:,}" for name in _COLUMNS)
        lines.append(f"| {group} | {cells} |")
    return "\n".join(lines) + "\n"


def lasting(text: str) -> list[list[str]]:
    """The cells that are the same on every machine."""
    varying = list(_COLUMNS).index(_VARIES) + 2
    rows = [line.split("|") for line in text.splitlines()]
    return [row[:varying] + row[varying + 1 :] for row in rows]


if __name__ == "__main__":
    main(sys.argv[1:])

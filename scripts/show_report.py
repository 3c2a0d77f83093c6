"""Prints the tables of a run's report that a person looks at first.

python scripts/show_report.py report.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VERDICTS = ("read", "created", "updated", "unchanged", "skipped", "rejected")


def tables(report: dict[str, Any]) -> list[list[tuple[str, ...]]]:
    """The tables: records by stream, reasons of rejection, requests by kind."""
    streams = [
        ("stream", *VERDICTS),
        *((each["stream"], *(str(each[name]) for name in VERDICTS)) for each in report["streams"]),
    ]
    reasons = [
        ("rejected for", "stream", "column", "records"),
        *(
            (each["reason"], each["stream"], each["column"] or "-", str(each["records"]))
            for each in report["rejects"]["reasons"]
        ),
    ]
    requests = [
        ("request", "number"),
        *((each["kind"], str(each["requests"])) for each in report["requests"]["kinds"]),
        ("in all", str(report["requests"]["total"])),
    ]
    return [streams, *([reasons] if len(reasons) > 1 else []), requests]


def main(path: str) -> None:
    """Print the tables, names at the left and numbers at the right."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    for number, rows in enumerate(tables(report)):
        if number:
            print()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        numeric = [column[-1].isdigit() for column in zip(*rows, strict=True)]
        for row in rows:
            cells = zip(row, widths, numeric, strict=True)
            print("  ".join(text.rjust(n) if right else text.ljust(n) for text, n, right in cells))


if __name__ == "__main__":
    main(sys.argv[1])

"""Lists the records of rejects files, each with its key and the reason for which it was refused.

python scripts/show_rejects.py kustomer-rejects/rejects-*.singer
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ("stream", "key", "reason", "attribute", "column", "detail")


def read_rejections(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """One row of ``COLUMNS`` for each RECORD of a rejects file."""
    keys: dict[str, list[str]] = {}
    for line in lines:
        message: dict[str, Any] = json.loads(line)
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = message["key_properties"]
        elif message["type"] == "RECORD":
            key = [str(message["record"].get(name)) for name in keys[message["stream"]]]
            rejection = message["rejection"]
            rest = (rejection.get(name) for name in COLUMNS[2:])
            yield (message["stream"], ",".join(key), *(str(value or "-") for value in rest))


def main(paths: list[str]) -> None:
    """Print the rejections of all files as one table."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for path in paths:
        with Path(path).open(encoding="utf-8") as lines:
            rows.extend(read_rejections(lines))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


if __name__ == "__main__":
    main(sys.argv[1:])

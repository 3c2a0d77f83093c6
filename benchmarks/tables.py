"""What was measured, as tables in Markdown, and into the page."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from measuring import Run


def in_window(times: Sequence[float], now: float, seconds: float = 60.0) -> int:
    """How many of these times, which ascend, lie in the window that ends now."""
    return bisect_right(times, now) - bisect_right(times, now - seconds)


def most_in_a_window(times: Iterable[float], seconds: float = 60.0) -> int:
    """The most of these times in any window of so many seconds."""
    ascending = sorted(times)
    return max((in_window(ascending, each, seconds) for each in ascending), default=0)


def limited_table(runs: Mapping[str, Mapping[str, Run]]) -> str:
    """Requests and time of runs under a limit, by program."""
    head = (
        "program",
        "load",
        "records",
        "requests",
        "requests per 1,000",
        "seconds",
        "records a minute",
        "most requests in 60 s",
        "429s",
        "verdicts",
    )
    return table(
        head,
        [
            (
                program,
                name,
                f"{run.records:,}",
                f"{len(run.requests):,}",
                f"{run.per_thousand:,.1f}",
                f"{run.seconds:,.1f}",
                f"{60 * run.per_second:,.0f}",
                f"{most_in_a_window(each.time for each in run.requests):,}",
                f"{run.refused:,}",
                ", ".join(f"{count:,} {verdict}" for verdict, count in run.verdicts.items()),
            )
            for program, loads in runs.items()
            for name, run in loads.items()
        ],
    )


def throughput_table(runs: Mapping[str, Run]) -> str:
    """Records per second and memory of runs without a limit."""
    head = ("load", "records", "requests", "seconds", "records a second", "peak memory, MB")
    return table(
        head,
        [
            (
                name,
                f"{run.records:,}",
                f"{len(run.requests):,}",
                f"{run.seconds:,.1f}",
                f"{run.per_second:,.0f}",
                f"{run.peak_mb:.0f}",
            )
            for name, run in runs.items()
        ],
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; cells that are numbers stand at the right."""
    cells = list(rows)
    right = [all(re.fullmatch(r"[\d.,]+", row[at]) for row in cells) for at in range(len(head))]
    rule = ["---:" if each else "---" for each in right]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *cells))


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks between their marks."""
    for name, block in blocks.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, opened, rest = page.partition(opening)
        _, closed, after = rest.partition(closing)
        if not (opened and closed):
            sys.exit(f"the page has no block named {name}")
        page = f"{before}{opening}{block}\n{closing}{after}"
    return page

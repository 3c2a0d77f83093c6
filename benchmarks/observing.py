"""What it costs to see what a run does: the report and the request log, against neither.

`python benchmarks/observing.py` loads the same customers into an empty org without a limit, by
turns with all of it on and with all of it off, and says what either took: medians, their ratio and
the requests. It takes some minutes and exits with 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loads import write
from measuring import World

if TYPE_CHECKING:
    from measuring import Run

MAX_RATIO = 1.1
"""The time with all of it on, as a part of that with all of it off."""

ON = {"report_path": "report.html", "request_log_path": "requests.har"}
OFF: dict[str, Any] = {}


def load(lines: Path, settings: dict[str, Any]) -> Run:
    """A first load into an empty org."""
    with World(rate_limit=1_000_000_000) as world:
        return world.target(lines, ledger=False, **settings)


def main() -> int:
    """Measure by turns, print, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "customers.singer"
        write(lines, range(options.records))
        rounds = [(load(lines, ON), load(lines, OFF)) for _ in range(options.rounds)]
    ratio = statistics.median(on.seconds / off.seconds for on, off in rounds)
    for name, runs in zip(("all on", "all off"), zip(*rounds, strict=True), strict=True):
        submitted = {_submits(run) for run in runs}
        print(
            f"{name}: median {statistics.median(run.seconds for run in runs):.2f} s, "
            f"requests but for polls {sorted(submitted)}, "
            f"peak {max(run.peak_mb for run in runs):.0f} MB"
        )
    more = any(_submits(on) != _submits(off) for on, off in rounds)
    print(f"all on takes {ratio:.3f} times as long (median of {options.rounds} pairs)")
    print(f"{'FAIL' if ratio > MAX_RATIO else 'PASS'}: at most {MAX_RATIO} times as long")
    print(f"{'FAIL' if more else 'PASS'}: no request more")
    return 1 if more or ratio > MAX_RATIO else 0


def _submits(run: Run) -> int:
    """Its requests; how often a job is asked about depends on the moment."""
    return sum(each.kind != "bulk-poll" for each in run.requests)


if __name__ == "__main__":
    sys.exit(main())

"""What loads cost in requests, time and memory, against the simulator.

`python benchmarks/performance.py` measures for about 25 minutes and writes the tables and
plots of docs/performance.md; with `--quick` it takes two minutes, and prints the tables only. It
needs the dependency group `benchmarks`, the extra `simulator`, and Linux for the memory.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import chain, repeat
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING

from loads import customer, in_kustomer, write
from measuring import HERE, SHARE, Run, World, measure
from tables import fill, limited_table, throughput_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAGE = HERE.parent / "docs" / "performance.md"

LIMIT = 1000
"""Requests per minute that the org may make."""

UNLIMITED = 1_000_000_000

WIDE = 16
"""Requests at once that spend the whole share although each job takes a second."""

MIXED_EVERY = 20
"""Of a mixed load, one record in so many has changed."""


@dataclass(frozen=True)
class Sizes:
    """How many records each load has.

    Attributes:
        first: A first load under the limit, and the loads of the same records after it.
        rest_seconds: Between them, until what the first one spent no longer counts.
        changed: Those of them that have all changed.
        org: Customers in an org that the target has not loaded.
        peers: A load by the recipe of the peers, which takes three requests a record.
        many: A load without a limit.
        times: So often is it repeated within one run.
        rounds: So often is a run repeated, for its median.
        growing: Loads from small to large.
    """

    first: int
    rest_seconds: int
    changed: int
    org: int
    peers: int
    many: int
    times: int
    rounds: int
    growing: tuple[int, ...]


FULL = Sizes(
    first=80_000,
    rest_seconds=60,
    changed=10_000,
    org=20_000,
    peers=900,
    many=200_000,
    times=5,
    rounds=5,
    growing=(100, 1_000, 10_000, 40_000),
)
QUICK = Sizes(
    first=1_000,
    rest_seconds=0,
    changed=500,
    org=1_000,
    peers=100,
    many=20_000,
    times=5,
    rounds=1,
    growing=(100, 1_000),
)


class Loads:
    """The streams, in files.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, numbers: Iterable[int], changed: Callable[[int], bool] = lambda _: False) -> Path:
        """A stream of these customers."""
        path = self._folder / f"{len(list(self._folder.iterdir()))}.singer"
        write(path, numbers, changed)
        return path


def _limited(customers: int = 0) -> World:
    """An org as there are many, which holds so many customers."""
    held = map(in_kustomer, map(customer, range(customers)))
    return World(held, rate_limit=LIMIT, latency_seconds=0.05, job_seconds=1)


def _unlimited() -> World:
    """An org that costs no time: what remains is the target's own."""
    return World(rate_limit=UNLIMITED)


def _mixed(number: int) -> bool:
    return number % MIXED_EVERY == 0


def _always(_: int) -> bool:
    return True


def known(sizes: Sizes, loads: Loads) -> dict[str, Run]:
    """Loads of what the ledger knows, under the limit, after the first one."""
    everyone = range(sizes.first)
    share = f"{1 / MIXED_EVERY:.0%}"
    with _limited() as world:
        runs = {"new": world.target(loads.of(everyone))}
        time.sleep(sizes.rest_seconds)
        runs["unchanged"] = world.target(loads.of(everyone))
        runs[f"mixed: {share} changed"] = world.target(loads.of(everyone, _mixed))
        # the last ones, and those of them that the mixed load has not changed
        rest = [each for each in reversed(everyone) if not _mixed(each)][: sizes.changed]
        runs["changed"] = world.target(loads.of(rest, _always))
    return runs


def wide(sizes: Sizes, loads: Loads) -> dict[str, Run]:
    """The first load with more requests at once than are set by default."""
    with _limited() as world:
        run = world.target(loads.of(range(sizes.first)), max_parallel_requests=WIDE)
    return {f"new, {WIDE} requests at once": run}


def there(sizes: Sizes, loads: Loads) -> dict[str, Run]:
    """Loads of what the org holds, and of which no ledger knows, under the limit."""
    runs = {}
    for step in (1, 10, 100):
        with _limited(sizes.org) as world:
            name = f"there already, no ledger: {1 / step:.0%} of the org"
            runs[name] = world.target(loads.of(range(0, sizes.org, step)), ledger=False)
    return runs


def peers(sizes: Sizes, loads: Loads) -> dict[str, Run]:
    """The same by the recipe of the peers, to whom all that is there is alike."""
    lines = loads.of(range(sizes.peers))
    with _limited() as world:
        runs = {"new": world.peers(lines)}
    with _limited(sizes.peers) as world:
        runs["there already, changed or not"] = world.peers(lines)
    return runs


def throughput(sizes: Sizes, loads: Loads) -> dict[str, Run]:
    """Records per second and memory where Kustomer takes no time; medians of the rounds."""
    everyone = range(sizes.many)
    lines = loads.of(everyone)
    noop = [sys.executable, str(HERE / "noop.py")]
    with _unlimited() as world:
        runs = {"new": world.target(lines)}
        rounds = [
            (world.target(lines), measure(noop, lines, world.path)[0]) for _ in range(sizes.rounds)
        ]
        runs["unchanged"], runs["the SDK's target, which does nothing"] = map(
            _median, zip(*rounds, strict=True)
        )
        over_and_over = loads.of(chain.from_iterable(repeat(everyone, sizes.times)))
        runs[f"unchanged, {sizes.times} times over"] = world.target(over_and_over)
        runs[f"mixed: {1 / MIXED_EVERY:.0%} changed"] = world.target(loads.of(everyone, _mixed))
    return runs


def _median(runs: Iterable[Run]) -> Run:
    runs = list(runs)
    middle = statistics.median_low(each.seconds for each in runs)
    return replace(
        next(each for each in runs if each.seconds == middle),
        peak_mb=max(each.peak_mb for each in runs),
    )


def growing(sizes: Sizes, loads: Loads) -> dict[str, dict[int, float]]:
    """Requests per 1,000 records by the size of the load, without a limit."""
    found: dict[str, dict[int, float]] = {"new": {}, "changed": {}, "unchanged": {}}
    for size in sizes.growing:
        with _unlimited() as world:
            later = loads.of(range(size), _always)
            found["new"][size] = world.target(loads.of(range(size))).per_thousand
            found["changed"][size] = world.target(later).per_thousand
            found["unchanged"][size] = world.target(later).per_thousand
    return found


def main() -> None:
    """Measure everything, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small loads; only prints")
    quick = parser.parse_args().quick
    sizes = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        loads = Loads(Path(folder))
        of_target = known(sizes, loads) | wide(sizes, loads) | there(sizes, loads)
        of_peers = peers(sizes, loads)
        fast = throughput(sizes, loads)
        costs = growing(sizes, loads)
    blocks = {
        "machine": f"{cpu_count()} cores, Python {platform.python_version()}",
        "limited": limited_table({"target-kustomer": of_target, "the peers' recipe": of_peers}),
        "throughput": throughput_table(fast),
    }
    print("\n\n".join(blocks.values()))
    if not quick:
        from plots import plot_cost, plot_requests  # noqa: PLC0415  a quick run needs no matplotlib

        images = PAGE.parent / "images"
        images.mkdir(exist_ok=True)
        plot_requests(
            {"target-kustomer": of_target["new"], "the peers' recipe": of_peers["new"]},
            images / "requests-over-time.svg",
            limit=LIMIT,
            share=SHARE,
        )
        flat = {f"the peers' recipe, {name}": run.per_thousand for name, run in of_peers.items()}
        plot_cost(costs, flat, images / "cost-per-record.svg")
        PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()

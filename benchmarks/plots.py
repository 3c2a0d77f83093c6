"""What was measured, as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from tables import in_window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from measuring import Run

mpl.rcParams |= {"svg.hashsalt": "target-kustomer", "svg.fonttype": "none"}

_SIZE = (8, 4.5)
_STEP_SECONDS = 0.5


def plot_requests(runs: Mapping[str, Run], path: Path, *, limit: int, share: float) -> None:
    """Draw how many requests each run made in the minute before each moment."""
    figure, axes = _new("seconds", "requests in the last 60 seconds")
    for name, run in runs.items():
        times = sorted(each.time for each in run.requests)
        moments = [_STEP_SECONDS * each for each in range(int(times[-1] / _STEP_SECONDS) + 2)]
        axes.plot(moments, [in_window(times, each) for each in moments], label=name)
    axes.axhline(limit, color="black", label="the org's limit")
    axes.axhline(share * limit, color="black", linestyle="--", label="the target's share")
    _save(figure, axes, path)


def plot_cost(
    costs: Mapping[str, Mapping[int, float]], flat: Mapping[str, float], path: Path
) -> None:
    """Draw what 1,000 records cost as the load grows, beside what is the same for any load."""
    figure, axes = _new("records in the load", "requests per 1,000 records")
    for name, by_size in costs.items():
        axes.plot(
            list(by_size), list(by_size.values()), marker="o", label=f"target-kustomer, {name}"
        )
    for (name, cost), line in zip(flat.items(), ("--", ":"), strict=False):
        axes.axhline(cost, color="black", linestyle=line, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _save(figure, axes, path)


def _new(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, metadata={"Date": None})

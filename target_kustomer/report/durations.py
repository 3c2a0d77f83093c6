"""How long things take, in a histogram of bounded size."""

from __future__ import annotations

import math
from collections import Counter

_STEP = math.log(1.05)
"""Durations within 5 % of each other count as one: a quantile is exact to 2.5 %."""

_SHORTEST_SECONDS = 1e-4


class Durations:
    """Durations in seconds; their number, sum and maximum are exact, their quantiles nearly."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._steps: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self._steps[round(math.log(max(seconds, _SHORTEST_SECONDS)) / _STEP)] += 1

    def quantile(self, part: float) -> float:
        """The duration that such a part of all does not exceed; 0.0 where there is none."""
        rank = math.ceil(part * self.count)
        for step, count in sorted(self._steps.items()):
            rank -= count
            if rank <= 0:
                return min(math.exp(step * _STEP), self.longest)
        return 0.0

"""When to ask for a bulk job: learnt from how long the jobs of this run take."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from statistics import median

_FIRST_GUESS_SECONDS = 0.25
"""Before any job has ended."""

_SHORTEST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 30.0

_REMEMBERED_JOBS = 32


class JobTimes:
    """How long bulk jobs take; shared by all workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=_REMEMBERED_JOBS)
        self._longest = 0.0

    @property
    def longest(self) -> float:
        """The longest job of this run, in seconds."""
        return self._longest

    def record(self, seconds: float) -> None:
        """A job took this long."""
        with self._lock:
            self._recent.append(seconds)
            self._longest = max(self._longest, seconds)

    def first_wait_seconds(self, elapsed: float) -> float:
        """How long to wait before the first question for a job submitted ``elapsed`` seconds ago.

        It comes when most jobs are done, at once where that time has passed.
        """
        with self._lock:
            usual = 1.2 * median(self._recent) if self._recent else _FIRST_GUESS_SECONDS
        return min(max(usual - elapsed, 0.0), _LONGEST_WAIT_SECONDS)

    def next_wait_seconds(self, elapsed: float) -> float:
        """How long to wait after a question that came too early.

        Half as long again as has passed (as long again, while no job has ended yet), so that a
        job of any length costs few questions and little delay.
        """
        wait = elapsed / 2 if self._recent else elapsed
        return min(max(wait, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)


def seconds_between(start: str | None, end: str | None) -> float | None:
    """The time between two of the server's own stamps, or None where one is missing."""
    try:
        first, last = (
            datetime.fromisoformat((each or "").replace("Z", "+00:00")) for each in (start, end)
        )
        return max((last - first).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None

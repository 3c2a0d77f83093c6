"""When to ask for a bulk job: learnt from how long the jobs of this run take."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_kustomer.models import ObjectType

_FIRST_GUESS_SECONDS = 0.35
"""Before any job has ended."""

_REMEMBERED_JOBS = 16

_SLOWEST_PART = 3 / 16
"""So many of the remembered jobs may be slower than the first question waits for."""

_MARGIN = 1.05
"""By so much the first question comes later than such a job was done."""

_USUAL_PART = 0.75
"""Of the usual time so much does not count for the wait after a question that came too early: it
comes again after 1.25 times the usual time, then after 1.75, 2.75 and so on."""

_UNTOLD_PART = 0.8
"""A job without time stamps that was done when first asked for is taken to have lasted so much of
the time until then. So the questions come earlier and earlier, until some come too early."""

_DEFERENCE = 1.25
"""Who has asked leaves the next question to others, unless they come so much later."""

_LONGEST_WAIT_SECONDS = 30.0
"""Between two questions for the same job."""

_LOOK_SECONDS = 0.02
_LOOK_PART = 0.1
"""How often a wait looks whether other jobs have told more: by what has passed."""

_TICK_SECONDS = 0.001
"""No wait is shorter."""


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A bulk job that is done; it holds no values.

    Attributes:
        verb: ``create`` or ``update``.
        object_type: What its items are.
        items: How many items it had.
        known_after: The seconds from its submit until this run knew that it was done.
        done_after: The same until it was done, by the server's stamps; None where it has none.
    """

    verb: str
    object_type: ObjectType
    items: int
    known_after: float
    done_after: float | None


class JobTimes:
    """How long bulk jobs take; shared by all workers.

    While nobody knows how long they take now (at the start, and after a question that came too
    early), one job after the other is asked for, ever later. As soon as one is done, all others
    know.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=_REMEMBERED_JOBS)
        self._longest = 0.0
        self._watched = 0
        self._doubt: float | None = 0.0  # how long jobs take at least, where no more is known

    @property
    def longest(self) -> float:
        """The longest job of this run, in seconds."""
        return self._longest

    @property
    def usual(self) -> float:
        """How long after its submit most jobs are done; 0.0 where none has ended yet."""
        recent = sorted(self._recent)
        return _MARGIN * recent[-ceil(len(recent) * _SLOWEST_PART)] if recent else 0.0

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Somebody waits for a job."""
        with self._lock:
            self._watched += 1
        try:
            yield Watch(self)
        finally:
            with self._lock:
                self._watched -= 1

    def wait_seconds(self, elapsed: float, asked: float) -> float:
        """How long to wait for a job before looking here again; 0.0: ask for it now.

        Args:
            elapsed: How long ago it was submitted, in seconds.
            asked: The same when it was asked for the last time; 0.0 if it was not.
        """
        with self._lock:
            expected = max(self.usual or _FIRST_GUESS_SECONDS, self._later(self._doubt or 0.0))
            due = max(expected, self._later(asked))
            if asked and self._doubt is not None and self._watched > 1:
                due *= _DEFERENCE
            if due - elapsed > _TICK_SECONDS:
                return min(due - elapsed, max(_LOOK_SECONDS, _LOOK_PART * elapsed))
            if self._doubt is not None:
                self._doubt = expected
            return 0.0

    def doubt(self) -> None:
        """A first question came too early: jobs may take longer from now on."""
        with self._lock:
            if self._doubt is None:
                self._doubt = self.usual

    def record(self, seconds: float, at_most: float | None = None) -> None:
        """A job took this long, as far as is known; at most so long."""
        with self._lock:
            self._recent.append(seconds)
            self._longest = max(self._longest, seconds if at_most is None else at_most)
            self._doubt = None

    def _later(self, asked: float) -> float:
        """When to ask again after a question that came too early."""
        return min(2 * asked - _USUAL_PART * self.usual, asked + _LONGEST_WAIT_SECONDS)


class Watch:
    """One job that somebody waits for: when to ask for it."""

    def __init__(self, times: JobTimes) -> None:
        self._times = times
        self._asked = 0.0
        self._too_early = 0.0

    def wait_seconds(self, elapsed: float) -> float:
        """How long to wait before looking here again; 0.0: ask now, then say what was told."""
        wait = self._times.wait_seconds(elapsed, self._asked)
        if not wait:
            self._asked = elapsed
        return wait

    def told_too_early(self) -> None:
        """The job is not done yet."""
        if not self._too_early:
            self._times.doubt()
        self._too_early = self._asked

    def told_done(self, elapsed: float, took: float | None) -> None:
        """The job is done, after so many seconds by the server's stamps, where it has them."""
        if took is not None:
            self._times.record(max(self._too_early, min(took, elapsed)))
        elif self._too_early:
            self._times.record((self._too_early + self._asked) / 2, elapsed)
        else:
            self._times.record(_UNTOLD_PART * self._asked, elapsed)


def seconds_between(start: str | None, end: str | None) -> float | None:
    """The time between two of the server's own stamps, or None where one is missing."""
    try:
        first, last = (
            datetime.fromisoformat((each or "").replace("Z", "+00:00")) for each in (start, end)
        )
        return max((last - first).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None

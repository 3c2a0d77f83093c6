"""When a run may send its next request, by what the answers tell of the org's limit: pure.

The caller tells the time with each call, in seconds that never go back; nothing here waits.
"""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 60.0
"""The window in which a limit counts [API §7]."""

_OWN_WINDOW_SECONDS = WINDOW_SECONDS + 0.5
"""The same for what this run sends: a request counts when it arrives, not when it leaves."""

_BURST = 0.05
"""Part of a run's share that may go out at once; all else is spread over the window."""

_MARGIN = 0.02
"""Part of the limit that is left alone, since answers tell of the others with a delay."""

_RESET_JUMP = 0.05
"""So much more is left than before, as a part of the limit: a new window has begun."""

_LONGEST_WAIT_SECONDS = 1.0
"""After so long it is worth asking again: others may have spent less than was feared."""


class Pace:
    """When the next request may go out.

    A run takes at most its share in any window, and spreads it evenly. It also keeps the others'
    part there until the end of the window: it may send what is left beyond that part, spread over
    the time that is left. Alone, that is its whole share; where others spend more than their part,
    the run slows down; several runs slow down alike, and end with equal parts of what there is.

    Args:
        share: Part of the limit that this run may use, 0..1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._limit: int | None = None
        self._sent: deque[float] = deque()
        self._tokens = 0.0
        self._filled_at = 0.0
        self._held_until = float("-inf")
        self._window = _Window()

    def take(self, now: float) -> float:
        """Count one request as sent now and return 0, or return the seconds to wait first."""
        while self._sent and now - self._sent[0] >= _OWN_WINDOW_SECONDS:
            self._sent.popleft()
        wait = self._wait(now)
        if wait <= 0:
            self._tokens -= 1
            self._sent.append(now)
            self._window.sent()
        return max(wait, 0.0)

    def answered(self, now: float, limit: int | None, remaining: int | None) -> None:
        """A request has its answer, or will get none.

        Args:
            now: The time.
            limit: Requests of the whole org in a window, where the answer tells.
            remaining: What is left of them in this window, where it tells.
        """
        if limit is not None and self._limit is None:
            self._tokens = limit * self._share * _BURST
            self._filled_at = now
        self._limit = limit if limit is not None else self._limit
        self._window.answered(now, self._limit, remaining)

    def hold(self, until: float) -> None:
        """The limit is spent: nothing may go out before then, when a new window begins."""
        self._held_until = max(self._held_until, until)
        self._window = _Window()

    def _wait(self, now: float) -> float:
        if now < self._held_until:
            return self._held_until - now
        if self._limit is None:
            return 0.0
        share = max(1.0, self._limit * self._share)
        if len(self._sent) + 1 > share:
            return _OWN_WINDOW_SECONDS - (now - self._sent[0])
        rate = share / _OWN_WINDOW_SECONDS
        rest = self._window.rest(now, self._limit, self._share)
        if rest is not None:
            left, seconds = rest
            if left < 1:
                return min(seconds, _LONGEST_WAIT_SECONDS)
            rate = min(rate, left / seconds)
        most = max(1.0, share * _BURST)
        self._tokens = min(self._tokens + (now - self._filled_at) * rate, most)
        self._filled_at = now
        return min((1 - self._tokens) / rate, _LONGEST_WAIT_SECONDS)


class _Window:
    """The server's window, as far as its answers tell of it."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._remaining: int | None = None
        self._unanswered = 0

    def sent(self) -> None:
        self._unanswered += 1

    def answered(self, now: float, limit: int | None, remaining: int | None) -> None:
        self._unanswered = max(0, self._unanswered - 1)
        if remaining is None or limit is None:
            return
        before, self._remaining = self._remaining, remaining
        if before is None or remaining - before > limit * _RESET_JUMP:
            self._began_at = now

    def rest(self, now: float, limit: int, share: float) -> tuple[float, float] | None:
        """What is left beyond the others' part, and for how many seconds; None if unknown."""
        if self._began_at is None or self._remaining is None:
            return None
        seconds = self._began_at + WINDOW_SECONDS - now
        if seconds <= 0:
            self._began_at = self._remaining = None
            return None
        others = limit * (1 - share) * seconds / WINDOW_SECONDS + limit * _MARGIN
        return self._remaining - self._unanswered - others, seconds

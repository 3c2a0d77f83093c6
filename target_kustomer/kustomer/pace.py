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

_NEVER = float("-inf")


class Pace:
    """When the next request may go out.

    A run takes at most its share in any window, and spreads it evenly. It also leaves the others
    their part until the end of the window: it may send what is left beyond that part, spread over
    the time that is left. Alone, that is its whole share; where others spend more than their part,
    the run slows down; several runs slow down alike, and end with equal parts of what there is.

    Args:
        share: Part of the limit that this run may use, 0..1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._limit: int | None = None
        self._sent: deque[float] = deque()
        self._unanswered = 0
        self._tokens = 0.0
        self._filled_at = 0.0
        self._held_until = _NEVER
        self._window = _Window()

    def take(self, now: float) -> float:
        """Count one request as sent now and return 0, or return the seconds to wait first."""
        while self._sent and now - self._sent[0] >= _OWN_WINDOW_SECONDS:
            self._sent.popleft()
        wait = self._wait(now)
        if wait <= 0:
            self._tokens -= 1
            self._sent.append(now)
            self._unanswered += 1
        return max(wait, 0.0)

    def answered(
        self, now: float, sent_at: float, limit: int | None, remaining: int | None
    ) -> None:
        """A request has its answer, or will get none.

        Args:
            now: The time.
            sent_at: When the request went out.
            limit: Requests of the whole org in a window, where the answer tells.
            remaining: What is left of them in this window, where it tells.
        """
        self._unanswered -= 1
        if limit is not None and self._limit is None:
            self._tokens = limit * self._share * _BURST
            self._filled_at = now
        self._limit = limit if limit is not None else self._limit
        if self._limit is not None and remaining is not None:
            self._window.answered(now, sent_at, remaining, self._limit * _RESET_JUMP)

    def hold(self, until: float) -> None:
        """The limit is spent: nothing may go out before then, when a new window begins."""
        self._held_until = max(self._held_until, until)
        self._window = _Window(self._held_until)

    def _wait(self, now: float) -> float:
        if now < self._held_until:
            return self._held_until - now
        if self._limit is None:
            return 0.0
        share = max(1.0, self._limit * self._share)
        if len(self._sent) + 1 > share:
            return _OWN_WINDOW_SECONDS - (now - self._sent[0])
        rate = share / _OWN_WINDOW_SECONDS
        seconds = self._window.seconds_left(now)
        if seconds > 0:
            left = self._left(self._limit, seconds)
            if left < 1:
                return min(seconds, _LONGEST_WAIT_SECONDS)
            rate = min(rate, left / seconds)
        most = max(1.0, share * _BURST)
        self._tokens = min(self._tokens + (now - self._filled_at) * rate, most)
        self._filled_at = now
        return min((1 - self._tokens) / rate, _LONGEST_WAIT_SECONDS)

    def _left(self, limit: int, seconds: float) -> float:
        """What is left of the window for this run, so many seconds before its end.

        What the others may still spend is the rest of their part while they keep to it. Whoever
        spends more is another run, or will not stop: that gets its part of the time that is left.
        """
        margin = limit * _MARGIN
        part = limit * (1 - self._share)
        spent = limit - self._window.remaining - self._window.own - self._unanswered
        others = part * seconds / WINDOW_SECONDS
        if spent <= part + margin:
            others = min(others, max(0.0, part - spent))
        return self._window.remaining - self._unanswered - others - margin


class _Window:
    """The server's window, as far as its answers tell of it.

    Args:
        since: What was sent earlier tells of a window before.

    Attributes:
        remaining: What was left of it by the latest news.
        own: Of this run's requests, those that it has answered.
    """

    def __init__(self, since: float = _NEVER) -> None:
        self._since = self._told_of = since
        self._ends_at = _NEVER
        self.remaining = 0
        self.own = 0

    def answered(self, now: float, sent_at: float, remaining: int, jump: float) -> None:
        """An answer tells what is left; more by such a jump tells of a new window."""
        if sent_at < self._since:
            return
        self.own += 1
        if sent_at < self._told_of and remaining > self.remaining:
            return
        self._told_of = max(sent_at, self._told_of)
        if sent_at >= self._ends_at or remaining - self.remaining > jump:
            self._since = now
            self._ends_at = now + WINDOW_SECONDS
            self.own = 1
        self.remaining = remaining

    def seconds_left(self, now: float) -> float:
        """How long it lasts at most; 0 where nothing is known of it."""
        return max(0.0, self._ends_at - now)

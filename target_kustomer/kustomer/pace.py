"""When a run may send its next request, by what the answers tell of the org's limit: pure.

The caller tells the time with each call, in seconds that never go back; nothing here waits.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
"""The window in which a limit counts [API §7]."""

_BURST = 0.05
"""Part of a run's share that may go out at once; all else is spread over the window."""

_MARGIN = 0.02
"""Part of the limit that is left alone, since answers tell of the others with a delay."""

_RESET_JUMP = 0.05
"""So much more is left than before, as a part of the limit: a new window has begun."""

_LONGEST_WAIT_SECONDS = 1.0
"""After so long it is worth asking again: others may have spent less than was feared."""

_LAPSED_WAIT_SECONDS = 0.2
"""The same where nothing is allowed until the other runs are asked."""

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a run may use of the share beside other runs.

    Attributes:
        most: Its requests in any window; those already sent count.
        part: Requests a window to come to in the long run.
        until: After that moment it may send nothing.
        others: What the other runs may have sent in the last window.
    """

    most: int
    part: float
    until: float
    others: int


class Pace:
    """When the next request may go out.

    A run takes at most its share in any window, and spreads it evenly. A request counts from the
    moment it is taken until a window after its answer: when it arrived lies between. The run also
    leaves the others
    their part until the end of the window: it may send what is left beyond that part, spread over
    the time that is left. Alone, that is its whole share; where others spend more than their part,
    the run slows down; several runs slow down alike, and end with equal parts of what there is.

    Args:
        share: Part of the limit that this run may use, 0..1.

    Attributes:
        held_back: Whether a request had to wait; who reads it may put it back.
    """

    def __init__(self, share: float) -> None:
        self.held_back = False
        self._share = share
        self._limit: int | None = None
        self._allowance: Allowance | None = None
        self._counted_until: deque[float] = deque()
        self._unanswered = 0
        self._tokens = 0.0
        self._filled_at = 0.0
        self._held_until = _NEVER
        self._window = _Window()

    def take(self, now: float) -> float:
        """Count one request as sent now and return 0, or return the seconds to wait first."""
        wait = self._wait(now)
        if wait <= 0:
            self._tokens -= 1
            self._unanswered += 1
            return 0.0
        self.held_back = True
        return wait

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
        self._counted_until.append(now + WINDOW_SECONDS)
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

    @property
    def total(self) -> float | None:
        """The share in requests a window, at least one; None while the limit is not known."""
        return None if self._limit is None else max(1.0, self._limit * self._share)

    def used(self, now: float) -> int:
        """The requests that count in a window that ends now."""
        while self._counted_until and self._counted_until[0] <= now:
            self._counted_until.popleft()
        return len(self._counted_until) + self._unanswered

    def answered_ago(self, now: float) -> list[float]:
        """For those of them that have their answer: how many seconds ago it came."""
        self.used(now)
        return [now + WINDOW_SECONDS - each for each in self._counted_until]

    def allow(self, allowance: Allowance) -> None:
        """Keep to this from now on: other runs use the share too."""
        self._allowance = allowance

    def _wait(self, now: float) -> float:
        if now < self._held_until:
            return self._held_until - now
        if self._limit is None or self.total is None:
            return 0.0
        allowed = self._allowance or Allowance(int(self.total), self.total, math.inf, 0)
        if now > allowed.until:
            return _LAPSED_WAIT_SECONDS
        if self.used(now) + 1 > allowed.most:
            until = self._counted_until[0] if self._counted_until else math.inf
            return min(until - now, _LONGEST_WAIT_SECONDS)
        rate = allowed.part / WINDOW_SECONDS
        seconds = self._window.seconds_left(now)
        if seconds > 0 and not self._agents_keep_to_their_part(self._limit, seconds):
            left = self._left(self._limit, allowed.part, seconds)
            if left < 1:
                return min(seconds, _LONGEST_WAIT_SECONDS)
            rate = min(rate, left / seconds)
        most = max(1.0, allowed.part * _BURST)
        self._tokens = min(self._tokens + (now - self._filled_at) * rate, most)
        self._filled_at = now
        return min((1 - self._tokens) / rate, _LONGEST_WAIT_SECONDS)

    def _agents_keep_to_their_part(self, limit: int, seconds: float) -> bool:
        """Whether the runs that are known account for what the window has lost."""
        if self._allowance is None:
            return False
        age = WINDOW_SECONDS - seconds if self._window.is_whole else WINDOW_SECONDS
        runs = self._window.own + self._unanswered + self._allowance.others * age / WINDOW_SECONDS
        agents = limit * (1 - self._share + _MARGIN)
        return limit - self._window.remaining - runs <= agents

    def _left(self, limit: int, part: float, seconds: float) -> float:
        """What is left of the window for this run, so many seconds before its end.

        What the others may still spend is the rest of their part while they keep to it. Whoever
        spends more is another run, or will not stop: that gets its part of the time that is left.
        Runs that know of each other ask for this only where agents do so, and leave the margin
        together.
        """
        margin = _MARGIN * part / self._share
        theirs = limit - part
        spent = limit - self._window.remaining - self._window.own - self._unanswered
        others = theirs * seconds / WINDOW_SECONDS
        if self._allowance is None and spent <= theirs + limit * _MARGIN:
            others = min(others, max(0.0, theirs - spent))
        return self._window.remaining - self._unanswered - others - margin


class _Window:
    """The server's window, as far as its answers tell of it.

    Args:
        since: What was sent earlier tells of a window before.

    Attributes:
        remaining: What was left of it by the latest news.
        own: Of this run's requests, those that it has answered.
        is_whole: Whether its beginning was seen.
    """

    def __init__(self, since: float = _NEVER) -> None:
        self._since = self._told_of = since
        self._ends_at = _NEVER
        self.remaining = 0
        self.own = 0
        self.is_whole = False

    def answered(self, now: float, sent_at: float, remaining: int, jump: float) -> None:
        """An answer tells what is left; more by such a jump tells of a new window."""
        if sent_at < self._since:
            return
        self.own += 1
        if sent_at < self._told_of and remaining > self.remaining:
            return
        self._told_of = max(sent_at, self._told_of)
        if sent_at >= self._ends_at or remaining - self.remaining > jump:
            self.is_whole = self._ends_at > _NEVER
            self._since = now
            self._ends_at = now + WINDOW_SECONDS
            self.own = 1
        self.remaining = remaining

    def seconds_left(self, now: float) -> float:
        """How long it lasts at most; 0 where nothing is known of it."""
        return max(0.0, self._ends_at - now)

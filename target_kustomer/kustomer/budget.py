"""The org's request budget: what this run may use of it, and when [API §7]."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.clock import Clock

WINDOW_SECONDS = 60.0
"""The org-wide window [API §7]."""

_MAX_HOLD_SECONDS = 120.0
"""A reset further away than two windows is not believed [API §13]."""

_MILLISECONDS_FROM = 1e11
"""An epoch beyond this counts milliseconds [API §13]."""


class Budget:
    """Counts this run's requests of the last window and holds them to its share of the limit.

    Args:
        share: Part of the org's limit that this run may use, 0..1.
        clock: Time.
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._limit: int | None = None
        self._held_until = 0.0

    def acquire(self) -> float:
        """Wait until one more request fits the share, and count it; the seconds waited."""
        started = self._clock.monotonic()
        while (wait := self._take()) > 0:
            self._clock.sleep(wait)
        return self._clock.monotonic() - started

    def observe(self, headers: Mapping[str, str]) -> None:
        """Learn the org's limit from an answer's headers."""
        limit = headers.get("x-ratelimit-limit", "")
        if limit.isdigit() and int(limit) > 0:
            with self._lock:
                self._limit = int(limit)

    def exhausted(self, headers: Mapping[str, str]) -> float:
        """The window is spent (429): hold all requests until its reset; seconds until then."""
        wait = self._seconds_to_reset(headers)
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + wait)
        return wait

    def _take(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            if now < self._held_until:
                return self._held_until - now
            while self._sent and self._sent[0] <= now - WINDOW_SECONDS:
                self._sent.popleft()
            if self._limit is not None and len(self._sent) >= max(1, self._limit * self._share):
                return self._sent[0] + WINDOW_SECONDS - now
            self._sent.append(now)
            return 0.0

    def _seconds_to_reset(self, headers: Mapping[str, str]) -> float:
        after = _number(headers.get("retry-after"))
        if after is None:
            reset = _number(headers.get("x-ratelimit-reset"))
            if reset is None:
                return WINDOW_SECONDS
            after = (reset / 1000 if reset > _MILLISECONDS_FROM else reset) - self._clock.time()
        return min(max(after, 1.0), _MAX_HOLD_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None

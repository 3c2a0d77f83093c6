"""The org's request budget: what this run may use of it, and when [API §7]."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from target_kustomer.kustomer.pace import WINDOW_SECONDS, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.clock import Clock


_MAX_HOLD_SECONDS = 120.0
"""A reset further away than two windows is not believed [API §13]."""

_MILLISECONDS_FROM = 1e11
"""An epoch beyond this counts milliseconds [API §13]."""


_SHORTEST_WAIT_SECONDS = 0.001
"""A wait may be shorter than what a clock can tell."""


class Budget:
    """Holds this run's requests to its share of the org's limit, and to that of single objects.

    Args:
        share: Part of the org's limit that this run may use, 0..1.
        clock: Time.
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._pace = Pace(share)
        self._clock = clock
        self._lock = threading.Lock()
        self._held_objects: dict[str, float] = {}

    def acquire(self, object_id: str | None = None) -> float:
        """Wait until one more request fits, and count it; the seconds waited.

        Args:
            object_id: The object that the request updates, if it is a single one.
        """
        started = self._clock.monotonic()
        while (wait := self._take(object_id)) > 0:
            self._clock.sleep(max(wait, _SHORTEST_WAIT_SECONDS))
        return self._clock.monotonic() - started

    def answered(self, headers: Mapping[str, str]) -> None:
        """Learn of the org's limit from an answer's headers; empty where no answer came."""
        limit = _whole(headers.get("x-ratelimit-limit"))
        remaining = _whole(headers.get("x-ratelimit-remaining"))
        with self._lock:
            self._pace.answered(self._clock.monotonic(), limit or None, remaining)

    def exhausted(self, headers: Mapping[str, str], object_id: str | None = None) -> float:
        """A limit is spent (429): hold what it concerns until its reset; seconds until then."""
        wait = self._seconds_to_reset(headers)
        until = self._clock.monotonic() + wait
        with self._lock:
            if object_id is not None and _is_of_object(headers):
                self._held_objects[object_id] = until
            else:
                self._pace.hold(until)
        return wait

    def _take(self, object_id: str | None) -> float:
        now = self._clock.monotonic()
        with self._lock:
            if object_id is not None and now < self._held_objects.get(object_id, now):
                return self._held_objects[object_id] - now
            self._held_objects.pop(object_id or "", None)
            return self._pace.take(now)

    def _seconds_to_reset(self, headers: Mapping[str, str]) -> float:
        after = _number(headers.get("retry-after"))
        if after is None:
            reset = _number(headers.get("x-ratelimit-reset"))
            if reset is None:
                return WINDOW_SECONDS
            after = (reset / 1000 if reset > _MILLISECONDS_FROM else reset) - self._clock.time()
        return min(max(after, 1.0), _MAX_HOLD_SECONDS)


def _is_of_object(headers: Mapping[str, str]) -> bool:
    """Whether it is the object's limit that is spent, and not the org's [API §7]."""
    spent = _whole(headers.get("x-ratelimit-object-remaining")) == 0
    return spent and _whole(headers.get("x-ratelimit-remaining")) != 0


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None

"""The org's request budget: what this run may use of it, and when [API §7]."""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING

from target_kustomer.kustomer.companions import Companions
from target_kustomer.kustomer.pace import WINDOW_SECONDS, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.companions import Board
    from target_kustomer.models import Notice

logger = logging.getLogger(__name__)

_MAX_HOLD_SECONDS = 120.0
"""A reset further away than two windows is not believed [API §13]."""

_MILLISECONDS_FROM = 1e11
"""An epoch beyond this counts milliseconds [API §13]."""

_SHORTEST_WAIT_SECONDS = 0.001
"""A wait may be shorter than what a clock can tell."""

_LONG_WAIT_SECONDS = 5.0
"""A wait of a request that is worth a line in the log."""


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
        self._told_until = float("-inf")
        self.limit: int | None = None
        """Requests of the whole org in a window, where an answer has told."""
        self.remaining: int | None = None
        """What was left of them by the last answer that told."""
        self.sent = 0
        """Requests let through so far."""
        self.waiting = 0
        """Requests that wait at this moment."""
        self._board: Board | None = None

    def meet(self, board: Board) -> None:
        """From now on share with the runs that this board shows."""
        with self._lock:
            self._board = board
            self._companions = Companions(board.run, self._pace)

    def leave(self) -> None:
        """Give back what this run has claimed; it sends nothing more."""
        if self._board:
            self._exchange(self._board, ended=True)

    def acquire(self, object_id: str | None = None) -> float:
        """Wait until one more request fits, and count it; the seconds waited.

        Args:
            object_id: The object that the request updates, if it is a single one.
        """
        started, waited = self._clock.monotonic(), 0.0
        self._look()
        while (wait := self._take(object_id)) > 0:
            self._tell(waited + wait)
            self._sleep(max(wait, _SHORTEST_WAIT_SECONDS))
            waited = self._clock.monotonic() - started
            self._look()
        return waited

    def answered(
        self, headers: Mapping[str, str], sent_at: float, object_id: str | None = None
    ) -> int | None:
        """Learn of the limits from an answer; the org's, where it tells.

        Args:
            headers: Its headers; empty where no answer came.
            sent_at: When its request went out, by the clock's ``monotonic``.
            object_id: The object that it updated, if it is a single one.
        """
        limit = _whole(headers.get("x-ratelimit-limit"))
        remaining = _whole(headers.get("x-ratelimit-remaining"))
        now = self._clock.monotonic()
        with self._lock:
            self.limit = limit or self.limit
            self.remaining = self.remaining if remaining is None else remaining
            self._pace.answered(now, sent_at, limit or None, remaining)
            if object_id is not None and _object_is_spent(headers):
                self._hold_object(object_id, now, now + WINDOW_SECONDS)
        return limit

    def exhausted(self, headers: Mapping[str, str], object_id: str | None = None) -> float:
        """A limit is spent (429): hold what it concerns until its reset; seconds until then."""
        wait = self._seconds_to_reset(headers)
        now = self._clock.monotonic()
        with self._lock:
            spent_object = object_id if _object_is_spent(headers) else None
            if spent_object is not None:
                self._hold_object(spent_object, now, now + wait)
            if spent_object is None or _whole(headers.get("x-ratelimit-remaining")) == 0:
                self._pace.hold(now + wait)
            self._told_until = max(self._told_until, now + wait)
        return wait

    def _sleep(self, seconds: float) -> None:
        with self._lock:
            self.waiting += 1
        try:
            self._clock.sleep(seconds)
        finally:
            with self._lock:
                self.waiting -= 1

    def _take(self, object_id: str | None) -> float:
        now = self._clock.monotonic()
        with self._lock:
            held_until = self._held_objects.get(object_id or "", now)
            wait = held_until - now if held_until > now else self._pace.take(now)
            self.sent += wait <= 0
            return wait

    def _look(self) -> None:
        """Look at the other runs when it is time; the other threads go on meanwhile."""
        if self._board is None:
            return
        with self._lock:
            due = self._companions.begin(self._clock.monotonic())
        if due:
            self._exchange(self._board, ended=False)

    def _exchange(self, board: Board, *, ended: bool) -> None:
        def post(notices: Sequence[Notice]) -> tuple[Notice, list[str]]:
            now, time = self._clock.monotonic(), self._clock.time()
            with self._lock:
                if ended:
                    return self._companions.leave(now, time), []
                return self._companions.post(now, time, notices)

        done = False
        try:
            done = board.exchange(post)
        finally:
            with self._lock:
                self._companions.end(self._clock.monotonic(), done=done)

    def _hold_object(self, object_id: str, now: float, until: float) -> None:
        held = {each: end for each, end in self._held_objects.items() if end > now}
        self._held_objects = {**held, object_id: until}

    def _tell(self, wait: float) -> None:
        """Say that requests wait, once in a window."""
        now = self._clock.monotonic()
        with self._lock:
            if wait < _LONG_WAIT_SECONDS or now < self._told_until:
                return
            self._told_until = now + WINDOW_SECONDS
        logger.info("requests wait for the rate limit")

    def _seconds_to_reset(self, headers: Mapping[str, str]) -> float:
        after = _number(headers.get("retry-after"))
        if after is None:
            reset = _number(headers.get("x-ratelimit-reset"))
            if reset is None:
                return WINDOW_SECONDS
            after = (reset / 1000 if reset > _MILLISECONDS_FROM else reset) - self._clock.time()
        return min(max(after, 1.0), _MAX_HOLD_SECONDS)


def _object_is_spent(headers: Mapping[str, str]) -> bool:
    return _whole(headers.get("x-ratelimit-object-remaining")) == 0


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None

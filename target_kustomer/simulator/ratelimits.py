"""Rate limits: the org's budget in windows of time, and the limit for each object [API §7]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Window:
    """A number of units that may be spent in a window of time.

    A window opens with the first unit spent, and the next with the first one after its end.
    """

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._ends_at = -math.inf
        self._spent = 0

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self._clock()

    @property
    def remaining(self) -> int:
        """Units that are left now."""
        return self.limit if self.now >= self._ends_at else self.limit - self._spent

    @property
    def resets_at(self) -> float:
        """Epoch seconds at which all units will be there again."""
        return max(self._ends_at, self.now)

    def spend(self) -> bool:
        """Spends a unit, and tells whether there was one left."""
        now = self.now
        if now >= self._ends_at:
            self._ends_at = now + self._seconds
            self._spent = 0
        if self._spent >= self.limit:
            return False
        self._spent += 1
        return True


class Windows:
    """A window for each key, such as a user and an object; made when first asked for."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self._parameters = (limit, seconds, clock)
        self._windows: dict[tuple[str, ...], Window] = {}

    def of(self, *key: str) -> Window:
        """Returns the window of one key."""
        if key not in self._windows:
            self._windows[key] = Window(*self._parameters)
        return self._windows[key]


def rounded_up(number: float) -> str:
    """Returns a time as headers give it: whole, rounded up."""
    return str(math.ceil(number))

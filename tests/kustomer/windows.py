"""The windows in which an org's requests may be counted, and what comes into one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fixed:
    """A window that opens with its first request."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ends_at = 0.0
        self._spent = 0

    def take(self, now: float) -> int | None:
        """What is left after this request; None where nothing was."""
        if now >= self._ends_at:
            self._ends_at, self._spent = now + 60, 0
        if self._spent >= self.limit:
            return None
        self._spent += 1
        return self.limit - self._spent

    def resets_at(self) -> float:
        return self._ends_at


class Sliding:
    """The last sixty seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: float) -> int | None:
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return None
        self._taken.append(now)
        return self.limit - len(self._taken)

    def resets_at(self) -> float:
        return self._taken[0] + 60


def most_in_a_window(times: Iterable[float]) -> int:
    """The most of these times in any sixty seconds."""
    recent: deque[float] = deque()
    most = 0
    for now in sorted(times):
        recent.append(now)
        while recent[0] <= now - 60:
            recent.popleft()
        most = max(most, len(recent))
    return most

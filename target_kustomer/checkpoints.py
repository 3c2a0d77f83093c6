"""Tickets and STATE: nothing is acknowledged before all that came before it is settled."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.models import JSON


class Tickets:
    """Numbers that batches take when they open, from 1; for the thread that reads."""

    def __init__(self) -> None:
        self.next = 1

    def open(self) -> int:
        """The next ticket."""
        ticket = self.next
        self.next += 1
        return ticket


class Checkpoints:
    """Holds each STATE until every ticket opened before it is confirmed; one thread settles.

    Args:
        emit: Writes a STATE. It is called with the newest one that may go out.

    Attributes:
        settled_lines: No open ticket holds a record from before this line of stdin.
    """

    def __init__(self, emit: Callable[[JSON], None]) -> None:
        self._emit = emit
        self._lowest_open = 1
        self._confirmed: dict[int, int] = {}
        self.settled_lines = 0
        self._waiting: deque[tuple[int, JSON]] = deque()

    def checkpoint(self, state: JSON, next_ticket: int) -> None:
        """A STATE was read when ``next_ticket`` was the next one: it covers all below."""
        if self._waiting and self._waiting[-1][0] == next_ticket:
            self._waiting.pop()  # it could only go out together with this one
        self._waiting.append((next_ticket, state))
        self._release()

    def confirm(self, ticket: int, first_line: int) -> None:
        """Every record of the ticket, from ``first_line`` on, is in Kustomer or in the rejects."""
        self._confirmed[ticket] = first_line
        while self._lowest_open in self._confirmed:
            self.settled_lines = self._confirmed.pop(self._lowest_open)
            self._lowest_open += 1
        self._release()

    def _release(self) -> None:
        covered = None
        while self._waiting and self._waiting[0][0] <= self._lowest_open:
            covered = self._waiting.popleft()
        if covered is not None:
            self._emit(covered[1])

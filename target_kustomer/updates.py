"""Who was updated in Kustomer since all updates were last taken in (design 1.6)."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from target_kustomer.copies import Copies
from target_kustomer.roster import MAX_BYTES, Listing, Pass, UnreadableError, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.endpoints import Kustomer, Page, Resource
    from target_kustomer.models import MatchKey, ObjectType

_PAGE_SIZE = 100

_FIRST_PART = 4
"""The first reading of all ends at so many times as much as the memory holds: what it holds was
updated lately, and in a large org the rest is older."""


class Memory(Protocol):
    """What keeps, across runs, what was seen of Kustomer's objects.

    All moments are Kustomer's own, as its ``updatedAt`` tells them.
    """

    @property
    def remembers(self) -> bool:
        """Whether it held anything when the run began."""

    def read_until(self, object_type: ObjectType) -> str:
        """Until when all updates have been taken in; empty where none has."""

    def unseen(self) -> int | None:
        """How many of its customers were not seen; None where any was."""

    def see(self, object_type: ObjectType, resources: Sequence[Resource]) -> tuple[int, str]:
        """Take in objects as they are listed.

        Returns:
            How many of them it had not seen before, and the earliest update that could not be
            taken in, empty where there is none.
        """

    def note_read(self, object_type: ObjectType, until: str) -> None:
        """All updates until this moment have been taken in."""


class Updates(Listing):
    """The customers that were updated since the last reading, of this run or of one before.

    They are listed newest first, after the first page only those that are no newer than its
    first. Nobody comes into that list any more; who is updated or deleted leaves it, and others
    move up: then its total is smaller, and it is read on from the last one seen. Those who have
    left are then found among the newer ones. Nothing lists companies by time [API §2.2].

    Args:
        kustomer: The API.
        clock: Time.
        memory: What is told of all that is seen.
    """

    def __init__(self, kustomer: Kustomer, clock: Clock, memory: Memory) -> None:
        super().__init__("customer", kustomer, clock)
        self._memory = memory

    @override
    def _forget(self) -> None:
        super()._forget()
        self._held_back = ""
        self._unseen: int | None = None
        self._most_pages = 0
        self._leaving = False
        self._open()

    def _open(self, until: str = "") -> None:
        """Go on with the first page of those that were updated until then."""
        self._until = until and _next_millisecond(until)
        self._number = 1
        self._total: int | None = None

    @override
    def find(self, key: MatchKey) -> list[Resource] | None:
        """The customers that bear the key among those that were updated, else None."""
        with self._lock:
            return (self._copies.find(key) or None) if self.is_read else None

    @override
    def _begin(self) -> Pass:
        since = self._since or self._memory.read_until(self._object_type)
        self._unseen = None if since else self._memory.unseen()
        self._most_pages = _FIRST_PART * -(-(self._unseen or 0) // _PAGE_SIZE)
        self._pass = Pass(self._clock.monotonic(), since)
        self._leaving = False
        self._open()
        return self._pass

    @override
    def _page_of(self, current: Pass) -> Page:
        return self._kustomer.page_of(
            self._object_type, self._number, current.since, self._until or None
        )

    @override
    def _recount(self) -> None:
        """Those who were updated tell nothing of the others."""

    @override
    def _drop_copies(self) -> None:
        self._copies = Copies(self._object_type)

    @override
    def _take(self, current: Pass, page: Page, request: int) -> None:
        times = times_of(current, page, self._until)
        if current.read == 0:
            current.total = page.total
            current.newest = next(iter(times), current.since)
        current.read += 1
        current.seen.add(self._copies.put(page.resources, request))
        if self._copies.size > MAX_BYTES:
            msg = "too many were updated"
            raise UnreadableError(msg)
        newly, held_back = self._memory.see(self._object_type, page.resources)
        self._held_back = min(filter(None, (self._held_back, held_back)), default="")
        if self._unseen is not None:
            self._unseen -= newly
        more = self._turn(current, page, times)
        current.left = -(-max((current.total or 0) - current.seen.count, 0) // _PAGE_SIZE)
        if self._unseen is not None:
            current.left = min(current.left, self._most_pages - current.read)
            more = more and self._unseen > 0 and current.left > 0
        if not more:
            self._end(current)

    def _turn(self, current: Pass, page: Page, times: Sequence[str]) -> bool:
        """Turn to the next page; whether there is one."""
        if (page.total or 0) < (self._total or 0):
            self._leaving = True
            self._open(current.last)
            return True
        oldest = min(times, default=current.last)
        if self._leaving and 2 * times.count(oldest) <= len(times):
            self._open(oldest)
        else:
            self._until = self._until or _next_millisecond(current.newest)
            self._total = page.total
            self._number += 1
        current.last = oldest
        return page.more

    def _end(self, current: Pass) -> None:
        self._pass = None
        self._since = current.newest
        self._read_at = current.started_at
        if not (self._is_fresh and (current.saw_all or self._unseen == 0)):
            self._read_at = -math.inf
            self._passes += 1
            self._check_passes()
            return
        self._passes = 0
        self._whole = True
        self._since = min(filter(None, (self._held_back, self._since)), default="")
        self._held_back = ""
        self._memory.note_read(self._object_type, self._since)


def _next_millisecond(moment: str) -> str:
    """A time by which nobody of this moment is left out, though servers may keep finer ones."""
    try:
        then = datetime.fromisoformat(moment.replace("Z", "+00:00")) + timedelta(milliseconds=1)
    except ValueError:
        msg = "Kustomer tells times in a form of its own"
        raise UnreadableError(msg) from None
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")

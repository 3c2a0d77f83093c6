"""Reads an org's objects page by page, where that costs less than asking for each (design 1.6)."""

from __future__ import annotations

import abc
import logging
import math
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from typing_extensions import override

from target_kustomer.copies import Copies
from target_kustomer.exceptions import AccessError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.endpoints import Kustomer, Page, Resource
    from target_kustomer.models import MatchKey, ObjectType

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""What was read longer ago is read again before anything is decided by it."""

MAX_BYTES = 500_000_000
"""Of copies on disk; about a million customers."""

_MAX_PASSES = 10
"""So many readings, each of what was updated during the one before, and no more."""

UNKNOWN_PAGES = 5
"""What a reading may cost before its first page has told: a few look-ups."""

_POLL_SECONDS = 0.05
_FORBIDDEN = 403


class UnreadableError(Exception):
    """The list cannot serve; the message says why."""


class _Seen:
    """Which objects were seen, by number: a byte for each, where a set takes some eighty."""

    def __init__(self) -> None:
        self._flags = bytearray()
        self.count = 0

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number >= len(self._flags):
                self._flags += bytes(number + 1 - len(self._flags))
            self.count += not self._flags[number]
            self._flags[number] = True


@dataclass(slots=True)
class Pass:
    """One reading from the newest object back to a moment, or to the last page.

    Attributes:
        started_at: In the clock's monotonic seconds.
        since: Kustomer's time of the oldest update that is wanted, empty for all.
        newest: Kustomer's time of the newest update on the first page.
        total: How many objects there were then, None where Kustomer does not tell.
        read: Pages.
        left: Pages that are left, None where Kustomer does not tell.
        last: Kustomer's time of the oldest update seen.
        seen: Those of these objects that were seen.
    """

    started_at: float
    since: str
    newest: str = ""
    total: int | None = None
    read: int = 0
    left: int | None = None
    last: str = ""
    seen: _Seen = field(default_factory=_Seen)

    @property
    def saw_all(self) -> bool:
        """Whether no object slipped from a page that was to come to one that had been read."""
        return self.total is None or self.seen.count >= self.total


class Listing(abc.ABC):
    """A list of the org's customers or companies, read page by page; safe for threads.

    Args:
        object_type: What is read.
        kustomer: The API.
        clock: Time.
    """

    def __init__(self, object_type: ObjectType, kustomer: Kustomer, clock: Clock) -> None:
        self._object_type = object_type
        self._kustomer = kustomer
        self._clock = clock
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._usable = True
        self._forget()

    def _forget(self) -> None:
        self._copies = Copies(self._object_type)
        self._requests = 0
        self._pass: Pass | None = None
        self._passes = 0
        self._since = ""
        self._read_at = -math.inf
        self._whole = False

    @abc.abstractmethod
    def find(self, key: MatchKey) -> list[Resource] | None:
        """The objects that bear the key, None where that is not known."""

    def note_written(self, kustomer_id: str | None, keys: Iterable[MatchKey]) -> None:
        """This run has, or may have, written an object that bears these keys."""
        with self._lock:
            if not self._requests:
                return
            self._copies.mark(kustomer_id, keys, self._requests)
            if self._copies.size > MAX_BYTES and self._pass is None:
                self._drop_copies()

    def read_while(self, worth: Callable[[int, int | None], bool]) -> bool:
        """Read on while that is worth its pages; one thread reads, others wait for it.

        Args:
            worth: Takes the pages of this reading that were read, and those that are left (of one
                that has not begun, a guess), None where that is not known.

        Returns:
            Whether this has ended a reading.
        """
        ended = False
        while self._goes_on(worth):
            if not self._reading.acquire(blocking=False):
                self._clock.sleep(_POLL_SECONDS)
                continue
            try:
                if self._goes_on(worth):
                    self._read_page()
                    ended = self.is_read
            finally:
                self._reading.release()
        return ended

    def _goes_on(self, worth: Callable[[int, int | None], bool]) -> bool:
        return self._usable and not self.is_read and worth(*self._pages)

    @property
    def is_read(self) -> bool:
        """Whether the last page was read, and the first one at most five minutes ago."""
        return self._whole and self._is_fresh

    @property
    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._read_at < FRESH_SECONDS

    @property
    def _pages(self) -> tuple[int, int | None]:
        current = self._pass
        return (current.read, current.left) if current and current.read else (0, UNKNOWN_PAGES)

    def _read_page(self) -> None:
        with self._lock:
            current = self._pass or self._begin()
            self._requests += 1
            request = self._requests
        try:
            began_at = self._clock.time()
            page = self._page_of(current)
            resources = [replace(each, read_at=began_at) for each in page.resources]
            page = replace(page, resources=resources)
            with self._lock:
                self._take(current, page, request)
            self._recount()
        except (RefusedError, NotFoundError, UnreadableError) as error:
            self._give_up(str(error))
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            self._give_up("the api_key lacks the role")

    @abc.abstractmethod
    def _begin(self) -> Pass:
        """Begin a reading."""

    @abc.abstractmethod
    def _page_of(self, current: Pass) -> Page:
        """The next page."""

    @abc.abstractmethod
    def _take(self, current: Pass, page: Page, request: int) -> None:
        """A page was read: keep what is on it."""

    @abc.abstractmethod
    def _recount(self) -> None:
        """Find out, where a reading has ended, whether any are no more."""

    @abc.abstractmethod
    def _drop_copies(self) -> None:
        """There are too many of them."""

    def _check_passes(self) -> None:
        if self._passes == _MAX_PASSES:
            msg = "they change faster than they are read"
            raise UnreadableError(msg)

    def _check_fresh(self) -> None:
        if not self._is_fresh:
            msg = "that takes too long"
            raise UnreadableError(msg)

    def _give_up(self, why: str) -> None:
        logger.warning(
            "the list of all %s records is not read, each is asked for (%s)",
            self._object_type,
            why,
        )
        with self._lock:
            self._usable = False
            self._forget()


class Roster(Listing):
    """All of them, as far as they have been read.

    Customers are read by the time of their update, newest first, and then those that were updated
    meanwhile: each of these has moved to the front. Where one is deleted meanwhile, others move
    forward, and one may be missed: then fewer are seen than there were, and who is not among them
    may be there all the same. Later only those updated since are read, and all are counted: where
    there are fewer than were read, some were deleted or merged, and all are read anew. Companies
    have no such order, and no count [API §2.2].
    """

    @override
    def _forget(self) -> None:
        super()._forget()
        self._first: Pass | None = None
        self._all_seen = False
        self._uncounted: Pass | None = None

    @property
    def knows_all(self) -> bool:
        """Whether who is not among them was not there a moment ago."""
        return self.is_read and self._all_seen

    @override
    def find(self, key: MatchKey) -> list[Resource] | None:
        with self._lock:
            if not self._is_fresh:
                return None
            found = self._copies.find(key)
            unique = self._object_type == "customer" or key.kind == "id"
            return found if self.knows_all or (found and unique) else None

    @override
    def _begin(self) -> Pass:
        # With those since the last reading, or anew.
        since = self._since if self._first or (self._whole and self._all_seen) else ""
        current = Pass(self._clock.monotonic(), since)
        if not since:
            self._forget()
            self._first, self._read_at = current, current.started_at
        self._pass = current
        return current

    @override
    def _page_of(self, current: Pass) -> Page:
        return self._kustomer.page_of(self._object_type, current.read + 1, current.since)

    @override
    def _drop_copies(self) -> None:
        self._forget()

    @override
    def _take(self, current: Pass, page: Page, request: int) -> None:
        more = page.more
        if self._object_type == "customer":
            times = times_of(current, page)
            if current.read == 0:
                current.total = page.total
                current.newest = next(iter(times), current.since)
                more = more and min(times, default="") > current.since
        current.read += 1
        current.left = None if page.pages is None else max(page.pages - current.read, 0)
        numbers = self._copies.put(page.resources, request)
        current.seen.add(numbers)
        if self._first and current.since:
            self._first.seen.add(
                number
                for number, each in zip(numbers, page.resources, strict=True)
                if each.attributes.get("createdAt", "~") <= self._first.newest
            )
        if not current.since:
            self._check_room(current)
        if not more:
            self._end(current)

    def _check_room(self, current: Pass) -> None:
        pages = current.read + (current.left or 0)
        if self._copies.size * pages > MAX_BYTES * current.read:
            msg = "the org has too many"
            raise UnreadableError(msg)

    def _end(self, current: Pass) -> None:
        """The last page was read; those that were updated meanwhile are to be read yet."""
        self._pass = None
        self._passes += 1
        if current is self._first or current.saw_all:
            self._since = current.newest
        if self._object_type == "customer" and current.read > 1:
            self._check_passes()
            return
        self._passes = 0
        if current.since and not self._first:
            self._uncounted = current
            return
        self._read_at = current.started_at
        self._whole = True
        if self._first:
            self._all_seen = self._first.saw_all
            self._first = None
        self._check_fresh()

    @override
    def _recount(self) -> None:
        current = self._uncounted
        if current is None:
            return
        there = self._kustomer.page_of(self._object_type, 1, None).total
        with self._lock:
            self._uncounted = None
            if there is None or there < self._copies.live:
                self._forget()
            else:
                self._read_at = current.started_at
                self._check_fresh()


def times_of(current: Pass, page: Page, until: str = "") -> list[str]:
    """When the page's customers were updated: in the order and within the times asked for."""
    times = [each.attributes.get("updatedAt") or "" for each in page.resources]
    wanted = all((current.since or "0") <= time <= (until or "~") for time in times)
    if page.total is None or not wanted or times != sorted(times, reverse=True):
        msg = "Kustomer does not list what it is asked for"
        raise UnreadableError(msg)
    return times

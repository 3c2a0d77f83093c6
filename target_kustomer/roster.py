"""Reads an org's objects page by page, where that costs less than asking for each (design 1.6)."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_kustomer.copies import Copies
from target_kustomer.exceptions import AccessError, NotFoundError, RefusedError
from target_kustomer.mapping.keys import known_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.endpoints import Kustomer, Page, Resource
    from target_kustomer.models import MatchKey, ObjectType

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""What was read longer ago is read again before anything is decided by it."""

_MAX_OBJECTS = 80_000
"""An org with more is not read: its copies would take more than 40 MB (measured)."""

_MAX_WRITTEN = 100_000
"""Keys of this run's own writes since the last reading; beyond it all is read anew."""

UNKNOWN_PAGES = 5
"""What a reading may cost before its first page has told: a few look-ups."""

_REMEMBERED_RECORDS = 2000
"""By so many records it is guessed what the next ones will need."""

_POLL_SECONDS = 0.05
_FORBIDDEN = 403


@dataclass(slots=True)
class _Pass:
    """One reading from the newest object back to a moment, or to the last page.

    Attributes:
        started_at: In the clock's monotonic seconds.
        since: Kustomer's time of the oldest update that is wanted, None for all.
        newest: Kustomer's time of the newest update.
        pages: How many there are, None where Kustomer does not tell.
    """

    started_at: float
    since: str | None = None
    newest: str | None = None
    read: int = 0
    pages: int | None = None
    total: int | None = None
    ids: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        """Pages that are to be read; where Kustomer does not tell, as many as were read."""
        return self.read if self.pages is None else self.pages - self.read


@dataclass(slots=True)
class Demand:
    """What single look-ups have cost, and how many more may be wanted: pure.

    Attributes:
        looked: Objects that were asked for one by one since the last reading.
    """

    looked: int = 0
    _records: float = 0.0
    _look_ups: float = 0.0

    def note(self, records: int, look_ups: int) -> None:
        """Of so many records, so many had to be looked up; what is long past counts less."""
        if self._records > _REMEMBERED_RECORDS:
            self._records /= 2
            self._look_ups /= 2
        self._records += records
        self._look_ups += look_ups

    def is_worth(self, pages: int, look_ups: int, waiting: int) -> bool:
        """Whether reading so many pages keeps all below twice what the better choice costs.

        Args:
            pages: What is left to be read.
            look_ups: What would be asked for now, one by one.
            waiting: Records that wait, of which as many will be looked up as of those before.
        """
        share = min(self._look_ups / self._records, 1.0) if self._records else 0.0
        return pages <= self.looked + 2 * (look_ups + share * waiting)


class Roster:
    """The org's customers or companies, as far as they have been read; safe for threads.

    Customers are read by the time of their update, newest first. One that is updated meanwhile
    moves to the front, where a second, short reading finds it; one that is deleted moves others
    forward, so that fewer are seen than there are: the reading does not count then. Companies have
    no such order [API §2.2].

    Args:
        object_type: What is read.
        kustomer: The API.
        clock: Time.
    """

    def __init__(self, object_type: ObjectType, kustomer: Kustomer, clock: Clock) -> None:
        self._object_type = object_type
        self._kustomer = kustomer
        self._clock = clock
        self._copies = Copies(object_type)
        self._reading = threading.Lock()
        self._pass: _Pass | None = None
        self._read_at: float | None = None
        self._all_seen = False
        self._newest: str | None = None
        self._written: dict[MatchKey, float] = {}
        self._writing = threading.Lock()
        self._usable = True

    @property
    def whole(self) -> bool:
        """Whether all objects have been read, as they were a moment ago."""
        return self._read_at is not None and self._is_fresh(self._read_at)

    def find(self, key: MatchKey) -> list[Resource] | None:
        """The objects that bear the key, None where that is not known."""
        if key in self._written or not self._may_be_known:
            return None
        found = self._copies.find(key)
        sure = self.whole and self._all_seen
        return found if sure or (found and self._object_type == "customer") else None

    def get(self, kustomer_id: str) -> Resource | None:
        """The object with this id, None where it is not known as it is."""
        return self._copies.get(kustomer_id) if self._may_be_known else None

    def note_written(self, kustomer_id: str, keys: Iterable[MatchKey]) -> None:
        """This run has written an object: its copy is old, and so is what is known of its keys."""
        if self._pass is None and self._read_at is None:
            return
        copy = self._copies.get(kustomer_id)
        borne = known_keys(self._object_type, copy.id, copy.attributes) if copy else ()
        now = self._clock.monotonic()
        with self._writing:
            self._written.update(dict.fromkeys((*keys, *borne), now))
        self._copies.drop(kustomer_id)
        if len(self._written) > _MAX_WRITTEN:
            self._begin_anew()

    def read_while(self, worth: Callable[[int], bool]) -> None:
        """Read on while that is worth its pages; one thread reads, others wait for it.

        Args:
            worth: Whether so many pages are less than what they save.
        """
        while self._usable and not self.whole:
            if not worth(self._pages_left):
                return
            if not self._reading.acquire(blocking=False):
                self._clock.sleep(_POLL_SECONDS)
                continue
            try:
                if worth(self._pages_left):
                    self._read_page()
            finally:
                self._reading.release()

    @property
    def _may_be_known(self) -> bool:
        """Whether what has been read is as it was a moment ago."""
        current = self._pass
        if current is not None and current.since is None:
            return self._is_fresh(current.started_at)
        return self.whole

    def _is_fresh(self, since: float) -> bool:
        return self._clock.monotonic() - since < FRESH_SECONDS

    @property
    def _pages_left(self) -> int:
        current = self._pass
        return current.left if current and current.read else UNKNOWN_PAGES

    def _read_page(self) -> None:
        if self.whole:
            return  # another thread has read the last page meanwhile
        current = self._pass or self._begin_pass()
        try:
            page = self._kustomer.page_of(self._object_type, current.read + 1, current.since)
        except (RefusedError, NotFoundError) as error:
            self._give_up(str(error))
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            self._give_up("the api_key lacks the role")
        else:
            self._take(current, page)

    def _begin_pass(self) -> _Pass:
        if self._newest is None:
            self._copies.clear()
        self._pass = _Pass(self._clock.monotonic(), since=self._newest)
        return self._pass

    def _take(self, current: _Pass, page: Page) -> None:
        current.read += 1
        current.pages, current.total = page.pages, page.total
        if current.read == 1 and page.resources:
            current.newest = page.resources[0].attributes.get("updatedAt")
        if self._object_type == "customer" and page.total is None:
            self._give_up("Kustomer does not tell how many there are")
        elif (page.total or len(current.ids)) > _MAX_OBJECTS:
            self._give_up("the org has too many")
        else:
            current.ids.update(each.id for each in page.resources)
            self._keep(current, page.resources)
            if not page.more:
                self._end(current)

    def _keep(self, current: _Pass, resources: list[Resource]) -> None:
        """Keep what this run has not itself written since the pass began."""
        with self._writing:
            own = {key for key, at in self._written.items() if at >= current.started_at}
        self._copies.put(
            each
            for each in resources
            if own.isdisjoint(known_keys(self._object_type, each.id, each.attributes))
        )

    def _end(self, current: _Pass) -> None:
        self._pass = None
        with self._writing:
            self._written = {
                key: at for key, at in self._written.items() if at >= current.started_at
            }
        seen = current.total is None or len(current.ids) >= current.total
        self._all_seen = seen and (current.since is None or self._all_seen)
        if self._object_type == "company":
            self._read_at = current.started_at
            if not self.whole:
                self._give_up("that takes too long")
            return
        self._newest = current.newest or self._newest
        if current.since is not None or current.read == 1:
            self._read_at = current.started_at

    def _begin_anew(self) -> None:
        self._pass = self._read_at = self._newest = None
        with self._writing:
            self._written = {}

    def _give_up(self, why: str) -> None:
        logger.warning(
            "the list of all %s records is not read, each is asked for (%s)",
            self._object_type,
            why,
        )
        self._usable = False
        self._begin_anew()
        self._copies.clear()

"""Match keys to Kustomer's objects: which one a record is, if any (design 1.6)."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from target_kustomer.demand import Demand
from target_kustomer.exceptions import RefusedError
from target_kustomer.mapping.keys import MATCH_KINDS, known_keys
from target_kustomer.models import MatchKey, ObjectType, Reason, Rejection
from target_kustomer.recent import Recent
from target_kustomer.roster import FRESH_SECONDS, Roster
from target_kustomer.updates import Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.endpoints import Kustomer, Resource
    from target_kustomer.roster import Listing
    from target_kustomer.updates import Memory


class Identities:
    """Finds records in Kustomer, and remembers the ids of those that this run has met.

    Args:
        kustomer: The API.
        clock: Time.
        waiting: How many records of an object may have to be looked up yet.
        memory: What is told of the customers that were updated.
        rosters: What reads all of an org's objects; by default each its own.
    """

    def __init__(
        self,
        kustomer: Kustomer,
        clock: Clock,
        waiting: Callable[[ObjectType], int],
        memory: Memory,
        rosters: Mapping[ObjectType, Roster] | None = None,
    ) -> None:
        self._kustomer = kustomer
        self._clock = clock
        self._waiting = waiting
        self._lock = threading.Lock()
        self._ids: Recent[str] = Recent()
        self._gone: Recent[bool] = Recent()
        self._rosters = rosters or {each: Roster(each, kustomer, clock) for each in MATCH_KINDS}
        self._demands: dict[ObjectType, Demand] = {each: Demand() for each in MATCH_KINDS}
        self._memory = memory
        self._updates = Updates(kustomer, clock, memory)
        self._updates_demand = Demand()
        self._has_companies = False
        self._had_none_at = -math.inf

    def remembered(self, object_type: ObjectType, keys: Sequence[MatchKey]) -> str | None:
        """The id of the record's first key, where this run has met it.

        Later keys are not remembered: which object bears them must be read, not assumed. Nor is
        one of several first keys (two e-mails): they may be two objects.
        """
        if sum(key.kind == keys[0].kind for key in keys) != 1:
            return None
        with self._lock:
            known = self._ids.get(object_type, keys[0].kind, keys[0].value)
            return None if self._gone.get(known) else known

    def remember(self, object_type: ObjectType, keys: Sequence[MatchKey], kustomer_id: str) -> None:
        """Keep the id of what bears the record's first key."""
        if not keys:
            return
        with self._lock:
            self._ids.put(kustomer_id, object_type, keys[0].kind, keys[0].value)

    def forget(self, object_type: ObjectType, keys: Sequence[MatchKey]) -> None:
        """The id turned out to be wrong."""
        with self._lock:
            for key in keys:
                self._ids.pop(object_type, key.kind, key.value)

    def note_gone(self, kustomer_id: str) -> None:
        """The object with this id is no more: no key means it."""
        with self._lock:
            self._gone.put(True, kustomer_id)  # noqa: FBT003

    def is_gone(self, kustomer_id: str) -> bool:
        """Whether this run knows that the object is no more."""
        with self._lock:
            return self._gone.get(kustomer_id) is not None

    # What has been read

    def expect(
        self, object_type: ObjectType, records: int, look_ups: int, *, first: bool = True
    ) -> None:
        """Make ready for look-ups: read all of the org where that costs less than they do.

        Args:
            object_type: What is looked up.
            records: The records among which these look-ups are wanted.
            look_ups: How many.
            first: Whether these records have not been here before.
        """
        demand = self._demands[object_type]
        demand.note(records if first else 0, look_ups)
        if not look_ups:
            return
        done = self._rosters[object_type].read_while(
            lambda read, left: demand.is_worth(
                read, left, look_ups, max(self._waiting(object_type) - records, 0)
            )
        )
        if done:
            demand.looked = 0

    def follow(self, object_type: ObjectType, records: int, look_ups: int) -> None:
        """Read who was updated since that was last read, where that costs less than look-ups do.

        Args:
            object_type: What is looked up: nothing lists companies by time.
            records: The records among which these look-ups are wanted.
            look_ups: How many there would be if nobody were known to be as it was.
        """
        if object_type == "company" or not self._memory.remembers or not look_ups:
            return
        demand = self._updates_demand
        demand.note(records, look_ups)
        waiting = max(self._waiting(object_type) - records, 0)
        if self._updates.read_while(
            lambda read, left: demand.is_worth(read, left, look_ups, waiting)
        ):
            demand.looked = 0

    def knows_updates(self, object_type: ObjectType) -> bool:
        """Whether all that others have updated until a moment ago has been taken in."""
        return object_type == "customer" and self._updates.is_read

    def knows_all(self, object_type: ObjectType) -> bool:
        """Whether look-ups cost nothing now."""
        return self._rosters[object_type].knows_all

    def note_written(
        self, object_type: ObjectType, kustomer_id: str | None, keys: Iterable[MatchKey]
    ) -> None:
        """This run has, or may have, written an object that bears these keys."""
        for listing in self._listings(object_type):
            listing.note_written(kustomer_id, keys)
        if object_type == "company":
            self._has_companies = True

    def has_read(self, object_type: ObjectType, kustomer_id: str, since: float = 0.0) -> bool:
        """Whether to read the object with this id, as it was after ``since``, costs nothing now."""
        return self._listed(object_type, kustomer_id, since) is not None

    def read(
        self, object_type: ObjectType, kustomer_id: str, since: float = 0.0
    ) -> Resource | None:
        """The object with this id, or None, as it was at most five minutes ago.

        Args:
            object_type: What to read.
            kustomer_id: Which one.
            since: When another run has written it last; what was read before does not count.
        """
        if (found := self._listed(object_type, kustomer_id, since)) is not None:
            return next(iter(found), None)
        self._demands[object_type].looked += 1
        if object_type == "customer":
            self._updates_demand.looked += 1
        now = self._clock.time()
        resource = self._kustomer.read(object_type, kustomer_id)
        return resource and replace(resource, read_at=now)

    def may_have_company(self) -> bool:
        """Whether a customer may be linked to one: False where the org had none a moment ago."""
        now = self._clock.monotonic()
        if not self._has_companies and now - self._had_none_at >= FRESH_SECONDS:
            if self._kustomer.has_companies() is False:
                self._had_none_at = now
            else:
                self._has_companies = True
        return self._has_companies

    def _listed(
        self, object_type: ObjectType, kustomer_id: str, since: float
    ) -> list[Resource] | None:
        key = MatchKey("id", kustomer_id)
        found = (_found_in(each, key, since) for each in self._listings(object_type))
        return next((each for each in found if each is not None), None)

    def _listings(self, object_type: ObjectType) -> list[Listing]:
        roster = self._rosters[object_type]
        return [self._updates, roster] if object_type == "customer" else [roster]

    # Finding

    def find(
        self,
        object_type: ObjectType,
        keys: Sequence[MatchKey],
        external_id: str | None,
        *,
        now: bool = False,
        since: float = 0.0,
    ) -> Resource | Rejection | None:
        """Ask for the record: the first kind of key that finds one decides.

        Args:
            object_type: What to look for.
            keys: The record's keys, in match_on's order.
            external_id: The record's external id, whether or not it is matched on.
            now: Whether Kustomer is asked, whatever has been read.
            since: When another run has written it last; what was read before does not count.

        Returns:
            What was found, None when all looks came back empty, or why it cannot be told.
        """
        passed: list[MatchKey] = []
        for _, group in groupby(keys, key=lambda key: key.kind):
            alike = list(group)
            try:
                found = self._find_by(object_type, alike, external_id, math.inf if now else since)
            except RefusedError as error:
                return Rejection(
                    Reason.REFUSED, alike[0].kind, detail=error.detail, status=error.status
                )
            if len(found) > 1:
                return Rejection(
                    Reason.MATCH_AMBIGUOUS,
                    attribute=alike[0].kind,
                    detail=f"{len(found)} records in Kustomer have this {alike[0].kind}",
                )
            if found:
                resource = found[0]
                if keys[0] in known_keys(object_type, resource.id, resource.attributes):
                    self.remember(object_type, keys, resource.id)
                clash = _clash(resource, passed) if object_type == "customer" else None
                return clash or resource
            passed += alike
        return None

    def _find_by(
        self,
        object_type: ObjectType,
        keys: Sequence[MatchKey],
        external_id: str | None,
        since: float,
    ) -> list[Resource]:
        found: dict[str, Resource] = {}
        for key in keys:
            read = _found_in(self._rosters[object_type], key, since)
            for resource in self._look_up(object_type, key) if read is None else read:
                borne = known_keys(object_type, resource.id, resource.attributes)
                if resource.live and key in borne and not _other(key, resource, external_id):
                    found[resource.id] = resource
        return list(found.values())

    def _look_up(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        self._demands[object_type].looked += 1
        now = self._clock.time()
        found = self._kustomer.look_up(object_type, key)
        return [replace(each, read_at=now) for each in found]


def _found_in(listing: Listing, key: MatchKey, since: float) -> list[Resource] | None:
    """What a list tells of a key, None where that is not known as it was after ``since``."""
    if since == math.inf:
        return None
    found = listing.find(key)
    is_known = found is not None and all(each.read_at > since for each in found)
    return found if is_known else None


def _other(key: MatchKey, resource: Resource, external_id: str | None) -> bool:
    """Company names are not unique: one with another external id is another company."""
    borne = resource.attributes.get("externalId")
    return key.kind == "name" and bool(external_id and borne) and borne != external_id


def _clash(resource: Resource, passed: Sequence[MatchKey]) -> Rejection | None:
    """Whether a customer bears another value for a key that should have found it first."""
    borne = known_keys("customer", resource.id, resource.attributes)
    for kind in dict.fromkeys(key.kind for key in passed if key.kind != "id"):
        theirs = {key for key in borne if key.kind == kind}
        if theirs and theirs.isdisjoint(passed):
            return Rejection(
                Reason.MATCH_CONFLICT,
                attribute=kind,
                detail=f"the customer found by a later key has another {kind}",
            )
    return None

"""A Kustomer that is read but not written: what would be written is laid over what it holds."""

from __future__ import annotations

import threading
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from target_kustomer.copies import Copies
from target_kustomer.demand import Demand
from target_kustomer.exceptions import NotFoundError, RefusedError
from target_kustomer.kustomer.endpoints import Kustomer, Resource, SubmittedJob
from target_kustomer.mapping.keys import MATCH_KINDS, known_keys
from target_kustomer.models import CustomAttribute, MatchKey
from target_kustomer.planning.overlay import Overlay, PlannedRoster
from target_kustomer.planning.writes import (
    Changes,
    after_write,
    changes,
    unique_keys,
    unlisted_identifiers,
)
from target_kustomer.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.client import Answer, Request, Sender
    from target_kustomer.models import Attributes, CustomAttributes, ObjectType

_SUBMITTED_AT = "2020-01-01T00:00:00.000Z"
_COMPLETED_AT = "2020-01-01T00:00:00.001Z"
"""Planned jobs take a millisecond: the run learns from these stamps when to ask."""

_CONFLICT = 409


_NOBODY = Resource("", {})
"""What a create starts from."""


class _ItemError(Exception):
    """Kustomer would refuse the item; the message is what it might say."""


class OnlyReads:
    """Lets requests through that read."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def send(self, request: Request) -> Answer:
        """Send the request.

        Raises:
            RuntimeError: It would write.
        """
        if request.method != "GET":
            msg = f"a plan sends no {request.kind}"
            raise RuntimeError(msg)
        return self._sender.send(request)


class PlannedKustomer(Kustomer):
    """The API of one org as it would be after all that was planned; safe for threads.

    A write is taken or refused as Kustomer would do it, as far as that can be known: identifiers
    are unique, ids and companies must be there [API §4]. What has been read stays as it was read.

    Args:
        sender: Sends the requests; it only gets those that read.
        clock: Time.
        waiting: How many records of an object may have to be looked up yet.

    Attributes:
        rosters: What reads all of an org's objects, with what is planned laid over.
        defined: The custom attributes that would be defined, by their object.
        gone: The ids of all that would be deleted.
    """

    def __init__(self, sender: Sender, clock: Clock, waiting: Callable[[ObjectType], int]) -> None:
        super().__init__(OnlyReads(sender))
        self._waiting = waiting
        self._lock = threading.RLock()
        self._overlays: dict[ObjectType, Overlay] = {each: Overlay(each) for each in MATCH_KINDS}
        self._read_before = {each: Copies(each) for each in MATCH_KINDS}
        self._absent: Recent[str] = Recent()
        self._demands: dict[ObjectType, Demand] = {each: Demand() for each in MATCH_KINDS}
        self._numbers: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._changes: dict[str, Changes] = {}
        self._created: set[str] = set()
        self._untold: set[str] = set()
        self.defined: dict[ObjectType, list[str]] = {}
        self.gone: set[str] = set()
        self._as_it_is = Kustomer(OnlyReads(sender))
        self.rosters = {
            each: PlannedRoster(each, self._as_it_is, clock, self._overlays[each], self._lock)
            for each in MATCH_KINDS
        }

    def take_changes(self, kustomer_id: str) -> Changes:
        """What the last write of an object would change; it is told once."""
        with self._lock:
            if kustomer_id in self._created:  # by the last write
                self._created.remove(kustomer_id)
                self._untold.remove(kustomer_id)
            return self._changes.pop(kustomer_id, {})

    @property
    def untold(self) -> int:
        """Created objects that no record stands for: companies made for customers that name them.

        To be asked when all records have their verdict.
        """
        with self._lock:
            return len(self._untold)

    # Reading

    @override
    def custom_attributes(self, object_type: ObjectType) -> CustomAttributes | None:
        held = super().custom_attributes(object_type)
        planned = dict.fromkeys(self.defined.get(object_type, ()), CustomAttribute())
        return None if held is None else {**planned, **held}

    @override
    def read(self, object_type: ObjectType, kustomer_id: str) -> Resource | None:
        return next(iter(self._find(object_type, MatchKey("id", kustomer_id))), None)

    @override
    def look_up(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        return self._find(object_type, key)

    @override
    def has_companies(self) -> bool | None:
        with self._lock:
            if not self._overlays["company"].is_empty:
                return True
        return super().has_companies()

    def _find(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        """The objects that would bear the key, of Kustomer's as of the planned ones."""
        with self._lock:
            planned = self._overlays[object_type].find(key, ())
            if key.kind == "id" and self._overlays[object_type].holds(key.value):
                return planned
        if planned and key.kind != "name":
            return planned
        held = self._held(object_type, key)
        with self._lock:
            return self._overlays[object_type].find(key, held)

    def _held(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        """What Kustomer holds under the key; it is asked once for each."""
        read = self.rosters[object_type].held(key)
        if read is not None:
            return read
        with self._lock:
            if self._absent.get(object_type, key.kind, key.value):
                return []
            known = self._read_before[object_type].find(key)
            if known and (object_type == "customer" or key.kind == "id"):
                return known
        self._demands[object_type].looked += 1
        asked = self._as_it_is.look_up(object_type, key)
        found = [each for each in asked if _bears(object_type, each, key)]
        with self._lock:
            self._read_before[object_type].put(found, 0)
            if not found:
                self._absent.put(key.value, object_type, key.kind, key.value)
        return found

    # Writing

    @override
    def define(
        self,
        object_type: ObjectType,
        there: CustomAttributes,
        display_names: Mapping[str, str],
    ) -> None:
        self.defined.setdefault(object_type, []).extend(display_names)

    @override
    def submit(
        self,
        verb: str,
        object_type: ObjectType,
        items: Sequence[Attributes],
        *,
        repeatable: bool,
    ) -> SubmittedJob:
        """Plan a bulk job; it is done at once."""
        self._look_ahead(object_type, items)
        with self._lock:
            job_id = f"planned-job-{next(self._numbers['job'])}"
            self._results[job_id] = [self._result(verb, object_type, item) for item in items]
        return SubmittedJob(job_id, _SUBMITTED_AT, after_lost=False)

    @override
    def batches(self, job_id: str) -> list[Mapping[str, Any]]:
        with self._lock:
            results = self._results.pop(job_id)
        failures = sum(each["status"] == "error" for each in results)
        attributes = {
            "completed": True,
            "completedAt": _COMPLETED_AT,
            "successCount": len(results) - failures,
            "failureCount": failures,
            "objectIds": [each["objectId"] for each in results if each["status"] != "error"],
            "results": results,
        }
        return [{"attributes": attributes}]

    @override
    def update(self, object_type: ObjectType, kustomer_id: str, attributes: Attributes) -> Resource:
        self._look_ahead(object_type, [{**attributes, "id": kustomer_id}])
        with self._lock:
            if self.read(object_type, kustomer_id) is None:
                msg = f"update of a {object_type}"
                raise NotFoundError(msg, status=404)
            try:
                return self._update(object_type, kustomer_id, attributes)
            except _ItemError as error:
                msg = f"update of a {object_type}"
                raise RefusedError(
                    msg, status=_CONFLICT, detail=str(error), duplicate="duplicate" in str(error)
                ) from None

    def _look_ahead(self, object_type: ObjectType, items: Sequence[Attributes]) -> None:
        """Read what the items' fate depends on, while others may do the same."""
        ids = [MatchKey("id", each["id"]) for each in items if "id" in each]
        demand = self._demands[object_type]
        roster = self.rosters[object_type]
        keys = {key for each in items for key in unique_keys(object_type, each)}
        wanted = sum(not self._knows(object_type, key) for key in (*ids, *keys))
        demand.note(len(items), wanted)
        waiting = max(self._waiting(object_type) - len(items), 0)
        if wanted and roster.read_while(
            lambda read, left: demand.is_worth(read, left, wanted, waiting)
        ):
            demand.looked = 0
        for each in items:
            current = self.read(object_type, each["id"]) if "id" in each else None
            for key in self._new_keys(object_type, current, each):
                self._bearers(object_type, key)
            company = each.get("company")
            if company and not (current and current.company_id == company):
                self.read("company", company)

    def _knows(self, object_type: ObjectType, key: MatchKey) -> bool:
        """Whether asking for the key costs nothing."""
        if self.rosters[object_type].find(key) is not None:
            return True
        with self._lock:
            return bool(
                self._overlays[object_type].find(key, ())
                or self._absent.get(object_type, key.kind, key.value)
                or self._read_before[object_type].find(key)
            )

    def _result(self, verb: str, object_type: ObjectType, item: Attributes) -> dict[str, Any]:
        told = {"_clientRef": item["_clientRef"]}
        try:
            if verb == "create":
                resource = self._write(object_type, _NOBODY, item)
            elif verb == "update":
                resource = self._update(object_type, item["id"], item)
            else:
                resource = self._update(object_type, item["id"], {"deleted": True})
        except _ItemError as error:
            return {**told, "status": "error", "error": str(error)}
        return {**told, "status": f"{verb}d", "objectId": resource.id}

    def _update(self, object_type: ObjectType, kustomer_id: str, item: Attributes) -> Resource:
        current = self.read(object_type, kustomer_id)
        if current is None:
            msg = "not found"
            raise _ItemError(msg)
        return self._write(object_type, current, item)

    def _write(self, object_type: ObjectType, current: Resource, item: Attributes) -> Resource:
        if item.get("deleted"):
            written = Resource(current.id, {**current.attributes, "deleted": True})
            self._overlays[object_type].put(written)
            self.gone.add(current.id)
            return written
        company = item.get("company")
        newly = company if company != current.company_id else None
        if newly and self.read("company", newly) is None:
            msg = "company not found"
            raise _ItemError(msg)
        self._check_unique(object_type, current, item)
        after = after_write(object_type, current.attributes, item)
        new_id = current.id or f"new-{object_type}-{next(self._numbers[object_type])}"
        written = Resource(new_id, after)
        self._overlays[object_type].put(written)
        self._changes[new_id] = changes(object_type, current.attributes, item)
        if current.id:
            self._created.discard(new_id)
        else:
            self._created.add(new_id)
            self._untold.add(new_id)
        return written

    def _check_unique(self, object_type: ObjectType, current: Resource, item: Attributes) -> None:
        overlay = self._overlays[object_type]
        taken: list[str] = [
            key.kind
            for key in sorted(self._new_keys(object_type, current, item), key=str)
            if any(each.id != current.id for each in self._bearers(object_type, key))
        ]
        taken += [
            kind
            for kind, *rest in unlisted_identifiers(item)
            if overlay.holder((kind, *rest)) not in {None, current.id}
        ]
        if taken:
            msg = f"duplicate {taken[0]}"
            raise _ItemError(msg)

    def _bearers(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        """Who bears a key; nobody where Kustomer refuses to look for it."""
        try:
            return self._find(object_type, key)
        except RefusedError:
            return []

    def _new_keys(
        self, object_type: ObjectType, current: Resource | None, item: Attributes
    ) -> set[MatchKey]:
        """The unique keys of an item that its object does not bear yet."""
        borne = unique_keys(object_type, current.attributes) if current else set()
        return unique_keys(object_type, item) - borne


def _bears(object_type: ObjectType, resource: Resource, key: MatchKey) -> bool:
    return resource.live and key in known_keys(object_type, resource.id, resource.attributes)

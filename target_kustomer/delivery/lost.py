"""After a write whose answer never came: is it there, may it be sent again, may it still come?"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.keys import known_keys
from target_kustomer.mapping.merging import holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.delivery.polling import JobTimes
    from target_kustomer.identity import Identities
    from target_kustomer.models import Attributes, MatchKey, ObjectType, Rejection

logger = logging.getLogger(__name__)

_JOB_TIMES_TO_WAIT = 10
"""A lost request's job may still be queued: wait for so many times the longest job seen."""

_FIRST_WAIT_SECONDS = 1.0

_LOOKED_UP_BY = ("externalId", "email", "phone", "name")


class LostAnswers:
    """Looks for what an unanswered request may have written, and waits for what it may yet write.

    Nothing lists jobs [API §2.4].
    """

    def __init__(
        self, identities: Identities, times: JobTimes, wait_seconds: float, clock: Clock
    ) -> None:
        self._identities = identities
        self._times = times
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._updates: dict[str, float] = {}

    def findable(self, object_type: ObjectType, payload: Attributes) -> bool:
        """Whether the payload bears anything by which it can be looked up."""
        return bool(known_keys(object_type, "", payload))

    def find(self, object_type: ObjectType, payload: Attributes) -> Resource | Rejection | None:
        """Look for the payload by all that it bears, whatever the stream matches on."""
        keys = _keys(object_type, payload)
        return self._identities.find(object_type, keys, payload.get("externalId"), now=True)

    def look_for(
        self, object_type: ObjectType, payloads: Sequence[Attributes]
    ) -> list[ItemResult | None]:
        """What is known of each payload; None: not there, and it may be sent again.

        Customers are sent again at once, since Kustomer refuses what is already there. Companies
        are looked for until they are found or their job can no longer be on its way.
        """
        if object_type == "customer":
            return [
                None if self.findable(object_type, payload) else ItemResult(ItemState.UNKNOWN)
                for payload in payloads
            ]
        self._await_all(object_type, payloads)
        return [self._known(object_type, payload) for payload in payloads]

    def note_update(self, ids: Iterable[str], elapsed: float) -> None:
        """An update of these objects went unanswered; it was sent again ``elapsed`` seconds ago."""
        now = self._clock.monotonic()
        span = self._span - elapsed
        with self._lock:
            self._updates = {each: until for each, until in self._updates.items() if until > now}
            self._updates.update(dict.fromkeys(ids, now + span))

    def outlast(self, ids: Iterable[str]) -> None:
        """Wait until no job of an unanswered update of these objects can be on its way.

        Nothing orders jobs [API §2.4]: it would undo the update that is to come.
        """
        with self._lock:
            until = max((self._updates.get(each, 0.0) for each in ids), default=0.0)
        seconds = until - self._clock.monotonic()
        if seconds > 0:
            logger.warning(
                "an earlier update went unanswered and may still come: waiting seconds=%.0f",
                seconds,
            )
            self._clock.sleep(seconds)

    def _await_all(self, object_type: ObjectType, payloads: Sequence[Attributes]) -> None:
        """Ask, ever more rarely, until every record is there or time is up.

        Each time for the first that is not there yet: one question a time.
        """
        deadline = self._clock.monotonic() + self._span
        wait = _FIRST_WAIT_SECONDS
        missing = deque(payloads)
        while True:
            while missing and self._is_done(object_type, missing[0]):
                missing.popleft()
            remaining = deadline - self._clock.monotonic()
            if not missing or remaining <= 0:
                return
            self._clock.sleep(min(wait, remaining))
            wait *= 2

    @property
    def _span(self) -> float:
        """For how long the job of a request without an answer may still be on its way.

        At least ``lost_answer_wait_seconds``, and ten times the longest job of this run.
        """
        return max(self._wait_seconds, _JOB_TIMES_TO_WAIT * self._times.longest)

    def _is_done(self, object_type: ObjectType, payload: Attributes) -> bool:
        known = self._known(object_type, payload)
        return known is not None and known.state is ItemState.DONE

    def _known(self, object_type: ObjectType, payload: Attributes) -> ItemResult | None:
        found = self.find(object_type, payload)
        if found is None:
            return None
        if not isinstance(found, Resource):
            return ItemResult(ItemState.UNKNOWN, detail=found.detail or "", after_lost=True)
        if bears(object_type, found, payload):
            return ItemResult(ItemState.DONE, id=found.id)
        external_id = payload.get("externalId")
        taken = external_id and external_id == found.attributes.get("externalId")
        return ItemResult(ItemState.DUPLICATE, after_lost=True) if taken else None


def bears(object_type: ObjectType, resource: Resource, sent: Attributes) -> bool:
    """Whether Kustomer's object holds all that was sent, the company included."""
    others = {name: value for name, value in sent.items() if name != "company"}
    linked = "company" not in sent or sent["company"] == resource.company_id
    return linked and holds(object_type, resource.attributes, others)


def _keys(object_type: ObjectType, payload: Attributes) -> tuple[MatchKey, ...]:
    borne = known_keys(object_type, "", payload)
    return tuple(
        key for kind in _LOOKED_UP_BY for key in sorted(borne, key=str) if key.kind == kind
    )

"""Creates what is new; tells what turns out to be there already (design 1.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from target_kustomer.delivery.lost import bears
from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.verdicts import refusal, unconfirmed
from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.attributes import for_write
from target_kustomer.models import ObjectType, Reason, Rejection, Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.work import Delivery, Work


class Creating:
    """The creates of one batch."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._services = delivery.services
        self._verdicts = delivery.verdicts
        self._object = delivery.object_type
        self._settings = delivery.settings

    def create(self, works: Sequence[Work]) -> list[Work]:
        """Create; the works that turned out to be there already, to be updated."""
        ready = [work for work in works if self._creatable(work)]
        payloads = [_for_create(self._object, work.attributes) for work in ready]
        results = self._delivery.send("create", payloads)
        taken = [
            work
            for work, result in zip(ready, results, strict=True)
            if result.state in {ItemState.DUPLICATE, ItemState.UNKNOWN}
        ]
        trial = self._delivery.flight.batch.stream.trial
        trial.note_met(
            sum(not work.sought for work in ready), sum(not work.sought for work in taken)
        )
        if self._settings.mode != "create":
            expect = self._services.identities.expect
            expect(self._object, len(works), len(taken), first=False)
        trial.told.set()
        found = (
            self._created(work, payload, result)
            for work, payload, result in zip(ready, payloads, results, strict=True)
        )
        there = [work for work in found if work]
        self._delivery.settle()
        return there

    def _creatable(self, work: Work) -> bool:
        first = work.identity.records[0].mapped.attributes
        if self._object == "customer" or first.get("name"):
            return True
        rejection = Rejection(
            Reason.REQUIRED_MISSING, attribute="name", detail="a company needs a name"
        )
        self._verdicts.refuse(work.identity, rejection)
        return False

    def _created(self, work: Work, payload: dict[str, Any], result: ItemResult) -> Work | None:
        if result.state is ItemState.DONE:
            self._decide_created(work, result.id)
        elif result.state is ItemState.REFUSED:
            self._delivery.refuse(work, result, payload.get("company"))
        else:
            return self._is_there(work, payload, result)
        return None

    def _is_there(self, work: Work, payload: dict[str, Any], result: ItemResult) -> Work | None:
        """A create that found its identifiers taken, or that the job says nothing of."""
        uncertain = result.after_lost or result.state is ItemState.UNKNOWN
        if self._settings.mode == "create" and not uncertain:
            return self._delivery.met(work)
        keys = work.identity.keys
        find = self._services.identities.find
        read_before = self._services.identities.knows_all(self._object)
        identity = work.identity
        found = find(self._object, keys, identity.external_id, now=uncertain, since=identity.since)
        if found is None and read_before and not uncertain:  # Kustomer itself knows better
            found = find(self._object, keys, work.identity.external_id, now=True)
        if found is None and uncertain and (ours := self._ours(payload)):
            self._decide_created(work, ours.id)
            return None
        if isinstance(found, Resource):
            if uncertain and bears(self._object, found, payload):
                self._decide_created(work, found.id)
                return None
            work.id, work.current = found.id, found
            return self._delivery.met(work)
        if result.state is ItemState.UNKNOWN:
            self._verdicts.refuse(work.identity, unconfirmed())
        elif self._settings.mode == "create":
            return self._delivery.met(work)
        else:
            self._verdicts.refuse(
                work.identity,
                found or refusal(replace(result, state=ItemState.DUPLICATE)),
            )
        return None

    def _ours(self, payload: dict[str, Any]) -> Resource | None:
        """What a lost try has written; what merely shares an identifier is somebody else."""
        found = self._services.lost_answers.find(self._object, payload)
        mine = isinstance(found, Resource) and bears(self._object, found, payload)
        return found if isinstance(found, Resource) and mine else None

    def _decide_created(self, work: Work, kustomer_id: str | None) -> None:
        records = work.identity.records
        self._delivery.written(work, kustomer_id)
        self._verdicts.decide(records[:1], Verdict.CREATED)
        if self._settings.mode == "create":
            self._verdicts.decide(records[1:], Verdict.SKIPPED, Skip.EXISTS)
        else:
            self._verdicts.decide(records[1:], Verdict.UPDATED)


def _for_create(object_type: ObjectType, attributes: dict[str, Any]) -> dict[str, Any]:
    """A new object has nothing to clear, and not all attributes take null on create [API §4]."""
    taken = for_write(object_type, attributes, "create")
    payload = {name: value for name, value in taken.items() if value is not None}
    custom = payload.get("custom")
    if custom:
        payload["custom"] = {name: value for name, value in custom.items() if value is not None}
    return payload

"""Delivers one batch: who is it, create or update, what became of it (design 1.6, 1.7)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from target_kustomer.delivery.lost import bears
from target_kustomer.delivery.masking import mask_others
from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.waves import Identity, split_into_waves
from target_kustomer.exceptions import NotFoundError, RefusedError
from target_kustomer.kustomer.endpoints import Kustomer, Resource
from target_kustomer.mapping.attributes import ATTRIBUTES, SINGLE_UPDATE_ONLY, Items, for_write
from target_kustomer.mapping.keys import known_keys
from target_kustomer.mapping.merging import merge_attributes, merge_list, over_limit
from target_kustomer.models import Outcome, PreparedRecord, Reason, Rejection, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.delivery.bulk import BulkJobs, Verb
    from target_kustomer.delivery.links import CompanyLinks
    from target_kustomer.delivery.lost import LostCreates
    from target_kustomer.delivery.pipeline import Flight
    from target_kustomer.identity import Identities
    from target_kustomer.models import ObjectType

_LISTS = {
    object_type: {name for name, each in table.items() if isinstance(each.shape, Items)}
    for object_type, table in ATTRIBUTES.items()
}
"""The list attributes of each object."""

_DUPLICATE_HINT = (
    "another record in Kustomer has one of its identifiers: match on that identifier, or map the "
    "column to sharedEmails or sharedPhones"
)


@dataclass(frozen=True, slots=True)
class Services:
    """What all workers share."""

    kustomer: Kustomer
    identities: Identities
    links: CompanyLinks
    bulk: BulkJobs
    lost_creates: LostCreates


@dataclass(slots=True, eq=False)
class _Work:
    """One identity on its way.

    Attributes:
        identity: Its records; those that are rejected alone leave it.
        id: Kustomer's id, where it is known.
        current: What Kustomer holds, where it has been read.
        attributes: What is to be sent: its records' attributes, merged.
    """

    identity: Identity
    id: str | None = None
    current: Resource | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


class BatchDelivery:
    """The delivery of one flight's batch, wave after wave."""

    def __init__(self, services: Services, flight: Flight) -> None:
        self._services = services
        self._flight = flight
        self._batch = flight.batch
        self._stream = flight.batch.stream
        self._object = flight.batch.stream.object_type
        self._settings = flight.batch.stream.settings
        self._outcomes: list[Outcome] = list(flight.batch.decided)
        self._again: list[list[Identity]] = []

    def deliver(self) -> list[Outcome]:
        """A verdict for each record of the batch.

        Raises:
            UnreachableError, AccessError, StoppedError: See the client; the batch has no verdicts.
        """
        waves = deque(
            split_into_waves(self._batch.records, self._stream.match_kinds, self._settings.lists)
        )
        while waves:
            self._again = []
            self._deliver_wave(waves.popleft(), last=not waves)
            waves.extendleft(reversed(self._again))
        self._note_companies()
        return self._outcomes

    def _deliver_wave(self, identities: Sequence[Identity], *, last: bool) -> None:
        located = [work for identity in identities if (work := self._locate(identity))]
        self._link(located)
        for work in located:
            self._merge(work)
        works = [work for work in located if work.identity.records]
        found = [work for work in works if work.id] + self._create(
            [work for work in works if not work.id]
        )
        self._update(found, last=last)

    # Who is it?

    def _locate(self, identity: Identity) -> _Work | None:
        """The identity with its Kustomer id, as far as it must be known before a create."""
        keys = identity.keys
        remembered = self._services.identities.remembered(self._object, keys)
        if remembered:
            return self._met(_Work(identity, remembered))
        if not self._must_look(identity):
            return _Work(identity)
        found = self._services.identities.find(self._object, keys, identity.external_id)
        if isinstance(found, Rejection):
            self._refuse(identity, found)
            return None
        if found is None:
            return self._not_met(identity)
        self._services.identities.remember(self._object, keys, found.id)
        return self._met(_Work(identity, found.id, found))

    def _must_look(self, identity: Identity) -> bool:
        """Customers are created first: Kustomer holds their identifiers unique [API §4]."""
        return bool(identity.keys) and (
            self._object == "company"
            or self._settings.mode == "update"
            or identity.relocated
            or any(key.kind == "id" for key in identity.keys)
        )

    def _met(self, work: _Work) -> _Work | None:
        if self._settings.mode != "create":
            return work
        self._decide(work.identity.records, Verdict.SKIPPED)
        return None

    def _not_met(self, identity: Identity) -> _Work | None:
        if self._settings.mode != "update":
            return _Work(identity)
        self._decide(identity.records, Verdict.SKIPPED)
        return None

    # What is to be sent?

    def _link(self, works: Sequence[_Work]) -> None:
        """Resolve the companies that customers name; records without theirs are rejected."""
        named = [
            record.mapped.link
            for work in works
            for record in work.identity.records
            if record.mapped.link and any(_parts(record))
        ]
        links = self._services.links.resolve(named, self._settings.missing_company)
        for work in works:
            kept = []
            for record in work.identity.records:
                link = record.mapped.link
                linked = links.get(link) if link else None
                if link and isinstance(linked, Rejection):
                    self._services.links.note_missed(link)
                    self._reject(record, linked)
                elif not isinstance(linked, Rejection):
                    kept.append(_linked(record, linked))
            work.identity.records = kept

    def _merge(self, work: _Work) -> None:
        records = work.identity.records
        if self._settings.mode == "create":
            records = records[:1]
        work.attributes = reduce(
            lambda earlier, later: merge_attributes(
                self._object, earlier, later, self._settings.lists
            ),
            [dict(record.mapped.attributes) for record in records],
            {},
        )

    # Create

    def _create(self, works: Sequence[_Work]) -> list[_Work]:
        """Create; the works that turned out to be there already, to be updated."""
        ready = [work for work in works if self._creatable(work)]
        payloads = [_for_create(self._object, work.attributes) for work in ready]
        results = self._run("create", payloads)
        found = (
            self._created(work, payload, result)
            for work, payload, result in zip(ready, payloads, results, strict=True)
        )
        return [work for work in found if work]

    def _creatable(self, work: _Work) -> bool:
        if self._object == "customer" or work.attributes.get("name"):
            return True
        rejection = Rejection(
            Reason.REQUIRED_MISSING, attribute="name", detail="a company needs a name"
        )
        self._refuse(work.identity, rejection)
        return False

    def _created(self, work: _Work, payload: dict[str, Any], result: ItemResult) -> _Work | None:
        if result.state is ItemState.DONE:
            self._decide_created(work, result.id)
        elif result.state is ItemState.REFUSED:
            self._refuse(work.identity, _refusal(result))
        else:
            return self._is_there(work, payload, result)
        return None

    def _is_there(self, work: _Work, payload: dict[str, Any], result: ItemResult) -> _Work | None:
        """A create that found its identifiers taken, or that the job says nothing of."""
        uncertain = result.after_lost or result.state is ItemState.UNKNOWN
        if self._settings.mode == "create" and not uncertain:
            return self._met(work)
        keys = work.identity.keys
        found = self._services.identities.find(self._object, keys, work.identity.external_id)
        if found is None and uncertain:
            found = self._services.lost_creates.find(self._object, payload)
        if isinstance(found, Resource):
            self._services.identities.remember(self._object, keys, found.id)
            if uncertain and bears(self._object, found, payload):
                self._decide_created(work, found.id)
                return None
            work.id, work.current = found.id, found
            return self._met(work)
        if result.state is ItemState.UNKNOWN:
            self._refuse(work.identity, _unconfirmed())
        else:
            self._refuse(
                work.identity,
                found or Rejection(Reason.DUPLICATE_IDENTIFIER, detail=_taken(result)),
            )
        return None

    def _decide_created(self, work: _Work, kustomer_id: str | None) -> None:
        records = work.identity.records
        if kustomer_id:
            self._services.identities.remember(self._object, work.identity.keys, kustomer_id)
        self._decide(records[:1], Verdict.CREATED)
        rest = Verdict.SKIPPED if self._settings.mode == "create" else Verdict.UPDATED
        self._decide(records[1:], rest)

    # Update

    def _update(self, works: Sequence[_Work], *, last: bool) -> None:
        held = self._flight.claim(work.id for work in works if work.id)
        if last and not self._again:
            self._flight.located()
        current: dict[str, _Work] = {}
        for work in works:
            if work.id in held:
                work.current = None
            if work.id in current:
                self._again.append([work.identity])
            elif work.id:
                current[work.id] = work
        prepared = [work for work in current.values() if self._prepare_update(work)]
        singly = [
            work for work in prepared if SINGLE_UPDATE_ONLY[self._object] & set(work.attributes)
        ]
        for work in singly:
            self._update_singly(work)
        bulk = [work for work in prepared if work not in singly]
        results = self._run("update", [{**work.attributes, "id": work.id} for work in bulk])
        for work, result in zip(bulk, results, strict=True):
            self._updated(work, result)

    def _prepare_update(self, work: _Work) -> bool:
        """Make the attributes such that nothing is lost that the stream says nothing of."""
        work.attributes = for_write(self._object, work.attributes, "update")
        lists = set(work.attributes) & _LISTS[self._object]
        merges = bool(lists) and self._settings.lists == "merge"
        keeps_company = self._object == "customer" and "company" not in work.attributes
        if (merges or keeps_company) and not self._read_current(work):
            return False
        if _bears_external_id(work):
            del work.attributes["externalId"]
        if not work.attributes:
            self._decide(work.identity.records, Verdict.UNCHANGED)
            return False
        if work.current and keeps_company and work.current.company_id:
            work.attributes["company"] = work.current.company_id
        return self._merge_lists(work, lists) if merges else True

    def _merge_lists(self, work: _Work, lists: Iterable[str]) -> bool:
        """Keep the items that Kustomer holds; False where a list would be over its limit."""
        held = work.current.attributes if work.current else {}
        for name in lists:
            work.attributes[name] = merge_list(name, held.get(name) or [], work.attributes[name])
            if over_limit(name, work.attributes[name]):
                detail = "with what Kustomer holds, the list would be over its limit"
                self._refuse(
                    work.identity, Rejection(Reason.LIST_FULL, attribute=name, detail=detail)
                )
                return False
        return True

    def _read_current(self, work: _Work) -> bool:
        """Read what Kustomer holds, unless it was just read; False where it is another's now."""
        if work.current is None and work.id:
            work.current = self._services.kustomer.read(self._object, work.id)
            borne = (
                known_keys(self._object, work.id, work.current.attributes)
                if work.current
                else frozenset()
            )
            if borne.isdisjoint(work.identity.keys):
                self._vanished(work)
                return False
        return True

    def _update_singly(self, work: _Work) -> None:
        try:
            self._services.kustomer.update(self._object, work.id or "", work.attributes)
        except NotFoundError:
            self._vanished(work)
        except RefusedError as error:
            state = ItemState.DUPLICATE if error.duplicate else ItemState.REFUSED
            result = ItemResult(state, detail=error.detail, status=error.status)
            self._refuse(work.identity, _refusal(result))
        else:
            self._decide_updated(work)

    def _updated(self, work: _Work, result: ItemResult) -> None:
        if result.state is ItemState.DONE:
            self._decide_updated(work)
        elif result.state is ItemState.DUPLICATE or result.status:
            self._refuse(work.identity, _refusal(result))
        else:
            self._after_failed_update(work, result)

    def _after_failed_update(self, work: _Work, result: ItemResult) -> None:
        """Tell a refusal from an object that is gone, and an untold success from a failure."""
        resource = self._services.kustomer.read(self._object, work.id or "")
        if resource is None:
            self._vanished(work)
        elif result.state is ItemState.REFUSED:
            self._refuse(work.identity, _refusal(result))
        elif bears(self._object, resource, work.attributes):
            self._decide_updated(work)
        else:
            self._refuse(work.identity, _unconfirmed())

    def _decide_updated(self, work: _Work) -> None:
        if work.id:
            self._services.identities.remember(self._object, work.identity.keys, work.id)
        self._decide(work.identity.records, Verdict.UPDATED)

    def _vanished(self, work: _Work) -> None:
        """The id is no longer this record's (deleted, merged, moved): locate it anew, once."""
        identity = work.identity
        self._services.identities.forget(self._object, identity.keys)
        if identity.relocated:
            detail = "the record vanished from Kustomer while it was updated: replay it"
            self._refuse(identity, Rejection(Reason.REFUSED, detail=detail))
        else:
            self._again.append([replace(identity, relocated=True)])

    # Verdicts

    def _run(self, verb: Verb, payloads: Sequence[dict[str, Any]]) -> list[ItemResult]:
        if not payloads:
            return []
        trial = self._stream.trial
        self._flight.await_trial()
        results = self._services.bulk.run(verb, self._object, payloads, trial.accepted.set)
        trial.refuse(sum(result.status is not None for result in results))
        return results

    def _refuse(self, identity: Identity, rejection: Rejection) -> None:
        """Reject a record; records that were sent as one are sent again, one by one."""
        if len(identity.records) == 1:
            self._reject(identity.records[0], rejection)
        else:
            self._again += [[single] for single in identity.singly()]

    def _reject(self, record: PreparedRecord, rejection: Rejection) -> None:
        others = (each.mapped.attributes for each in self._batch.records if each is not record)
        if rejection.detail:
            own = (record.mapped.attributes, _parts(record))
            rejection = replace(rejection, detail=mask_others(rejection.detail, own, others))
        self._outcomes.append(Outcome(record.source, Verdict.REJECTED, rejection))

    def _decide(self, records: Sequence[PreparedRecord], verdict: Verdict) -> None:
        self._outcomes += [Outcome(record.source, verdict) for record in records]

    def _note_companies(self) -> None:
        """Customers that name a rejected company are told so, and when it has come since."""
        if self._object != "company":
            return
        rejected = {
            outcome.source.ordinal
            for outcome in self._outcomes
            if outcome.verdict is Verdict.REJECTED
        }
        links = self._services.links
        for record in self._batch.records:
            mapped = record.mapped
            keys = known_keys("company", mapped.id or "", mapped.attributes)
            if record.source.ordinal in rejected:
                links.note_rejected(keys)
            else:
                links.note_loaded(keys)
        links.note_rejected(self._batch.rejected_keys)


def _bears_external_id(work: _Work) -> bool:
    """Whether the external id is there as a further one: to write it would drop another."""
    held = work.current.attributes if work.current else {}
    ids = [each.get("externalId") for each in held.get("externalIds") or ()]
    wanted = work.attributes.get("externalId")
    return wanted in ids and wanted != held.get("externalId")


def _parts(record: PreparedRecord) -> tuple[str | None, ...]:
    link = record.mapped.link
    return (link.id, link.external_id, link.name) if link else ()


def _linked(record: PreparedRecord, company_id: str | None) -> PreparedRecord:
    """The record with its company among the attributes: an id, or null where it unlinks."""
    link = record.mapped.link
    if link is None or (company_id is None and any(_parts(record))):
        return record
    attributes = {**record.mapped.attributes, "company": company_id}
    return replace(record, mapped=replace(record.mapped, attributes=attributes))


def _for_create(object_type: ObjectType, attributes: dict[str, Any]) -> dict[str, Any]:
    """A new object has nothing to clear, and not all attributes take null on create [API §4]."""
    taken = for_write(object_type, attributes, "create")
    payload = {name: value for name, value in taken.items() if value is not None}
    custom = payload.get("custom")
    if custom:
        payload["custom"] = {name: value for name, value in custom.items() if value is not None}
    return payload


def _refusal(result: ItemResult) -> Rejection:
    if result.state is ItemState.DUPLICATE:
        detail = _taken(result)
        return Rejection(Reason.DUPLICATE_IDENTIFIER, detail=detail, status=result.status)
    return Rejection(Reason.REFUSED, detail=result.detail, status=result.status)


def _taken(result: ItemResult) -> str:
    return f"{result.detail}: {_DUPLICATE_HINT}" if result.detail else _DUPLICATE_HINT


def _unconfirmed() -> Rejection:
    return Rejection(
        Reason.UNCONFIRMED,
        detail="Kustomer did not tell whether this was written: look there before a replay",
    )

"""Delivers one batch, wave after wave: who is it, and is it created or updated (design 1.6)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from target_kustomer.delivery.creating import Creating
from target_kustomer.delivery.updating import Updating
from target_kustomer.delivery.verdicts import Verdicts, link_parts
from target_kustomer.delivery.waves import Identity, split_into_waves
from target_kustomer.delivery.work import Delivery, Services, Work
from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.keys import known_keys
from target_kustomer.mapping.merging import merge_attributes
from target_kustomer.models import Outcome, PreparedRecord, Rejection, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.delivery.links import Linked
    from target_kustomer.delivery.pipeline import Flight
    from target_kustomer.models import CompanyLink


class BatchDelivery:
    """The delivery of one flight's batch."""

    def __init__(self, services: Services, flight: Flight) -> None:
        self._verdicts = Verdicts(flight.batch)
        self._delivery = Delivery(services, flight, self._verdicts)
        self._services = services
        self._object = self._delivery.object_type
        self._settings = self._delivery.settings
        self._creating = Creating(self._delivery)
        self._updating = Updating(self._delivery)

    def deliver(self) -> list[Outcome]:
        """A verdict for each record of the batch.

        Raises:
            UnreachableError, AccessError, StoppedError: See the client; the batch has no verdicts.
        """
        batch = self._delivery.flight.batch
        kinds = batch.stream.match_kinds
        waves = deque(split_into_waves(batch.records, kinds, self._settings.lists))
        while waves:
            self._verdicts.again = []
            self._deliver_wave(waves.popleft(), last=not waves)
            waves.extendleft(reversed(self._verdicts.again))
        if self._object == "company":
            self._note_companies()
        return self._verdicts.outcomes

    def _deliver_wave(self, identities: Sequence[Identity], *, last: bool) -> None:
        located = [work for identity in identities if (work := self._locate(identity))]
        self._link(located)
        for work in located:
            self._merge(work)
        works = [work for work in located if work.identity.records]
        found = [work for work in works if work.id]
        found += self._creating.create([work for work in works if not work.id])
        found.sort(key=lambda work: work.identity.records[0].source.ordinal)
        self._updating.update(found, last=last)

    def _locate(self, identity: Identity) -> Work | None:
        """The identity with its Kustomer id, as far as it must be known before a create."""
        keys = identity.keys
        remembered = self._services.identities.remembered(self._object, keys)
        if remembered:
            return self._delivery.met(Work(identity, remembered))
        if not self._must_look(identity):
            return Work(identity)
        found = self._services.identities.find(self._object, keys, identity.external_id)
        if isinstance(found, Rejection):
            self._verdicts.refuse(identity, found)
            return None
        if found is None:
            return self._not_met(identity)
        self._services.identities.remember(self._object, keys, found.id)
        return self._delivery.met(Work(identity, found.id, found))

    def _must_look(self, identity: Identity) -> bool:
        """Customers are created first: Kustomer holds their identifiers unique [API §4]."""
        return bool(identity.keys) and (
            self._object == "company"
            or self._settings.mode == "update"
            or identity.relocated
            or any(key.kind == "id" for key in identity.keys)
        )

    def _not_met(self, identity: Identity) -> Work | None:
        if self._settings.mode != "update":
            return Work(identity)
        self._verdicts.decide(identity.records, Verdict.SKIPPED)
        return None

    def _link(self, works: Sequence[Work]) -> None:
        """Resolve the companies that customers name; records without theirs are rejected."""
        named = [
            record.mapped.link
            for work in works
            for record in self._deciding(work)
            if record.mapped.link and any(link_parts(record))
        ]
        links = self._services.links.resolve(named, self._settings.missing_company)
        for work in works:
            records = work.identity.records
            deciding = self._deciding(work)
            kept = [linked for record in deciding if (linked := self._linked(record, links))]
            if len(kept) == len(deciding):
                work.identity.records = [*kept, *records[len(deciding) :]]
                continue
            # The rest may be another record without the keys of what was rejected.
            rest = replace(work.identity, records=[*kept, *records[len(deciding) :]])
            self._verdicts.again += [[single] for single in rest.singly()]
            work.identity.records = []

    def _deciding(self, work: Work) -> Sequence[PreparedRecord]:
        """The records whose values are to be sent; in mode ``create`` the first wins."""
        records = work.identity.records
        return records[:1] if self._settings.mode == "create" else records

    def _linked(
        self, record: PreparedRecord, links: Mapping[CompanyLink, Linked]
    ) -> PreparedRecord | None:
        """The record with its company, or None where it has its verdict without one."""
        link = record.mapped.link
        if link is None:
            return record
        company = links.get(link)
        if not isinstance(company, Rejection):
            return _with_company(record, company)
        if self._settings.mode == "create" and self._is_there(record):
            self._verdicts.decide([record], Verdict.SKIPPED)
            return None
        self._services.links.note_missed(link)
        self._verdicts.reject(record, company)
        return None

    def _is_there(self, record: PreparedRecord) -> bool:
        external_id = record.mapped.attributes.get("externalId")
        found = self._services.identities.find(self._object, record.keys, external_id)
        return isinstance(found, Resource)

    def _merge(self, work: Work) -> None:
        work.attributes = reduce(
            lambda earlier, later: merge_attributes(
                self._object, earlier, later, self._settings.lists
            ),
            [dict(record.mapped.attributes) for record in self._deciding(work)],
            {},
        )

    def _note_companies(self) -> None:
        """Customers that name a rejected company are told so, and when it has come since."""
        batch, links = self._delivery.flight.batch, self._services.links
        verdicts = {each.source.ordinal: each.verdict for each in self._verdicts.outcomes}
        for record in batch.records:
            keys = known_keys("company", record.mapped.id or "", record.mapped.attributes)
            verdict = verdicts[record.source.ordinal]
            if verdict is Verdict.REJECTED:
                links.note_rejected(keys)
            elif verdict is not Verdict.SKIPPED:
                links.note_loaded(keys)
        links.note_rejected(batch.rejected_keys)


def _with_company(record: PreparedRecord, company_id: str | None) -> PreparedRecord:
    """The record with its company among the attributes: an id, or null where it unlinks."""
    if company_id is None and any(link_parts(record)):
        return record
    attributes = {**record.mapped.attributes, "company": company_id}
    return replace(record, mapped=replace(record.mapped, attributes=attributes))

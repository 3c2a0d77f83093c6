"""Delivers one batch, wave after wave: who is it, and what becomes of it (design 1.6)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from target_kustomer.delivery.creating import Creating
from target_kustomer.delivery.deleting import Deleting
from target_kustomer.delivery.updating import Updating
from target_kustomer.delivery.verdicts import Verdicts, link_parts
from target_kustomer.delivery.work import Delivery, Services, Work
from target_kustomer.mapping.keys import LASTING_KINDS, known_keys
from target_kustomer.mapping.merging import merge_attributes
from target_kustomer.models import Outcome, PreparedRecord, Reason, Rejection, Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.delivery.links import Linked
    from target_kustomer.delivery.pipeline import Flight
    from target_kustomer.delivery.waves import Identity
    from target_kustomer.models import CompanyLink
    from target_kustomer.settings import Lists


class BatchDelivery:
    """The delivery of one flight's batch."""

    def __init__(self, services: Services, flight: Flight) -> None:
        self._verdicts = Verdicts(flight.batch)
        self._delivery = Delivery(services, flight, self._verdicts)
        self._services = services
        self._object = self._delivery.object_type
        self._settings = self._delivery.settings
        self._trial = flight.batch.stream.trial
        self._creating = Creating(self._delivery)
        self._updating = Updating(self._delivery)
        self._deleting = Deleting(self._delivery)

    def deliver(self) -> list[Outcome]:
        """A verdict for each record of the batch.

        Raises:
            UnreachableError, AccessError, StoppedError: See the client; the batch has no verdicts.
        """
        batch = self._delivery.flight.batch
        if batch.activation:
            batch.left_behind = self._deleting.delete_left_behind(batch.activation)
            return []
        waves = deque(self._services.knowledge.waves(batch.stream, batch.records))
        while waves:
            self._verdicts.again = []
            self._deliver_wave(waves.popleft(), last=not waves)
            again = sorted(self._verdicts.again, key=lambda wave: wave[0].ordinal)
            waves.extendleft(reversed(again))
        if self._object == "company":
            self._note_companies()
        return self._verdicts.outcomes

    def _deliver_wave(self, identities: Sequence[Identity], *, last: bool) -> None:
        if self._object == "customer" and self._settings.mode == "upsert":
            self._delivery.flight.await_news()
        known = self._known_ids(identities)
        wanted = sum(
            not known_id and self._must_look(identity)
            for identity, known_id in zip(identities, known, strict=True)
        )
        self._services.identities.expect(self._object, len(identities), wanted)
        located = [
            work
            for identity, known_id in zip(identities, known, strict=True)
            if (work := self._locate(identity, known_id))
        ]
        self._link(located)
        for work in located:
            self._merge(work)
        works = [work for work in located if work.identity.records]
        found = [work for work in works if work.id]
        found += self._creating.create([work for work in works if not work.id])
        apart = self._one_each(found)
        deletes = self._deleting.claim([work for work in apart if work.identity.is_delete])
        self._updating.update([work for work in apart if not work.identity.is_delete], last=last)
        self._deleting.delete(deletes)

    def _one_each(self, works: Sequence[Work]) -> list[Work]:
        """The first work on each object; those after it go again, in stdin's order."""
        first: dict[str | None, Work] = {}
        for work in sorted(works, key=lambda work: work.identity.ordinal):
            if first.setdefault(work.id, work) is not work:
                self._verdicts.again.append([work.identity])
        return list(first.values())

    def _known_ids(self, identities: Sequence[Identity]) -> list[str | None]:
        """The ids that the ledger or this run knows, of keys that can be trusted."""
        told = self._services.knowledge.ids(self._object, [each.keys for each in identities])
        return [
            None
            if identity.is_delete  # what is to be deleted is always looked for
            else (None if identity.relocated else known_id) or self._remembered(identity)
            for identity, known_id in zip(identities, told, strict=True)
        ]

    def _remembered(self, identity: Identity) -> str | None:
        remembered = self._services.identities.remembered(self._object, identity.keys)
        return remembered if remembered and identity.keys[0].kind in LASTING_KINDS else None

    @property
    def _lists(self) -> Lists:
        """How the lists of one identity's records come together."""
        return self._services.knowledge.lists(self._settings)

    def _locate(self, identity: Identity, known_id: str | None) -> Work | None:
        """The identity with its Kustomer id, as far as it must be known before a create."""
        keys = identity.keys
        if known_id:
            return self._delivery.met(Work(identity, known_id))
        if not self._must_look(identity):
            return Work(identity)
        find = self._services.identities.find
        found = find(
            self._object,
            keys,
            identity.external_id,
            now=identity.is_delete,
            since=identity.since,
        )
        if not identity.is_delete:
            self._trial.note_met(1, found is not None)
        if isinstance(found, Rejection):
            self._verdicts.refuse(identity, found)
            return None
        if found is None:
            return self._not_met(identity)
        if identity.is_delete and (conflict := self._deleting.conflict(identity, found)):
            self._verdicts.refuse(identity, conflict)
            return None
        return self._delivery.met(Work(identity, found.id, sought=True, current=found))

    def _must_look(self, identity: Identity) -> bool:
        """Customers are created first: Kustomer holds their identifiers unique [API §4].

        But not where to look costs nothing, or where the stream's records are there already.
        """
        return bool(identity.keys) and (
            self._object == "company"
            or identity.is_delete
            or self._settings.mode == "update"
            or identity.relocated
            or self._services.identities.knows_all(self._object)
            or self._trial.are_there
            or any(key.kind == "id" for key in identity.keys)
        )

    def _not_met(self, identity: Identity) -> Work | None:
        if identity.is_delete:
            self._services.knowledge.forget_gone(self._object, (), identity.keys, done=True)
            self._verdicts.decide(identity.records, Verdict.SKIPPED, Skip.NOT_FOUND)
            return None
        if self._settings.mode != "update":
            return Work(identity, sought=True)
        looked_for = set(identity.keys)
        for single in identity.singly():
            if looked_for.issuperset(single.keys):
                self._verdicts.decide(single.records, Verdict.SKIPPED, Skip.NOT_FOUND)
            else:
                self._verdicts.again.append([single])
        return None

    def _link(self, works: Sequence[Work]) -> None:
        """Resolve the companies that customers name; records without theirs are rejected."""
        found = self._services.links.find(link for work in works for link in self._named(work))
        if self._settings.mode == "create":
            for work in works:
                self._skip_if_met(work, found)
        links = [link for work in works for link in self._named(work)]
        absent = [link for link in dict.fromkeys(links) if found[link] is None]
        found |= self._services.links.supply(absent, self._settings.missing_company)
        for work in works:
            self._apply_links(work, found)

    def _apply_links(self, work: Work, found: Mapping[CompanyLink, Linked]) -> None:
        for link in self._named(work):
            linked = found[link]
            if isinstance(linked, Rejection):
                if len(work.identity.records) == 1:
                    self._services.links.note_missed(link)
                self._verdicts.refuse(work.identity, linked)
                work.identity.records = []
                return
        work.identity.records = [_linked(record, found) for record in work.identity.records]

    def _skip_if_met(self, work: Work, found: Mapping[CompanyLink, Linked]) -> None:
        """What is in Kustomer already is skipped, whatever becomes of the company it names."""
        linked = (str, type(None)) if self._settings.missing_company == "ignore" else str
        if all(isinstance(found[link], linked) for link in self._named(work)):
            return
        identity = work.identity
        there = self._services.identities.find(self._object, identity.keys, identity.external_id)
        if there and not (isinstance(there, Rejection) and there.reason is Reason.REFUSED):
            self._delivery.met(work)
            work.identity.records = []

    def _named(self, work: Work) -> list[CompanyLink]:
        """The companies that the work's records name."""
        links = [record.mapped.link for record in self._sent(work) if any(link_parts(record))]
        return [link for link in links if link]

    def _sent(self, work: Work) -> list[PreparedRecord]:
        """The records that are sent: in mode ``create`` the first wins."""
        return work.identity.records[: 1 if self._settings.mode == "create" else None]

    def _merge(self, work: Work) -> None:
        work.wanted = reduce(
            lambda earlier, later: merge_attributes(self._object, earlier, later, self._lists),
            [record.mapped.attributes for record in self._sent(work)],
            {},
        )
        work.attributes = dict(work.wanted)

    def _note_companies(self) -> None:
        """Customers that name a rejected company are told so, and when it has come since."""
        batch, links = self._delivery.flight.batch, self._services.links
        verdicts = {each.source.ordinal: each.verdict for each in self._verdicts.outcomes}
        for record in batch.records:
            if record.is_delete:
                continue
            keys = known_keys("company", record.mapped.id or "", record.mapped.attributes)
            verdict = verdicts[record.source.ordinal]
            if verdict is Verdict.REJECTED:
                links.note_rejected(keys)
            elif verdict is not Verdict.SKIPPED:
                links.note_loaded(keys)
        links.note_rejected(batch.rejected_keys)


def _linked(record: PreparedRecord, found: Mapping[CompanyLink, Linked]) -> PreparedRecord:
    """The record with its company among the attributes: an id, or null where it unlinks."""
    link = record.mapped.link
    company_id = found.get(link) if link else None
    if link is None:
        return record
    attributes = {**record.mapped.attributes, "company": company_id}
    if company_id is None and any(link_parts(record)):
        del attributes["company"]  # what it was linked to before is no more
    return replace(record, mapped=replace(record.mapped, attributes=attributes))

"""What the ledger, where there is one, knows of the records that are being delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_kustomer.delivery.verdicts import link_parts
from target_kustomer.delivery.waves import split_into_waves
from target_kustomer.ledger.digests import Digest, kept_names, list_name
from target_kustomer.ledger.facts import Confirmation, Held, Sighting
from target_kustomer.mapping.keys import (
    KEY_ATTRIBUTES,
    external_ids,
    first_keys,
    is_merged,
    known_keys,
)
from target_kustomer.mapping.merging import as_sent, remaining
from target_kustomer.mapping.targets import list_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_kustomer.delivery.batches import Activation, Stream
    from target_kustomer.delivery.waves import Identity
    from target_kustomer.delivery.work import Work
    from target_kustomer.kustomer.endpoints import Resource
    from target_kustomer.ledger.ledger import Ledger
    from target_kustomer.models import (
        JSON,
        Attributes,
        MatchKey,
        ObjectType,
        Origin,
        PreparedRecord,
    )
    from target_kustomer.settings import Lists, StreamSettings

_TELLING_KINDS = {"externalId", "email", "phone"}
"""Keys of which no two objects have the same: who bears another's is it too."""


class Knowledge:
    """The ledger, asked and told in delivery's words; shared by all workers.

    Args:
        skip_unchanged: Whether nothing is sent of what Kustomer holds as it is.
    """

    def __init__(self, *, skip_unchanged: bool) -> None:
        self.ledger: Ledger | None = None
        self.skip_unchanged = skip_unchanged

    def ids(self, object_type: ObjectType, keys: Sequence[Sequence[MatchKey]]) -> list[str | None]:
        """Whom the keys of each record mean, by those of its first kind."""
        if self.ledger is None:
            return [None] * len(keys)
        return self.ledger.ids(object_type, keys)

    def compare(self, stream: Stream, works: Sequence[Work], *, listed: bool) -> None:
        """Leave of each work's attributes those that are not known to be in Kustomer.

        Args:
            stream: Their stream.
            works: The works.
            listed: Whether all that was updated in Kustomer has been taken in, so that what was
                seen still holds.
        """
        if self.ledger is None:
            return
        held = self.ledger.held(work.id for work in works if work.id)
        for work in works:
            known = held.get(work.id or "", Held())
            work.held = known
            work.digests = work.digests or self._digests(stream, work, work.id or "")
            work.attributes = dict(work.wanted)
            if not (listed and known.fresh and self._bears_key(stream, work)):
                unseen = {"seen": False, "company": None, "lists_alone": False}
                work.held = msgspec.structs.replace(known, **unseen)
            if known.fresh and self.skip_unchanged:
                self._leave_changed(stream, work)
            work.whole = work.attributes == work.wanted

    def holds_alone(self, stream: Stream, work: Work, name: str) -> bool:
        """Whether a merged list holds what the record's source sent before, and nothing else."""
        own, any_source = list_name(name, self._source(stream, work)), list_name(name, "")
        held = work.held.digests
        return (
            work.held.lists_alone
            and own in held
            and not any(each.startswith(any_source) for each in held if each != own)
        )

    def doubt(self, stream: Stream, works: Sequence[Work]) -> list[Work]:
        """What remains of these works' attributes is about to be written.

        Returns:
            Those that must not be: another run has written them since they were compared.
        """
        if self.ledger is None:
            return []
        overtaken = self.ledger.doubt(
            {work.id: self._sent(stream, work) for work in works if work.id},
            {work.id: work.held for work in works if work.id},
        )
        return [work for work in works if work.id in overtaken]

    def settle(self, stream: Stream, written: Mapping[Work, str]) -> None:
        """Kustomer holds all that is wanted of these works, under these ids."""
        if self.ledger is not None:
            self.ledger.confirm(
                [
                    Confirmation(
                        stream.object_type,
                        kustomer_id,
                        first_keys(work.identity.keys),
                        known_keys(stream.object_type, kustomer_id, work.wanted),
                        work.digests or self._digests(stream, work, kustomer_id),
                        _record(stream, work),
                        _origins(work),
                        whole=work.whole,
                    )
                    for work, kustomer_id in written.items()
                ]
            )

    def recognise(self, stream: Stream, work: Work) -> None:
        """A work turned out to be in Kustomer as it is wanted."""
        if self.ledger is None or not work.id:
            return
        keys, record = first_keys(work.identity.keys), _record(stream, work)
        compared = work.digests if work.current else {}
        self.ledger.confirm(
            [
                Confirmation(
                    stream.object_type,
                    work.id,
                    keys,
                    (),
                    compared,
                    record,
                    _origins(work),
                    whole=work.whole,
                    compared=work.held,
                )
            ]
        )

    def release(self, stream: Stream, works: Sequence[Work]) -> None:
        """No write of these works is on its way any more; what they hold is not known."""
        if self.ledger is not None:
            self.ledger.confirm(
                [
                    Confirmation(stream.object_type, work.id, (), (), {}, None)
                    for work in works
                    if work.id
                ]
            )

    def waves(self, stream: Stream, records: Sequence[PreparedRecord]) -> list[list[Identity]]:
        """The records of a batch, those of one identity together.

        A ledger tells what a source has dropped: only versions of one record are one then.
        """
        if self.ledger is None:
            return split_into_waves(records, stream.settings.lists)
        return split_into_waves(records, "replace", one_source=True)

    def lists(self, settings: StreamSettings) -> Lists:
        """How the lists of one identity's records come together."""
        return settings.lists if self.ledger is None else "replace"

    def kept(self, stream: Stream, work: Work, name: str, items: Sequence[JSON]) -> list[JSON]:
        """The items of a merged list without those that the record's source has dropped."""
        if self.ledger is None:
            return list(items)
        digests, own = self.ledger.digests, list_name(name, self._source(stream, work))
        sent = set(work.digests.get(own, Digest("")).items)
        others = {
            each
            for other, digest in work.held.digests.items()
            if other != own and other.startswith(list_name(name, ""))
            for each in digest.items
        }
        dropped = {*work.held.digests.get(own, Digest("")).items} - sent - others
        return [
            item
            for item in items
            if digests.item(stream.object_type, work.id or "", name, item) not in dropped
        ]

    def forget(self, kustomer_id: str) -> None:
        """Kustomer knows no such object any more, or it is another record's."""
        if self.ledger is not None:
            self.ledger.forget(kustomer_id)

    def forget_gone(
        self,
        object_type: ObjectType,
        ids: Sequence[str],
        keys: Sequence[MatchKey] = (),
        *,
        done: bool = False,
    ) -> None:
        """These objects, and what these keys mean, are about to go, or have gone (``done``)."""
        if self.ledger is not None and (ids or keys):
            self.ledger.forget_gone(object_type, ids, keys, done=done)

    def left_behind(self, activation: Activation, most: int) -> tuple[int, Sequence[str]]:
        """What no row of a stream feeds any more since an older version, by its ids.

        Returns:
            How many there are, and the ids if there are no more than ``most``.
        """
        if self.ledger is None:
            return 0, ()
        return self.ledger.sources.left_behind(activation.source, activation.version, most)

    def shared(
        self, object_type: ObjectType, left_behind: Collection[str], there: Sequence[Resource]
    ) -> list[str]:
        """Of what a version leaves behind, what may be somebody's who is still sent; by its ids.

        It bears what means another object, or external ids that nobody has sent: one may have been
        merged into the other in Kustomer. Of whom no external id is known may bear one.

        Args:
            object_type: What they are.
            left_behind: The ids of all that is left behind.
            there: Those that Kustomer holds.
        """
        if self.ledger is None:
            return []
        borne = {each.id: known_keys(object_type, each.id, each.attributes) for each in there}
        meant = self.ledger.meant(
            object_type,
            (key for keys in borne.values() for key in keys if key.kind in _TELLING_KINDS),
        )
        held = self.ledger.held(borne)

        def is_shared(kustomer_id: str) -> bool:
            known = held.get(kustomer_id, Held()).digests
            further = external_ids(borne[kustomer_id])
            own = {key for key in further if key in meant or self._sent_as(kustomer_id, key, known)}
            others = {meant[key] for key in borne[kustomer_id] if key in meant}
            return not others.issubset(left_behind) or is_merged(
                further, own, is_known="externalId" in known
            )

        return [each for each in borne if is_shared(each)]

    # What Kustomer lists, as :class:`~target_kustomer.updates.Memory` has it

    @property
    def remembers(self) -> bool:
        """Whether there is a ledger that knew anything of the org when the run began."""
        return self.ledger is not None and not self.ledger.was_empty

    def read_until(self, object_type: ObjectType) -> str:
        """Until when all updates have been taken in; empty where none has."""
        return self.ledger.read_until(object_type) if self.ledger else ""

    def unseen(self) -> int | None:
        """How many of its customers were not seen; None where any was."""
        return self.ledger.unseen() if self.ledger else None

    def see(self, object_type: ObjectType, resources: Sequence[Resource]) -> tuple[int, str]:
        """Take in customers as they are listed."""
        if self.ledger is None:
            return 0, ""
        return self.ledger.see([_sighting(object_type, each) for each in resources])

    def note_read(self, object_type: ObjectType, until: str) -> None:
        """All updates until this moment have been taken in."""
        if self.ledger is not None:
            self.ledger.note_read(object_type, until)

    def _sent_as(self, kustomer_id: str, key: MatchKey, known: Mapping[str, Digest]) -> bool:
        """Whether an external id is among what a source has sent of an object."""
        if self.ledger is None:
            return False
        digests, further = self.ledger.digests, "externalIds"
        item = digests.item("customer", kustomer_id, further, {"externalId": key.value})
        return digests.value(kustomer_id, "externalId", key.value) == known.get(
            "externalId", Digest("")
        ).value or any(
            item in each.items
            for name, each in known.items()
            if name.startswith(list_name(further, ""))
        )

    def _bears_key(self, stream: Stream, work: Work) -> bool:
        """Whether the object, when it was seen, bore the first of the record's keys."""
        kind = work.identity.keys[0].kind
        if kind in {"email", "phone"}:
            return self.holds_alone(stream, work, KEY_ATTRIBUTES[kind][0])
        if kind == "externalId":
            told = work.held.digests.get(kind)
            return told is not None and told == work.digests.get(kind)
        return kind == "id"

    def _leave_changed(self, stream: Stream, work: Work) -> None:
        known = work.held.digests

        def is_confirmed(name: str, value: JSON) -> bool:
            return all(
                each in known and known[each].value == work.digests[each].value
                for each in self._names(stream, work, {name: value})
            )

        work.attributes = remaining(work.attributes, is_confirmed)

    def _sent(self, stream: Stream, work: Work) -> dict[str, Digest]:
        """What is sent of a work, as its source says it: without what is merely kept."""
        names = self._names(stream, work, work.attributes)
        return {name: each for name, each in work.digests.items() if name in names}

    def _names(self, stream: Stream, work: Work, attributes: Attributes) -> set[str]:
        """The attributes, as the ledger names them."""
        source, lists = self._source(stream, work), stream.settings.lists
        named = kept_names(stream.object_type, attributes, source, lists)
        return {as_kept for as_kept, _, _ in named}

    def _source(self, stream: Stream, work: Work) -> str:
        if self.ledger and not work.source:
            keys = first_keys(work.identity.keys)
            work.source = self.ledger.digests.source(stream.name, keys)
        return work.source

    def _digests(self, stream: Stream, work: Work, kustomer_id: str) -> dict[str, Digest]:
        if self.ledger is None:
            return {}
        return self.ledger.digests.attributes(
            stream.object_type,
            kustomer_id,
            work.wanted,
            source=self._source(stream, work),
            lists=stream.settings.lists,
        )


def _sighting(object_type: ObjectType, resource: Resource) -> Sighting:
    held = resource.attributes
    further = (each.get("externalId") for each in held.get("externalIds") or ())
    return Sighting(
        resource.id,
        held.get("updatedAt") or "",
        resource.live,
        resource.company_id or "",
        [each for each in (held.get("externalId"), *further) if each],
        {name: as_sent(name, held[name]) for name in held if list_of(object_type, name)},
    )


def _origins(work: Work) -> list[Origin]:
    return [record.origin for record in work.identity.records if record.origin]


def _record(stream: Stream, work: Work) -> str | None:
    """The record that all of it comes from; none where its company was left out."""
    record = work.identity.records[0 if stream.settings.mode == "create" else -1]
    left_out = any(link_parts(record)) and "company" not in record.mapped.attributes
    return None if left_out else record.digest

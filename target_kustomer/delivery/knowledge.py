"""What the ledger, where there is one, knows of the records that are being delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_kustomer.delivery.verdicts import link_parts
from target_kustomer.delivery.waves import split_into_waves
from target_kustomer.ledger.digests import Digest, kept_names, list_name
from target_kustomer.ledger.ledger import Confirmation, Held
from target_kustomer.mapping.keys import first_keys, known_keys
from target_kustomer.mapping.merging import remaining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.delivery.batches import Stream
    from target_kustomer.delivery.waves import Identity
    from target_kustomer.delivery.work import Work
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

    def compare(self, stream: Stream, works: Sequence[Work]) -> None:
        """Leave of each work's attributes those that are not known to be in Kustomer."""
        if self.ledger is None:
            return
        held = self.ledger.held(work.id for work in works if work.id)
        for work in works:
            known = held.get(work.id or "", Held())
            work.held = known
            work.digests = self._digests(stream, work, work.id or "", work.wanted)
            work.attributes = dict(work.wanted)
            if known.fresh and self.skip_unchanged:
                self._leave_changed(stream, work)

    def doubt(self, stream: Stream, works: Sequence[Work]) -> None:
        """What remains of these works' attributes is about to be written."""
        if self.ledger is not None:
            self.ledger.doubt({work.id: self._sent(stream, work) for work in works if work.id})

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
                        work.digests or self._digests(stream, work, kustomer_id, work.wanted),
                        _record(stream, work),
                        _origins(work),
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
        origins = _origins(work)
        self.ledger.confirm(
            [Confirmation(stream.object_type, work.id, keys, (), compared, record, origins)]
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
        keys = first_keys(work.identity.keys)
        return self.ledger.digests.source(stream.name, keys) if self.ledger else ""

    def _digests(
        self, stream: Stream, work: Work, kustomer_id: str, attributes: Attributes
    ) -> dict[str, Digest]:
        if self.ledger is None:
            return {}
        return self.ledger.digests.attributes(
            stream.object_type,
            kustomer_id,
            attributes,
            source=self._source(stream, work),
            lists=stream.settings.lists,
        )


def _origins(work: Work) -> list[Origin]:
    return [record.origin for record in work.identity.records if record.origin]


def _record(stream: Stream, work: Work) -> str | None:
    """The record that all of it comes from; none where its company was left out."""
    record = work.identity.records[0 if stream.settings.mode == "create" else -1]
    left_out = any(link_parts(record)) and "company" not in record.mapped.attributes
    return None if left_out else record.digest

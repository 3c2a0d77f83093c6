"""Which records of a batch are one identity, and which must wait for another: pure (design 1.6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from target_kustomer.mapping.keys import first_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.models import MatchKey, PreparedRecord
    from target_kustomer.settings import Lists


_LIST_KINDS = {"email", "phone"}
"""Keys that are items of a list; of the others an object has one."""


@dataclass(slots=True)
class Identity:
    """Records of one batch that are the same customer or company, in stdin's order.

    Attributes:
        records: The records.
        relocated: Whether it is here again because its Kustomer id had vanished.
        since: When another run was found to have written it last; what was read before is old.
    """

    records: list[PreparedRecord]
    relocated: bool = False
    since: float = 0.0

    @property
    def ordinal(self) -> int:
        """The place of the first record among all of the run."""
        return self.records[0].source.ordinal

    @property
    def is_delete(self) -> bool:
        """Whether it is to be deleted; such a record is always alone."""
        return self.records[0].is_delete

    @property
    def keys(self) -> tuple[MatchKey, ...]:
        """The keys of the first record, which decide for all, in match_on's order."""
        return self.records[0].keys

    @property
    def external_id(self) -> str | None:
        """The external id of the first record, whether or not it is matched on."""
        return _external_id(self.records[0])

    def singly(self) -> list[Identity]:
        """Each record as an identity of its own."""
        return [replace(self, records=[record]) for record in self.records]


@dataclass(slots=True)
class _Placed:
    identity: Identity
    wave: int
    keys: set[MatchKey] = field(default_factory=set)

    def bear(self, keys: Sequence[MatchKey], lists: Lists) -> None:
        """Take on a record's keys: a name gives way to a later one, a merged item stays."""
        replaced = {key.kind for key in keys if lists == "replace" or key.kind not in _LIST_KINDS}
        self.keys = {key for key in self.keys if key.kind not in replaced}.union(keys)

    def is_found_by(self, record: PreparedRecord) -> bool:
        """Whether the record, sent after these, would be found to be the same one.

        Its first kind of key decides. A name is not enough: companies of different external ids
        may share one.
        """
        kind = record.keys[0].kind
        same_name = kind != "name" or _external_id(record) == self.identity.external_id
        return same_name and {key for key in record.keys if key.kind == kind} <= self.keys

    def takes(self, record: PreparedRecord, *, one_source: bool) -> bool:
        """Whether the record goes together with these."""
        if record.is_delete or self.identity.is_delete:
            return False
        known = first_keys(record.keys) == first_keys(self.identity.keys)
        return self.is_found_by(record) and (known or not one_source)


def split_into_waves(
    records: Iterable[PreparedRecord], lists: Lists = "merge", *, one_source: bool = False
) -> list[list[Identity]]:
    """Group the records into identities, and those into waves that share no key value.

    Records are one identity when the later one would find what the earlier ones have left. Those
    that share a key value without being one identity go in waves, one after the other, in
    stdin's order.

    Args:
        records: In stdin's order.
        lists: What becomes of the keys of a list when a later record has others.
        one_source: Whether only records that are known by the same keys are one identity.
    """
    placed: list[_Placed] = []
    last: dict[MatchKey, _Placed] = {}
    for record in records:
        hits = list({id(last[key]): last[key] for key in record.keys if key in last}.values())
        if len(hits) == 1 and hits[0].takes(record, one_source=one_source):
            [place] = hits
        else:
            wave = 1 + max((hit.wave for hit in hits), default=-1)
            place = _Placed(Identity([]), wave)
            placed.append(place)
        place.identity.records.append(record)
        place.bear(record.keys, lists)
        last.update(dict.fromkeys(record.keys, place))
    waves: list[list[Identity]] = [[] for _ in range(1 + max((p.wave for p in placed), default=-1))]
    for place in placed:
        waves[place.wave].append(place.identity)
    return waves


def _external_id(record: PreparedRecord) -> str | None:
    return record.mapped.attributes.get("externalId") or None

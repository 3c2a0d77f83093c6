"""Which records of a batch are one identity, and which must wait for another: pure (design 1.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.models import MatchKey, MatchKind, PreparedRecord
    from target_kustomer.settings import Lists


_LIST_KINDS = {"email", "phone"}
"""Keys that are items of a list; of the others an object has one."""


@dataclass(slots=True)
class Identity:
    """Records of one batch that are the same customer or company, in stdin's order.

    Attributes:
        kinds: The kinds of keys in match_on's order.
        records: The records.
        relocated: Whether it is here again because its Kustomer id had vanished.
    """

    kinds: tuple[MatchKind, ...]
    records: list[PreparedRecord]
    relocated: bool = False

    @property
    def keys(self) -> tuple[MatchKey, ...]:
        """The keys of all records, kinds in match_on's order, each value once."""
        keys = dict.fromkeys(key for record in self.records for key in record.keys)
        return tuple(sorted(keys, key=lambda key: self.kinds.index(key.kind)))

    @property
    def external_id(self) -> str | None:
        """The external id that the records end with, whether or not it is matched on."""
        values = [record.mapped.attributes.get("externalId") for record in self.records]
        return next((value for value in reversed(values) if value), None)

    def singly(self) -> list[Identity]:
        """Each record as an identity of its own."""
        return [Identity(self.kinds, [record], self.relocated) for record in self.records]


@dataclass(slots=True)
class _Placed:
    identity: Identity
    wave: int
    keys: set[MatchKey] = field(default_factory=set)

    def bear(self, keys: Sequence[MatchKey], lists: Lists) -> None:
        """Take on a record's keys: a name gives way to a later one, a merged item stays."""
        replaced = {key.kind for key in keys if lists == "replace" or key.kind not in _LIST_KINDS}
        self.keys = {key for key in self.keys if key.kind not in replaced}.union(keys)


def split_into_waves(
    records: Iterable[PreparedRecord], kinds: tuple[MatchKind, ...], lists: Lists = "merge"
) -> list[list[Identity]]:
    """Group the records into identities, and those into waves that share no key value.

    Records are one identity when they share a key value and disagree on no earlier key. Those
    that share one without being one identity go in waves, one after the other, in stdin's order.
    """
    placed: list[_Placed] = []
    last: dict[MatchKey, _Placed] = {}
    for record in records:
        hits = {id(last[key]): last[key] for key in record.keys if key in last}
        place = _place(record, list(hits.values()))
        if place is None:
            wave = 1 + max((hit.wave for hit in hits.values()), default=-1)
            place = _Placed(Identity(kinds, []), wave)
            placed.append(place)
        place.identity.records.append(record)
        place.bear(record.keys, lists)
        last.update(dict.fromkeys(record.keys, place))
    waves: list[list[Identity]] = [[] for _ in range(1 + max((p.wave for p in placed), default=-1))]
    for place in placed:
        waves[place.wave].append(place.identity)
    return waves


def _place(record: PreparedRecord, hits: Sequence[_Placed]) -> _Placed | None:
    """The identity that the record joins: the only one that it touches, if it is the same."""
    if len(hits) != 1 or not _is_one(record.keys, hits[0].keys):
        return None
    return hits[0]


def _is_one(keys: Sequence[MatchKey], others: set[MatchKey]) -> bool:
    """Whether they share a value of some kind and disagree on no earlier one."""
    for kind in dict.fromkeys(key.kind for key in keys):
        mine = {key for key in keys if key.kind == kind}
        theirs = {key for key in others if key.kind == kind}
        if mine & theirs:
            return True
        if theirs:
            return False
    return False

"""What the ledger tells, and what it is told; knows nothing of databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_kustomer.ledger.digests import Digest
    from target_kustomer.models import JSON, MatchKey, ObjectType, Origin


class Held(msgspec.Struct, frozen=True):
    """What the ledger knows of an object.

    Attributes:
        digests: What was confirmed, by attribute.
        fresh: Whether all that a record says of it was sent or compared within
            ``resync_after_days``.
        confirmed_at: When anything of it was, in UTC seconds since 1970.
        seen: Whether Kustomer has listed it since it was last written, as the record it was.
        company: The company that it then had, empty for none; None where that is not known.
        lists_alone: Whether its merged lists then held what their sources sent and nothing else.
        revision: Counted up with each write; 0 where nothing is known of it.
        written_at: When a write of it last began or ended, by the clock of the run that wrote.
        others_wrote_at: The same, where it was another run's; else 0.
    """

    digests: Mapping[str, Digest] = msgspec.field(default_factory=dict)
    fresh: bool = True
    confirmed_at: float = 0.0
    seen: bool = False
    company: str | None = None
    lists_alone: bool = False
    revision: int = 0
    written_at: float = 0.0
    others_wrote_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What Kustomer holds of an object now.

    Attributes:
        keys: The match keys that mean it.
        borne: All match keys that it bears now, as far as they were written.
        digests: What was written or read in Kustomer now; empty where nothing was.
        record: The digest of the record that all of it comes from, if it is one.
        origins: The rows that make it what it is, where they are followed.
        whole: Whether all of the digests were sent, or read in Kustomer, and none merely known.
        compared: What was known when it turned out to be so without a write: it counts only if no
            other run has written since. None where this run has written, or tried to.
    """

    object_type: ObjectType
    kustomer_id: str
    keys: Sequence[MatchKey]
    borne: Iterable[MatchKey]
    digests: Mapping[str, Digest]
    record: str | None
    origins: Sequence[Origin] = ()
    whole: bool = True
    compared: Held | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A customer as Kustomer lists it.

    Attributes:
        updated_at: When it was updated last, in Kustomer's time.
        live: Whether it is there, not deleted.
        company: The id of its company, empty for none.
        external_ids: All that it bears.
        lists: Its lists by their attribute, as a source would send them.
    """

    kustomer_id: str
    updated_at: str
    live: bool
    company: str
    external_ids: Sequence[str]
    lists: Mapping[str, Sequence[JSON]]

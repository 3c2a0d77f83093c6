"""What travels through the pipeline: a stream's context and a batch of its records."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.models import MatchKey

if TYPE_CHECKING:
    from target_kustomer.models import LeftBehind, MatchKind, ObjectType, Outcome, PreparedRecord
    from target_kustomer.settings import StreamSettings

Claim = tuple["ObjectType", MatchKey]
"""A key value of an object, by which batches keep out of each other's way."""

ANY_COMPANY: Claim = ("company", MatchKey("id", ""))
"""Read by all who name a company, written by deletes of one: it may be named by any of its keys."""

SYSTEMATIC_RECORDS = 100
"""So many first records of a stream refused as whole requests: the fault is not theirs."""


_REMEMBERED_RECORDS = 1000
"""By so many records it is guessed whether the next ones are in Kustomer already."""

_FEWEST_RECORDS = 20
_ALREADY_THERE = 0.95
"""Where more are there, looking first costs less than creating in vain: a request for a job and
1.3 for its polls for each 100, against one for each new record."""


class StreamTrial:
    """What the first records of a stream tell of the others (design 1.7).

    Attributes:
        accepted: Set when Kustomer has taken a request of the stream.
        told: Set when a batch of the stream has come past its creates.
    """

    def __init__(self, name: str) -> None:
        self.accepted = threading.Event()
        self._name = name
        self._lock = threading.Lock()
        self._refused = 0
        self.told = threading.Event()
        self._met = 0.0
        self._sought = 0.0

    def note_met(self, records: int, met: int) -> None:
        """Of so many records, so many were in Kustomer already."""
        with self._lock:
            if self._sought > _REMEMBERED_RECORDS:
                self._sought /= 2
                self._met /= 2
            self._sought += records
            self._met += met

    @property
    def are_there(self) -> bool:
        """Whether the stream's records seem to be in Kustomer already, nearly all of them."""
        sought, met = self._sought, self._met
        return sought >= _FEWEST_RECORDS and met >= _ALREADY_THERE * sought

    def refuse(self, records: int) -> None:
        """So many records were refused, each as a whole request of its own."""
        with self._lock:
            self._refused += records

    def check(self) -> None:
        """Raise ConfigurationError when something systematic is wrong."""
        if not self.accepted.is_set() and self._refused >= SYSTEMATIC_RECORDS:
            msg = (
                f"stream {self._name}: Kustomer refused each of the first {self._refused} "
                "records as an invalid request: the rejects file has its reasons; mend the "
                "stream's fields and replay that file"
            )
            raise ConfigurationError(msg)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as delivery sees it: one SCHEMA's worth of settings.

    Attributes:
        match_kinds: The keys that the stream carries, in match_on's order.
    """

    name: str
    object_type: ObjectType
    settings: StreamSettings
    match_kinds: tuple[MatchKind, ...]
    trial: StreamTrial

    def is_like(self, other: Stream) -> bool:
        """Whether the two are different streams of one object."""
        return self.object_type == other.object_type and self.name != other.name


@dataclass(frozen=True, slots=True)
class Activation:
    """A version of a stream's table has been sent whole.

    Attributes:
        stream: The stream's name.
        source: Its digest.
    """

    stream: str
    source: str
    version: int


@dataclass(slots=True, eq=False)
class Batch:
    """Records of one stream that settle together.

    Attributes:
        ticket: What the checkpoints wait for.
        records: To be delivered, in stdin's order.
        decided: Verdicts that need no delivery (mapping rejections, skipped deletes).
        rejected_keys: Keys of companies that were rejected before delivery.
        writes: Key values that the batch may write.
        reads: Key values of companies that its customers name.
        known_ids: The objects that its records mean, as far as the ledger knows.
        deletes: Whether one of its records deletes.
        obscure: Whether it is not known of one of its records whose it is, or one deletes.
        activation: The version of its stream that has been sent whole; it has no records then.
        left_behind: What became of what that version left behind.
        opened_at: When its first record came, in the clock's monotonic seconds.
    """

    ticket: int
    stream: Stream
    opened_at: float = 0.0
    records: list[PreparedRecord] = field(default_factory=list)
    decided: list[Outcome] = field(default_factory=list)
    rejected_keys: list[MatchKey] = field(default_factory=list)
    writes: set[Claim] = field(default_factory=set)
    reads: set[Claim] = field(default_factory=set)
    known_ids: set[str] = field(default_factory=set)
    obscure: bool = False
    deletes: bool = False
    activation: Activation | None = None
    left_behind: LeftBehind | None = None

    def __len__(self) -> int:
        return len(self.records) + len(self.decided)

    def goes_after(self, earlier: Batch) -> bool:
        """Whether this may delete what an earlier batch writes or names.

        It may be a company that customers name, or what another stream knows by other keys, or, of
        a version, anything; who comes behind a version waits for it too.
        """
        if self.activation or earlier.activation:
            return True
        if self.deletes and self.stream.is_like(earlier.stream):
            return True
        return ANY_COMPANY in self.writes and ANY_COMPANY in earlier.reads

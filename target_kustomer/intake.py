"""Asks the ledger about many records at once, and passes those that Kustomer holds as they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from target_kustomer.models import Outcome, PreparedRecord, Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.delivery.batches import Batch, Stream
    from target_kustomer.ledger.ledger import Ledger
    from target_kustomer.models import JSON, MatchKey, ObjectType, Origin, SourceRecord

_MAX_AGE_SECONDS = 1.0

_MAX_SENT = 5000
"""So many rows are marked as sent again in one transaction."""

_REJECTED_AT_STEP_SECONDS = 1.0
"""A rejects file tells times in whole seconds, cut off."""


class Preparer(Protocol):
    """What knows how to make a stream's records ready, and puts them into batches."""

    @property
    def stream(self) -> Stream:
        """The stream."""

    def prepare(self, taken: Taken) -> PreparedRecord | Outcome:
        """Map the record, or say at once what becomes of it."""

    def pack(self, taken: Taken, prepared: PreparedRecord | Outcome, known_id: str | None) -> None:
        """Put it into the stream's batch."""


class Taken(msgspec.Struct, frozen=True):
    """A record as it was read.

    Attributes:
        preparer: Its sink.
        digest: What the ledger knows it by, where it may pass unchanged.
        deleted: Whether its source says that it is gone.
        rejected_at: When an earlier run rejected it, in UTC seconds since 1970.
        origin: The row that it is, where that is followed.
    """

    preparer: Preparer
    source: SourceRecord
    record: Mapping[str, Any]
    digest: str | None = None
    deleted: bool = False
    rejected_at: float | None = None
    origin: Origin | None = None


class Intake:
    """Lets records through in stdin's order, and STATE between them.

    A record passes as unchanged only while nothing that is on its way can change it: no earlier
    record of the same object, none of which it is not known whose it is, and no delete, after which
    whoever names what was deleted is another one.

    Args:
        on_their_way: The batches that are not settled.
        passed: Told of records of a stream that passed, each with its verdict.
        checkpoint: Told of a STATE when all before it have been let through.
        size: Records about which the ledger is asked at once.
        clock: Time.
    """

    def __init__(
        self,
        on_their_way: Callable[[], Iterable[Batch]],
        passed: Callable[[str, Sequence[Outcome]], None],
        checkpoint: Callable[[JSON], None],
        size: int,
        clock: Clock,
    ) -> None:
        self.ledger: Ledger | None = None
        self.stale: Counter[str] = Counter()
        """Replayed rejects that were older than what was confirmed since, by stream."""
        self._on_their_way = on_their_way
        self._passed = passed
        self._checkpoint = checkpoint
        self._size = size
        self._clock = clock
        self._held: list[Taken | _State] = []
        self._held_since = 0.0
        self._sent: dict[Origin, str | None] = {}
        self._began = clock.time()

    def take(self, taken: Taken) -> None:
        """A record was read."""
        if self.ledger is None:
            taken.preparer.pack(taken, taken.preparer.prepare(taken), None)
        else:
            self._hold(taken)

    def checkpoint(self, state: JSON) -> None:
        """A STATE was read."""
        if self._held:
            self._hold(_State(state))
        else:
            self._acknowledge(state)

    def flush_aged(self, *, idle: bool = False) -> None:
        """Let through what has waited long enough; all of it while stdin is silent."""
        if self._held and (idle or self._clock.monotonic() - self._held_since >= _MAX_AGE_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Let through all that is held."""
        held, self._held = self._held, []
        if held and self.ledger is not None:
            _Passage(self.ledger, self._on_their_way(), held, self._began).let_through(
                self._passed, self._acknowledge, self.stale, self._sent
            )
            if len(self._sent) >= _MAX_SENT:
                self.mark_sent()

    def mark_sent(self) -> None:
        """Tell the ledger which rows were sent again, whatever becomes of them."""
        sent, self._sent = self._sent, {}
        if self.ledger is not None:
            self.ledger.sources.sent(sent)

    def _acknowledge(self, state: JSON) -> None:
        """A STATE passes: what came before is not sent a second time under its version."""
        self.mark_sent()
        self._checkpoint(state)

    def _hold(self, each: Taken | _State) -> None:
        if not self._held:
            self._held_since = self._clock.monotonic()
        self._held.append(each)
        if len(self._held) >= self._size:
            self.flush()


@dataclass(frozen=True, slots=True)
class _State:
    value: JSON


class _Passage:
    """Some records on their way from stdin to the batches.

    What is on its way is looked at before the ledger is asked: what lands in between is in the
    answer, or counts as still on its way.
    """

    def __init__(
        self,
        ledger: Ledger,
        on_their_way: Iterable[Batch],
        held: list[Taken | _State],
        began: float,
    ) -> None:
        self._ledger = ledger
        self._held = held
        batches = list(on_their_way)
        self._busy = {each for batch in batches for each in batch.known_ids}
        self._obscure = any(batch.obscure for batch in batches)
        digests = [each.digest for each in held if isinstance(each, Taken) and each.digest]
        self._unchanged = ledger.unchanged(digests)
        self._prepared: dict[int, PreparedRecord | Outcome] = {
            index: each.preparer.prepare(each)
            for index, each in enumerate(held)
            if isinstance(each, Taken) and each.digest not in self._unchanged
        }
        self._ids = self._ids_of_prepared()
        self._stale = self._find_stale(began)

    def let_through(
        self,
        passed: Callable[[str, Sequence[Outcome]], None],
        checkpoint: Callable[[JSON], None],
        stale: Counter[str],
        sent: dict[Origin, str | None],
    ) -> None:
        outcomes: dict[str, list[Outcome]] = defaultdict(list)
        for index, each in enumerate(self._held):
            if isinstance(each, _State):
                _tell(passed, outcomes)
                checkpoint(each.value)
                continue
            stream = each.preparer.stream
            passes = index not in self._stale and self._passes(index, each)
            if each.origin:
                sent[each.origin] = self._unchanged[each.digest or ""] if passes else None
            if index in self._stale:
                stale[stream.name] += 1
                outcomes[stream.name].append(Outcome(each.source, Verdict.SKIPPED, why=Skip.STALE))
            elif passes:
                known = self._unchanged[each.digest or ""]
                outcomes[stream.name].append(
                    Outcome(each.source, Verdict.SKIPPED, why=Skip.EXISTS, kustomer_id=known)
                    if stream.settings.mode == "create"
                    else Outcome(each.source, Verdict.UNCHANGED, kustomer_id=known)
                )
            else:
                self._pack(index, each)
        _tell(passed, outcomes)

    def _passes(self, index: int, taken: Taken) -> bool:
        kustomer_id = self._unchanged.get(taken.digest or "")
        return (
            index not in self._prepared
            and kustomer_id is not None
            and not self._obscure
            and kustomer_id not in self._busy
        )

    def _pack(self, index: int, taken: Taken) -> None:
        prepared = self._prepared.get(index) or taken.preparer.prepare(taken)
        known = self._ids.get(index) or self._unchanged.get(taken.digest or "")
        if isinstance(prepared, PreparedRecord):
            self._obscure |= known is None or prepared.is_delete
            self._busy.update([known] if known else ())
        taken.preparer.pack(taken, prepared, known)

    def _ids_of_prepared(self) -> dict[int, str]:
        sought: dict[ObjectType, dict[int, Sequence[MatchKey]]] = defaultdict(dict)
        for index, prepared in self._prepared.items():
            taken = self._held[index]
            if isinstance(prepared, PreparedRecord) and isinstance(taken, Taken):
                sought[taken.preparer.stream.object_type][index] = prepared.keys
        return {
            index: known
            for object_type, keys in sought.items()
            for index, known in zip(
                keys, self._ledger.ids(object_type, list(keys.values())), strict=True
            )
            if known
        }

    def _find_stale(self, began: float) -> set[int]:
        """Replayed rejects whose object was confirmed after they had been rejected.

        Not by this run: of several versions that it replays, the last one is to stay.
        """
        rejected = {
            index: each.rejected_at
            for index, each in enumerate(self._held)
            if isinstance(each, Taken) and each.rejected_at is not None and index in self._ids
        }
        held = self._ledger.held(self._ids[index] for index in rejected)
        return {
            index
            for index, at in rejected.items()
            if (found := held.get(self._ids[index]))
            and at + _REJECTED_AT_STEP_SECONDS <= found.confirmed_at < began
        }


def _tell(
    passed: Callable[[str, Sequence[Outcome]], None], outcomes: dict[str, list[Outcome]]
) -> None:
    for stream, each in outcomes.items():
        passed(stream, each)
    outcomes.clear()

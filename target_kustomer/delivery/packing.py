"""Packs records into batches so that stdin's order holds wherever records share a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_kustomer.delivery.batches import ANY_COMPANY, Batch, Claim, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_kustomer.clock import Clock
    from target_kustomer.models import MatchKey, Outcome, PreparedRecord

MAX_BATCH_AGE_SECONDS = 30.0
"""A batch that fills slowly goes out at this age, so that STATE is not held back for long."""

MAX_IDLE_AGE_SECONDS = 5.0
"""The same while stdin is silent: nothing more may come for hours."""


@dataclass(slots=True, eq=False)
class _Open:
    """A batch that still fills, and the open batches that must go out before it."""

    batch: Batch
    after: set[_Open] = field(default_factory=set)

    def shares(self, claims: set[Claim]) -> bool:
        """Whether the batch may write one of these key values."""
        return not self.batch.writes.isdisjoint(claims)

    def comes_after(self, other: _Open) -> bool:
        return other in self.after or any(each.comes_after(other) for each in self.after)


class Packer:
    """The open batch of each stream; hands full ones to the pipeline.

    At any time, batches that share a key value are in order: the one whose record came first goes
    out first. Where two batches would each have to go first, one goes out at once.

    Args:
        open_ticket: A new ticket of the checkpoints.
        submit: Takes a batch; may block.
        batch_size: Records in a batch.
        clock: Time.
    """

    def __init__(
        self,
        open_ticket: Callable[[], int],
        submit: Callable[[Batch], None],
        batch_size: int,
        clock: Clock,
    ) -> None:
        self._open_ticket = open_ticket
        self._submit = submit
        self._batch_size = batch_size
        self._clock = clock
        self._open: dict[str, _Open] = {}

    def add(
        self,
        stream: Stream,
        record: PreparedRecord,
        writes: Iterable[Claim],
        reads: Iterable[Claim] = (),
        known_id: str | None = None,
    ) -> None:
        """Put a record into its stream's batch.

        Args:
            stream: The stream.
            record: The record.
            writes: Key values under which it may be written.
            reads: Key values of the company that it names.
            known_id: The object that it means, where the ledger knows.
        """
        opened = self._in_order(stream, set(writes), set(reads), deletes=record.is_delete)
        opened.batch.records.append(record)
        opened.batch.deletes |= record.is_delete
        opened.batch.known_ids.update([known_id] if known_id else ())
        opened.batch.obscure |= known_id is None or record.is_delete
        self._flush_if_full(opened)

    def add_decided(
        self, stream: Stream, outcome: Outcome, rejected_keys: Iterable[MatchKey] = ()
    ) -> None:
        """Let a verdict that needs no delivery settle in its place."""
        keys = list(rejected_keys)
        opened = self._in_order(stream, {(stream.object_type, key) for key in keys}, set())
        opened.batch.decided.append(outcome)
        opened.batch.rejected_keys += keys
        self._flush_if_full(opened)

    def flush(self) -> None:
        """Hand over all open batches."""
        while self._open:
            self._flush(next(iter(self._open.values())))

    def flush_stream(self, name: str) -> None:
        """Hand over the stream's open batch, since its SCHEMA changes."""
        if name in self._open:
            self._flush(self._open[name])

    def flush_aged(self, *, idle: bool = False) -> None:
        """Hand over the batches that have waited long enough.

        Args:
            idle: Whether stdin is silent.
        """
        limit = MAX_IDLE_AGE_SECONDS if idle else MAX_BATCH_AGE_SECONDS
        now = self._clock.monotonic()
        for opened in list(self._open.values()):
            if (
                now - opened.batch.opened_at >= limit
                and self._open.get(opened.batch.stream.name) is opened
            ):
                self._flush(opened)

    @property
    def open_batches(self) -> list[Batch]:
        """The batches that still fill."""
        return [opened.batch for opened in self._open.values()]

    def _in_order(
        self, stream: Stream, writes: set[Claim], reads: set[Claim], *, deletes: bool = False
    ) -> _Open:
        """The stream's open batch, behind all others that hold one of these key values.

        A record and a delete of two streams may mean one object by different keys.
        """
        opened = self._open.get(stream.name) or self._begin(stream)
        others = [other for other in self._open.values() if other is not opened]
        before = [
            other
            for other in others
            if other.shares(writes | reads)
            or (ANY_COMPANY in writes and ANY_COMPANY in other.batch.reads)
            or ((deletes or other.batch.deletes) and other.batch.stream.is_like(stream))
        ]
        if opened.shares(writes):
            # Records that share nothing may be one through an earlier one of this batch.
            before += [
                other
                for other in others
                if other.comes_after(opened) and other.shares(opened.batch.writes)
            ]
        if any(other.comes_after(opened) for other in before):
            self._flush(opened)
            opened = self._begin(stream)
            before = [other for other in before if other.batch.stream.name in self._open]
        opened.after.update(before)
        opened.batch.writes |= writes
        opened.batch.reads |= reads
        return opened

    def _begin(self, stream: Stream) -> _Open:
        opened = _Open(Batch(self._open_ticket(), stream, self._clock.monotonic()))
        self._open[stream.name] = opened
        return opened

    def _flush_if_full(self, opened: _Open) -> None:
        if len(opened.batch) >= self._batch_size:
            self._flush(opened)

    def _flush(self, opened: _Open) -> None:
        for earlier in list(opened.after):
            if earlier in opened.after:
                self._flush(earlier)
        del self._open[opened.batch.stream.name]
        for other in self._open.values():
            other.after.discard(opened)
        self._submit(opened.batch)

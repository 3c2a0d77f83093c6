"""Versions of whole tables: which rows come under one, and when it has come to its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeGuard

from target_kustomer.delivery.batches import Activation, Batch
from target_kustomer.models import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_kustomer.delivery.batches import Stream
    from target_kustomer.intake import Intake
    from target_kustomer.mapping.plan import Plan

logger = logging.getLogger(__name__)

_END = 1 << 62
"""Versions are milliseconds or counters; a database holds no number beyond this."""


class Versions:
    """Follows the rows of all streams where there is a ledger, and any of them deletes.

    So does a run that deletes nothing, where another one on its ledger has followed some: what its
    streams send is not left behind.

    Args:
        intake: Where records wait; it knows the ledger.
        deletes: Whether any stream of this run deletes.
        hand_over: Hands over all records that have come.
        submit: Hands over a batch.
        open_ticket: A new ticket of the checkpoints.
    """

    def __init__(
        self,
        intake: Intake,
        hand_over: Callable[[], None],
        submit: Callable[[Batch], None],
        open_ticket: Callable[[], int],
        *,
        deletes: bool,
    ) -> None:
        self._intake = intake
        self._follows = deletes
        self._hand_over = hand_over
        self._submit = submit
        self._open_ticket = open_ticket
        self._latest: dict[str, int | None] = {}
        self._sources: dict[str, str] = {}
        self._filtered: dict[str, set[int]] = {}
        self._told_filtered: set[str] = set()
        self._has_warned = False

    def begin(self, stream: Stream, plan: Plan) -> None:
        """A SCHEMA came."""
        ledger = self._intake.ledger
        if ledger is None:
            return
        self._sources[stream.name] = ledger.digests.stream(stream.name, plan.row_columns)
        self._follows = self._follows or ledger.sources.are_followed()

    def note_filtered(self, stream: str, version: object) -> None:
        """Stream maps let a record not through: its row may be any, and is not known after it."""
        ledger, seen = self._intake.ledger, self._filtered.setdefault(stream, set())
        if not _is_version(version) or version in seen:
            return
        seen.add(version)
        if ledger is not None and stream in self._sources:
            ledger.sources.forget(self._sources[stream])

    def origin(
        self, stream: Stream, plan: Plan, record: Mapping[str, Any], version: object
    ) -> Origin | None:
        """The row that a record is, where rows are followed."""
        ledger = self._intake.ledger
        if ledger is None or not self._follows:
            return None
        known = version if _is_version(version) else None
        self._latest[stream.name] = known
        source = ledger.digests.stream(stream.name, plan.row_columns)
        return Origin(source, ledger.digests.row(source, plan.row_values(record)), known)

    def activate(self, stream: Stream, plan: Plan, version: object) -> None:
        """An ACTIVATE_VERSION came: what its stream has not sent again under it is gone.

        Taps send one before their first record too, which says nothing of what they will send: it
        counts behind a record of its version alone. All that came before has its verdict first.
        """
        ledger = self._intake.ledger
        if ledger is None:
            if not self._has_warned:
                logger.warning("ACTIVATE_VERSION deletes nothing: that takes a ledger (ledger_url)")
            self._has_warned = True
            return
        if not _is_version(version) or self._latest.get(stream.name) != version:
            logger.info(
                "ACTIVATE_VERSION deletes nothing, no record of its version came before stream=%s",
                stream.name,
            )
            return
        if version in self._filtered.get(stream.name, ()):
            if stream.name not in self._told_filtered:
                what = "ACTIVATE_VERSION deletes nothing: stream maps have filtered records of it"
                logger.warning("%s stream=%s", what, stream.name)
            self._told_filtered.add(stream.name)
            return
        self._hand_over()
        source = ledger.digests.stream(stream.name, plan.row_columns)
        activation = Activation(stream.name, source, version)
        self._submit(Batch(self._open_ticket(), stream, obscure=True, activation=activation))


def _is_version(value: object) -> TypeGuard[int]:
    """Whether it is a version of a table."""
    return type(value) is int and abs(value) < _END

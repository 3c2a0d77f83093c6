"""The verdicts of one batch, and what has to be sent again before there is one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from target_kustomer.delivery.masking import mask_others
from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.models import Outcome, PreparedRecord, Reason, Rejection, Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.batches import Batch
    from target_kustomer.delivery.waves import Identity

_DUPLICATE_HINT = (
    "another record in Kustomer has one of its identifiers: match on that identifier, or map the "
    "column to sharedEmails or sharedPhones"
)


class Verdicts:
    """Collects the outcome of each record of a batch.

    Attributes:
        outcomes: What is decided.
        again: Waves of identities to be delivered next, before any later wave.
    """

    def __init__(self, batch: Batch) -> None:
        self.outcomes: list[Outcome] = list(batch.decided)
        self.again: list[list[Identity]] = []
        self._batch = batch

    def decide(
        self,
        records: Sequence[PreparedRecord],
        verdict: Verdict,
        why: Skip | None = None,
        *,
        deleted: str | None = None,
    ) -> None:
        """All these records have this verdict; ``deleted`` is the object that they deleted."""
        self.outcomes += [
            Outcome(record.source, verdict, None, deleted is not None, why, deleted)
            for record in records
        ]

    def refuse(self, identity: Identity, rejection: Rejection) -> None:
        """Reject a record; records that were sent as one are sent again, one by one."""
        if len(identity.records) == 1:
            self.reject(identity.records[0], rejection)
        else:
            self.again += [[single] for single in identity.singly()]

    def reject(self, record: PreparedRecord, rejection: Rejection) -> None:
        """Reject a record, with nothing of the others in the detail."""
        if rejection.detail:
            others = (_values(each) for each in self._batch.records if each is not record)
            detail = mask_others(rejection.detail, _values(record), others)
            rejection = replace(rejection, detail=detail)
        self.outcomes.append(Outcome(record.source, Verdict.REJECTED, rejection))


def _values(record: PreparedRecord) -> tuple[object, ...]:
    """All that a request may say of the record."""
    return (record.mapped.attributes, link_parts(record))


def link_parts(record: PreparedRecord) -> tuple[str | None, ...]:
    """What a customer names its company by; nothing of it where the link is to be cut."""
    link = record.mapped.link
    return (link.id, link.external_id, link.name) if link else ()


def refusal(result: ItemResult) -> Rejection:
    """Kustomer's own refusal of an item."""
    if result.state is ItemState.DUPLICATE:
        detail = f"{result.detail}: {_DUPLICATE_HINT}" if result.detail else _DUPLICATE_HINT
        return Rejection(Reason.DUPLICATE_IDENTIFIER, detail=detail, status=result.status)
    return Rejection(Reason.REFUSED, detail=result.detail, status=result.status)


def unconfirmed() -> Rejection:
    """Nobody can tell what became of the record."""
    return Rejection(
        Reason.UNCONFIRMED,
        detail="Kustomer did not tell whether this was written: look there before a replay",
    )

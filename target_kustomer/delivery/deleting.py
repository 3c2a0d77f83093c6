"""Deletes what the source has deleted, within the run's limit (design 1.6)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.verdicts import refusal, unconfirmed
from target_kustomer.models import Reason, Rejection, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.work import Delivery, Work


class DeleteLimit:
    """How many objects the run may still delete; shared by all workers.

    Args:
        most: ``max_deleted_records``.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._left = most
        self._lock = threading.Lock()

    def take(self, objects: int = 1) -> bool:
        """Whether so many more may be deleted; they count from now on."""
        with self._lock:
            if objects > self._left:
                return False
            self._left -= objects
            return True

    def give_back(self) -> None:
        """One that was taken was certainly not deleted by this run."""
        with self._lock:
            self._left += 1


class Deleting:
    """The deletes of one batch: customers by a job of their own, companies by an update."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._services = delivery.services
        self._verdicts = delivery.verdicts
        self._object = delivery.object_type

    def claim(self, works: Sequence[Work]) -> list[Work]:
        """Those to delete now; what an earlier batch held until now is looked for again."""
        held = self._delivery.flight.claim(work.id for work in works if work.id)
        self._verdicts.again += [[work.identity] for work in works if work.id in held]
        return [work for work in works if work.id not in held]

    def delete(self, works: Sequence[Work]) -> None:
        """Delete, as far as the limit allows; each work gets its verdict.

        The ledger forgets before, so that it is never ahead of Kustomer, and after, since another
        run may have told it of the object meanwhile.
        """
        allowed = [work for work in works if self._is_allowed(work)]
        self._services.knowledge.forget_gone(self._object, allowed)
        gone = {"deleted": True}
        results = (
            self._delivery.send("delete", [{"id": work.id} for work in allowed])
            if self._object == "customer"
            else self._delivery.send("update", [{"id": work.id, **gone} for work in allowed])
        )
        deleted = [
            work
            for work, result in zip(allowed, results, strict=True)
            if self._settle(work, result)
        ]
        self._services.knowledge.forget_gone(self._object, deleted)

    def _is_allowed(self, work: Work) -> bool:
        limit = self._services.delete_limit
        if limit.take():
            return True
        detail = (
            f"this run has deleted as many as it may (max_deleted_records: {limit.most}): replay "
            "it, or raise the limit"
        )
        self._verdicts.refuse(work.identity, Rejection(Reason.DELETE_LIMIT, detail=detail))
        return False

    def _settle(self, work: Work, result: ItemResult) -> bool:
        """The verdict of a delete; whether the object is no more."""
        refused = result.state in {ItemState.REFUSED, ItemState.DUPLICATE}
        is_ours = not refused or result.after_lost
        done = result.state is ItemState.DONE
        if done or self._services.kustomer.read(self._object, work.id or "") is None:
            self._services.identities.note_gone(work.id or "")
            verdict = Verdict.UPDATED if is_ours else Verdict.SKIPPED
            self._verdicts.decide(work.identity.records, verdict, deleted=is_ours)
        else:
            self._verdicts.refuse(work.identity, refusal(result) if refused else unconfirmed())
        if not is_ours:
            self._services.delete_limit.give_back()
        return self._services.identities.is_gone(work.id or "")

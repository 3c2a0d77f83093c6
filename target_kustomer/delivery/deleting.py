"""Deletes what the source has deleted, within the run's limit (design 1.6)."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.verdicts import refusal, unconfirmed
from target_kustomer.mapping.keys import external_ids, is_merged, known_keys
from target_kustomer.models import LeftBehind, Reason, Rejection, Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.batches import Activation
    from target_kustomer.delivery.waves import Identity
    from target_kustomer.delivery.work import Delivery, Work
    from target_kustomer.kustomer.endpoints import Resource
    from target_kustomer.models import MatchKey

logger = logging.getLogger(__name__)


_MAX_NAMED = 10
"""Ids in one line of the log."""


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


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of an object that was to be deleted.

    Attributes:
        is_gone: Whether it is no more.
        is_ours: Whether this run may have deleted it.
    """

    result: ItemResult
    is_gone: bool
    is_ours: bool


class Deleting:
    """The deletes of one batch: customers by a job of their own, companies by an update."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._services = delivery.services
        self._verdicts = delivery.verdicts
        self._object = delivery.object_type

    def claim(self, works: Sequence[Work]) -> list[Work]:
        """Those to delete now; what an earlier batch held until now is looked for again."""
        held = self._delivery.flight.claim((work.id for work in works if work.id), last=False)
        self._verdicts.again += [[work.identity] for work in works if work.id in held]
        return [work for work in works if work.id not in held]

    def conflict(self, identity: Identity, found: Resource) -> Rejection | None:
        """Why a customer is not deleted who may be another one's too, merged in Kustomer."""
        if self._object != "customer":
            return None
        record = identity.records[0].mapped
        own = external_ids(known_keys(self._object, "", record.attributes))
        borne = external_ids(known_keys(self._object, found.id, found.attributes))
        if not is_merged(borne, own & borne, is_known=bool(own)):
            return None
        detail = "the customer bears external ids that the record has not: look who else it is"
        return Rejection(Reason.MATCH_CONFLICT, "externalId", detail=detail)

    def delete(self, works: Sequence[Work]) -> None:
        """Delete, as far as the limit allows; each work gets its verdict."""
        allowed = [work for work in works if self._is_allowed(work)]
        keys = [key for work in allowed for key in self._keys(work)]
        fates = self._send([work.id or "" for work in allowed], keys)
        for work, fate in zip(allowed, fates, strict=True):
            if fate.is_gone:
                verdict = Verdict.UPDATED if fate.is_ours else Verdict.SKIPPED
                self._verdicts.decide(
                    work.identity.records,
                    verdict,
                    None if fate.is_ours else Skip.NOT_FOUND,
                    deleted=work.id if fate.is_ours else None,
                )
            else:
                self._verdicts.refuse(
                    work.identity, unconfirmed() if fate.is_ours else refusal(fate.result)
                )

    def delete_left_behind(self, activation: Activation) -> LeftBehind:
        """Delete what no row feeds any more since an older version; all of it, or nothing."""
        limit, name = self._services.delete_limit, activation.stream
        count, ids = self._services.knowledge.left_behind(activation, limit.most)
        if ids:
            ids = self._certain(ids, name)
            count = len(ids)
        if count and not (ids and limit.take(count)):
            logger.warning(
                "ACTIVATE_VERSION leaves more behind than max_deleted_records (%d) still allows: "
                "none of it is deleted; if it is meant to go, raise that limit and load the whole "
                "table again stream=%s objects=%d",
                limit.most,
                name,
                count,
            )
            return LeftBehind(rejected={Reason.DELETE_LIMIT: count})
        fates = self._send(ids)
        deleted = sum(fate.is_gone and fate.is_ours for fate in fates)
        if deleted:
            logger.info("deleted reason=version stream=%s objects=%d", name, deleted)
        if left := [fate for fate in fates if not fate.is_gone]:
            what = "not deleted, refused reason=version stream=%s objects=%d"
            logger.warning(what, name, len(left))
        reasons = (Reason.UNCONFIRMED if fate.is_ours else Reason.REFUSED for fate in left)
        return LeftBehind(deleted, Counter(reasons))

    def _certain(self, left_behind: Sequence[str], stream: str) -> list[str]:
        """Those of what is left behind that are there, and nobody else's."""
        identities, knowledge = self._services.identities, self._services.knowledge
        kustomer = self._services.kustomer
        read = {each: kustomer.read(self._object, each) for each in left_behind}
        there = {each: found for each, found in read.items() if found}
        shared = knowledge.shared(self._object, left_behind, list(there.values()))
        gone = [each for each in left_behind if each not in there]
        for each in gone:
            identities.note_gone(each)
        knowledge.forget_gone(self._object, gone, done=True)
        if shared:
            logger.warning(
                "not deleted, since they may be another row's too: they bear its keys, or external "
                "ids that no row has sent (merged in Kustomer?) stream=%s objects=%d ids=%s",
                stream,
                len(shared),
                ",".join(sorted(shared)[:_MAX_NAMED]),
            )
        return [each for each in there if each not in shared]

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

    def _keys(self, work: Work) -> list[MatchKey]:
        """The keys by which its record names it, and those that it bears."""
        borne = work.current.attributes if work.current else {}
        return [*work.identity.keys, *known_keys(self._object, work.id or "", borne)]

    def _send(self, ids: Sequence[str], keys: Sequence[MatchKey] = ()) -> list[_Fate]:
        """What became of each object.

        The ledger forgets them before, so that it is never ahead of Kustomer, and after, since
        another run may have told it of them meanwhile.
        """
        forget_gone = self._services.knowledge.forget_gone
        forget_gone(self._object, ids, keys)
        if self._object == "customer":
            results = self._delivery.send("delete", [{"id": each} for each in ids])
        else:
            results = self._delivery.send("update", [{"id": each, "deleted": True} for each in ids])
        fates = [self._fate(each, result) for each, result in zip(ids, results, strict=True)]
        gone = [each for each, fate in zip(ids, fates, strict=True) if fate.is_gone]
        forget_gone(self._object, gone, keys if len(gone) == len(ids) else (), done=True)
        return fates

    def _fate(self, kustomer_id: str, result: ItemResult) -> _Fate:
        refused = result.state in {ItemState.REFUSED, ItemState.DUPLICATE}
        done = result.state is ItemState.DONE
        is_gone = done or self._services.kustomer.read(self._object, kustomer_id) is None
        is_ours = not refused or result.after_lost
        if is_gone:
            self._services.identities.note_gone(kustomer_id)
        if not is_ours:
            self._services.delete_limit.give_back()
        return _Fate(result, is_gone, is_ours)

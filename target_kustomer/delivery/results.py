"""What the batches of a bulk job say of each item: pure [API §2.5]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from target_kustomer.kustomer.errors import mentions_duplicate

Batches = Sequence[Mapping[str, Any]]


class ItemState(Enum):
    """What a bulk request did to one item."""

    DONE = "done"
    DUPLICATE = "duplicate"
    """Refused: another object has one of its identifiers."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The job is over and does not tell."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    Attributes:
        id: Kustomer's id of what was written, where it is told.
        detail: The server's text; it may hold personal data.
        status: The HTTP status, where the request as a whole was refused.
        after_lost: Whether an earlier, unanswered try may have written the item.
    """

    state: ItemState
    id: str | None = None
    detail: str = ""
    status: int | None = None
    after_lost: bool = False

    @property
    def may_be_written(self) -> bool:
        """Whether the item, or an earlier try of it, may have changed Kustomer."""
        return self.after_lost or self.state in {ItemState.DONE, ItemState.UNKNOWN}


def all_completed(batches: Batches) -> bool:
    """Whether there are batches and each of them is done."""
    return bool(batches) and all(
        attributes.get("completed") or attributes.get("status") == "complete"
        for attributes in map(_attributes, batches)
    )


def accounted(batches: Batches) -> int:
    """How many items the batches have counted or told of."""
    counted = _count(batches, "successCount") + _count(batches, "failureCount")
    return max(counted, len(_results(batches)))


def completed_at(batches: Batches) -> str | None:
    """The server's stamp of the last batch's completion, where it gives one."""
    stamps = [_attributes(batch).get("completedAt") for batch in batches]
    return max((stamp for stamp in stamps if isinstance(stamp, str)), default=None)


def read_results(batches: Batches, refs: Sequence[str], *, after_lost: bool) -> list[ItemResult]:
    """The result of each item of a finished job, in the order of ``refs``.

    Without results, a job counts as done only if it counts as many successes as were sent and no
    failure; else each item is unknown, to be looked up.
    """
    told = {result["_clientRef"]: result for result in _results(batches) if "_clientRef" in result}
    if not told and _all_succeeded(batches, len(refs)):
        return [ItemResult(ItemState.DONE) for _ in refs]
    return [_item_result(told.get(ref), after_lost=after_lost) for ref in refs]


def read_deleted(batches: Batches, ids: Sequence[str], *, after_lost: bool) -> list[ItemResult]:
    """The same of a delete, whose items have no reference but their ids [API §2.3].

    Those that are not told are refused only where as many are told as the job counts successes.
    """
    told = {each for batch in batches for each in _attributes(batch).get("objectIds") or ()}
    successes, failures = _count(batches, "successCount"), _count(batches, "failureCount")
    are_told = len(told.intersection(ids)) == successes and successes + failures == len(ids)
    untold = ItemResult(
        ItemState.REFUSED if are_told and failures else ItemState.UNKNOWN, after_lost=after_lost
    )
    all_done = _all_succeeded(batches, len(ids))
    return [ItemResult(ItemState.DONE) if all_done or each in told else untold for each in ids]


def _item_result(result: Mapping[str, Any] | None, *, after_lost: bool) -> ItemResult:
    if result is None:
        return ItemResult(ItemState.UNKNOWN, after_lost=after_lost)
    if result.get("status") in {"created", "updated"}:
        return ItemResult(ItemState.DONE, id=result.get("objectId"))
    if result.get("status") != "error":
        return ItemResult(ItemState.UNKNOWN, after_lost=after_lost)
    detail = str(result.get("error") or "")
    state = ItemState.DUPLICATE if mentions_duplicate(detail) else ItemState.REFUSED
    return ItemResult(state, detail=detail, after_lost=after_lost)


def _all_succeeded(batches: Batches, sent: int) -> bool:
    counts = [
        (attributes.get("successCount"), attributes.get("failureCount"))
        for attributes in map(_attributes, batches)
    ]
    return all(failures == 0 for _, failures in counts) and (
        sum(successes or 0 for successes, _ in counts) == sent
    )


def _count(batches: Batches, name: str) -> int:
    return sum(int(_attributes(batch).get(name) or 0) for batch in batches)


def _results(batches: Batches) -> list[Mapping[str, Any]]:
    return [
        result
        for batch in batches
        for result in _attributes(batch).get("results") or batch.get("results") or ()
    ]


def _attributes(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    return batch.get("attributes") or {}

from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.delivery.results import ItemState, accounted, all_completed, read_results

DONE, DUPLICATE, REFUSED, UNKNOWN = (
    ItemState.DONE,
    ItemState.DUPLICATE,
    ItemState.REFUSED,
    ItemState.UNKNOWN,
)
CREATED = {"_clientRef": "0", "objectId": "a", "status": "created"}
UPDATED = {"_clientRef": "1", "objectId": "b", "status": "updated"}
TAKEN = {"_clientRef": "1", "status": "error", "error": "Duplicate detected"}
BAD = {"_clientRef": "1", "status": "error", "error": "validation failed"}


def batch(**attributes: Any) -> dict[str, Any]:
    return {"attributes": {"completed": True, "status": "complete", **attributes}}


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([batch(results=[CREATED, UPDATED])], [DONE, DONE]),
        ([batch(results=[UPDATED, CREATED])], [DONE, DONE]),
        ([{**batch(), "results": [CREATED, UPDATED]}], [DONE, DONE]),
        ([batch(results=[CREATED]), batch(results=[UPDATED])], [DONE, DONE]),
        ([batch(results=[CREATED, TAKEN])], [DONE, DUPLICATE]),
        ([batch(results=[CREATED, BAD])], [DONE, REFUSED]),
        ([batch(results=[CREATED])], [DONE, UNKNOWN]),
        ([batch(results=[CREATED, {"_clientRef": "1", "status": "odd"}])], [DONE, UNKNOWN]),
        ([batch(results=[CREATED, {"_clientRef": "1"}])], [DONE, UNKNOWN]),
        ([batch(successCount=2, failureCount=0)], [DONE, DONE]),
        ([batch(successCount=1, failureCount=0)] * 2, [DONE, DONE]),
        ([batch(successCount=1, failureCount=0)], [UNKNOWN, UNKNOWN]),
        ([batch(successCount=3, failureCount=0)], [UNKNOWN, UNKNOWN]),
        ([batch(successCount=1, failureCount=1)], [UNKNOWN, UNKNOWN]),
        ([batch(successCount=2)], [UNKNOWN, UNKNOWN]),
        ([batch()], [UNKNOWN, UNKNOWN]),
        ([batch(successCount=2, failureCount=0, results=[])], [DONE, DONE]),
    ],
    ids=str,
)
def test_what_is_told_of_each_item_is_read(batches: Any, expected: list[ItemState]) -> None:
    results = read_results(batches, ["0", "1"], after_lost=False)
    assert [result.state for result in results] == expected


def test_ids_go_by_the_reference_and_not_by_the_order() -> None:
    results = read_results([batch(results=[UPDATED, CREATED])], ["0", "1"], after_lost=False)
    assert [result.id for result in results] == ["a", "b"]


@pytest.mark.parametrize("after_lost", [True, False])
def test_a_duplicate_knows_whether_an_answer_was_lost_before(*, after_lost: bool) -> None:
    results = read_results([batch(results=[CREATED, TAKEN])], ["0", "1"], after_lost=after_lost)
    assert results[1].after_lost is after_lost


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([], False),
        ([batch()], True),
        ([{"attributes": {"completed": True}}], True),
        ([{"attributes": {"status": "complete"}}], True),
        ([{"attributes": {"status": "queued", "completed": False}}], False),
        ([batch(), {"attributes": {"status": "scheduled"}}], False),
        ([{}], False),
    ],
    ids=str,
)
def test_a_job_is_done_when_each_of_its_batches_is(batches: Any, *, expected: bool) -> None:
    assert all_completed(batches) is expected


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([], 0),
        ([batch(successCount=3, failureCount=2)], 5),
        ([batch(successCount=3, failureCount=2), batch(successCount=1, failureCount=0)], 6),
        ([batch(results=[CREATED, BAD])], 2),
        ([batch(successCount=None)], 0),
    ],
    ids=str,
)
def test_the_items_that_batches_account_for_are_counted(batches: Any, expected: int) -> None:
    assert accounted(batches) == expected

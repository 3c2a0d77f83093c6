from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING

import pytest

from target_kustomer.delivery.split import Fill, split_in_halves

if TYPE_CHECKING:
    from collections.abc import Sequence


def halve(items: Sequence[int], culprits: set[int]) -> tuple[int, int, set[int]]:
    """Send as the contract has it: refused requests, requests in all, and who was found."""
    refused, sent = 0, 0
    found: set[int] = set()
    waiting = [items]
    while waiting:
        piece = waiting.pop()
        sent += 1
        if culprits.isdisjoint(piece):
            continue
        refused += 1
        if len(piece) == 1:
            found.update(piece)
        else:
            waiting += split_in_halves(piece)
    return refused, sent, found


@pytest.mark.parametrize("number", [1, 2, 3, 5, 31, 33, 64, 65, 99, 100])
def test_halving_keeps_its_bounds_for_any_culprits(number: int) -> None:
    draw = random.Random(number)
    rounds = math.ceil(math.log2(number))
    for k in {0, 1, 2, number // 3, number - 1, number}:
        culprits = set(draw.sample(range(number), k)) if 0 <= k <= number else set()
        refused, sent, found = halve(range(number), culprits)
        assert found == culprits
        assert refused <= len(culprits) * rounds + 1
        assert sent <= 2 * len(culprits) * rounds + 1


@pytest.mark.parametrize("number", [2, 3, 7, 100])
def test_halves_keep_all_items_in_order(number: int) -> None:
    first, second = split_in_halves(range(number))
    assert [*first, *second] == list(range(number))
    assert len(first) - len(second) in {0, 1}


@pytest.mark.parametrize(
    ("sizes", "max_items", "max_bytes", "expected"),
    [
        ([], 100, 1000, []),
        ([10] * 5, 2, 1000, [2, 2, 1]),
        ([10] * 5, 100, 1000, [5]),
        ([400, 400, 400], 100, 1000, [2, 1]),
        ([5000], 100, 1000, [1]),
        ([10, 5000, 10], 100, 1000, [1, 1, 1]),
    ],
)
def test_requests_keep_to_the_limits_of_items_and_bytes(
    sizes: list[int], max_items: int, max_bytes: int, expected: list[int]
) -> None:
    payloads = [{"n": "x" * (size - 9)} for size in sizes]
    fills: list[Fill] = []
    for payload in payloads:
        if not (fills and fills[-1].take(payload)):
            fills.append(Fill(max_items, max_bytes))
            assert fills[-1].take(payload)
    assert [fill.items for fill in fills] == expected
    assert [fill.is_full for fill in fills] == [items == max_items for items in expected]


def test_a_request_is_filled_to_the_last_byte() -> None:
    payload = {"name": "Ann"}
    length = len(json.dumps(payload)) + 2
    exact, short = Fill(max_bytes=2 * length), Fill(max_bytes=2 * length - 1)
    assert [exact.take(payload) for _ in range(3)] == [True, True, False]
    assert [short.take(payload) for _ in range(2)] == [True, False]

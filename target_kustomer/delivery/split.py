"""Halving: what to send after a request was refused as a whole. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_kustomer.models import Attributes

MAX_BODY_BYTES = 1_000_000
"""A bulk body is kept below this [API §13]."""

T = TypeVar("T")


def split_in_halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """The two halves of at least two items, the first one larger by at most one.

    Sent again and again until the culprits stand alone, k culprits among n items cost at most
    ``k * ceil(log2 n) + 1`` refused requests and ``2 * k * ceil(log2 n) + 1`` in all.
    """
    middle = (len(items) + 1) // 2
    return items[:middle], items[middle:]


def split_by_size(
    payloads: Sequence[Attributes], max_items: int, max_bytes: int = MAX_BODY_BYTES
) -> Iterator[range]:
    """Consecutive index ranges of payloads that fit one request; one too large stands alone."""
    start, size = 0, 0
    for index, payload in enumerate(payloads):
        length = len(json.dumps(payload)) + 2
        if index > start and (index - start >= max_items or size + length > max_bytes):
            yield range(start, index)
            start, size = index, 0
        size += length
    if start < len(payloads):
        yield range(start, len(payloads))

"""What goes into one request, and what to send after it was refused as a whole: pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from target_kustomer.settings import MAX_BULK_ITEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@dataclass(slots=True)
class Fill:
    """How full a request is."""

    max_items: int = MAX_BULK_ITEMS
    max_bytes: int = MAX_BODY_BYTES
    items: int = 0
    size: int = 0

    def take(self, payload: Attributes) -> bool:
        """Count the payload in, if it fits; one that is too large stands alone."""
        length = len(json.dumps(payload)) + 2
        if self.items and (self.is_full or self.size + length > self.max_bytes):
            return False
        self.items += 1
        self.size += length
        return True

    @property
    def is_full(self) -> bool:
        """Whether no item fits any more, however small."""
        return self.items >= self.max_items

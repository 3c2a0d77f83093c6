"""A memory of bounded size: what was put last is kept, what is older is forgotten."""

from __future__ import annotations

from hashlib import blake2b
from typing import Generic, TypeVar

V = TypeVar("V")

_BUCKETS = 4096
_KEPT_IN_BUCKET = 8
"""Together some 30,000 values; with Kustomer's ids about 6 MB (measured)."""


class Recent(Generic[V]):
    """The latest values by key, so many that older ones may be forgotten.

    Keys are kept as digests, so that their length does not count. They are in many small dicts,
    because one large one is made anew whenever as many have been forgotten as it has room for:
    some megabytes, each time in another thread's heap.
    """

    def __init__(self) -> None:
        self._buckets: list[dict[bytes, V]] = [{} for _ in range(_BUCKETS)]

    def get(self, *key: str | None) -> V | None:
        """The value that was put last under the key, if it is still known."""
        bucket, digest = self._place(key)
        return bucket.get(digest)

    def put(self, value: V, *key: str | None) -> None:
        """Keep a value."""
        bucket, digest = self._place(key)
        bucket.pop(digest, None)
        if len(bucket) >= _KEPT_IN_BUCKET:
            del bucket[next(iter(bucket))]
        bucket[digest] = value

    def pop(self, *key: str | None) -> V | None:
        """The value, forgotten from now on."""
        bucket, digest = self._place(key)
        return bucket.pop(digest, None)

    def _place(self, key: tuple[str | None, ...]) -> tuple[dict[bytes, V], bytes]:
        digest = blake2b(repr(key).encode(), digest_size=16).digest()
        return self._buckets[int.from_bytes(digest[:2], "big") % _BUCKETS], digest

"""A memory of bounded size: what was put last is kept, what is older is forgotten."""

from __future__ import annotations

from hashlib import blake2b
from typing import Generic, TypeVar

V = TypeVar("V")

_BUCKETS = 2048
_KEPT_IN_BUCKET = 8
"""Together 16,384 values; with Kustomer's ids some 2 MB, of which 0.4 MB from the start."""

_DIGEST_BYTES = 16


class Recent(Generic[V]):
    """The latest values by key, so many that older ones may be forgotten; not safe for threads.

    Keys are kept as digests, so that their length does not count, and all places are there from
    the start, so that a long run takes no more than a short one.
    """

    def __init__(self) -> None:
        self._digests = [
            bytearray(_KEPT_IN_BUCKET * _DIGEST_BYTES)  # the latest first
            for _ in range(_BUCKETS)
        ]
        self._values: list[list[V | None]] = [[None] * _KEPT_IN_BUCKET for _ in range(_BUCKETS)]

    def get(self, *key: str | None) -> V | None:
        """The value that was put last under the key, if it is still known."""
        digest = _digest(key)
        bucket = _bucket(digest)
        place = self._find(bucket, digest)
        return None if place is None else self._values[bucket][place]

    def put(self, value: V, *key: str | None) -> None:
        """Keep a value."""
        digest = _digest(key)
        bucket = _bucket(digest)
        place = self._find(bucket, digest)
        self._take_out(bucket, _KEPT_IN_BUCKET - 1 if place is None else place)
        self._digests[bucket][:0] = digest
        self._values[bucket].insert(0, value)

    def pop(self, *key: str | None) -> V | None:
        """The value, forgotten from now on."""
        digest = _digest(key)
        bucket = _bucket(digest)
        place = self._find(bucket, digest)
        if place is None:
            return None
        value = self._take_out(bucket, place)
        self._digests[bucket] += bytes(_DIGEST_BYTES)
        self._values[bucket].append(None)
        return value

    def _find(self, bucket: int, digest: bytes) -> int | None:
        digests = self._digests[bucket]
        start = digests.find(digest)
        while start % _DIGEST_BYTES and start > 0:  # the end of one and the start of another
            start = digests.find(digest, start + 1)
        return None if start < 0 else start // _DIGEST_BYTES

    def _take_out(self, bucket: int, place: int) -> V | None:
        del self._digests[bucket][place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES]
        return self._values[bucket].pop(place)


def _digest(key: tuple[str | None, ...]) -> bytes:
    return blake2b(repr(key).encode(), digest_size=_DIGEST_BYTES).digest()


def _bucket(digest: bytes) -> int:
    return int.from_bytes(digest[:2], "big") % _BUCKETS

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
        # A bucket's places lie side by side, the latest first.
        self._digests = bytearray(_BUCKETS * _KEPT_IN_BUCKET * _DIGEST_BYTES)
        self._values: list[V | None] = [None] * (_BUCKETS * _KEPT_IN_BUCKET)

    def get(self, *key: str | None) -> V | None:
        """The value that was put last under the key, if it is still known."""
        place = self._find(_digest(key))
        return None if place is None else self._values[place]

    def put(self, value: V, *key: str | None) -> None:
        """Keep a value."""
        digest = _digest(key)
        first = _first_place(digest)
        place = self._find(digest)
        if place is None:
            place = first + _KEPT_IN_BUCKET - 1  # the oldest goes
        self._move(first, place, first + 1)
        self._set(first, digest, value)

    def pop(self, *key: str | None) -> V | None:
        """The value, forgotten from now on."""
        digest = _digest(key)
        place = self._find(digest)
        if place is None:
            return None
        value = self._values[place]
        last = _first_place(digest) + _KEPT_IN_BUCKET - 1
        self._move(place + 1, last + 1, place)
        self._set(last, bytes(_DIGEST_BYTES), None)
        return value

    def _find(self, digest: bytes) -> int | None:
        start = _first_place(digest) * _DIGEST_BYTES
        end = start + _KEPT_IN_BUCKET * _DIGEST_BYTES
        found = self._digests.find(digest, start, end)
        while found % _DIGEST_BYTES and found > 0:  # the end of one and the start of another
            found = self._digests.find(digest, found + 1, end)
        return None if found < 0 else found // _DIGEST_BYTES

    def _move(self, begin: int, end: int, to: int) -> None:
        """Move the places from `begin` up to `end`, which is not among them, to others."""
        size = _DIGEST_BYTES
        until = to + end - begin
        self._digests[to * size : until * size] = self._digests[begin * size : end * size]
        self._values[to:until] = self._values[begin:end]

    def _set(self, place: int, digest: bytes, value: V | None) -> None:
        self._digests[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES] = digest
        self._values[place] = value


def _digest(key: tuple[str | None, ...]) -> bytes:
    return blake2b(repr(key).encode(), digest_size=_DIGEST_BYTES).digest()


def _first_place(digest: bytes) -> int:
    """Where the bucket of a digest begins."""
    return int.from_bytes(digest[:2], "big") % _BUCKETS * _KEPT_IN_BUCKET

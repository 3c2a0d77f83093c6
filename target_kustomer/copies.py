"""Copies of Kustomer's objects, packed small, by match key."""

from __future__ import annotations

import json
import zlib
from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.attributes import ATTRIBUTES
from target_kustomer.mapping.keys import known_keys
from target_kustomer.models import MatchKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_kustomer.models import ObjectType

_KEPT_BESIDE = {"custom", "company"}

_MODEL_BYTES = 4096
"""Objects of an org resemble each other: each is packed as what it has beyond the first ones."""

_WINDOW_BITS = -13
"""As far back as a packed object refers: 8 KB; negative for a stream without a header."""

_OBJECT_BYTES = 48
"""What an object takes beside its packed form."""

_FIRST_SLOTS = 1024


class Copies:
    """Objects as they were read, but for those that this run has written since.

    An object has a number. Of each number there is its packed form, empty where it is deleted, or
    since when (in readings) it is not known.
    """

    def __init__(self, object_type: ObjectType) -> None:
        self._object_type = object_type
        self._kept = {*ATTRIBUTES[object_type], *_KEPT_BESIDE}
        self._objects: list[bytes | int] = []
        self._packed_bytes = 0
        self._index = _Index()
        self._model = b""

    @property
    def size(self) -> int:
        """The bytes that they take, nearly."""
        return self._packed_bytes + _OBJECT_BYTES * len(self._objects) + self._index.size

    def put(self, resources: Sequence[Resource], reading: int) -> list[int]:
        """Keep objects, in place of older copies; the number of each.

        Args:
            resources: The objects.
            reading: When they were read; what was written then or later stays unknown.
        """
        texts = [self._text(each) for each in resources]
        self._model = self._model or "".join(texts).encode()[:_MODEL_BYTES]
        numbers = []
        for resource, text in zip(resources, texts, strict=True):
            number = self._number(resource.id)
            numbers.append(number)
            there = self._objects[number]
            if isinstance(there, int) and there >= reading:
                continue
            self._set(number, self._pack(text) if resource.live else b"")
            self._add(number, known_keys(self._object_type, resource.id, resource.attributes))
        return numbers

    def mark(self, kustomer_id: str | None, keys: Iterable[MatchKey], reading: int) -> None:
        """An object that may bear the keys is not known as it is, before a later reading."""
        number = self._number(kustomer_id)
        self._set(number, reading)
        self._add(number, keys)

    def find(self, key: MatchKey) -> list[Resource] | None:
        """The objects that bear the key, None where that is not known."""
        found = []
        for number in self._index.find(_digest(key)):
            packed = self._objects[number]
            if isinstance(packed, int):
                return None
            if packed:
                resource = Resource(*json.loads(self._unpack(packed)))
                if key in known_keys(self._object_type, resource.id, resource.attributes):
                    found.append(resource)
        return found

    def _number(self, kustomer_id: str | None) -> int:
        keys = [MatchKey("id", kustomer_id)] if kustomer_id else []
        for key in keys:
            for number in self._index.find(_digest(key)):
                return number
        self._objects.append(b"")
        self._add(len(self._objects) - 1, keys)
        return len(self._objects) - 1

    def _set(self, number: int, value: bytes | int) -> None:
        for each, sign in ((self._objects[number], -1), (value, 1)):
            self._packed_bytes += sign * len(each) if isinstance(each, bytes) else 0
        self._objects[number] = value

    def _add(self, number: int, keys: Iterable[MatchKey]) -> None:
        for key in keys:
            self._index.add(_digest(key), number)

    def _text(self, resource: Resource) -> str:
        kept = {
            name: value
            for name, value in resource.attributes.items()
            if name in self._kept and value not in (None, [], {})
        }
        return json.dumps([resource.id, kept], separators=(",", ":"))

    def _pack(self, text: str) -> bytes:
        packer = zlib.compressobj(wbits=_WINDOW_BITS, memLevel=4, zdict=self._model)
        return packer.compress(text.encode()) + packer.flush()

    def _unpack(self, packed: bytes) -> bytes:
        return zlib.decompressobj(wbits=_WINDOW_BITS, zdict=self._model).decompress(packed)


class _Index:
    """Numbers by digest: an open table, where a dict takes some five times as much."""

    def __init__(self) -> None:
        self._make(_FIRST_SLOTS)

    @property
    def size(self) -> int:
        return (self._digests.itemsize + self._numbers.itemsize) * len(self._digests)

    def find(self, digest: int) -> Iterator[int]:
        slot = digest & self._mask
        while self._digests[slot]:
            if self._digests[slot] == digest:
                yield self._numbers[slot]
            slot = (slot + 1) & self._mask

    def add(self, digest: int, number: int) -> None:
        if number in self.find(digest):
            return
        if 3 * self._used >= 2 * len(self._digests):
            filled = zip(self._digests, self._numbers, strict=True)
            self._make(2 * len(self._digests))
            for each in filled:
                if each[0]:
                    self._put(*each)
        self._put(digest, number)

    def _make(self, slots: int) -> None:
        self._digests = array("Q", bytes(8 * slots))
        self._numbers = array("I", bytes(4 * slots))
        self._mask = slots - 1
        self._used = 0

    def _put(self, digest: int, number: int) -> None:
        slot = digest & self._mask
        while self._digests[slot]:
            slot = (slot + 1) & self._mask
        self._digests[slot], self._numbers[slot] = digest, number
        self._used += 1


def _digest(key: MatchKey) -> int:
    """Eight bytes that stand for a key; never zero, which is an empty slot."""
    text = f"{key.kind} {key.value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") or 1

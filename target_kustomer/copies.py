"""Copies of Kustomer's objects by match key, on disk: an org of any size takes no memory."""

from __future__ import annotations

import json
import sqlite3
import weakref
from hashlib import blake2b
from typing import TYPE_CHECKING

from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.attributes import ATTRIBUTES
from target_kustomer.mapping.keys import known_keys
from target_kustomer.models import MatchKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.models import ObjectType

_KEPT_BESIDE = {"custom", "company"}

_SCHEMA = """
    PRAGMA cache_size = -256;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE objects (number INTEGER PRIMARY KEY, text TEXT, written INTEGER);
    CREATE TABLE keys (digest INTEGER, number INTEGER, PRIMARY KEY (digest, number)) WITHOUT ROWID;
"""
"""Of the database: 256 KiB of it are in memory, and nothing has to outlive the process."""


class Copies:
    """Objects as they were read, but for those that this run has written since.

    They are in a private temporary database of SQLite: a file without a name, readable by nobody
    else, that is gone with the process. An object has a number. Of each number there is its text,
    none where it is deleted, or since when (in readings) it is not known.
    """

    def __init__(self, object_type: ObjectType) -> None:
        self._object_type = object_type
        self._kept = {*ATTRIBUTES[object_type], *_KEPT_BESIDE}
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.executescript(_SCHEMA)
        self._count = 0

    @property
    def size(self) -> int:
        """The bytes that they take on disk."""
        pages, page_bytes = (self._value(f"PRAGMA page_{each}") for each in ("count", "size"))
        return pages * page_bytes

    @property
    def live(self) -> int:
        """How many objects are known as they were read."""
        return self._value("SELECT COUNT(text) FROM objects")

    def put(self, resources: Sequence[Resource], reading: int) -> list[int]:
        """Keep objects, in place of older copies; the number of each.

        Args:
            resources: The objects.
            reading: When they were read; what was written then or later stays unknown.
        """
        numbers = []
        self._database.execute("BEGIN")
        for resource in resources:
            number = self._number(resource.id)
            numbers.append(number)
            _, written = self._object(number)
            if written is not None and written >= reading:
                continue
            self._set(number, self._text(resource) if resource.live else None, None)
            self._add(number, known_keys(self._object_type, resource.id, resource.attributes))
        self._database.execute("COMMIT")
        return numbers

    def mark(self, kustomer_id: str | None, keys: Iterable[MatchKey], reading: int) -> None:
        """An object that may bear the keys is not known as it is, before a later reading."""
        number = self._number(kustomer_id)
        self._set(number, None, reading)
        self._add(number, keys)

    def find(self, key: MatchKey) -> list[Resource] | None:
        """The objects that bear the key, None where that is not known."""
        found = []
        for number in self._numbers(key):
            text, written = self._object(number)
            if written is not None:
                return None
            if text:
                resource = Resource(*json.loads(text))
                if key in known_keys(self._object_type, resource.id, resource.attributes):
                    found.append(resource)
        return found

    def _number(self, kustomer_id: str | None) -> int:
        key = MatchKey("id", kustomer_id) if kustomer_id else None
        for number in self._numbers(key) if key else ():
            return number
        self._count += 1
        self._set(self._count, None, None)
        self._add(self._count, [key] if key else ())
        return self._count

    def _numbers(self, key: MatchKey) -> list[int]:
        rows = self._database.execute("SELECT number FROM keys WHERE digest = ?", [_digest(key)])
        return [number for (number,) in rows]

    def _object(self, number: int) -> tuple[str | None, int | None]:
        row: tuple[str | None, int | None] = self._database.execute(
            "SELECT text, written FROM objects WHERE number = ?", [number]
        ).fetchone()
        return row

    def _set(self, number: int, text: str | None, written: int | None) -> None:
        self._database.execute("REPLACE INTO objects VALUES (?, ?, ?)", [number, text, written])

    def _add(self, number: int, keys: Iterable[MatchKey]) -> None:
        rows = [(_digest(key), number) for key in keys]
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)

    def _value(self, query: str) -> int:
        row: tuple[int] = self._database.execute(query).fetchone()
        return row[0]

    def _text(self, resource: Resource) -> str:
        kept = {
            name: value
            for name, value in resource.attributes.items()
            if name in self._kept and value not in (None, [], {})
        }
        return json.dumps([resource.id, kept, resource.read_at], separators=(",", ":"))


def _digest(key: MatchKey) -> int:
    """Eight bytes that stand for a key, as SQLite's signed integer."""
    text = f"{key.kind} {key.value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)

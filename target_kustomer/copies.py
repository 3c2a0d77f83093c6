"""Copies of Kustomer's objects, packed small, by id and by match key."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING

from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.attributes import ATTRIBUTES
from target_kustomer.mapping.keys import known_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_kustomer.models import MatchKey, ObjectType

_KEPT_BESIDE = {"custom", "company", "deleted"}


class Copies:
    """Objects as they were read; safe for threads.

    They are rows of a database in memory: some 400 bytes each (measured), where Python's own
    objects take ten times as much.
    """

    def __init__(self, object_type: ObjectType) -> None:
        self._object_type = object_type
        self._kept = {*ATTRIBUTES[object_type], *_KEPT_BESIDE}
        self._lock = threading.Lock()
        self._rows = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._rows.executescript(
            "CREATE TABLE objects (at INTEGER PRIMARY KEY, id TEXT UNIQUE, body BLOB);"
            "CREATE TABLE keys (key INTEGER, at INTEGER, PRIMARY KEY (key, at)) WITHOUT ROWID;"
            "CREATE INDEX keys_of ON keys (at);"
        )

    def put(self, resources: Iterable[Resource]) -> None:
        """Keep objects, in place of older copies."""
        with self._lock:
            self._rows.execute("BEGIN")
            for resource in resources:
                self._drop(resource.id)
                row = (resource.id, self._packed(resource))
                at = self._rows.execute("INSERT INTO objects (id, body) VALUES (?, ?)", row)
                keys = known_keys(self._object_type, resource.id, resource.attributes)
                self._rows.executemany(
                    "INSERT OR IGNORE INTO keys VALUES (?, ?)",
                    [(_number(key), at.lastrowid) for key in keys if key.kind != "id"],
                )
            self._rows.execute("COMMIT")

    def get(self, kustomer_id: str) -> Resource | None:
        """The object with this id."""
        query = "SELECT id, body FROM objects WHERE id = ?"
        return next(iter(self._read(query, kustomer_id)), None)

    def find(self, key: MatchKey) -> list[Resource]:
        """The objects that bear the key."""
        if key.kind == "id":
            found = self.get(key.value)
            return [found] if found else []
        query = "SELECT id, body FROM objects WHERE at IN (SELECT at FROM keys WHERE key = ?)"
        return [
            each
            for each in self._read(query, _number(key))
            if key in known_keys(self._object_type, each.id, each.attributes)
        ]

    def drop(self, kustomer_id: str) -> None:
        """Forget an object."""
        with self._lock:
            self._drop(kustomer_id)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._rows.executescript("DELETE FROM keys; DELETE FROM objects;")

    def _drop(self, kustomer_id: str) -> None:
        which = "SELECT at FROM objects WHERE id = ?"
        self._rows.execute(f"DELETE FROM keys WHERE at = ({which})", (kustomer_id,))  # noqa: S608  no value is in it
        self._rows.execute("DELETE FROM objects WHERE id = ?", (kustomer_id,))

    def _read(self, query: str, value: str | int) -> list[Resource]:
        with self._lock:
            rows = self._rows.execute(query, (value,)).fetchall()
        return [Resource(each, json.loads(zlib.decompress(body))) for each, body in rows]

    def _packed(self, resource: Resource) -> bytes:
        kept = {
            name: value
            for name, value in resource.attributes.items()
            if name in self._kept and value not in (None, [], {})
        }
        return zlib.compress(json.dumps(kept, separators=(",", ":")).encode(), 1)


def _number(key: MatchKey) -> int:
    digest = blake2b(f"{key.kind} {key.value}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big", signed=True)

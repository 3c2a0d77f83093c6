"""Keyed digests: what the ledger keeps instead of values. Pure."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from target_kustomer.mapping.items import identity
from target_kustomer.mapping.targets import list_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from target_kustomer.models import JSON, Attributes, MatchKey, ObjectType
    from target_kustomer.settings import Lists

_IDENTITY_BYTES = 16
"""Of an identity or a record: no two of a thousand million are alike (birthday bound 1e-20)."""

_VALUE_BYTES = 8
"""Of a value, which is compared with one other value only."""

_as_json = json.JSONEncoder(sort_keys=True, default=str).encode


class Digest(msgspec.Struct, frozen=True):
    """A value as the ledger keeps it.

    Attributes:
        value: The digest of the whole value; empty where it is not certain.
        items: The digests of the identities of a merged list's items.
    """

    value: str
    items: tuple[str, ...] = ()

    def doubted(self, held: Digest | None) -> Digest | None:
        """What is certain while a write of this value is on its way: for lists, their items."""
        items = {**dict.fromkeys(held.items if held else ()), **dict.fromkeys(self.items)}
        return Digest("", tuple(items)) if items else None


class Digests:
    """Makes the digests of one org.

    Args:
        key: The random key of the ledger.
        org: The org's id; the same values in two orgs have other digests.
    """

    def __init__(self, key: bytes, org: str) -> None:
        self._org = org
        self._started = {
            size: blake2b(key=key, digest_size=size) for size in (_IDENTITY_BYTES, _VALUE_BYTES)
        }

    def identity(self, object_type: ObjectType, key: MatchKey) -> str:
        """An identity, by one of its match keys."""
        return self._digest(("identity", object_type, key.kind, key.value), _IDENTITY_BYTES)

    def source(self, stream: str, keys: Sequence[MatchKey]) -> str:
        """A record of a source through all its versions: its stream, and what it is known by."""
        return self._digest((stream, *((key.kind, key.value) for key in keys)), _VALUE_BYTES)

    def stream(self, name: str, columns: Sequence[str]) -> str:
        """A stream whose rows are told apart by these columns."""
        return self._digest(("stream", name, *columns), _IDENTITY_BYTES)

    def row(self, stream: str, values: Sequence[object]) -> str:
        """A row of a stream (its digest), by the values of these columns."""
        return self._digest(("row", stream, *values), _IDENTITY_BYTES)

    def record(self, plan: str, values: Sequence[object]) -> str:
        """A record as the source sends it, under a plan."""
        return self._digest((plan, *values), _IDENTITY_BYTES)

    def attributes(
        self,
        object_type: ObjectType,
        kustomer_id: str,
        attributes: Attributes,
        *,
        source: str,
        lists: Lists,
    ) -> dict[str, Digest]:
        """The digests of what a source says of an object, by attribute.

        Custom attributes stand for themselves. Where lists are merged, each source has its own
        items in them: what one drops another may still send.
        """
        return {
            as_kept: Digest(
                self.value(kustomer_id, name, value),
                tuple(self.item(object_type, kustomer_id, name, each) for each in value or ())
                if as_kept == list_name(name, source)
                else (),
            )
            for as_kept, name, value in kept_names(object_type, attributes, source, lists)
        }

    def item(self, object_type: ObjectType, kustomer_id: str, name: str, item: JSON) -> str:
        """What makes an item of a list that item, however it is spelled."""
        items = list_of(object_type, name)
        same: Hashable = identity(items, item) if items else item
        return self._digest((kustomer_id, name, "item", same), _VALUE_BYTES)

    def value(self, kustomer_id: str, name: str, value: JSON) -> str:
        """The value of an object's attribute."""
        return self._digest((kustomer_id, name, _as_json(value)), _VALUE_BYTES)

    def _digest(self, parts: tuple[object, ...], size: int) -> str:
        digest = self._started[size].copy()
        digest.update(repr((self._org, *parts)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def list_name(name: str, source: str) -> str:
    """A merged list as one source sends it."""
    return f"{name}@{source}"


def kept_names(
    object_type: ObjectType, attributes: Attributes, source: str, lists: Lists
) -> Iterator[tuple[str, str, JSON]]:
    """Each attribute as the ledger names it, by its own name and with its value."""
    for name, value in attributes.items():
        if name == "custom":
            yield from ((f"custom.{each}", each, part) for each, part in (value or {}).items())
        elif lists == "merge" and list_of(object_type, name):
            yield list_name(name, source), name, value
        else:
            yield name, name, value

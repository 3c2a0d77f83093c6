"""The ledger as it would be: read from its database, written to memory alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import override

from target_kustomer.ledger.ledger import Binding, Ledger
from target_kustomer.ledger.tables import open_for_reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import sqlalchemy as sa


class PlannedLedger(Ledger):
    """A ledger whose database stays as it is; what is written lies over its rows.

    Where there is no database yet, none is made.
    """

    @override
    def _open(self, url: str) -> tuple[sa.Engine, bytes]:
        self._objects: dict[str, bytes | None] = {}
        """Rows by Kustomer's id, packed; None where the plan has forgotten one."""
        self._identities: dict[str, tuple[str, str | None, int] | None] = {}
        """By identity: the object's id, the record and its revision; None where it is gone."""
        self._records: dict[str, str] = {}
        """The identity under which a record was confirmed."""
        return open_for_reading(url)

    # Reading

    @override
    def _bindings(self, by: Literal["identity", "record"], values: Sequence[str]) -> list[Binding]:
        with self._lock:
            held = [
                Binding(each.identity, each.kustomer_id, each.record, each.revision, *row)
                for each in super()._bindings(by, values)
                if each.identity not in self._identities
                if (row := self._state(each.kustomer_id, each))
            ]
            planned = self._records if by == "record" else dict(zip(values, values, strict=True))
            return held + [
                Binding(identity, *found, *row)
                for identity in (planned[each] for each in values if each in planned)
                if (found := self._identities.get(identity))
                if (row := self._state(found[0], None))
            ]

    @override
    def _rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._current_rows(ids).values())

    def _state(
        self, kustomer_id: str, held: Binding | None
    ) -> tuple[int, str | None, float] | None:
        """An object's revision, writer and time of confirmation, None where there is none."""
        if kustomer_id not in self._objects:
            return (held.object_revision, held.writer, held.confirmed_at) if held else None
        row = self._unpacked(kustomer_id)
        return (row["revision"], row["writer"], row["confirmed_at"]) if row else None

    def _current_rows(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        wanted = sorted(set(ids))
        held = super()._rows([each for each in wanted if each not in self._objects])
        found = {each["kustomer_id"]: each for each in held}
        return found | {each: row for each in wanted if (row := self._unpacked(each))}

    def _unpacked(self, kustomer_id: str) -> dict[str, Any] | None:
        packed = self._objects.get(kustomer_id)
        return json.loads(packed) if packed else None

    # Writing

    @override
    def _transact(self, work: Callable[[Any], None]) -> None:
        with self._lock:
            work(None)

    @override
    def _locked(self, connection: Any, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        return self._current_rows(ids)

    @override
    def _replace_objects(self, connection: Any, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._objects.update((each, json.dumps(row).encode()) for each, row in rows.items())

    @override
    def _delete_objects(self, connection: Any, ids: Sequence[str]) -> None:
        self._objects.update(dict.fromkeys(ids))

    @override
    def _bind(
        self,
        connection: Any,
        bound: Mapping[str, Mapping[str, Any]],
        borne: Iterable[str],
        ids: Iterable[str],
    ) -> None:
        kept = set(ids)
        lost = [each for each in borne if each not in bound]
        owners = {each.identity: each.kustomer_id for each in super()._bindings("identity", lost)}
        owners |= {each: found[0] for each in lost if (found := self._identities.get(each))}
        self._identities.update((each, None) for each, owner in owners.items() if owner not in kept)
        for identity, row in bound.items():
            self._identities[identity] = (row["kustomer_id"], row["record"], row["revision"])
            if row["record"]:
                self._records[row["record"]] = identity

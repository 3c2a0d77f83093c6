"""The ledger: ids and digests of what was confirmed, so that what is known costs nothing.

It never runs ahead of Kustomer: before a write what it will change is doubted, and it is confirmed
when Kustomer has told that it is done. What two runs write at the same time stays in doubt.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy import exc

from target_kustomer.ledger.digests import Digest, Digests
from target_kustomer.ledger.tables import identities, objects, open_database, unusable
from target_kustomer.mapping.keys import LASTING_KINDS, first_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.models import MatchKey, ObjectType

T = TypeVar("T")

_MAX_TERMS = 400
"""Values in one statement; SQLite's limit was 999 for long."""

_TRIES = 5
"""Of a transaction that another process stood in the way of."""

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger knows of an object.

    Attributes:
        digests: What was confirmed, by attribute.
        fresh: Whether it was confirmed within ``resync_after_days``.
        confirmed_at: When, in UTC seconds since 1970.
    """

    digests: Mapping[str, Digest] = field(default_factory=dict)
    fresh: bool = True
    confirmed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What Kustomer holds of an object now.

    Attributes:
        keys: The match keys that mean it.
        borne: All match keys that it bears now, as far as they were written.
        digests: What was written or read in Kustomer now; empty where nothing was.
        record: The digest of the record that all of it comes from, if it is one.
    """

    object_type: ObjectType
    kustomer_id: str
    keys: Sequence[MatchKey]
    borne: Iterable[MatchKey]
    digests: Mapping[str, Digest]
    record: str | None


class Binding(NamedTuple):
    """Whom an identity means, the record that was confirmed last under it, and its object.

    Attributes:
        revision: The object's when that record was confirmed.
        object_revision: The object's now.
        writer: The run whose write of the object is on its way.
        confirmed_at: When the object was confirmed, in UTC seconds since 1970.
    """

    identity: str
    kustomer_id: str
    record: str | None
    revision: int
    object_revision: int
    writer: str | None
    confirmed_at: float

    @property
    def is_current(self) -> bool:
        """Whether nothing was written to the object since."""
        return self.revision == self.object_revision

    @property
    def is_settled(self) -> bool:
        """Whether no write of the object is on its way."""
        return self.writer is None


class Ledger:
    """What is known of one org; safe for threads, and for other processes on the same database.

    Args:
        url: SQLAlchemy's URL of the database.
        org: The org's id.
        resync_after_days: What was confirmed longer ago is not sure.
        write_seconds: For so long a write whose run has died may still arrive.
        clock: Time.

    Raises:
        ConfigurationError: The database cannot be used; also of every method.
    """

    def __init__(
        self, url: str, org: str, *, resync_after_days: float, write_seconds: float, clock: Clock
    ) -> None:
        self._engine, key = self._open(url)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._org = org
        self._run = secrets.token_hex(16)
        self._fresh_seconds = resync_after_days * _DAY_SECONDS
        self._write_seconds = write_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self.digests = Digests(key, org)

    def _open(self, url: str) -> tuple[sa.Engine, bytes]:
        return open_database(url)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Reading

    def unchanged(self, records: Sequence[str]) -> dict[str, str]:
        """The records that are in Kustomer as they are, by their digests: each one's id."""
        since = self._clock.time() - self._fresh_seconds
        return {
            each.record: each.kustomer_id
            for each in self._bindings("record", records)
            if each.record and each.is_current and each.is_settled and each.confirmed_at >= since
        }

    def ids(self, object_type: ObjectType, keys: Sequence[Sequence[MatchKey]]) -> list[str | None]:
        """Whom each record's keys of the first kind mean; None where that is not known.

        An address or a name means whom it meant only while nothing else was written to it.
        """
        sought = [
            [
                (self.digests.identity(object_type, key), key.kind in LASTING_KINDS)
                for key in first_keys(each)
            ]
            for each in keys
        ]
        distinct = list(dict.fromkeys(identity for one in sought for identity, _ in one))
        known = {
            each.identity: (each.kustomer_id, each.is_current)
            for each in self._bindings("identity", distinct)
        }
        found = [
            {
                kustomer_id if lasting or current else None
                for identity, lasting in one
                for kustomer_id, current in [known.get(identity, (None, False))]
            }
            for one in sought
        ]
        return [next(iter(each)) if len(each) == 1 else None for each in found]

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """What is known of objects; those in doubt, as far as it is certain."""
        since = self._clock.time() - self._fresh_seconds
        return {
            each["kustomer_id"]: Held(
                _read(each["attributes"]), each["confirmed_at"] >= since, each["confirmed_at"]
            )
            for each in self._rows(list(dict.fromkeys(ids)))
        }

    def _bindings(self, by: Literal["identity", "record"], values: Sequence[str]) -> list[Binding]:
        """The identities that have one of these values, with what is known of their objects."""
        column = identities.c[by]
        query = sa.select(
            identities.c.identity,
            identities.c.kustomer_id,
            identities.c.record,
            identities.c.revision,
            objects.c.revision.label("object_revision"),
            objects.c.writer,
            objects.c.confirmed_at,
        ).join(objects, self._same_object)
        return [Binding._make(row) for row in self._select(query, column, values)]

    def _rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of these objects, as far as there are any."""
        query = sa.select(objects).where(objects.c.org == self._org)
        found = self._select(query, objects.c.kustomer_id, ids)
        return [dict(row._mapping) for row in found]  # noqa: SLF001  SQLAlchemy's public name

    # Writing

    def doubt(self, writes: Mapping[str, Mapping[str, Digest]]) -> None:
        """These attributes of these objects are about to be written."""
        if writes:
            self._transact(lambda connection: self._doubt(connection, writes))

    def confirm(self, confirmations: Sequence[Confirmation]) -> None:
        """Kustomer has told that it holds this."""
        if confirmations:
            self._transact(lambda connection: self._confirm(connection, confirmations))

    def forget(self, kustomer_id: str) -> None:
        """Kustomer knows no such object any more, or it is another record's."""
        self._transact(lambda connection: self._delete_objects(connection, [kustomer_id]))

    def _doubt(self, connection: sa.Connection, writes: Mapping[str, Mapping[str, Digest]]) -> None:
        now = self._clock.time()
        rows = self._locked(connection, writes)
        for kustomer_id, digests in writes.items():
            row = rows.setdefault(kustomer_id, self._new_row(kustomer_id, now))
            held = _read(row["attributes"])
            doubted = {name: each.doubted(held.get(name)) for name, each in digests.items()}
            row["attributes"] = _written({**held, **doubted})
            row["revision"] += 1
            row["writer"] = self._run if self._is_alone(row, now) else ""
            row["written_at"] = now
        self._replace_objects(connection, rows)

    def _confirm(self, connection: sa.Connection, confirmations: Sequence[Confirmation]) -> None:
        now = self._clock.time()
        rows = self._locked(connection, [each.kustomer_id for each in confirmations])
        bound = {}
        for each in confirmations:
            if not each.digests and each.kustomer_id not in rows:
                continue  # forgotten meanwhile
            row = rows.setdefault(each.kustomer_id, self._new_row(each.kustomer_id, now))
            certain = row["writer"] in {None, self._run}
            if certain:
                row["attributes"] = _written({**_read(row["attributes"]), **each.digests})
                row["writer"] = None
                row["confirmed_at"] = now if each.digests else row["confirmed_at"]
            for position, key in enumerate(each.keys):
                identity = self.digests.identity(each.object_type, key)
                bound[identity] = {
                    "identity": identity,
                    "org": self._org,
                    "kustomer_id": each.kustomer_id,
                    "record": each.record if certain and not position else None,
                    "revision": row["revision"],
                }
        self._replace_objects(connection, rows)
        borne = {
            self.digests.identity(each.object_type, key)
            for each in confirmations
            for key in each.borne
        }
        self._bind(connection, bound, borne, {each.kustomer_id for each in confirmations})

    def _bind(
        self,
        connection: sa.Connection,
        bound: Mapping[str, Mapping[str, Any]],
        borne: Iterable[str],
        ids: Iterable[str],
    ) -> None:
        """What these objects bear now means them, and others no longer."""
        for part in _parts(sorted(bound)):
            connection.execute(sa.delete(identities).where(identities.c.identity.in_(part)))
        for part in _parts(sorted(borne)):
            connection.execute(
                sa.delete(identities).where(
                    identities.c.identity.in_(part), identities.c.kustomer_id.not_in(sorted(ids))
                )
            )
        if bound:
            connection.execute(sa.insert(identities), [bound[each] for each in sorted(bound)])

    def _is_alone(self, row: Mapping[str, Any], now: float) -> bool:
        """Whether no other run's write of the object can be on its way."""
        dead = now - row["written_at"] > self._write_seconds
        return dead or row["writer"] in {None, self._run}

    def _new_row(self, kustomer_id: str, now: float) -> dict[str, Any]:
        return {
            "org": self._org,
            "kustomer_id": kustomer_id,
            "attributes": {},
            "revision": 1,
            "writer": None,
            "written_at": now,
            "confirmed_at": now,
        }

    def _locked(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The rows of these objects, for no one else to change until the transaction ends."""
        found: dict[str, dict[str, Any]] = {}
        for part in _parts(sorted(set(ids))):
            rows = connection.execute(
                sa.select(objects)
                .where(objects.c.org == self._org, objects.c.kustomer_id.in_(part))
                .order_by(objects.c.kustomer_id)
                .with_for_update()
            )
            found |= {row.kustomer_id: dict(row._mapping) for row in rows}  # noqa: SLF001  SQLAlchemy's public name
        return found

    def _replace_objects(
        self, connection: sa.Connection, rows: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._delete_objects(connection, sorted(rows))
        if rows:
            connection.execute(sa.insert(objects), [rows[each] for each in sorted(rows)])

    def _delete_objects(self, connection: sa.Connection, ids: Sequence[str]) -> None:
        for part in _parts(ids):
            connection.execute(
                sa.delete(objects).where(
                    objects.c.org == self._org, objects.c.kustomer_id.in_(part)
                )
            )

    # The database

    @property
    def _same_object(self) -> sa.ColumnElement[bool]:
        return (identities.c.org == objects.c.org) & (
            identities.c.kustomer_id == objects.c.kustomer_id
        )

    def _select(
        self, query: sa.Select[Any], column: sa.Column[Any], values: Sequence[str]
    ) -> list[sa.Row[Any]]:
        def read() -> list[sa.Row[Any]]:
            with self._reading.connect() as connection:
                return [
                    row
                    for part in _parts(values)
                    for row in connection.execute(query.where(column.in_(part)))
                ]

        return self._tried(read) if values else []

    def _transact(self, work: Callable[[sa.Connection], None]) -> None:
        def write() -> None:
            with self._lock, self._engine.begin() as connection:
                work(connection)

        self._tried(write)

    def _tried(self, call: Callable[[], T]) -> T:
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (exc.OperationalError, exc.IntegrityError, exc.InternalError)
            ),
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return tries(call)
        except exc.SQLAlchemyError as error:
            raise unusable(error) from None


def _parts(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _MAX_TERMS] for start in range(0, len(values), _MAX_TERMS))


def _read(attributes: Mapping[str, Any]) -> dict[str, Digest]:
    return {
        name: Digest(each[0], tuple(each[1:])) if isinstance(each, list) else Digest(each)
        for name, each in attributes.items()
    }


def _written(digests: Mapping[str, Digest | None]) -> dict[str, Any]:
    return {
        name: [each.value, *each.items] if each.items else each.value
        for name, each in digests.items()
        if each
    }

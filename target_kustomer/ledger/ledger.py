"""The ledger: ids and digests of what was confirmed, so that what is known costs nothing.

It never runs ahead of Kustomer: before a write what it will change is doubted, and it is confirmed
when Kustomer has told that it is done. What two runs write at the same time stays in doubt.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy import exc

from target_kustomer.ledger import statements
from target_kustomer.ledger.digests import Digest, Digests
from target_kustomer.ledger.facts import Confirmation, Held, Sighting
from target_kustomer.ledger.sources import Sources
from target_kustomer.ledger.tables import (
    identities,
    objects,
    open_database,
    parts,
    readings,
    unusable,
)
from target_kustomer.mapping.keys import LASTING_KINDS, first_keys
from target_kustomer.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.models import MatchKey, ObjectType

T = TypeVar("T")

_TRIES = 5
"""Of a transaction that another process stood in the way of."""

_DAY_SECONDS = 86_400

_UNSEEN: Mapping[str, Any] = {"company": None, "lists_alone": None}
"""What is known of an object that Kustomer has not listed since it was written."""


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
        self._engine, key = open_database(url)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = self._engine
        if self._engine.dialect.name != "sqlite":  # whose writers take their turn anyway
            # What waited for another one's rows would read on without them, and write over them.
            self._writing = self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._org = org
        self._run = secrets.token_hex(16)
        self._fresh_seconds = resync_after_days * _DAY_SECONDS
        self._write_seconds = write_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._own_writes: Recent[float] = Recent()
        self._own_lock = threading.Lock()
        self.digests = Digests(key, org)
        self.sources = Sources(org, self._transact, self._first)
        self.was_empty = not self._is_any(sa.true())
        """Whether nothing was known of the org when the run began."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Reading

    def unchanged(self, records: Sequence[str]) -> dict[str, str]:
        """The records that are in Kustomer as they are, by their digests: each one's id."""
        since = self._clock.time() - self._fresh_seconds
        return dict(self._select(statements.UNCHANGED, records, since=since))

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
        known = {
            identity: (kustomer_id, current)
            for identity, kustomer_id, current in self._select(
                statements.CURRENT,
                list(dict.fromkeys(identity for one in sought for identity, _ in one)),
            )
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

    def meant(self, object_type: ObjectType, keys: Iterable[MatchKey]) -> dict[MatchKey, str]:
        """Whom each of these keys has meant last, as far as it is known."""
        sought = {self.digests.identity(object_type, key): key for key in keys}
        known = self._select(statements.MEANT, list(sought))
        return {sought[identity]: kustomer_id for identity, kustomer_id in known}

    def held(self, ids: Iterable[str]) -> dict[str, Held]:
        """What is known of objects; those in doubt, as far as it is certain."""
        since = self._clock.time() - self._fresh_seconds
        rows = self._select(statements.OBJECTS, list(dict.fromkeys(ids)), org=self._org)
        return {
            row.kustomer_id: Held(
                _read(row.attributes),
                (row.checked_at or row.confirmed_at) >= since,
                row.confirmed_at,
                row.lists_alone is not None,
                row.company,
                bool(row.lists_alone),
                row.revision,
                row.written_at,
                0.0 if self._is_own(row.kustomer_id, row.written_at) else row.written_at,
            )
            for row in rows
        }

    def _is_own(self, kustomer_id: str, written_at: float) -> bool:
        with self._own_lock:
            return self._own_writes.get(kustomer_id) == written_at

    def _note_own(self, ids: Iterable[str], now: float) -> None:
        with self._own_lock:
            for each in ids:
                self._own_writes.put(now, each)

    # What Kustomer lists

    def read_until(self, object_type: ObjectType) -> str:
        """Until when, in Kustomer's time, all updates have been taken in; empty for never."""
        found = self._select(statements.READ_UNTIL, [object_type], org=self._org)
        return next((str(read_until) for (read_until,) in found), "")

    def note_read(self, object_type: ObjectType, until: str) -> None:
        """All updates until this moment have been taken in, by this run or others."""
        self._transact(lambda connection: self._note_read(connection, object_type, until))

    def unseen(self) -> int | None:
        """How many customers were not seen, None where any was."""
        if self._is_any(objects.c.lists_alone.is_not(None)):
            return None
        return int(self._of_objects(sa.func.count(), objects.c.company.is_(None)))

    def see(self, sightings: Sequence[Sighting]) -> tuple[int, str]:
        """Take in customers as they are listed; those of which nothing is known are passed over.

        Nothing is taken in of one of which a write is on its way, since its update may come before
        or after that; nor from a page that is older than what another run has taken in.

        Returns:
            How many of them had not been seen, and the first update that was not taken in.
        """
        return self._transact(lambda connection: self._see(connection, sightings))

    def _see(self, connection: sa.Connection, sightings: Sequence[Sighting]) -> tuple[int, str]:
        now = self._clock.time()
        rows = self._locked(connection, [each.kustomer_id for each in sightings])
        known = [each for each in sightings if each.kustomer_id in rows]
        writing = [
            each
            for each in known
            if rows[each.kustomer_id]["writer"] is not None
            and not self._is_over(rows[each.kustomer_id], now)
        ]
        taken = [
            each
            for each in known
            if each not in writing
            and each.updated_at >= (rows[each.kustomer_id]["updated_at"] or "")
        ]
        self._delete_objects(connection, [each.kustomer_id for each in taken if not each.live])
        if seen := [self._seen(each, rows[each.kustomer_id]) for each in taken if each.live]:
            statement = sa.update(objects).where(
                objects.c.org == self._org, objects.c.kustomer_id == sa.bindparam("of")
            )
            connection.execute(statement, seen)
        unseen = [each for each in taken if rows[each.kustomer_id]["lists_alone"] is None]
        return len(unseen), min((each.updated_at for each in writing), default="")

    def _seen(self, sighting: Sighting, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the object now: nothing where it bears another external id.

        Nor of its company, where it has another one than was confirmed: a page may be older than
        what another run has written.
        """
        held = _read(row["attributes"])

        def differs(name: str, values: Sequence[str | None]) -> bool:
            told = held.get(name)
            return told is not None and all(
                self.digests.value(sighting.kustomer_id, name, value) != told.value
                for value in values or (None,)
            )

        company, alone = sighting.company or None, self._are_alone(sighting, held)
        if differs("externalId", sighting.external_ids):
            seen = _UNSEEN
        else:
            relinked = differs("company", [company])
            seen = {"company": None if relinked else sighting.company, "lists_alone": alone}
        return {"of": sighting.kustomer_id, "updated_at": sighting.updated_at, **seen}

    def _are_alone(self, sighting: Sighting, held: Mapping[str, Digest]) -> bool:
        return all(
            digest.value
            == self.digests.value(
                sighting.kustomer_id, merged[0], sighting.lists.get(merged[0]) or []
            )
            for merged, digest in ((name.split("@"), each) for name, each in held.items())
            if len(merged) > 1
        )

    def _note_read(self, connection: sa.Connection, object_type: ObjectType, until: str) -> None:
        its_own = (readings.c.org == self._org) & (readings.c.object_type == object_type)
        row = connection.execute(
            sa.select(readings.c.read_until).where(its_own).with_for_update()
        ).first()
        if row is None:
            values = {"org": self._org, "object_type": object_type, "read_until": until}
            connection.execute(sa.insert(readings).values(values))
        elif row.read_until < until:
            connection.execute(sa.update(readings).where(its_own).values(read_until=until))

    # Writing

    def doubt(
        self,
        writes: Mapping[str, Mapping[str, Digest]],
        compared: Mapping[str, Held] | None = None,
    ) -> set[str]:
        """These attributes of these objects are about to be written.

        Args:
            writes: The attributes, by the ids of the objects.
            compared: What was known of the objects when it was found out what to write.

        Returns:
            Those that must not be written: another run has written them since.
        """
        if not writes:
            return set()
        return self._transact(lambda connection: self._doubt(connection, writes, compared or {}))

    def confirm(self, confirmations: Sequence[Confirmation]) -> None:
        """Kustomer has told that it holds this."""
        if confirmations:
            self._transact(lambda connection: self._confirm(connection, confirmations))

    def forget(self, kustomer_id: str) -> None:
        """Kustomer knows no such object any more, or it is another record's."""
        self._transact(lambda connection: self._delete_objects(connection, [kustomer_id]))

    def forget_gone(
        self,
        object_type: ObjectType,
        ids: Sequence[str],
        keys: Sequence[MatchKey],
        *,
        done: bool,
    ) -> None:
        """These objects, and those that these keys mean, are about to go, or have gone (``done``).

        Whoever names a company that goes is looked at anew: it may come back under another id.
        """

        def forget(connection: sa.Connection) -> None:
            meant = self._forget_gone(connection, object_type, ids, keys)
            if done:
                self.sources.drop(connection, meant)

        self._transact(forget)

    def _forget_gone(
        self,
        connection: sa.Connection,
        object_type: ObjectType,
        ids: Sequence[str],
        keys: Sequence[MatchKey],
    ) -> set[str]:
        own = identities.c.org == self._org
        meant = set(ids)
        for part in parts(sorted({self.digests.identity(object_type, key) for key in keys})):
            known = sa.select(identities.c.kustomer_id).where(own, identities.c.identity.in_(part))
            meant.update(connection.execute(known).scalars())
        self._locked(connection, meant)
        self._delete_objects(connection, sorted(meant))
        for part in parts(sorted(meant)):
            connection.execute(sa.delete(identities).where(own, identities.c.kustomer_id.in_(part)))
        if object_type == "company" and ids:
            confirmed = sa.update(identities).where(own, identities.c.record.is_not(None))
            connection.execute(confirmed.values(record=None))
        return meant

    def _doubt(
        self,
        connection: sa.Connection,
        writes: Mapping[str, Mapping[str, Digest]],
        compared: Mapping[str, Held],
    ) -> set[str]:
        now = self._clock.time()
        rows = self._locked(connection, writes)
        overtaken = {each for each, held in compared.items() if _is_newer(rows.get(each), held)}
        for kustomer_id, digests in writes.items():
            if kustomer_id in overtaken:
                continue
            row = rows.setdefault(kustomer_id, self._new_row(kustomer_id, now))
            held = _read(row["attributes"])
            doubted = {name: each.doubted(held.get(name)) for name, each in digests.items()}
            row["attributes"] = _written({**held, **doubted})
            row |= _UNSEEN
            row["revision"] += 1
            row["writer"] = self._run if self._is_alone(row, now) else ""
            row["written_at"] = now
        self._replace_objects(connection, rows)
        self._note_own(writes.keys() - overtaken, now)
        return overtaken

    def _confirm(self, connection: sa.Connection, confirmations: Sequence[Confirmation]) -> None:
        now = self._clock.time()
        rows = self._locked(connection, [each.kustomer_id for each in confirmations])
        bound = {}
        for each in confirmations:
            if _is_overtaken(each, rows.get(each.kustomer_id)):
                continue
            row = rows.setdefault(each.kustomer_id, self._new_row(each.kustomer_id, now))
            certain = row["writer"] in {None, self._run}
            if each.compared is None:
                row["written_at"] = now
            if each.object_type == "company":
                row["company"] = ""
            if certain:
                row |= _confirmed(row, each, now)
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
        self._note_own((each for each, row in rows.items() if row["written_at"] == now), now)
        borne = {
            self.digests.identity(each.object_type, key)
            for each in confirmations
            for key in each.borne
        }
        for part in parts(sorted(bound)):
            connection.execute(statements.DELETE_IDENTITIES, {"sought": part})
        self._take_over(connection, borne, {each.kustomer_id for each in confirmations})
        if bound:
            connection.execute(sa.insert(identities), [bound[each] for each in sorted(bound)])
        self.sources.confirm(
            connection,
            {origin: each.kustomer_id for each in confirmations for origin in each.origins},
        )

    def _take_over(
        self, connection: sa.Connection, borne: Iterable[str], ids: Iterable[str]
    ) -> None:
        """What these objects bear now no longer means others."""
        for part in parts(sorted(borne)):
            connection.execute(statements.TAKE_OVER, {"sought": part, "by": sorted(ids)})

    def _is_alone(self, row: Mapping[str, Any], now: float) -> bool:
        """Whether no other run's write of the object can be on its way."""
        return self._is_over(row, now) or row["writer"] in {None, self._run}

    def _is_over(self, row: Mapping[str, Any], now: float) -> bool:
        """Whether no write of the object can be on its way any more."""
        return bool(now - row["written_at"] > self._write_seconds)

    def _new_row(self, kustomer_id: str, now: float) -> dict[str, Any]:
        return {
            "org": self._org,
            "kustomer_id": kustomer_id,
            "attributes": {},
            "revision": 1,
            "writer": None,
            "written_at": now,
            "confirmed_at": now,
            "checked_at": now,
            **_UNSEEN,
            "updated_at": None,
        }

    def _locked(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The rows of these objects, for no one else to change until the transaction ends."""
        found: dict[str, dict[str, Any]] = {}
        for part in parts(sorted(set(ids))):
            given = {"sought": part, "org": self._org}
            rows = connection.execute(statements.LOCKED_OBJECTS, given)
            found |= {row.kustomer_id: dict(row._mapping) for row in rows}  # noqa: SLF001  SQLAlchemy's public name
        return found

    def _replace_objects(
        self, connection: sa.Connection, rows: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._delete_objects(connection, sorted(rows))
        if rows:
            connection.execute(sa.insert(objects), [rows[each] for each in sorted(rows)])

    def _delete_objects(self, connection: sa.Connection, ids: Sequence[str]) -> None:
        for part in parts(ids):
            given = {"sought": part, "org": self._org}
            connection.execute(statements.DELETE_OBJECTS, given)

    # The database

    def _select(self, query: sa.Select[Any], sought: Sequence[str], **given: object) -> list[Any]:
        """The rows for the values that are sought."""

        def read() -> list[Any]:
            with self._reading.connect() as connection:
                return [
                    row
                    for part in parts(sought)
                    for row in connection.execute(query, {**given, "sought": part})
                ]

        return self._tried(read) if sought else []

    def _is_any(self, condition: sa.ColumnElement[bool]) -> bool:
        return self._of_objects(objects.c.org, condition) is not None

    def _of_objects(self, wanted: sa.ColumnElement[Any], condition: sa.ColumnElement[bool]) -> Any:
        """The first value that is wanted of the objects for which the condition holds."""
        return self._first(sa.select(wanted).where(objects.c.org == self._org, condition))

    def _first(self, query: sa.Select[Any]) -> Any:
        """The first value that a query finds, if there is any."""

        def read() -> Any:
            with self._reading.connect() as connection:
                return connection.execute(query.limit(1)).scalar()

        return self._tried(read)

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        def write() -> T:
            with self._lock, self._writing.begin() as connection:
                return work(connection)

        return self._tried(write)

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


def _confirmed(row: Mapping[str, Any], confirmation: Confirmation, now: float) -> dict[str, Any]:
    """What a confirmation changes of an object's row."""
    attributes = _written({**_read(row["attributes"]), **confirmation.digests})
    changes: dict[str, Any] = {"attributes": attributes, "writer": None}
    if attributes != row["attributes"] and confirmation.object_type == "customer":
        changes |= _UNSEEN
    if confirmation.digests:
        checked_at = row["checked_at"] or row["confirmed_at"]
        changes["checked_at"] = now if confirmation.whole else checked_at
        changes["confirmed_at"] = now
    return changes


def _is_newer(row: Mapping[str, Any] | None, held: Held) -> bool:
    """Whether a write of the object has begun or ended since it was held to be so."""
    if row is None:
        return held.revision > 0
    return (row["revision"], row["written_at"]) != (held.revision, held.written_at)


def _is_overtaken(confirmation: Confirmation, row: Mapping[str, Any] | None) -> bool:
    """Whether what is confirmed was forgotten or, where it was compared, written meanwhile."""
    if row is None and not confirmation.digests:
        return True
    compared = confirmation.compared
    return compared is not None and _is_newer(row, compared)


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

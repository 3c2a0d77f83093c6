"""Which rows of the sources made which object, and under which version they came last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from target_kustomer.ledger.tables import parts, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_kustomer.models import Origin


class Sources:
    """The sources of one org's objects; safe for threads and other processes.

    Args:
        org: The org's id.
        transact: Runs work on the database.
        first: Reads the first value that a query finds, and waits for no writer.
    """

    def __init__(
        self,
        org: str,
        transact: Callable[[Callable[[sa.Connection], None]], None],
        first: Callable[[sa.Select[Any]], Any],
    ) -> None:
        self._org = org
        self._transact = transact
        self._first = first
        self._own = sources.c.org == org

    def sent(self, origins: Mapping[Origin, str | None]) -> None:
        """These rows were sent again; with ids, those of what Kustomer holds as they are."""
        if origins:
            self._transact(lambda connection: self._sent(connection, origins))

    def confirm(self, connection: sa.Connection, ids: Mapping[Origin, str]) -> None:
        """These rows are in Kustomer now, under these ids."""
        held = self._versions(connection, ids)
        rows = {
            origin.row: {
                "org": self._org,
                "row": origin.row,
                "stream": origin.stream,
                "kustomer_id": kustomer_id,
                "version": _latest(held.get(origin.row), origin.version),
            }
            for origin, kustomer_id in ids.items()
        }
        for part in parts(sorted(rows)):
            connection.execute(sa.delete(sources).where(self._own, sources.c.row.in_(part)))
        if rows:
            connection.execute(sa.insert(sources), [rows[each] for each in sorted(rows)])

    def drop(self, connection: sa.Connection, ids: Iterable[str]) -> None:
        """These objects are no more."""
        for part in parts(sorted(ids)):
            connection.execute(sa.delete(sources).where(self._own, sources.c.kustomer_id.in_(part)))

    def left_behind(self, stream: str, version: int, most: int) -> tuple[int, list[str]]:
        """The objects of a stream that no row feeds any more since an older version than this one.

        Rows that another one has taken over from are forgotten.

        Args:
            stream: The stream's digest.
            version: The version.
            most: How many ids to tell.

        Returns:
            How many there are, and the ids if there are no more than ``most``.
        """
        found: list[tuple[int, list[str]]] = []
        self._transact(
            lambda connection: found.append(self._left_behind(connection, stream, version, most))
        )
        return found[-1]

    def are_followed(self) -> bool:
        """Whether any rows are."""
        return self._first(sa.select(sources.c.row).where(self._own)) is not None

    def forget(self, stream: str) -> None:
        """The rows of a stream are not known any more."""
        of_stream = (self._own, sources.c.stream == stream)

        def forget(connection: sa.Connection) -> None:
            if connection.execute(sa.select(sources.c.row).where(*of_stream).limit(1)).first():
                connection.execute(sa.delete(sources).where(*of_stream))

        self._transact(forget)

    def _left_behind(
        self, connection: sa.Connection, stream: str, version: int, most: int
    ) -> tuple[int, list[str]]:
        other = sources.alias()
        old = (self._own, sources.c.stream == stream, sources.c.version < version)
        is_fed = sa.exists().where(
            other.c.org == self._org,
            other.c.kustomer_id == sources.c.kustomer_id,
            (other.c.stream != stream) | other.c.version.is_(None) | (other.c.version >= version),
        )
        ids = sa.select(sources.c.kustomer_id).where(*old, ~is_fed).distinct()
        count = connection.execute(sa.select(sa.func.count()).select_from(ids.subquery())).scalar()
        if (count or 0) > most:
            return count or 0, []
        fed = sa.select(sources.c.row).where(*old, is_fed)
        for part in parts(list(connection.execute(fed).scalars())):
            connection.execute(sa.delete(sources).where(self._own, sources.c.row.in_(part)))
        return count or 0, sorted(connection.execute(ids).scalars())

    def _sent(self, connection: sa.Connection, origins: Mapping[Origin, str | None]) -> None:
        known = self._versions(connection, origins)
        for version in {each.version for each in origins if each.version is not None}:
            again = {each.row for each in origins if each.version == version} & known.keys()
            older = sources.c.version.is_(None) | (sources.c.version < version)
            for part in parts(sorted(again)):
                connection.execute(
                    sa.update(sources)
                    .where(self._own, sources.c.row.in_(part), older)
                    .values(version=version)
                )
        self.confirm(
            connection,
            {each: id_ for each, id_ in origins.items() if id_ and each.row not in known},
        )

    def _versions(
        self, connection: sa.Connection, origins: Iterable[Origin]
    ) -> dict[str, int | None]:
        """The rows of these that are known, with the version that sent each last."""
        found: dict[str, int | None] = {}
        for part in parts(sorted({each.row for each in origins})):
            rows = sa.select(sources.c.row, sources.c.version)
            known = connection.execute(rows.where(self._own, sources.c.row.in_(part)))
            found |= {each.row: each.version for each in known}
        return found


def _latest(held: int | None, sent: int | None) -> int | None:
    """A replay may send an older one; without a version a row counts as still there."""
    return sent if held is None or sent is None else max(held, sent)

"""A ledger that is a copy: what is written to it is in no other run's way, and gone at the end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc
from typing_extensions import override

from target_kustomer.ledger.ledger import Ledger
from target_kustomer.ledger.tables import (
    VERSION,
    about,
    check_version,
    file_of,
    from_url,
    metadata,
    open_database,
    runs,
    unusable,
)

if TYPE_CHECKING:
    from target_kustomer.clock import Clock

_ROWS = 2000
"""Copied at once."""

_BUSY_SECONDS = 60


class CopiedLedger(Ledger):
    """A copy of what a database knows of an org at this moment; the database stays as it is.

    Where there is none yet, none is made. The copy is a file in a folder of its own among the
    temporary ones, which nobody else can read; it goes with the process.

    Args:
        url: SQLAlchemy's URL of the database.
        org: The org's id.
        resync_after_days: See :class:`Ledger`.
        write_seconds: See :class:`Ledger`.
        clock: Time.

    Raises:
        ConfigurationError: The database or the copy cannot be used; also of every method.
    """

    def __init__(
        self, url: str, org: str, *, resync_after_days: float, write_seconds: float, clock: Clock
    ) -> None:
        self._folder = TemporaryDirectory(prefix="target-kustomer-", ignore_cleanup_errors=True)
        copy = f"sqlite:///{Path(self._folder.name) / 'ledger.db'}"
        _copy(url, copy, org)
        super().__init__(
            copy,
            org,
            resync_after_days=resync_after_days,
            write_seconds=write_seconds,
            clock=clock,
        )

    @override
    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copy(url: str, copy: str, org: str) -> None:
    source = from_url(url, _reading)
    if source is None:
        return
    target, _ = open_database(copy)
    try:
        with source.connect() as reading, target.begin() as writing:
            if reading.dialect.name == "sqlite":
                reading.exec_driver_sql("BEGIN")  # all tables as of one moment
            _copy_tables(reading, writing, org)
    except exc.SQLAlchemyError as error:
        raise unusable(error) from None
    finally:
        source.dispose()
        target.dispose()


def _copy_tables(reading: sa.Connection, writing: sa.Connection, org: str) -> None:
    """Copy the org's rows, and the key of all digests.

    An older version lacks columns: there they are null, as its migration would leave them.
    """
    inspector = sa.inspect(reading)
    there = set(inspector.get_table_names())
    if about.name not in there:
        return
    row = reading.execute(sa.select(about.c.version, about.c.digest_key)).first()
    if row is None:  # another process is making it
        return
    check_version(row.version)
    writing.execute(sa.update(about).values(version=VERSION, digest_key=row.digest_key))
    for table in metadata.sorted_tables:
        if table not in {about, runs} and table.name in there:
            names = {each["name"] for each in inspector.get_columns(table.name)}
            columns = [each for each in table.columns if each.name in names]
            rows = reading.execution_options(yield_per=_ROWS).execute(
                sa.select(*columns).where(table.c.org == org)
            )
            for part in rows.mappings().partitions():
                writing.execute(sa.insert(table), [dict(each) for each in part])


def _reading(parsed: sa.URL) -> sa.Engine | None:
    """What reads a database and can write nothing; None where there is no file yet."""
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    path = file_of(parsed)
    return sa.create_engine("sqlite://", creator=lambda: _connect(path)) if path.exists() else None


def _connect(path: Path) -> sqlite3.Connection:
    # Not mode=ro: such a connection leaves files beside a database in WAL mode.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", _BUSY_SECONDS, isolation_level=None, uri=True
    )
    connection.execute("PRAGMA query_only=ON")
    return connection

"""A ledger that is a copy: what is written to it is in no other run's way, and gone at the end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc
from typing_extensions import override

from target_kustomer.ledger.ledger import Ledger
from target_kustomer.ledger.tables import (
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
        try:
            copy = _copy(url, org, Path(self._folder.name) / "ledger.db")
            super().__init__(
                copy,
                org,
                resync_after_days=resync_after_days,
                write_seconds=write_seconds,
                clock=clock,
            )
        except BaseException:
            self._folder.cleanup()
            raise

    @override
    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copy(url: str, org: str, file: Path) -> str:
    """Copy a database into a file; the URL of that."""
    copy = f"sqlite:///{file}"
    try:
        if source := from_url(url, _file):
            _copy_file(source, file)
        else:
            _copy_rows(url, copy, org)
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise unusable(error) from None
    return copy


def _file(parsed: sa.URL) -> Path | None:
    """The file that the database is, None where it is none."""
    return file_of(parsed) if parsed.get_backend_name() == "sqlite" else None


def _copy_file(source: Path, copy: Path) -> None:
    """Copy a SQLite database, where there is one."""
    if not source.exists():
        return
    # Not mode=ro: such a connection leaves files beside a database in WAL mode.
    uri = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, timeout=_BUSY_SECONDS, uri=True)) as reading,
        closing(sqlite3.connect(copy)) as writing,
    ):
        reading.execute("PRAGMA query_only=ON")
        reading.backup(writing)


def _copy_rows(url: str, copy: str, org: str) -> None:
    source = from_url(url, sa.create_engine).execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    try:
        target, _ = open_database(copy)
        try:
            with source.connect() as reading, target.begin() as writing:
                _copy_tables(reading, writing, org)
        finally:
            target.dispose()
    finally:
        source.dispose()


def _copy_tables(reading: sa.Connection, writing: sa.Connection, org: str) -> None:
    """Copy the key of all digests, and the org's rows.

    An older version lacks columns: there they are null, as its migration would leave them.
    """
    inspector = sa.inspect(reading)
    there = set(inspector.get_table_names())
    row = None
    if about.name in there:
        row = reading.execute(sa.select(about.c.version, about.c.digest_key)).first()
    if row is None:
        return
    check_version(row.version)
    writing.execute(sa.update(about).values(digest_key=row.digest_key))
    for table in metadata.sorted_tables:
        if table in {about, runs} or table.name not in there:
            continue
        names = {each["name"] for each in inspector.get_columns(table.name)}
        wanted = sa.select(*(each for each in table.columns if each.name in names))
        rows = reading.execute(
            wanted.where(table.c.org == org), execution_options={"yield_per": _ROWS}
        )
        for part in rows.mappings().partitions():
            writing.execute(sa.insert(table), [dict(each) for each in part])

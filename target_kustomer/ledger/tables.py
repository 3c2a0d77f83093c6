"""The ledger's tables, and how a database becomes one (SQLAlchemy)."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc

from target_kustomer.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = 1
"""Of the tables; counted up with each migration."""

_BUSY_SECONDS = 60
"""How long one process waits for another one's transaction (SQLite)."""

metadata = sa.MetaData()

about = sa.Table(
    "target_kustomer_ledger",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest_key", sa.String(64), nullable=False),
)
"""One row: the version, and the key of all digests."""

identities = sa.Table(
    "target_kustomer_identities",
    metadata,
    sa.Column("identity", sa.String(32), primary_key=True),
    sa.Column("org", sa.String(64), nullable=False),
    sa.Column("kustomer_id", sa.String(64), nullable=False),
    sa.Column("record", sa.String(32), index=True),
    sa.Column("revision", sa.Integer, nullable=False),
)
"""Whom a match key means, and the record that was confirmed last under it.

That record is what Kustomer holds while the object has the same revision.
"""

objects = sa.Table(
    "target_kustomer_objects",
    metadata,
    sa.Column("org", sa.String(64), primary_key=True),
    sa.Column("kustomer_id", sa.String(64), primary_key=True),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("writer", sa.String(32)),
    sa.Column("written_at", sa.Float, nullable=False),
    sa.Column("confirmed_at", sa.Float, nullable=False),
)
"""What was confirmed of an object.

``writer`` is the run whose write is on its way, empty where there are two of them. Times are UTC
seconds since 1970.
"""

_MIGRATIONS: Mapping[int, Callable[[sa.Connection], None]] = {}
"""What makes tables of a version those of the next one."""


def open_database(url: str) -> tuple[sa.Engine, bytes]:
    """Connect, make or migrate the tables; the database and the key of its digests.

    Raises:
        ConfigurationError: There is no such database, it cannot be used, or is of a newer version.
    """
    engine = _connect(url, _engine)
    try:
        _create(engine)
        with engine.begin() as connection:
            row = connection.execute(sa.select(about.c.version, about.c.digest_key)).one()
            _migrate(connection, row.version)
            for table in metadata.sorted_tables:  # of a foreign database, columns may be missing
                connection.execute(sa.select(table).limit(0))
        return engine, bytes.fromhex(row.digest_key)
    except (exc.SQLAlchemyError, ValueError) as error:
        engine.dispose()
        raise unusable(error) from None
    except ConfigurationError:
        engine.dispose()
        raise


def _connect(url: str, connect: Callable[[sa.URL], sa.Engine]) -> sa.Engine:
    try:
        return connect(sa.make_url(url))
    except (exc.ArgumentError, exc.NoSuchModuleError, ValueError):
        msg = "setting ledger_url is no SQLAlchemy URL (sqlite:///FILE, postgresql+psycopg://...)"
        raise ConfigurationError(msg) from None
    except ImportError as error:
        msg = (
            f"setting ledger_url needs a driver that is not installed ({error.name}): for "
            "PostgreSQL pip install 'target-kustomer[postgresql]'"
        )
        raise ConfigurationError(msg) from None


def open_for_reading(url: str) -> tuple[sa.Engine, bytes]:
    """Connect, and make nothing; where there is no ledger yet, an empty one in memory.

    Raises:
        ConfigurationError: The database cannot be used, or is of another version.
    """
    engine = _connect(url, _reading_engine)
    try:
        if not sa.inspect(engine).has_table(about.name):
            engine.dispose()
            engine = _empty()
        with engine.connect() as connection:
            row = connection.execute(sa.select(about.c.version, about.c.digest_key)).one_or_none()
    except (exc.SQLAlchemyError, ValueError) as error:
        engine.dispose()
        raise unusable(error) from None
    if row is None:  # another process is making it
        return _empty(), secrets.token_bytes(32)
    if row.version != VERSION:
        engine.dispose()
        msg = (
            f"the ledger is of version {row.version}, and this release plans with {VERSION}: a run "
            "of this release makes an older one new; a newer one needs the release that wrote it"
        )
        raise ConfigurationError(msg)
    return engine, bytes.fromhex(row.digest_key)


def unusable(error: Exception) -> ConfigurationError:
    """The error of a database in words without an address, a password or a value."""
    driver = getattr(error, "orig", None)
    what = type(driver or error).__name__
    return ConfigurationError(
        f"the ledger cannot be used ({what}): check that ledger_url names a database of this "
        "target that can be reached and written; a corrupt one may be deleted, what it knew is "
        "then looked up again"
    )


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    path = _sqlite_path(url)
    if not path.startswith("file:"):
        with suppress(OSError):  # SQLite's own error is the better one
            Path(path).touch(mode=0o600)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sqlite_path(url: sa.URL) -> str:
    if not url.database or url.database == ":memory:":
        msg = "setting ledger_url names no file: sqlite:///FILE"
        raise ConfigurationError(msg)
    return url.database


def _reading_engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    path = _sqlite_path(url)
    if not path.startswith("file:"):
        if not Path(path).exists():
            return _empty()
        url = url.set(database=f"file:{quote(path)}").update_query_dict({"uri": "true"})
    # Not mode=ro: such a connection leaves files beside a database in WAL mode.
    url = url.update_query_dict({"mode": "rw"})
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _forbid_writing)
    return engine


def _empty() -> sa.Engine:
    """A ledger in memory that knows nothing yet, the same one for all threads."""
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False}
    )
    _create_missing(engine)
    return engine


def _forbid_writing(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions too late
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Writers take their turn at the start, or they could be refused in the middle."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _create(engine: sa.Engine) -> None:
    """Make what is missing; another process may be doing the same."""
    try:
        _create_missing(engine)
    except exc.DBAPIError:
        _create_missing(engine)


def _create_missing(engine: sa.Engine) -> None:
    metadata.create_all(engine)
    with engine.begin() as connection:
        if connection.execute(sa.select(about.c.id)).first() is None:
            row = {"id": 1, "version": VERSION, "digest_key": secrets.token_hex(32)}
            connection.execute(sa.insert(about).values(row))


def _migrate(connection: sa.Connection, version: int) -> None:
    if version > VERSION:
        msg = (
            f"the ledger is of version {version}, which this release does not know: install the "
            "release that wrote it, or a newer one"
        )
        raise ConfigurationError(msg)
    for step in range(version, VERSION):
        _MIGRATIONS[step](connection)
    if version < VERSION:
        connection.execute(sa.update(about).values(version=VERSION))

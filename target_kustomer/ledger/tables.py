"""The ledger's tables, and how a database becomes one (SQLAlchemy)."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.schema import CreateColumn

from target_kustomer.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

VERSION = 3
"""Of the tables; counted up with each migration."""

_BUSY_SECONDS = 60
"""How long one process waits for another one's transaction (SQLite)."""

_FORMS = "sqlite:///FILE, or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"

_NO_FILE = "setting ledger_url names no file"

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
    sa.Column("checked_at", sa.Float),
    sa.Column("company", sa.String(64)),
    sa.Column("lists_alone", sa.Boolean),
    sa.Column("updated_at", sa.String(64)),
)
"""What was confirmed of an object.

``writer`` is the run whose write is on its way, empty where there are two of them. Times are UTC
seconds since 1970. ``checked_at`` is when all that a record says of the object was last sent or
compared with Kustomer; null, of older versions, where that was at ``confirmed_at``. ``company``
and ``lists_alone`` are as Kustomer listed the object since it was last written: a customer's
company, empty where it has none, and whether its merged lists hold what its sources sent and
nothing else. Both are null of one that was not; a company has the first only. ``updated_at`` is
Kustomer's time of the update that was listed last, so that no older page counts.
"""

runs = sa.Table(
    "target_kustomer_runs",
    metadata,
    sa.Column("org", sa.String(64), primary_key=True),
    sa.Column("run", sa.String(32), primary_key=True),
    sa.Column("beat", sa.Integer, nullable=False),
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("wants", sa.Integer, nullable=False),
    sa.Column("used", sa.JSON, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)
"""The runs that send at the moment, with what ``models.Notice`` says of each."""


readings = sa.Table(
    "target_kustomer_readings",
    metadata,
    sa.Column("org", sa.String(64), primary_key=True),
    sa.Column("object_type", sa.String(16), primary_key=True),
    sa.Column("read_until", sa.String(64), nullable=False),
)
"""Until which moment of Kustomer's own time all updates have been read and taken in."""

sources = sa.Table(
    "target_kustomer_sources",
    metadata,
    sa.Column("org", sa.String(64), primary_key=True),
    sa.Column("row", sa.String(32), primary_key=True),
    sa.Column("stream", sa.String(32), nullable=False),
    sa.Column("kustomer_id", sa.String(64), nullable=False),
    sa.Column("version", sa.BigInteger),
    sa.Index("target_kustomer_sources_stream", "org", "stream", "version"),
    sa.Index("target_kustomer_sources_object", "org", "kustomer_id"),
)
"""The rows of the sources (their digests), what they made, and the version that sent them last."""

_MAX_TERMS = 400
"""Values in one statement; SQLite's limit was 999 for long."""


_NEW_COLUMNS: Mapping[int, Sequence[sa.Column[Any]]] = {
    1: (objects.c.company, objects.c.lists_alone, objects.c.updated_at),
    2: (objects.c.checked_at,),
}
"""What the objects of a version lack of the next one."""


def open_database(url: str) -> tuple[sa.Engine, bytes]:
    """Connect, make or migrate the tables; the database and the key of its digests.

    Raises:
        ConfigurationError: There is no such database, it cannot be used, or is of a newer version.
    """
    engine = from_url(url, connect)
    try:
        _create(engine)
        with engine.begin() as connection:
            row = connection.execute(
                sa.select(about.c.version, about.c.digest_key).with_for_update()
            ).one()
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


def parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Values in as many as one statement takes."""
    return (values[start : start + _MAX_TERMS] for start in range(0, len(values), _MAX_TERMS))


def unusable(error: Exception) -> ConfigurationError:
    """The error of a database in words without an address, a password or a value."""
    driver = getattr(error, "orig", None)
    what = type(driver or error).__name__
    return ConfigurationError(
        f"the ledger cannot be used ({what})",
        mend="check that ledger_url names a database of this target that can be reached and "
        "written; a corrupt one may be deleted, what it knew is then looked up again",
    )


def from_url(url: str, make: Callable[[sa.URL], T]) -> T:
    """What is made of a ledger's URL.

    Raises:
        ConfigurationError: It is none, or needs a driver that is not installed.
    """
    try:
        parsed = sa.make_url(url)
        in_file = parsed.get_backend_name() == "sqlite"
        if in_file and (not parsed.database or parsed.database == ":memory:"):
            raise ConfigurationError(_NO_FILE, mend=_FORMS)
        return make(parsed)
    except (exc.ArgumentError, exc.NoSuchModuleError, ValueError):
        msg = "setting ledger_url is no SQLAlchemy URL"
        raise ConfigurationError(msg, mend=_FORMS) from None
    except ImportError as error:
        msg = f"setting ledger_url needs a driver that is not installed ({error.name})"
        mend = "for PostgreSQL pip install 'target-kustomer[postgresql]'"
        raise ConfigurationError(msg, mend=mend) from None


def file_of(parsed: sa.URL) -> Path:
    """The file of a SQLite database."""
    return Path(unquote((parsed.database or "").removeprefix("file:")))


def connect(parsed: sa.URL, busy_seconds: float = _BUSY_SECONDS) -> sa.Engine:
    """Connections to a database.

    Args:
        parsed: Its URL.
        busy_seconds: How long they wait for another process's transaction (SQLite).
    """
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    if parsed.database and not parsed.database.startswith("file:"):
        with suppress(OSError):  # SQLite's own error is the better one
            Path(parsed.database).touch(mode=0o600)
    engine = sa.create_engine(parsed, connect_args={"timeout": busy_seconds})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


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


def check_version(version: int) -> None:
    """Refuse tables of a newer release with a ConfigurationError."""
    if version > VERSION:
        msg = f"the ledger is of version {version}, which this release does not know"
        raise ConfigurationError(msg, mend="install the release that wrote it, or a newer one")


def _migrate(connection: sa.Connection, version: int) -> None:
    check_version(version)
    for step in range(version, VERSION):
        for column in _NEW_COLUMNS[step]:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {objects.name} ADD COLUMN {definition}")
    if version < VERSION:
        connection.execute(sa.update(about).values(version=VERSION))

"""What is seen of a ledger from outside: nothing is written, not even a file."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.ledger.tables import (
    VERSION,
    about,
    check_version,
    file_of,
    from_url,
    metadata,
    objects,
    unusable,
)

if TYPE_CHECKING:
    from pathlib import Path

_CONNECT_SECONDS = 5
"""How long a server may take to let a look in."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A ledger as it is.

    Attributes:
        version: Of its tables; None where a run will make them.
        known: How many objects it knows of the org that was asked for.
        others: How many it knows of other orgs.
    """

    version: int | None = None
    known: int = 0
    others: int = 0


def look(url: str, org: str | None) -> Sight:
    """Look at the ledger of a URL.

    Args:
        url: SQLAlchemy's URL of the database.
        org: The org's id, as the ledger knows it.

    Raises:
        ConfigurationError: It cannot be used, or is not there and cannot be made.
    """
    engine = from_url(url, _read_only)
    if engine is None:
        return Sight()
    try:
        with engine.connect() as connection:
            return _seen(connection, org)
    except exc.SQLAlchemyError as error:
        raise unusable(error) from None
    finally:
        engine.dispose()


def _seen(connection: sa.Connection, org: str | None) -> Sight:
    there = set(sa.inspect(connection).get_table_names())
    version = None
    if about.name in there:
        version = connection.execute(sa.select(about.c.version)).scalar_one_or_none()
    check_version(version or 0)
    for table in metadata.sorted_tables if version in {None, VERSION} else ():
        if table.name in there:  # of a foreign database, columns may be missing
            connection.execute(sa.select(table).limit(0))
    if version is None or objects.name not in there:
        _check_that_tables_can_be_made(connection)
        return Sight()
    known = sa.func.count().filter(objects.c.org == org)
    ours, total = connection.execute(sa.select(known, sa.func.count(objects.c.org))).one()
    return Sight(version, ours, total - ours)


def _read_only(parsed: sa.URL) -> sa.Engine | None:
    """What can write nothing; None where there is no file yet, and a run can make it."""
    if parsed.get_backend_name() != "sqlite":
        libpq = parsed.get_driver_name().startswith("psycopg")
        seconds = {"connect_timeout": _CONNECT_SECONDS} if libpq else {}
        engine = sa.create_engine(parsed, connect_args=seconds)
        return engine.execution_options(postgresql_readonly=True)
    path = file_of(parsed)
    if not path.exists():
        _check_writable(path.parent, "made")
        return None
    _check_writable(path, "written")
    # What a run that goes on has not yet put into the file is beside it; else nothing is locked.
    live = path.with_name(f"{path.name}-wal").exists()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'' if live else '&immutable=1'}"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True))


def _check_writable(path: Path, verb: str) -> None:
    if not os.access(path, os.W_OK):
        msg = f"the ledger's file cannot be {verb}"
        mend = "check that ledger_url names a file in a folder that is there and can be written"
        raise ConfigurationError(msg, mend=mend)


def _check_that_tables_can_be_made(connection: sa.Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    may = "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
    if not connection.exec_driver_sql(f"SELECT {may}").scalar():
        msg = "the user of ledger_url may make no tables there"
        mend = "GRANT CREATE ON SCHEMA to it, or name a database of its own"
        raise ConfigurationError(msg, mend=mend)

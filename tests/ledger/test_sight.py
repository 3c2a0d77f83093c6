"""A ledger is looked at from outside, and nothing is written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from target_kustomer.clock import RunClock
from target_kustomer.exceptions import ConfigurationError
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.facts import Confirmation
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.ledger.sight import Sight, look
from target_kustomer.ledger.tables import VERSION
from target_kustomer.models import MatchKey
from tests.postgresql import running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "5f7c80a713ba8c10ff3f2f6f"
KEY = MatchKey("externalId", "c1")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def _opened(url: str, org: str = "org") -> Ledger:
    """A ledger that knows one object of the org."""
    ledger = Ledger(url, org, resync_after_days=30, write_seconds=900, clock=RunClock())
    ledger.confirm([Confirmation("customer", ID, [KEY], [KEY], {"name": Digest("v")}, None)])
    return ledger


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_objects_are_counted_by_org(url: str) -> None:
    for org in ("org", "second", "third"):
        _opened(url, org).close()
    assert look(url, "org") == Sight(VERSION, 1, 2)
    assert look(url, None) == Sight(VERSION, 0, 3)


def test_a_ledger_of_an_earlier_version_is_one_that_a_run_takes_over(
    url: str, tmp_path: Path
) -> None:
    _opened(url).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("UPDATE target_kustomer_ledger SET version = 1")
        for column in ("company", "lists_alone", "updated_at", "checked_at"):
            connection.execute(f"ALTER TABLE target_kustomer_objects DROP COLUMN {column}")
    assert look(url, "org") == Sight(1, 1, 0)


def test_a_closed_ledger_stays_as_it_is(url: str, tmp_path: Path) -> None:
    _opened(url).close()
    before = _files(tmp_path)
    assert look(url, "org").known == 1
    assert _files(tmp_path) == before


def test_what_a_run_that_goes_on_has_confirmed_is_seen(url: str) -> None:
    with closing(_opened(url)):
        assert look(url, "org").known == 1


def test_a_killed_run_s_ledger_is_read_and_stays_as_it_is(url: str, tmp_path: Path) -> None:
    code = (
        "import os, sys; from target_kustomer.ledger.ledger import Ledger; "
        "from target_kustomer.clock import RunClock; "
        "Ledger(sys.argv[1], 'org', resync_after_days=1, write_seconds=1, clock=RunClock()); "
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, env=os.environ)
    before = _files(tmp_path)
    assert "ledger.db-wal" in before
    assert look(url, "org") == Sight(VERSION, 0, 0)
    after = _files(tmp_path)
    assert after.keys() == before.keys()
    assert after["ledger.db"] == before["ledger.db"]
    assert after["ledger.db-wal"] == before["ledger.db-wal"]


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_a_file_is_found_by_either_form_of_its_address(form: str, tmp_path: Path) -> None:
    url = form.format(tmp_path / "my ledger.db")
    assert look(url, "org") == Sight()
    assert _files(tmp_path) == {}
    _opened(url).close()
    assert look(url, "org") == Sight(VERSION, 1, 0)


def test_an_empty_database_stays_empty(url: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    assert look(url, "org") == Sight()
    assert _files(tmp_path) == {"ledger.db": b""}


def _no_folder(folder: Path) -> str:
    return f"sqlite:///{folder / 'none' / 'ledger.db'}"


def _no_database(folder: Path) -> str:
    (folder / "ledger.db").write_text("no database, but some text" * 100)
    return f"sqlite:///{folder / 'ledger.db'}"


def _foreign_tables(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute("CREATE TABLE target_kustomer_objects (name TEXT)")
    return f"sqlite:///{folder / 'ledger.db'}"


@pytest.mark.parametrize(
    "made",
    [
        _no_folder,
        _no_database,
        _foreign_tables,
        str,  # a folder's path is no address
        lambda folder: f"sqlite:///{folder}",
        lambda _: "sqlite://",
        lambda _: "nosuch://host/database",
        lambda _: "postgresql+psycopg://user:s3cret@127.0.0.1:1/database",
    ],
)
def test_what_cannot_be_used_is_told_with_its_mend(
    made: Callable[[Path], str], tmp_path: Path
) -> None:
    url = made(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ConfigurationError) as error:
        look(url, "org")
    assert error.value.mend
    assert "s3cret" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.servers
def test_a_server_is_asked_and_given_nothing() -> None:
    with running_cluster() as cluster:
        url = cluster.url("postgres")
        assert look(url, "org") == Sight()
        assert cluster.run("-c", r"\dt") == ""
        _opened(url).close()
        assert look(url, "org") == Sight(VERSION, 1, 0)
        cluster.run("-c", "CREATE DATABASE empty")
        cluster.run("-c", "CREATE USER weak PASSWORD 'weak'")
        weak = f"postgresql+psycopg://weak:weak@{cluster.host}:{cluster.port}/empty"
        with pytest.raises(ConfigurationError, match="may make no tables"):
            look(weak, "org")

"""A copied ledger knows what its database knows, and leaves that as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.ledger.copied import CopiedLedger
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.facts import Confirmation
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.ledger.tables import VERSION
from target_kustomer.models import MatchKey, Origin
from tests.planning.planned import files_in
from tests.postgresql import running_cluster
from tests.support import Clock

if TYPE_CHECKING:
    from pathlib import Path

ANN, BOB = MatchKey("externalId", "ann"), MatchKey("externalId", "bob")
SOURCE = "customers"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(kind: type[Ledger], url: str, clock: Clock, org: str = "org") -> Ledger:
    return kind(url, org, resync_after_days=1, write_seconds=1, clock=clock)


def told(ledger: Ledger, kustomer_id: str, key: MatchKey, record: str, version: int = 1) -> None:
    origin = Origin(SOURCE, f"row of {record}", version)
    digests = {"name": Digest("a"), "tags": Digest("b", ("c", "d"))}
    ledger.confirm([Confirmation("customer", kustomer_id, [key], [key], digests, record, [origin])])


def says(ledger: Ledger) -> list[Any]:
    """All that a ledger knows."""
    return [
        ledger.unchanged(["r1", "r2", "r4"]),
        ledger.ids("customer", [[ANN], [BOB]]),
        ledger.held(["k1", "k2"]),
        ledger.read_until("customer"),
        ledger.unseen(),
        ledger.sources.left_behind(SOURCE, 2, 9),
        ledger.was_empty,
    ]


def fill(url: str, clock: Clock) -> list[Any]:
    """A ledger of one org, beside another's; what it says."""
    with closing(opened(Ledger, url, clock)) as ledger:
        told(ledger, "k1", ANN, "r1")
        ledger.note_read("customer", "2027-01-01T00:00:00.000Z")
    with closing(opened(Ledger, url, clock, "other")) as other:
        told(other, "k3", BOB, "r3")
    with closing(opened(Ledger, url, clock)) as ledger:
        return says(ledger)


def test_it_knows_the_same_and_what_it_is_told_stays_there(
    url: str, clock: Clock, tmp_path: Path, temporary: Path
) -> None:
    known = fill(url, clock)
    assert known[0] == {"r1": "k1"}
    assert known[-2:] == [(1, ["k1"]), False]
    before = files_in(tmp_path)
    with closing(opened(CopiedLedger, url, clock)) as copied:
        assert says(copied) == known
        told(copied, "k2", BOB, "r2", version=2)
        copied.note_read("customer", "2028-01-01T00:00:00.000Z")
        copied.forget_gone("customer", ["k1"], [ANN], done=True)
        after = says(copied)
        assert after[:2] == [{"r2": "k2"}, [None, "k2"]]
        assert (after[3], after[5]) == ("2028-01-01T00:00:00.000Z", (0, []))
        assert files_in(tmp_path) == before
    assert files_in(tmp_path) == before
    assert not list(temporary.iterdir())


def test_where_there_is_no_database_none_is_made(
    url: str, clock: Clock, tmp_path: Path, temporary: Path
) -> None:
    with closing(opened(CopiedLedger, url, clock)) as copied:
        assert copied.was_empty
        told(copied, "k1", ANN, "r1")
        assert copied.unchanged(["r1"]) == {"r1": "k1"}
        assert [oct(each.stat().st_mode & 0o077) for each in temporary.iterdir()] == ["0o0"]
    assert not files_in(tmp_path)


def test_a_file_without_tables_stays_so(url: str, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with closing(opened(CopiedLedger, url, clock)) as copied:
        assert copied.was_empty
    assert files_in(tmp_path) == {"ledger.db": b""}


def test_one_of_an_earlier_version_stays_of_it(url: str, clock: Clock, tmp_path: Path) -> None:
    fill(url, clock)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        database.execute("UPDATE target_kustomer_ledger SET version = 1")
        for column in ("company", "lists_alone", "updated_at", "checked_at"):
            database.execute(f"ALTER TABLE target_kustomer_objects DROP COLUMN {column}")
    before = files_in(tmp_path)
    with closing(opened(CopiedLedger, url, clock)) as copied:
        assert copied.unchanged(["r1"]) == {"r1": "k1"}
    assert files_in(tmp_path) == before


def test_what_a_run_that_goes_on_has_confirmed_is_known(url: str, clock: Clock) -> None:
    with closing(opened(Ledger, url, clock)) as ledger:
        told(ledger, "k1", ANN, "r1")
        with closing(opened(CopiedLedger, url, clock)) as copied:
            told(ledger, "k2", BOB, "r2")
            assert copied.unchanged(["r1", "r2"]) == {"r1": "k1"}


def test_what_a_killed_run_has_confirmed_is_known(url: str, clock: Clock) -> None:
    code = (
        "import os, sys; from tests.ledger.test_copied import *; "
        "told(opened(Ledger, sys.argv[1], Clock()), 'k1', ANN, 'r1'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, env=os.environ)
    with closing(opened(CopiedLedger, url, clock)) as copied:
        assert copied.unchanged(["r1"]) == {"r1": "k1"}


@pytest.mark.parametrize("content", ["no database, but some text" * 100, None])
def test_what_cannot_be_used_is_told(
    content: str | None, url: str, clock: Clock, tmp_path: Path, temporary: Path
) -> None:
    if content:
        (tmp_path / "ledger.db").write_text(content)
    else:
        fill(url, clock)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
            database.execute(f"UPDATE target_kustomer_ledger SET version = {VERSION + 1}")
    before = files_in(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        opened(CopiedLedger, url, clock)
    assert error.value.mend
    assert files_in(tmp_path) == before
    assert not files_in(temporary)


@pytest.mark.servers
def test_a_server_is_read_and_given_nothing(clock: Clock) -> None:
    with running_cluster() as cluster:
        url = cluster.url("postgres")
        with closing(opened(CopiedLedger, url, clock)) as copied:
            assert copied.was_empty
        assert cluster.run("-c", r"\dt") == ""
        known = fill(url, clock)
        with closing(opened(CopiedLedger, url, clock)) as copied:
            assert says(copied) == known
            told(copied, "k2", BOB, "r2")
        for column in ("company", "lists_alone", "updated_at", "checked_at"):
            cluster.run("-c", f"ALTER TABLE target_kustomer_objects DROP COLUMN {column}")
        cluster.run("-c", "UPDATE target_kustomer_ledger SET version = 1")
        with closing(opened(CopiedLedger, url, clock)) as copied:
            assert copied.unchanged(["r1", "r2"]) == {"r1": "k1"}

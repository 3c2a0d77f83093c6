"""The ledger's database: made, shared, refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.exceptions import ConfigurationError
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.facts import Confirmation, Sighting
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.models import MatchKey
from tests.support import CUSTOMERS, customers, schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Runner

ID = "5f7c80a713ba8c10ff3f2f6f"
KEY = MatchKey("externalId", "c1")


class Clock(RunClock):
    """A clock that tests set forward."""

    ahead = 0.0

    @override
    def time(self) -> float:
        return super().time() + self.ahead


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


OPEN: list[Ledger] = []


@pytest.fixture(autouse=True)
def close_all() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def opened(url: str, org: str = "org", clock: Clock | None = None) -> Ledger:
    ledger = Ledger(url, org, resync_after_days=30, write_seconds=900, clock=clock or Clock())
    OPEN.append(ledger)
    return ledger


def confirm(ledger: Ledger, value: str, record: str = "r") -> None:
    digests = {"name": Digest(value)}
    ledger.confirm([Confirmation("customer", ID, [KEY], [KEY], digests, record)])


def name_of(ledger: Ledger) -> str | None:
    held = ledger.held([ID]).get(ID)
    return held.digests["name"].value if held and "name" in held.digests else None


def test_what_one_run_confirms_another_knows(url: str) -> None:
    confirm(opened(url), "v1")
    later = opened(url)
    assert later.ids("customer", [[KEY]]) == [ID]
    assert later.unchanged(["r", "other"]) == {"r": ID}
    assert name_of(later) == "v1"


def test_orgs_on_one_database_know_nothing_of_each_other(url: str) -> None:
    confirm(opened(url), "v1")
    other = opened(url, org="other")
    assert other.ids("customer", [[KEY]]) == [None]
    assert other.held([ID]) == {}


def test_what_is_being_written_is_not_known(url: str) -> None:
    ledger = opened(url)
    confirm(ledger, "v1")
    ledger.doubt({ID: {"name": Digest("v2")}})
    assert name_of(opened(url)) is None
    assert opened(url).unchanged(["r"]) == {}


def test_what_two_runs_write_at_the_same_time_stays_unknown(url: str) -> None:
    one, two = opened(url), opened(url)
    one.doubt({ID: {"name": Digest("v1")}})
    two.doubt({ID: {"name": Digest("v2")}})
    confirm(one, "v1")
    confirm(two, "v2")
    assert name_of(opened(url)) is None


def test_the_write_of_a_dead_run_is_over_after_a_while(url: str) -> None:
    clock = Clock()
    opened(url).doubt({ID: {"name": Digest("v1")}})
    clock.ahead = 901
    later = opened(url, clock=clock)
    later.doubt({ID: {"name": Digest("v2")}})
    confirm(later, "v2")
    assert name_of(later) == "v2"


def test_what_was_confirmed_long_ago_is_not_fresh(url: str) -> None:
    clock = Clock()
    ledger = opened(url, clock=clock)
    confirm(ledger, "v1")
    clock.ahead = 31 * 86_400
    assert not ledger.held([ID])[ID].fresh
    assert ledger.unchanged(["r"]) == {}


def test_what_is_forgotten_is_not_known(url: str) -> None:
    ledger = opened(url)
    confirm(ledger, "v1")
    ledger.forget(ID)
    assert ledger.ids("customer", [[KEY]]) == [None]
    assert ledger.held([ID]) == {}


def test_a_key_that_another_object_bears_now_no_longer_means_the_first(url: str) -> None:
    ledger = opened(url)
    confirm(ledger, "v1")
    other = "5f7c80a713ba8c10ff3f2f70"
    its_own = MatchKey("externalId", "c2")
    ledger.confirm([Confirmation("customer", other, [its_own], [its_own, KEY], {}, None)])
    ledger.confirm(
        [Confirmation("customer", other, [its_own], [its_own, KEY], {"name": Digest("v")}, None)]
    )
    assert ledger.ids("customer", [[KEY], [its_own]]) == [None, other]


def test_many_threads_and_connections_write_at_once(url: str) -> None:
    ledgers = [opened(url) for _ in range(3)]

    def write(number: int) -> None:
        ledger, kustomer_id = ledgers[number % 3], f"{number % 10:024x}"
        key = MatchKey("externalId", f"c{number % 10}")
        ledger.doubt({kustomer_id: {"name": Digest(str(number))}})
        digests = {"name": Digest(str(number))}
        ledger.confirm([Confirmation("customer", kustomer_id, [key], [key], digests, None)])

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(write, range(90)))
    keys = [[MatchKey("externalId", f"c{number}")] for number in range(10)]
    assert opened(url).ids("customer", keys) == [f"{number:024x}" for number in range(10)]


def test_a_file_that_is_no_database_is_a_configuration_error(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("no database at all, but a text of some length" * 50)
    result = run([schema("customers", CUSTOMERS), *customers(1)], ledger_url=f"sqlite:///{path}")
    assert result.exit_code == 2
    assert "ledger_url" in result.error
    assert str(path) not in result.log


def test_a_database_with_other_tables_of_these_names_is_a_configuration_error(
    tmp_path: Path, url: str
) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("CREATE TABLE target_kustomer_objects (name TEXT)")
    connection.close()
    with pytest.raises(ConfigurationError, match="ledger_url"):
        opened(url)


FIRST_VERSION = """
CREATE TABLE target_kustomer_ledger (
    id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL, digest_key VARCHAR(64) NOT NULL);
CREATE TABLE target_kustomer_identities (
    identity VARCHAR(32) NOT NULL PRIMARY KEY, org VARCHAR(64) NOT NULL,
    kustomer_id VARCHAR(64) NOT NULL, record VARCHAR(32), revision INTEGER NOT NULL);
CREATE TABLE target_kustomer_objects (
    org VARCHAR(64) NOT NULL, kustomer_id VARCHAR(64) NOT NULL, attributes JSON NOT NULL,
    revision INTEGER NOT NULL, writer VARCHAR(32), written_at FLOAT NOT NULL,
    confirmed_at FLOAT NOT NULL, PRIMARY KEY (org, kustomer_id));
"""
"""The tables of version 1."""


def test_a_ledger_of_version_1_is_taken_over(tmp_path: Path, url: str) -> None:
    confirm(opened(f"sqlite:///{tmp_path / 'new.db'}"), "v1")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.executescript(FIRST_VERSION)
        connection.execute("ATTACH ? AS new", [str(tmp_path / "new.db")])
        for table in ("ledger", "identities", "objects"):
            name = f"target_kustomer_{table}"
            columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")]
            listed = ", ".join(columns)
            connection.execute(f"INSERT INTO {name} SELECT {listed} FROM new.{name}")
        connection.execute("UPDATE main.target_kustomer_ledger SET version = 1")
    connection.close()

    with ThreadPoolExecutor(4) as pool:
        ledgers = list(pool.map(lambda _: opened(url), range(4)))

    for ledger in ledgers:
        assert ledger.unchanged(["r"]) == {"r": ID}
        assert name_of(ledger) == "v1"
        assert (ledger.unseen(), ledger.read_until("customer")) == (1, "")


def sighting(updated_at: str = "2027-01-01T00:00:00.000Z", company: str = "") -> Sighting:
    return Sighting(ID, updated_at, live=True, company=company, external_ids=[], lists={})


def test_what_was_listed_is_known_until_it_is_written(url: str) -> None:
    ledger = opened(url)
    confirm(ledger, "v1")
    assert not ledger.held([ID])[ID].seen
    assert ledger.see([sighting(company="k")]) == (1, "")
    held = ledger.held([ID])[ID]
    assert (held.seen, held.company, held.lists_alone) == (True, "k", True)
    assert ledger.unchanged(["r"]) == {"r": ID}
    confirm(ledger, "v1")
    assert ledger.held([ID])[ID].seen
    ledger.doubt({ID: {"name": Digest("v2")}})
    confirm(ledger, "v2")
    held = ledger.held([ID])[ID]
    assert (held.seen, held.company, held.lists_alone) == (False, None, False)


def test_what_is_listed_while_another_run_writes_it_is_not_known(url: str) -> None:
    one, two = opened(url), opened(url)
    confirm(one, "v1")
    one.doubt({ID: {"name": Digest("v2")}})
    assert two.see([sighting("t1")]) == (0, "t1")
    confirm(one, "v2")
    assert not two.held([ID])[ID].seen
    assert two.see([sighting("t2")]) == (1, "")
    assert two.held([ID])[ID].seen


def test_a_run_that_confirms_late_makes_nothing_known(url: str) -> None:
    clock = Clock()
    one, two = opened(url), opened(url, clock=clock)
    confirm(one, "v1")
    one.doubt({ID: {"name": Digest("v2")}})
    clock.ahead = 901
    assert two.see([sighting()]) == (1, "")
    confirm(one, "v2")
    assert not two.held([ID])[ID].seen


def test_a_company_that_another_run_has_set_is_not_known_by_an_older_page(url: str) -> None:
    ledger = opened(url)
    digests = {"company": Digest(ledger.digests.value(ID, "company", "new"))}
    ledger.confirm([Confirmation("customer", ID, [KEY], [KEY], digests, None)])
    for company, known in (("old", None), ("", None), ("new", "new")):
        ledger.see([sighting(company=company)])
        assert ledger.held([ID])[ID].company == known


def test_a_page_that_is_older_than_what_another_run_has_seen_does_not_count(url: str) -> None:
    slow, quick = opened(url), opened(url)
    confirm(slow, "v1")
    before, after = "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:00.001Z"
    quick.see([sighting(after, company="new")])
    slow.see([sighting(before, company="old")])
    assert quick.held([ID])[ID].company == "new"
    slow.see([sighting(after, company="newer")])
    assert quick.held([ID])[ID].company == "newer"


def test_one_of_whom_nothing_is_known_is_passed_over(url: str) -> None:
    ledger = opened(url)
    assert ledger.see([sighting()]) == (0, "")
    assert ledger.held([ID]) == {}


def test_one_who_is_listed_as_deleted_is_forgotten(url: str) -> None:
    ledger = opened(url)
    confirm(ledger, "v1")
    ledger.see([Sighting(ID, "t", live=False, company="", external_ids=[], lists={})])
    assert ledger.ids("customer", [[KEY]]) == [None]


def test_what_was_read_never_goes_back(url: str) -> None:
    one, two = opened(url), opened(url)
    two.note_read("customer", "2027-01-02T00:00:00.000Z")
    one.note_read("customer", "2027-01-01T00:00:00.000Z")
    for ledger in (one, two):
        assert ledger.read_until("customer") == "2027-01-02T00:00:00.000Z"
    assert one.read_until("company") == ""
    assert opened(url, org="other").read_until("customer") == ""


def test_to_ask_whether_rows_are_followed_waits_for_no_writer(tmp_path: Path, url: str) -> None:
    ledger = opened(url)
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert not ledger.sources.are_followed()


def test_a_ledger_of_a_newer_release_is_left_alone(tmp_path: Path, url: str) -> None:
    opened(url)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE target_kustomer_ledger SET version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        opened(url)


@pytest.mark.parametrize(
    "url",
    [
        "no url",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/ledger.db",
        "nosuch://host/database",
        "postgresql+psycopg://user:s3cret@127.0.0.1:1/database",
    ],
)
def test_an_address_that_is_no_ledger_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        opened(url)
    assert "ledger_url" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"target-kustomer\[postgresql\]"):
        opened("postgresql+psycopg://127.0.0.1/database")


def test_no_log_tells_what_goes_into_the_database(run: Runner, tmp_path: Path, url: str) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(1)], ledger_url=url)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        [(key,)] = connection.execute("SELECT digest_key FROM target_kustomer_ledger")
        [(identity,)] = connection.execute("SELECT identity FROM target_kustomer_identities")
    connection.close()
    assert result.counts() == {"created": 1}
    assert key not in result.log
    assert identity not in result.log

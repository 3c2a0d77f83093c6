"""The ledger's database: made, shared, refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.exceptions import ConfigurationError
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.ledger import Confirmation, Ledger
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

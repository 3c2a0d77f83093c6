"""The runs of an org as they show themselves to each other on the ledger's database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.kustomer.budget import Budget
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.ledger.runs import Runs
from target_kustomer.ledger.tables import VERSION
from target_kustomer.models import Notice
from tests.postgresql import running_cluster
from tests.support import Clock, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HEADERS = {"x-ratelimit-limit": "1000"}

VERSION_1 = """
CREATE TABLE target_kustomer_ledger (
    id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL, digest_key VARCHAR(64) NOT NULL
);
CREATE TABLE target_kustomer_identities (
    identity VARCHAR(32) NOT NULL PRIMARY KEY, org VARCHAR(64) NOT NULL,
    kustomer_id VARCHAR(64) NOT NULL, record VARCHAR(32), revision INTEGER NOT NULL
);
CREATE INDEX ix_target_kustomer_identities_record ON target_kustomer_identities (record);
CREATE TABLE target_kustomer_objects (
    org VARCHAR(64) NOT NULL, kustomer_id VARCHAR(64) NOT NULL, attributes JSON NOT NULL,
    revision INTEGER NOT NULL, writer VARCHAR(32), written_at FLOAT NOT NULL,
    confirmed_at FLOAT NOT NULL, PRIMARY KEY (org, kustomer_id)
);
INSERT INTO target_kustomer_ledger VALUES (1, 1, '00112233445566778899aabbccddeeff');
INSERT INTO target_kustomer_objects
    VALUES ('org', 'known', '{"name": "digest"}', 1, NULL, 1800000000.0, 1800000000.0);
"""
"""A ledger as the first release made it."""

COUNTER = """
import sys
from target_kustomer.clock import RunClock
from target_kustomer.ledger.runs import Runs
from target_kustomer.models import Notice

def count(notices):
    beat = max((each.beat for each in notices), default=0) + 1
    return Notice(runs.run, beat, 0, 0, (), 0.0), [each.run for each in notices]

runs = Runs(sys.argv[1], "org", RunClock())
print("ready", flush=True)
sys.stdin.readline()
done = 0
while done < 50:
    done += runs.exchange(count)
runs.close()
"""
"""Counts to fifty more, fifty times by one, on the notice of whoever was there before."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def opened(url: str, clock: Clock) -> Iterator[Ledger]:
    ledger = _ledger(url, clock)
    yield ledger
    ledger.close()


class Run:
    """A run that sends what it may, as fast as its answers come."""

    def __init__(self, url: str, clock: Clock, org: str = "org") -> None:
        self.board = Runs(url, org, clock)
        self.budget = Budget(0.8, clock)
        self._clock = clock
        self.budget.acquire()
        self.budget.answered(HEADERS, clock.monotonic())
        self.budget.meet(self.board)

    def send(self, seconds: float) -> int:
        """How many requests it can send in so many seconds."""
        until = self._clock.now + seconds
        sent = 0
        while self._clock.now < until:
            self.budget.acquire()
            self.budget.answered(HEADERS, self._clock.monotonic())
            sent += 1
        return sent

    def end(self) -> None:
        self.budget.leave()
        self.board.close()


def _ledger(url: str, clock: Clock) -> Ledger:
    return Ledger(url, "org", resync_after_days=30, write_seconds=900, clock=clock)


def _seen(board: Runs) -> list[str]:
    """The runs on a board."""
    seen: list[str] = []

    def post(notices: Sequence[Notice]) -> tuple[Notice, list[str]]:
        seen.extend(each.run for each in notices)
        return Notice(board.run, 1, 0, 0, (), 0.0), []

    assert board.exchange(post)
    return seen


@pytest.mark.usefixtures("opened")
def test_a_run_alone_has_the_share(url: str, clock: Clock) -> None:
    run = Run(url, clock)
    run.send(60)
    assert 0.95 * 800 <= run.send(60) <= 800
    run.end()


@pytest.mark.usefixtures("opened")
def test_a_run_that_has_ended_leaves_what_it_has_not_used(url: str, clock: Clock) -> None:
    first = Run(url, clock)
    first.send(30)
    first.end()
    second = Run(url, clock)
    assert 300 <= second.send(30) <= 420
    assert 0.95 * 800 <= second.send(60) <= 800
    second.end()


@pytest.mark.usefixtures("opened")
def test_a_killed_run_is_forgotten(url: str, clock: Clock) -> None:
    killed = Run(url, clock)
    killed.send(60)
    killed.board.close()
    other = Run(url, clock)
    other.send(80)
    assert 0.95 * 800 <= other.send(60) <= 800
    assert _seen(other.board) == [other.board.run]
    other.end()


@pytest.mark.usefixtures("opened")
def test_a_locked_database_does_not_stop_requests(url: str, path: Path, clock: Clock) -> None:
    run = Run(url, clock)
    run.send(60)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert 0.95 * 800 <= run.send(60) <= 800
    run.end()


@pytest.mark.usefixtures("opened")
def test_a_database_that_is_locked_for_ever_is_an_error(url: str, path: Path, clock: Clock) -> None:
    run = Run(url, clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="ledger_url"):
            run.send(1000)
    run.board.close()


@pytest.mark.usefixtures("opened")
def test_orgs_on_one_database_share_nothing(url: str, clock: Clock) -> None:
    first = Run(url, clock)
    first.send(60)
    other = Run(url, clock, org="other")
    assert other.send(60) >= 0.95 * 800
    assert _seen(other.board) == [other.board.run]
    first.end()
    other.end()


def _count_in_processes(url: str) -> int:
    """What two processes count to together."""
    command = [sys.executable, "-c", COUNTER, url]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        for each in processes:
            assert each.stdout
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        assert [each.wait(60) for each in processes] == [0, 0]
    board = Runs(url, "org", Clock())
    beats: list[int] = []

    def post(notices: Sequence[Notice]) -> tuple[Notice, list[str]]:
        beats.extend(each.beat for each in notices)
        return Notice(board.run, 0, 0, 0, (), 0.0), [each.run for each in notices]

    wait_until(lambda: board.exchange(post))
    board.close()
    (beat,) = beats
    return beat


@pytest.mark.usefixtures("opened")
def test_two_processes_exchange_one_after_the_other(url: str) -> None:
    assert _count_in_processes(url) == 100


def test_two_processes_exchange_one_after_the_other_in_postgresql(clock: Clock) -> None:
    with running_cluster() as cluster:
        url = cluster.url("postgres")
        _ledger(url, clock).close()
        assert _count_in_processes(url) == 100
        first, other = Run(url, clock), Run(url, clock)
        first.send(20)
        assert other.send(60) >= 0.45 * 800
        first.end()
        other.end()


def test_a_ledger_of_version_1_is_taken_over(url: str, path: Path, clock: Clock) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
    ledger = _ledger(url, clock)
    assert ledger.held(["known"])["known"].digests["name"].value == "digest"
    ledger.close()
    run = Run(url, clock)
    assert run.send(60) >= 0.9 * 800
    run.end()
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT version, digest_key FROM target_kustomer_ledger")
        assert kept.fetchall() == [(VERSION, "00112233445566778899aabbccddeeff")]

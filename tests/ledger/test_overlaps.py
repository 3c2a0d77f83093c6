"""Two runs on one ledger whose transactions overlap lose nothing of each other's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from target_kustomer.clock import RunClock
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.facts import Confirmation
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.models import MatchKey
from tests.postgresql import running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from target_kustomer.ledger.facts import Held

ID = "5f7c80a713ba8c10ff3f2f6f"
KEY = MatchKey("externalId", "c1")

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_cluster() as cluster:
        yield cluster.url("postgres")


@pytest.fixture
def run(server: str, request: pytest.FixtureRequest) -> Iterator[Callable[[], Ledger]]:
    """Opens the ledger of an org of the test's own, as one more run."""
    runs: list[Ledger] = []

    def opened() -> Ledger:
        name = request.node.name
        runs.append(Ledger(server, name, resync_after_days=30, write_seconds=900, clock=RunClock()))
        return runs[-1]

    yield opened
    for each in runs:
        each.close()


def confirm(ledger: Ledger, digests: Mapping[str, Digest], record: str = "r") -> None:
    ledger.confirm([Confirmation("customer", ID, [KEY], [KEY], dict(digests), record)])


def doubt_while(
    first: Ledger, other: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run doubts the name; before its transaction ends, the other one's has begun."""
    inner, others = first._replace_objects, []

    def slow(connection: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
        inner(connection, rows)  # type: ignore[arg-type]
        others.append(threading.Thread(target=other))
        others[0].start()
        time.sleep(0.5)  # if the other one has not begun by then, the test shows less

    monkeypatch.setattr(first, "_replace_objects", slow)
    first.doubt({ID: {"name": Digest("v1")}})
    others[0].join()


def held(ledger: Ledger) -> Held:
    return ledger.held([ID])[ID]


def test_what_two_runs_write_at_once_is_certain_to_neither(
    run: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = run(), run()
    confirm(one, {"name": Digest("v0")})
    doubt_while(one, lambda: two.doubt({ID: {"name": Digest("v2")}}), monkeypatch)
    confirm(two, {"name": Digest("v2")}, "r2")  # and run one is killed
    third = run()
    assert third.unchanged(["r", "r2"]) == {}
    assert "name" not in held(third).digests


def test_a_doubt_outlasts_a_recognition(
    run: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = run(), run()
    confirm(one, {"name": Digest("v0")})
    doubt_while(one, lambda: confirm(two, {"name": Digest("v0")}, "r0"), monkeypatch)
    assert run().unchanged(["r0"]) == {}


def test_what_other_sources_sent_stays_known(
    run: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = run(), run()
    lists = {"emails@crm": Digest("l", ("crm",)), "emails@shop": Digest("m", ("shop",))}
    confirm(one, {"name": Digest("v0"), **lists})
    change = {ID: {"emails@shop": Digest("n", ("new",))}}
    doubt_while(one, lambda: two.doubt(change), monkeypatch)
    assert held(run()).digests["emails@crm"] == lists["emails@crm"]

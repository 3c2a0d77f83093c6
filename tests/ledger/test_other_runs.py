"""What another run on the same ledger writes meanwhile is neither lost nor taken for this one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.clock import RunClock
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.facts import Confirmation, Held
from target_kustomer.ledger.ledger import Ledger
from target_kustomer.models import MatchKey
from tests.support import CUSTOMERS, TEXT, customers, record, schema, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_kustomer.simulator.objects import StoredObject
    from tests.support import Result, Runner

PEOPLE = schema("customers", CUSTOMERS)
CRM = schema("crm-customers", {"id": TEXT, "email": TEXT, "company_id": TEXT})

SIZE = 150
LAST = f"c{SIZE - 1}"
FROM_CRM = "crm@example.com"


class Day:
    """A load of customers, and that of another source into the same customers."""

    def __init__(self, run: Runner, tmp_path: Path) -> None:
        self.run = run
        self.org = run.simulator.org
        self.settings: dict[str, Any] = {
            "ledger_url": f"sqlite:///{tmp_path / 'own.db'}",
            "streams": {
                "people": {"object": "customer", "match_on": ["email"]},
                "crm-customers": {"external_id_prefix": "", "fields": {"id": "externalId"}},
            },
        }

    def load(self, messages: Iterable[dict[str, Any]], **settings: Any) -> Result:
        result = self.run(messages, **{**self.settings, **settings})
        assert result.exit_code == 0, result.error
        return result

    def people(self, rows: Iterable[dict[str, Any]]) -> Result:
        return self.load([PEOPLE, *rows])

    def crm(self, **columns: Any) -> Result:
        return self.load([CRM, record("crm-customers", **columns)])

    def customer(self, external_id: str) -> StoredObject:
        found = self.org.customer(external_id=external_id)
        assert found
        return found

    def emails(self, external_id: str) -> list[str]:
        return [each["email"] for each in self.customer(external_id).attributes["emails"]]

    def load_after_a_reading(
        self,
        messages: Iterable[dict[str, Any]],
        other: Callable[[], Result],
        last: dict[str, Any],
    ) -> Result:
        """The list of all is read; then the other run writes; then the last record comes."""
        requests = self.run.simulator.requests

        def messages_in_turn() -> Iterator[dict[str, Any]]:
            yield from messages
            wait_until(lambda: requests.counts().get("customer.list", 0) >= 2)
            other()
            yield last

        return self.load(messages_in_turn(), resync_after_days=0, batch_size_rows=50)


@pytest.fixture
def day(run: Runner, tmp_path: Path) -> Day:
    return Day(run, tmp_path)


def once_before_a_doubt(monkeypatch: pytest.MonkeyPatch, other: Callable[[], Any]) -> list[Any]:
    """Another run begins and ends when this one has compared, and is about to write."""
    real = Ledger.doubt
    done: list[Any] = []

    def doubt(ledger: Ledger, *args: Any) -> Any:
        monkeypatch.setattr(Ledger, "doubt", real)
        done.append(other())
        return real(ledger, *args)

    monkeypatch.setattr(Ledger, "doubt", doubt)
    return done


def test_an_item_that_was_added_after_the_comparison_stays(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moved in (range(0), range(5, 10)):  # listed in the second run, so that none is read
        day.people([_row(number, moved) for number in range(10)])
    others = once_before_a_doubt(monkeypatch, lambda: day.crm(id="c3", email=FROM_CRM))

    result = day.people([_row(number, range(3, 10)) for number in range(10)])

    assert others[0].counts("crm-customers") == {"updated": 1}
    assert result.counts() == {"updated": 2, "unchanged": 8}
    assert day.emails("c3") == ["c3-new@example.com", FROM_CRM]


def test_a_company_that_was_linked_after_the_comparison_stays(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = day.org.add_company({"name": "Acme", "externalId": "7"})
    for moved in (range(0), range(5, 10)):
        day.people([_row(number, moved) for number in range(10)])
    once_before_a_doubt(monkeypatch, lambda: day.crm(id="c3", company_id="7"))

    day.people([_row(number, range(3, 10)) for number in range(10)])

    assert day.emails("c3") == ["c3-new@example.com"]
    assert day.customer("c3").company == acme.id


def test_a_value_that_was_written_after_the_list_was_read_is_not_unchanged(day: Day) -> None:
    day.people(customers(SIZE))
    by_another = record("customers", id=LAST, name="By another run")

    result = day.load_after_a_reading(
        [PEOPLE, *customers(SIZE - 1)], lambda: day.people([by_another]), customers(1, SIZE - 1)[0]
    )

    assert result.counts() == {"updated": 1, "unchanged": SIZE - 1}
    assert day.customer(LAST).attributes["name"] == f"Customer {SIZE - 1}"


def test_an_item_that_was_added_after_the_list_was_read_stays(day: Day) -> None:
    day.people(customers(SIZE))
    last = customers(1, SIZE - 1)[0]
    last["record"]["email"] = "new@example.com"

    result = day.load_after_a_reading(
        [PEOPLE, *customers(SIZE - 1)], lambda: day.crm(id=LAST, email=FROM_CRM), last
    )

    assert result.counts() == {"updated": 1, "unchanged": SIZE - 1}
    assert day.emails(LAST) == ["new@example.com", FROM_CRM]


def test_an_item_that_was_added_to_one_who_was_found_in_the_list_stays(day: Day) -> None:
    """The ledger knows the customer by another key than the record's."""
    for number in range(SIZE):
        emails = [{"email": f"c{number}@example.com"}]
        day.org.add_customer({"externalId": f"c{number}", "emails": emails})
    people = schema("people", {"email": TEXT, "work_email": TEXT}, ["email"])
    rows = [record("people", email=f"c{number}@example.com") for number in range(SIZE)]
    rows[-1]["record"]["work_email"] = "work@example.com"

    result = day.load_after_a_reading(
        [people, *rows[:-1]], lambda: day.crm(id=LAST, email=FROM_CRM), rows[-1]
    )

    assert result.counts("people") == {"updated": 1, "unchanged": SIZE - 1}
    assert set(day.emails(LAST)) == {f"{LAST}@example.com", "work@example.com", FROM_CRM}


# The ledger


ID = "5f7c80a713ba8c10ff3f2f6f"
KEY = MatchKey("externalId", "c1")
NAME = {"name": Digest("v")}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """Two runs' ledgers, in which one object is known."""
    url = f"sqlite:///{tmp_path / 'two.db'}"
    ledgers = [
        Ledger(url, "org", resync_after_days=30, write_seconds=900, clock=RunClock())
        for _ in range(2)
    ]
    ledgers[0].confirm([confirmation("other")])
    yield ledgers[0], ledgers[1]
    for each in ledgers:
        each.close()


def confirmation(digest: str | None, compared: Held | None = None) -> Confirmation:
    return Confirmation("customer", ID, [KEY], [KEY], NAME, digest, compared=compared)


def test_a_write_that_was_on_its_way_at_the_comparison_and_has_ended_since_counts(
    two: tuple[Ledger, Ledger],
) -> None:
    one, other = two
    other.doubt({ID: NAME})
    compared = one.held([ID])
    other.confirm([confirmation("theirs")])
    assert one.doubt({ID: NAME}, compared) == {ID}
    assert other.unchanged(["theirs"]) == {"theirs": ID}
    assert one.doubt({ID: NAME}, one.held([ID])) == set()


@pytest.mark.parametrize("knows", [True, False])
def test_a_record_is_confirmed_only_as_it_was_compared(
    two: tuple[Ledger, Ledger], *, knows: bool
) -> None:
    one, other = two
    if not knows:
        one.forget(ID)
    compared = one.held([ID]).get(ID, Held())
    other.doubt({ID: NAME})
    other.confirm([confirmation("theirs")])
    one.confirm([confirmation("ours", compared)])
    assert one.unchanged(["ours", "theirs"]) == {"theirs": ID}
    one.confirm([confirmation("ours", one.held([ID])[ID])])
    assert one.unchanged(["ours"]) == {"ours": ID}


def _row(number: int, moved: range) -> dict[str, Any]:
    email = f"c{number}-new@example.com" if number in moved else f"c{number}@example.com"
    return record("customers", id=f"c{number}", name=f"Customer {number}", email=email)

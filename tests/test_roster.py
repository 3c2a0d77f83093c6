"""Copies of objects, when reading them all is worth it, and what has been read."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from target_kustomer import roster as roster_module
from target_kustomer.clock import RunClock
from target_kustomer.copies import Copies
from target_kustomer.demand import Demand
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer, Page, Resource
from target_kustomer.models import MatchKey
from target_kustomer.roster import FRESH_SECONDS, Roster
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from tests.support import COMPANIES, CUSTOMERS, customers, record, schema, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_kustomer.models import ObjectType
    from target_kustomer.simulator.objects import StoredObject
    from tests.support import Runner

ANN = {"externalId": "a1", "emails": [{"email": "Ann@Example.com"}], "custom": {"ageNum": 1}}


def test_copies_are_found_by_id_and_by_each_key() -> None:
    copies = Copies("customer")
    copies.put([Resource("1", {**ANN, "displayName": "Ann", "tags": []})], 1)
    kept = Resource("1", ANN)
    assert copies.find(MatchKey("id", "1")) == [kept]
    assert copies.find(MatchKey("externalId", "a1")) == [kept]
    assert copies.find(MatchKey("email", "ann@example.com")) == [kept]
    assert copies.find(MatchKey("email", "bob@example.com")) == []


def test_a_newer_copy_takes_the_place_of_the_older_one() -> None:
    copies = Copies("customer")
    first = copies.put([Resource("1", ANN), Resource("2", {"externalId": "b1"})], 1)
    later = copies.put([Resource("1", {"externalId": "a2"})], 2)
    assert later == first[:1]
    assert copies.find(MatchKey("externalId", "a1")) == []
    assert copies.find(MatchKey("externalId", "a2")) == [Resource("1", {"externalId": "a2"})]


def test_a_deleted_object_bears_nothing() -> None:
    copies = Copies("customer")
    copies.put([Resource("1", ANN)], 1)
    copies.put([Resource("1", {**ANN, "deleted": True})], 2)
    assert copies.find(MatchKey("externalId", "a1")) == []


def test_what_is_marked_is_not_known_before_a_later_reading() -> None:
    copies = Copies("customer")
    copies.put([Resource("1", ANN)], 1)
    copies.mark("1", [MatchKey("externalId", "a2")], 2)
    copies.put([Resource("1", ANN)], 2)
    for key in ("a1", "a2"):
        assert copies.find(MatchKey("externalId", key)) is None
    copies.put([Resource("1", {"externalId": "a2"})], 3)
    assert copies.find(MatchKey("externalId", "a1")) == []
    assert copies.find(MatchKey("externalId", "a2")) == [Resource("1", {"externalId": "a2"})]


def test_what_was_written_without_an_id_is_not_known_by_its_keys() -> None:
    copies = Copies("company")
    copies.mark(None, [MatchKey("name", "acme")], 1)
    assert copies.find(MatchKey("name", "acme")) is None
    assert copies.find(MatchKey("name", "other")) == []


def test_many_copies_take_little_room_and_all_are_found() -> None:
    copies, many = Copies("customer"), 5000
    people = [
        Resource(
            f"{number:024x}",
            {
                "name": f"Person {number}",
                "externalId": f"c{number}",
                "emails": [{"email": f"p{number}@example.com", "type": "home"}],
                "custom": {"ageNum": number % 90, "tierStr": "gold"},
            },
        )
        for number in range(many)
    ]
    for start in range(0, many, 100):
        copies.put(people[start : start + 100], 1)
    assert copies.size / many < 500
    for person in people:
        assert copies.find(MatchKey("externalId", person.attributes["externalId"])) == [person]


@pytest.mark.parametrize(
    ("looked", "look_ups", "waiting", "worth"),
    [
        (0, 100, 0, 200),  # these alone: reading costs at most twice as much
        (0, 100, 900, 2000),  # those that wait will need as much
        (150, 0, 0, 150),  # what has been spent already is matched once
    ],
)
def test_so_many_pages_are_worth_what_is_wanted(
    looked: int, look_ups: int, waiting: int, worth: int
) -> None:
    demand = Demand(looked)
    demand.note(100, 100)
    assert demand.is_worth(7, worth, look_ups, waiting)
    assert not demand.is_worth(7, worth + 1, look_ups, waiting)


@pytest.mark.parametrize(("looked", "look_ups", "waiting", "worth"), [(5, 100, 900, 1005)])
def test_where_the_end_is_not_known_pages_never_cost_more_than_look_ups(
    looked: int, look_ups: int, waiting: int, worth: int
) -> None:
    demand = Demand(looked)
    demand.note(100, 100)
    assert demand.is_worth(worth - 1, None, look_ups, waiting)
    assert not demand.is_worth(worth, None, look_ups, waiting)


def test_records_that_wait_count_as_those_before_them() -> None:
    demand = Demand()
    demand.note(100, 10)
    assert demand.is_worth(0, 200, 0, 1000)
    assert not demand.is_worth(0, 201, 0, 1000)


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("records", [1, 5, 30, 200, 1000])
@pytest.mark.parametrize("pages", [1, 20, 100, 5000])
def test_the_total_is_at_most_twice_the_better_choice(
    pages: int,
    records: int,
    batch: int,
    told: bool,  # noqa: FBT001
) -> None:
    """Records come in batches, nothing is known of those to come."""
    demand, read = Demand(), 0
    for start in range(0, records, batch):
        size = min(batch, records - start)
        demand.note(size, size)
        while read < pages and demand.is_worth(read, pages - read if told else None, size, 0):
            read += 1
        if read == pages:
            break
        demand.looked += size
    assert read + demand.looked <= 2 * min(pages, records)


class _Clock(RunClock):
    """A clock that the test can move on."""

    ahead = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class _Reading:
    """A roster of the simulator's org, read step by step."""

    def __init__(self, simulator: Simulator, object_type: ObjectType = "customer") -> None:
        config = {"api_key": simulator.api_key, "api_url": simulator.url}
        self.simulator = simulator
        self.clock = _Clock()
        self.client = Client(Settings.from_config(config), self.clock)
        self.roster = Roster(object_type, Kustomer(self.client), self.clock)

    def read(self, pages: int = 1000) -> None:
        """Read so many pages more, if there are as many."""
        until = self.requests + pages
        self.roster.read_while(lambda _read, _left: self.requests < until)

    @property
    def requests(self) -> int:
        counts = self.simulator.requests.counts()
        return counts.get("customer.list", 0) + counts.get("company.list", 0)

    def update(self, customer: StoredObject, **attributes: Any) -> None:
        org = self.simulator.org
        org.write("customer", "update", {"id": customer.id, **attributes}, org.clock())

    def found(self, external_id: str) -> list[str] | None:
        """The names of those who bear it."""
        found = self.roster.find(MatchKey("externalId", external_id))
        return None if found is None else [each.attributes.get("name", "") for each in found]


def _fill(simulator: Simulator, number: int, first: int = 0) -> list[StoredObject]:
    """So many customers; the later one was updated later, by the server's own time."""
    return [
        simulator.org.add_customer({"externalId": f"c{index}", "name": "Old"})
        for index in range(first, first + number)
    ]


@pytest.fixture
def reading_of() -> Iterator[Callable[..., _Reading]]:
    """Makes readings of a simulator's org."""
    with ExitStack() as stack:

        def make(simulator: Simulator, object_type: ObjectType = "customer") -> _Reading:
            reading = _Reading(simulator, object_type)
            stack.callback(reading.client.close)
            return reading

        yield make


@pytest.fixture
def ticking() -> Iterator[Simulator]:
    """A server on which each thing happens a second after the one before."""
    seconds = count(1_700_000_000)
    with Simulator(clock=lambda: float(next(seconds))) as running:
        yield running


def test_one_who_is_updated_while_the_list_is_read_is_not_missed(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading, people = reading_of(ticking), _fill(ticking, 350)
    reading.read(2)
    reading.update(people[3], name="New")
    assert reading.found("c3") is None
    reading.read()
    assert reading.found("c3") == ["New"]
    assert reading.found("c0") == ["Old"]
    assert reading.found("nobody") == []
    assert reading.requests == 5


def test_one_who_comes_while_the_list_is_read_is_seen(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading = reading_of(ticking)
    _fill(ticking, 250)
    reading.read(1)
    _fill(ticking, 120, first=250)
    reading.read()
    assert [reading.found(f"c{number}") for number in range(370)] == [["Old"]] * 370
    assert reading.roster.knows_all


def test_after_a_delete_who_was_not_seen_may_be_there(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading, people = reading_of(ticking), _fill(ticking, 250)
    reading.read(1)
    ticking.org.delete(people[-1].id)
    _fill(ticking, 1, first=250)
    reading.read(1)
    ticking.org.delete(people[-2].id)
    reading.read()
    known = [reading.found(f"c{number}") for number in range(248)]
    assert None in known
    assert all(each in (None, ["Old"]) for each in known)
    assert reading.found("nobody") is None
    assert not reading.roster.knows_all


def test_after_a_delete_all_is_read_anew_in_time(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading, people = reading_of(ticking), _fill(ticking, 150)
    reading.read(1)
    ticking.org.delete(people[-1].id)
    reading.read()
    reading.clock.ahead = FRESH_SECONDS
    reading.read()
    assert reading.found("nobody") == []
    assert reading.found(people[-1].attributes["externalId"]) == []


def test_many_of_one_moment_end_the_reading(reading_of: Callable[..., _Reading]) -> None:
    with Simulator(clock=lambda: 1_700_000_000.0) as simulator:
        reading = reading_of(simulator)
        _fill(simulator, 350)
        reading.read()
        assert reading.requests == 5
        assert reading.found("nobody") == []


def test_what_was_read_is_known_for_five_minutes(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading, people = reading_of(ticking), _fill(ticking, 350)
    reading.read()
    reading.clock.ahead = FRESH_SECONDS - 5
    assert reading.found("c3") == ["Old"]
    reading.clock.ahead = FRESH_SECONDS
    assert reading.found("c3") is None
    reading.update(people[3], name="New")
    reading.read()
    assert (reading.found("c3"), reading.found("c4")) == (["New"], ["Old"])
    assert reading.requests == 4 + 1 + 1 + 1  # the last one counts all of them


def test_a_write_that_ends_while_the_list_is_read_leaves_no_old_copy(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    """Its job was over before the first page; this run hears of it after that page."""
    reading, people = reading_of(ticking), _fill(ticking, 250)
    reading.update(people[3], name="Ours")
    reading.update(people[4], name="Theirs")
    reading.read(1)
    reading.roster.note_written(people[3].id, [MatchKey("externalId", "c3")])
    reading.read()
    assert reading.found("c3") in (None, ["Ours"])
    assert reading.found("c4") == ["Theirs"]


def test_a_page_that_was_asked_for_before_a_write_ended_leaves_no_old_copy(
    ticking: Simulator, reading_of: Callable[..., _Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, [person] = reading_of(ticking), _fill(ticking, 1)
    page_of = Kustomer.page_of

    def late(kustomer: Kustomer, *args: Any) -> Page:
        page = page_of(kustomer, *args)
        reading.roster.note_written(person.id, [MatchKey("externalId", "c0")])
        return page

    monkeypatch.setattr(Kustomer, "page_of", late)
    reading.read()
    assert reading.found("c0") is None
    assert reading.found("nobody") == []


def test_what_this_run_writes_is_known_again_when_it_has_been_read_again(
    ticking: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading, people = reading_of(ticking), _fill(ticking, 50)
    reading.read()
    reading.update(people[3], name="Ours", externalId="new")
    reading.roster.note_written(people[3].id, [MatchKey("externalId", "new")])
    assert (reading.found("c3"), reading.found("new")) == (None, None)
    reading.clock.ahead = FRESH_SECONDS
    reading.read()
    assert (reading.found("c3"), reading.found("new")) == ([], ["Ours"])


def test_an_org_that_is_too_large_costs_one_page(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, reading_of: Callable[..., _Reading]
) -> None:
    monkeypatch.setattr(roster_module, "MAX_BYTES", 50_000)
    reading = reading_of(simulator)
    _fill(simulator, 1000)
    reading.read()
    assert reading.requests == 1
    assert reading.found("c999") is None


def test_companies_are_known_when_their_last_page_was_read(
    simulator: Simulator, reading_of: Callable[..., _Reading]
) -> None:
    reading = reading_of(simulator, "company")
    for number in range(250):
        simulator.org.add_company({"externalId": f"k{number}", "name": "Firm"})
    reading.read(2)
    assert reading.found("k0") is None
    reading.read()
    assert (reading.found("k0"), reading.found("k249"), reading.found("k250")) == (
        ["Firm"],
        ["Firm"],
        [],
    )
    simulator.org.delete(simulator.org.companies[0].id)
    reading.clock.ahead = FRESH_SECONDS
    reading.read()
    assert (reading.found("k0"), reading.requests) == ([], 6)


class _Heedless:
    """A server that minds neither the order nor the time that it is asked for."""

    def page_of(self, _object_type: ObjectType, number: int, _since: str) -> Page:
        times = ["2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z"]
        found = [Resource(time, {"updatedAt": time, "createdAt": time}) for time in times]
        return Page(found, more=number < 2, pages=2, total=4)


def test_a_list_that_is_not_in_the_order_asked_for_is_not_believed() -> None:
    roster = Roster("customer", _Heedless(), RunClock())  # type: ignore[arg-type]
    roster.read_while(lambda _read, _left: True)
    assert roster.find(MatchKey("id", "2024-01-01T00:00:00.000Z")) is None
    assert not roster.knows_all


def asked(simulator: Simulator, kind: str) -> int:
    return simulator.requests.counts().get(kind, 0)


def test_an_org_that_is_mostly_met_is_read_by_pages(simulator: Simulator, run: Runner) -> None:
    for number in range(400):
        simulator.org.add_customer({"externalId": f"c{number}"})
    result = run([schema("customers", CUSTOMERS), *customers(400)], batch_size_rows=100)
    assert result.counts() == {"updated": 400}
    assert asked(simulator, "customer.list") <= 6
    assert asked(simulator, "customer.read") == 0
    assert {each.attributes["name"] for each in simulator.org.customers} == {
        f"Customer {number}" for number in range(400)
    }


def test_new_records_cost_no_reading_of_a_large_org(simulator: Simulator, run: Runner) -> None:
    for number in range(1000):
        simulator.org.add_customer({"externalId": f"other{number}"})
    assert run([schema("customers", CUSTOMERS), *customers(300)]).counts() == {"created": 300}
    assert asked(simulator, "customer.list") == 0


def test_a_few_records_are_asked_for_one_by_one(simulator: Simulator, run: Runner) -> None:
    for number in range(1000):
        simulator.org.add_customer({"externalId": f"c{number}"})
    run([schema("customers", CUSTOMERS), *customers(2)])
    assert asked(simulator, "customer.list") == 0


def test_a_customer_that_came_while_the_org_was_read_is_met(
    simulator: Simulator, run: Runner
) -> None:
    for number in range(150):
        simulator.org.add_customer({"externalId": f"c{number}"})

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", CUSTOMERS)
        yield from customers(150)
        wait_until(lambda: asked(simulator, "customer.list") >= 2)
        simulator.org.add_customer({"externalId": "c150"})
        yield from customers(1, first=150)

    assert run(messages(), batch_size_rows=50).counts() == {"updated": 151}


def test_a_list_that_may_not_be_read_is_done_without(simulator: Simulator, run: Runner) -> None:
    for number in range(40):
        simulator.org.add_customer({"externalId": f"c{number}"})
    simulator.faults.add("400", method="GET", path_pattern="/v1/customers$", times=None)
    result = run([schema("customers", CUSTOMERS), *customers(40)])
    assert result.counts() == {"updated": 40}
    assert result.log.count("the list of all customer records is not read") == 1


def test_companies_cost_a_request_for_each_hundred_in_the_org(
    simulator: Simulator, run: Runner
) -> None:
    for number in range(250):
        simulator.org.add_company({"name": f"Firm {number}", "externalId": f"f{number}"})
    rows = [
        record("companies", id=f"f{number}", name=f"Firm {number}") for number in range(200, 400)
    ]
    result = run([schema("companies", COMPANIES), *rows])
    assert result.counts("companies") == {"created": 150, "updated": 50}
    assert asked(simulator, "company.list") == 3


def test_what_the_run_has_written_itself_is_not_taken_from_an_old_copy(
    simulator: Simulator, run: Runner
) -> None:
    for number in range(60):
        simulator.org.add_customer({"externalId": f"c{number}", "tags": ["old"]})
    columns = {**CUSTOMERS, "tags": CUSTOMERS["name"]}
    rows = [
        record("customers", id=f"c{number}", tags=tag)
        for tag in ("one", "two", "three")
        for number in range(60)
    ]
    result = run([schema("customers", columns), *rows], batch_size_rows=60)
    assert result.counts() == {"updated": 180}
    for customer in simulator.org.customers:
        assert sorted(customer.attributes["tags"]) == ["old", "one", "three", "two"]

"""Copies of objects, when reading them all is worth it, and what has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.copies import Copies
from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.models import MatchKey
from target_kustomer.roster import Demand
from tests.support import COMPANIES, CUSTOMERS, customers, record, schema, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

ANN = {"externalId": "a1", "emails": [{"email": "Ann@Example.com"}], "custom": {"ageNum": 1}}


def test_copies_are_found_by_id_and_by_each_key() -> None:
    copies = Copies("customer")
    copies.put([Resource("1", {**ANN, "displayName": "Ann", "tags": []})])
    kept = Resource("1", ANN)
    assert copies.get("1") == kept
    assert copies.find(MatchKey("id", "1")) == [kept]
    assert copies.find(MatchKey("externalId", "a1")) == [kept]
    assert copies.find(MatchKey("email", "ann@example.com")) == [kept]
    assert copies.find(MatchKey("email", "bob@example.com")) == []


def test_a_newer_copy_takes_the_place_of_the_older_one() -> None:
    copies = Copies("customer")
    copies.put([Resource("1", ANN), Resource("2", {"externalId": "b1"})])
    copies.put([Resource("1", {"externalId": "a2"})])
    assert copies.find(MatchKey("externalId", "a1")) == []
    assert [each.id for each in copies.find(MatchKey("externalId", "a2"))] == ["1"]
    copies.drop("1")
    assert copies.get("1") is None
    copies.clear()
    assert copies.get("2") is None


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
    assert demand.is_worth(worth, look_ups, waiting)
    assert not demand.is_worth(worth + 1, look_ups, waiting)


def test_records_that_wait_count_as_those_before_them() -> None:
    demand = Demand()
    demand.note(100, 10)
    assert demand.is_worth(200, 0, 1000)
    assert not demand.is_worth(201, 0, 1000)


@pytest.mark.parametrize("best", [1, 5, 30, 200])
def test_the_total_is_at_most_twice_the_better_choice(best: int) -> None:
    """Look-ups come one by one, nothing is known of those to come; reading costs 100 pages."""
    demand, spent = Demand(), 0
    for _ in range(best):
        demand.note(1, 1)
        if demand.is_worth(100, 1, 0):
            spent += 100
            break
        demand.looked += 1
        spent += 1
    assert spent <= 2 * min(best, 100)


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

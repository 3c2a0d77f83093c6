"""What it costs to tell who is there already, and that nothing is lost by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, customers, record, schema, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.support import Result

pytestmark = pytest.mark.without_ledger

START_UP = 5
"""Requests that a run makes once: the key, the metadata, whether there are companies."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(rate_limit=1_000_000) as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    return Runner(simulator, tmp_path)


def fill(simulator: Simulator, count: int) -> None:
    """So many of those that :func:`customers` makes, as they once were."""
    for number in range(count):
        simulator.org.add_customer(
            {
                "externalId": f"c{number}",
                "name": "Old",
                "emails": [{"email": f"c{number}@example.com", "type": "home"}],
                "tags": ["kept"],
            }
        )


def load(run: Runner, records: Iterable[dict[str, Any]], **stream: Any) -> Result:
    messages = [schema("customers", CUSTOMERS), *records]
    return run(messages, streams={"customers": stream} if stream else {})


def spent(simulator: Simulator, *kinds: str) -> int:
    """Requests of these kinds, or of all."""
    counts = simulator.requests.counts()
    return sum(counts.get(kind, 0) for kind in kinds or counts)


def resolving(simulator: Simulator) -> int:
    return spent(simulator, "customer.read", "customer.list", "company.read", "company.list")


def test_new_customers_cost_no_look_up_however_many_others_there_are(
    simulator: Simulator, run: Runner
) -> None:
    for number in range(3000):
        simulator.org.add_customer({"externalId": f"other{number}"})
    assert load(run, customers(1000)).counts() == {"created": 1000}
    assert spent(simulator) <= 25 + START_UP


@pytest.mark.parametrize("match_on", [["externalId", "email"], ["email"]])
@pytest.mark.parametrize("every", [1, 2])
def test_a_stream_that_covers_half_of_the_org_costs_45_a_thousand(
    simulator: Simulator, run: Runner, match_on: list[str], every: int
) -> None:
    fill(simulator, 2000 * every)
    result = load(run, customers(2000 * every)[::every], match_on=match_on)
    assert result.counts() == {"updated": 2000}
    assert spent(simulator) <= 2 * 45 + START_UP
    for customer in simulator.org.customers[::every]:
        assert customer.attributes["name"] != "Old"
        assert customer.attributes["tags"] == ["kept"]


@pytest.mark.parametrize("share", [1, 10, 100])
def test_what_is_there_costs_at_most_twice_the_better_choice(
    simulator: Simulator, run: Runner, share: int
) -> None:
    fill(simulator, 5000)
    count = 5000 * share // 100
    result = load(run, customers(5000)[:: 100 // share])
    assert result.counts() == {"updated": count}
    assert resolving(simulator) <= 2 * min(50, count)


@pytest.mark.parametrize("old_first", [True, False])
def test_a_stream_that_changes_its_nature_costs_little_more(
    simulator: Simulator,
    run: Runner,
    old_first: bool,  # noqa: FBT001
) -> None:
    fill(simulator, 1000)
    records = customers(2000) if old_first else customers(2000)[::-1]
    assert load(run, records).counts() == {"updated": 1000, "created": 1000}
    assert resolving(simulator) <= 2 * 10 + START_UP
    assert len(simulator.org.customers) == 2000


def test_old_and_new_in_turn_are_told_apart_by_one_reading(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 1000)
    found = customers(2000)
    mixed = [each for pair in zip(found[:1000], found[1000:], strict=True) for each in pair]
    assert load(run, mixed).counts() == {"updated": 1000, "created": 1000}
    assert resolving(simulator) <= 10 + START_UP


def test_an_agent_who_works_meanwhile_makes_the_reading_no_less_sure(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 6000)
    oldest = simulator.org.customers[0]

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", CUSTOMERS)
        yield from customers(100, first=5000)
        wait_until(lambda: spent(simulator, "customer.list") >= 2)
        change = {"id": oldest.id, "tags": ["busy"]}
        simulator.org.write("customer", "update", change, simulator.org.clock())
        assert spent(simulator, "customer.list") < 60
        yield from customers(600, first=5700)
        yield from customers(1)

    assert run(messages()).counts() == {"updated": 401, "created": 300}
    assert spent(simulator, "customer.read") == 0
    assert (oldest.attributes["name"], oldest.attributes["tags"]) == ("Customer 0", ["busy"])


def test_a_duplicate_of_somebody_else_is_rejected_however_the_org_was_read(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 200)
    simulator.org.add_customer({"name": "Else", "emails": [{"email": "else@example.com"}]})
    mine = record("customers", id="mine", email="else@example.com", name="Mine")
    result = load(run, [*customers(200), mine], match_on=["externalId"])
    assert result.reasons == {"mine": "duplicate_identifier"}
    assert result.counts() == {"updated": 200, "rejected": 1}


def test_one_who_came_after_the_reading_is_updated(simulator: Simulator, run: Runner) -> None:
    fill(simulator, 200)

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", CUSTOMERS)
        yield from customers(200)
        wait_until(lambda: simulator.org.customers[-1].attributes["name"] != "Old")
        simulator.org.add_customer({"name": "Late", "externalId": "c200"})
        yield from customers(1, first=200)

    assert run(messages()).counts() == {"updated": 201}
    assert simulator.org.customers[-1].attributes["name"] == "Customer 200"


def test_a_key_that_may_not_read_companies_keeps_the_links(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 1)
    firm = simulator.org.add_company({"name": "Firm"})
    [customer] = simulator.org.customers
    link = {"id": customer.id, "company": firm.id}
    simulator.org.write("customer", "update", link, simulator.org.clock())
    roles = [f"org.permission.{each}" for each in ("customer", "bulk", "metadata")]
    simulator.org.add_key("narrow", roles=roles)
    rows = [record("customers", id="c0", age=age) for age in (1, 2)]
    result = run([schema("customers", CUSTOMERS), *rows], api_key="narrow", batch_size_rows=1)
    assert result.counts() == {"updated": 2}
    assert customer.company == firm.id


def test_in_mode_update_who_is_not_there_costs_a_share_of_a_reading(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 500)
    result = load(run, customers(1000), mode="update")
    assert result.counts() == {"updated": 500, "skipped": 500}
    assert resolving(simulator) <= 5 + START_UP


def test_an_address_that_moves_within_the_run_is_followed(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 50)
    rows = [
        *customers(50),
        record("customers", id="c1", email="new@example.com"),
        record("customers", id="c2", email="c1@example.com"),
        record("customers", email="c1@example.com", name="By address"),
    ]
    result = run(
        [schema("customers", CUSTOMERS), *rows],
        streams={"customers": {"lists": "replace"}},
        batch_size_rows=50,
    )
    assert result.counts() == {"updated": 53}
    names = {
        each.attributes["externalId"]: each.attributes["name"] for each in simulator.org.customers
    }
    assert (names["c1"], names["c2"]) == ("Customer 1", "By address")


@pytest.mark.parametrize("others", [0, 1000])
def test_companies_cost_a_request_more_for_each_hundred_in_the_org(
    simulator: Simulator, run: Runner, others: int
) -> None:
    for number in range(500 + others):
        simulator.org.add_company({"externalId": f"k{number}", "name": f"Firm {number}"})
    rows = [
        record("companies", id=f"k{number}", name=f"New {number}")
        for number in (*range(500), *range(10_000, 10_500))
    ]
    result = run([schema("companies", COMPANIES), *rows])
    assert result.counts("companies") == {"updated": 500, "created": 500}
    assert resolving(simulator) == 5 + others // 100


def test_companies_that_customers_name_are_read_together(simulator: Simulator, run: Runner) -> None:
    for number in range(200):
        simulator.org.add_company({"externalId": f"k{number}", "name": f"Firm {number}"})
    rows = customers(200)
    for number, row in enumerate(rows):
        row["record"]["company_id"] = f"k{number}"
    result = run([schema("customers", {**CUSTOMERS, "company_id": TEXT}), *rows])
    assert result.counts() == {"created": 200}
    assert all(each.company for each in simulator.org.customers)
    assert spent(simulator, "company.list", "company.read") <= 2


def test_a_link_that_was_seen_is_kept_though_the_org_had_no_company(
    simulator: Simulator, run: Runner
) -> None:
    fill(simulator, 2)

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", CUSTOMERS)
        yield record("customers", id="c0", email="first@example.com")
        wait_until(lambda: simulator.org.customers[0].updates)
        firm = simulator.org.add_company({"name": "Firm"})
        simulator.org.write(
            "customer",
            "update",
            {"id": simulator.org.customers[1].id, "company": firm.id},
            simulator.org.clock(),
        )
        yield record("customers", id="c1", email="second@example.com")

    result = run(messages(), batch_size_rows=1)
    assert result.counts() == {"updated": 2}
    assert simulator.org.customers[1].company == simulator.org.companies[0].id

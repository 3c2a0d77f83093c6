from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner


def test_new_customers_are_created_and_the_state_follows(simulator: Simulator, run: Runner) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(250), state(250)])
    assert result.exit_code == 0
    assert result.counts() == {"created": 250}
    assert result.states[-1] == 250
    assert len(simulator.org.customers) == 250
    stored = simulator.org.customer(external_id="c7")
    assert stored is not None
    assert stored.attributes["custom"] == {"ageNum": 7}


@pytest.mark.without_ledger
def test_a_second_run_updates_in_place(simulator: Simulator, run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS), *customers(120)]
    run(messages)
    result = run(messages)
    assert result.counts() == {"updated": 120}
    assert len(simulator.org.customers) == 120


def test_a_customer_is_linked_to_the_company_that_came_before(
    simulator: Simulator, run: Runner
) -> None:
    result = run(
        [
            schema("companies", COMPANIES),
            schema("customers", {**CUSTOMERS, "company_id": TEXT}),
            record("companies", id="a", name="Example Gardens"),
            record("customers", id="1", name="Ann", company_id="a"),
            record("customers", id="2", name="Bob", company_id="none"),
            state(1),
        ]
    )
    assert result.exit_code == 3
    assert result.counts() == {"created": 1, "rejected": 1}
    assert result.reasons == {"2": "company_missing"}
    company = simulator.org.company(external_id="a")
    customer = simulator.org.customer(external_id="1")
    assert company is not None
    assert customer is not None
    assert customer.company == company.id
    assert result.states == [1]


def test_a_name_that_a_company_had_before_is_free_for_another(
    simulator: Simulator, run: Runner
) -> None:
    result = run(
        [
            schema("companies", COMPANIES),
            record("companies", id="e1", name="Acme"),
            record("companies", id="e1", name="Bravo"),
            record("companies", id=None, name="Acme"),
        ],
        nulls="ignore",
    )
    assert result.counts("companies") == {"created": 2, "updated": 1}
    assert {each.attributes["name"] for each in simulator.org.companies} == {"Acme", "Bravo"}


def test_a_first_load_costs_at_most_35_requests_for_1000_customers(
    simulator: Simulator, run: Runner
) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(2000), state("end")])
    assert result.counts() == {"created": 2000}
    assert simulator.requests.cost <= 70

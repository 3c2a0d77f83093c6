from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Runner

SMALL = {"batch_size_rows": 3, "max_parallel_requests": 8}


@pytest.fixture
def run(start: Callable[..., Runner]) -> Runner:
    """Against jobs that overtake each other."""
    return start(job_seconds=0.01, job_jitter_seconds=0.1)


def test_the_last_value_of_each_identity_wins_over_many_batches(run: Runner) -> None:
    order = random.Random(7)
    rows = [{"id": f"c{order.randrange(8)}", "age": number} for number in range(45)]
    last = {row["id"]: row["age"] for row in rows}
    result = run(
        [
            schema("customers", CUSTOMERS),
            *(record("customers", name="A", **row) for row in rows),
            state("end"),
        ],
        **SMALL,
    )
    org = run.simulator.org
    assert result.exit_code == 0
    assert result.counts() == {"created": len(last), "updated": len(rows) - len(last)}
    ages = {
        each.attributes["externalId"]: each.attributes["custom"]["ageNum"] for each in org.customers
    }
    assert ages == last
    assert org.overlapping_jobs() == []
    assert result.states[-1] == "end"


def test_an_identity_is_kept_in_order_over_its_different_keys(run: Runner) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(24):
        person = number % 2
        by_id = {"id": f"c{person}", "email": None}
        by_mail = {"id": None, "email": f"C{person}@example.com"}
        both = {"id": f"c{person}", "email": f"c{person}@example.com"}
        rows.append({**(both, by_mail, by_id)[number // 2 % 3], "age": number})
    result = run(
        [schema("customers", CUSTOMERS), *(record("customers", **row) for row in rows)],
        nulls="ignore",
        **SMALL,
    )
    org = run.simulator.org
    assert result.counts() == {"created": 2, "updated": 22}
    assert [each.attributes["custom"]["ageNum"] for each in org.customers] == [22, 23]
    assert org.overlapping_jobs() == []


def test_companies_are_kept_in_order_by_name_and_external_id(run: Runner) -> None:
    rows: list[dict[str, Any]] = [
        {"id": (None, "e1")[number % 2], "name": ("Acme", "ACME")[number % 2], "size": number}
        for number in range(20)
    ]
    result = run(
        [
            schema("companies", {**COMPANIES, "size": {"type": "integer"}}),
            *(record("companies", **row) for row in rows),
        ],
        nulls="ignore",
        **SMALL,
    )
    org = run.simulator.org
    assert result.counts("companies") == {"created": 1, "updated": 19}
    [acme] = org.companies
    assert acme.attributes["custom"]["sizeNum"] == 19
    assert org.overlapping_jobs() == []


def test_two_streams_that_share_a_key_value_are_kept_in_order(run: Runner) -> None:
    columns = {"email": TEXT, "name": TEXT}
    streams = ("customers", "shop-customers")
    messages = [schema(stream, columns, keys=None) for stream in streams]
    messages += [
        record(streams[number % 2], email="ann@example.com", name=f"Name {number}")
        for number in range(15)
    ]
    result = run([*messages, state("end")], **SMALL)
    org = run.simulator.org
    assert result.exit_code == 0
    assert [each.attributes["name"] for each in org.customers] == ["Name 14"]
    assert org.overlapping_jobs() == []


def test_companies_and_their_customers_come_interleaved(run: Runner) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", {**CUSTOMERS, "company_id": TEXT}),
    ]
    for number in range(20):
        messages += [
            record("companies", id=f"e{number}", name=f"Company {number}"),
            record("customers", id=f"a{number}", name="A", company_id=f"e{number}"),
            record("customers", id=f"b{number}", name="B", company_id=f"e{number // 2}"),
        ]
    result = run([*messages, state("end")], **SMALL)
    org = run.simulator.org
    assert result.exit_code == 0
    assert result.counts() == {"created": 40}
    linked = {each.attributes["externalId"]: each.company for each in org.customers}
    companies = {each.attributes["externalId"]: each.id for each in org.companies}
    assert linked == {
        **{f"a{number}": companies[f"e{number}"] for number in range(20)},
        **{f"b{number}": companies[f"e{number // 2}"] for number in range(20)},
    }
    assert result.states[-1] == "end"


def test_state_never_passes_a_record_that_is_still_in_flight(run: Runner) -> None:
    run.simulator.faults.add("stuck_job", nth=3)
    messages = [schema("customers", CUSTOMERS)]
    for number in range(30):
        messages += [record("customers", id=f"c{number}", name="A"), state(number)]
    result = run(messages, batch_size_rows=5, job_timeout_seconds=1)
    assert result.exit_code == 5
    there = {each.attributes["externalId"] for each in run.simulator.org.customers}
    assert all(f"c{number}" in there for state in result.states for number in range(state + 1))
    assert result.states == sorted(result.states)
    assert max(result.states) < 29


def test_one_customer_under_keys_that_share_no_value_is_kept_in_order(run: Runner) -> None:
    """Only Kustomer knows that the external id and the address are the same customer's."""
    org = run.simulator.org
    for person in range(2):
        address = {"email": f"old{person}@example.com"}
        org.add_customer({"externalId": f"c{person}", "emails": [address]})
    rows: list[dict[str, Any]] = []
    for number in range(16):
        person = number % 2
        key = {"id": f"c{person}"} if number // 2 % 2 else {"email": f"old{person}@example.com"}
        rows.append({**key, "age": number, "tags": f"t{number}"})
    result = run(
        [
            schema("customers", {**CUSTOMERS, "tags": TEXT}),
            *(record("customers", **row) for row in rows),
        ],
        **SMALL,
    )
    assert result.counts() == {"updated": 16}
    assert [each.attributes["custom"]["ageNum"] for each in org.customers] == [14, 15]
    for person, each in enumerate(org.customers):
        assert set(each.attributes["tags"]) == {f"t{number}" for number in range(person, 16, 2)}
    assert org.overlapping_jobs() == []


@pytest.mark.parametrize("seed", range(2))
def test_any_mixture_of_streams_ends_as_if_sent_one_by_one(run: Runner, seed: int) -> None:
    draw = random.Random(seed)
    firms, people = [f"e{n}" for n in range(4)], [f"c{n}" for n in range(6)]
    size = {"size": {"type": "integer"}}
    columns = {**CUSTOMERS, "company_id": TEXT, "company_name": TEXT}
    messages = [
        schema("companies", {**COMPANIES, **size}),
        schema("customers", columns),
        schema("shop-customers", columns),
    ]
    ages: dict[str, int] = {}
    sizes: dict[str, int] = {}
    linked: dict[str, str] = {}
    for number in range(60):
        firm, person = draw.choice(firms), draw.choice(people)
        if draw.random() < 0.3:
            messages.append(record("companies", id=firm, name=f"Firm {firm}", size=number))
            sizes[firm] = number
            continue
        row: dict[str, Any] = {"id": person, "email": f"{person}@example.com", "age": number}
        if draw.random() < 0.5:
            row |= {"company_id": firm, "company_name": f"Firm {firm}"}
            linked[person] = firm
        ages[person] = number
        messages.append(record(draw.choice(["customers", "shop-customers"]), **row))
        if draw.random() < 0.1:
            messages.append(state(number))
    result = run(
        [*messages, state("end")],
        streams={"shop-customers": {"match_on": ["email"], "fields": {"id": None}}},
        missing_company="create",
        **{**SMALL, "batch_size_rows": draw.choice([1, 2, 5])},
    )
    org = run.simulator.org
    assert result.exit_code == 0, result.error
    assert result.rejected == []
    assert org.overlapping_jobs() == []
    names = {each.id: each.attributes["externalId"] for each in org.companies}
    address = {each.attributes["emails"][0]["email"]: each for each in org.customers}
    assert len(org.customers) == len(ages)
    assert {
        key.partition("@")[0]: each.attributes["custom"]["ageNum"] for key, each in address.items()
    } == ages
    assert {
        key.partition("@")[0]: names[each.company] for key, each in address.items() if each.company
    } == linked
    found = {each.attributes["externalId"]: each.attributes.get("custom") for each in org.companies}
    assert {
        key: (custom or {})["sizeNum"] for key, custom in found.items() if key in sizes
    } == sizes
    assert len(found) == len(org.companies)
    assert result.states[-1] == "end"

"""What comes later on stdin is what stands in the end, whatever overtakes what on the way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    TEXT,
    Runner,
    record,
    schema,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SMALL = {"batch_size_rows": 3, "max_parallel_requests": 8}
ALONE = {"batch_size_rows": 1, "max_parallel_requests": 8}


@pytest.fixture
def run(start: Callable[..., Runner]) -> Runner:
    """Against jobs that overtake each other."""
    return start(job_seconds=0.01, job_jitter_seconds=0.1)


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Runner]:
    """In fast time, so that a job may be slow."""
    with Simulator(clock=fast_time, rate_limit=1_000_000, object_limit=1_000_000) as simulator:
        yield Runner(simulator, tmp_path, FastTarget)


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
    run.simulator.faults.add("stuck_job", nth=2)
    messages = [schema("customers", CUSTOMERS)]
    for number in range(30):
        messages += [record("customers", id=f"c{number}", name="A"), state(number)]
    result = run(messages, batch_size_rows=5, job_timeout_seconds=1)
    assert result.exit_code == 5
    there = {each.attributes["externalId"] for each in run.simulator.org.customers}
    assert all(f"c{number}" in there for state in result.states for number in range(state + 1))
    assert result.states == sorted(result.states)
    assert max(result.states) < 29


@pytest.mark.without_ledger
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


SHOP = {"shop-customers": {"fields": {"id": None}, "match_on": ["email"]}}


def test_records_that_only_a_third_one_makes_one_customer_keep_their_order(fast: Runner) -> None:
    """The second stream's record comes between two of the first, and shares a value with one."""
    fast.simulator.faults.add("slow_job", nth=2, seconds=60)
    columns = {**CUSTOMERS, "work_email": TEXT}
    result = fast(
        [
            schema("customers", columns),
            schema("shop-customers", columns),
            record("customers", id="1", email="a@example.com", work_email="b@example.com"),
            record("shop-customers", email="b@example.com", age=1),
            record("customers", email="a@example.com", age=2),
        ],
        streams=SHOP,
    )
    assert result.exit_code == 0, result.error
    [ann] = fast.simulator.org.customers
    assert ann.attributes["custom"] == {"ageNum": 2}


def test_a_customer_that_became_another_one_keeps_its_place(run: Runner) -> None:
    """An agent merges two customers; the records of both are on their way."""
    org = run.simulator.org
    first = org.add_customer({"externalId": "1", "name": "Old"})
    second = org.add_customer({"externalId": "2", "name": "Old"})
    org.add_company({"name": "Acme"})  # customers are read before an update, to keep their link

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", CUSTOMERS)
        yield record("customers", id="1", age=1)
        wait_until(lambda: first.updates == 1)
        org.merge(first.id, second.id)
        run.simulator.faults.add("500", method="GET", path_pattern="externalId=1$", times=2)
        yield record("customers", id="1", name="Earlier")
        yield record("customers", id="2", name="Later")

    result = run(messages(), **ALONE)
    assert result.counts() == {"updated": 3}
    assert [each.attributes["name"] for each in org.customers] == ["Later"]


# A customer does not overtake the company that it names.

ACME = {"id": "e1", "name": "Acme"}


@pytest.mark.parametrize(
    ("companies", "link"),
    [
        ([("companies", ACME)], {"company_id": "e1"}),
        ([("companies", ACME)], {"company_name": "acme"}),
        ([("companies", {**ACME, "name": "Old"}), ("companies", ACME)], {"company_name": "Acme"}),
        ([("shop-companies", {"name": "Acme"})], {"company_name": "Acme"}),
        ([("shop-companies", {"name": "Acme"}), ("companies", ACME)], {"company_id": "e1"}),
        ([("companies", ACME), ("shop-companies", {"name": "Acme"})], {"company_name": "Acme"}),
        ([("companies", {"id": "e0", "name": "Zero"}), ("companies", ACME)], {"company_id": "e1"}),
    ],
    ids=[
        "id",
        "name",
        "renamed",
        "by name alone",
        "then with id",
        "two streams",
        "last of a batch",
    ],
)
@pytest.mark.parametrize("batch_size", [1, 100])
@pytest.mark.parametrize("missing_company", ["reject", "create"])
def test_a_customer_waits_for_the_company_that_came_before_it(
    fast: Runner,
    companies: list[tuple[str, dict[str, str]]],
    link: dict[str, str],
    batch_size: int,
    missing_company: str,
) -> None:
    fast.simulator.faults.add("slow_job", path_pattern="companies/bulk", times=None, seconds=20)
    columns = {**CUSTOMERS, "company_id": TEXT, "company_name": TEXT}
    result = fast(
        [
            *(schema(each, COMPANIES) for each in ("companies", "shop-companies")),
            schema("customers", columns),
            *(record(stream, **row) for stream, row in companies),
            record("customers", id="1", name="Ann", **link),
            record("customers", id="2", name="Bob"),
        ],
        streams={"shop-companies": {"fields": {"id": None}}},
        batch_size_rows=batch_size,
        missing_company=missing_company,
    )
    org = fast.simulator.org
    assert result.exit_code == 0, result.reasons
    ann, acme = org.customer(external_id="1"), org.company(name="Acme")
    assert ann is not None
    assert acme is not None
    assert ann.company == acme.id
    assert len(org.companies) == len({row["name"] for _, row in companies} - {"Old"})

"""Another record in Kustomer is never taken for ours, and order holds within a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner


@pytest.mark.parametrize("fault", [{}, {"kind": "500"}, {"kind": "job_without_results"}])
def test_who_shares_an_identifier_that_is_not_matched_on_stays_as_it_is(
    simulator: Simulator, run: Runner, fault: dict[str, Any]
) -> None:
    other = simulator.org.add_customer({"name": "Other", "emails": [{"email": "c0@example.com"}]})
    if fault:
        simulator.faults.add(**fault, method="POST", path_pattern="/bulk")
    result = run(
        [schema("customers", CUSTOMERS), *customers(1)],
        streams={"customers": {"match_on": ["externalId"]}},
    )
    assert result.counts() == {"rejected": 1}
    assert result.reasons["c0"] in {"duplicate_identifier", "unconfirmed"}
    assert (other.attributes["name"], other.updates) == ("Other", 0)


def test_a_namesake_does_not_end_the_wait_for_lost_companies(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_company({"name": "Acme 0"})
    simulator.faults.add("reset_after", method="POST", path_pattern="companies/bulk")
    simulator.faults.add("slow_job", method="POST", path_pattern="companies/bulk", seconds=1.5)
    records = [record("companies", id=f"k{number}", name=f"Acme {number}") for number in range(4)]
    result = run(
        [schema("companies", COMPANIES), *records],
        lost_answer_wait_seconds=4,
        streams={"companies": {"mode": "create", "match_on": ["externalId"]}},
    )
    assert result.counts("companies") == {"created": 4}
    names = sorted(each.attributes["name"] for each in simulator.org.companies)
    assert names == ["Acme 0", "Acme 0", "Acme 1", "Acme 2", "Acme 3"]


def test_one_customer_under_two_keys_keeps_stdins_order_within_a_batch(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_customer(
        {
            "name": "Zero",
            "externalId": "c1",
            "emails": [{"email": "a@example.com"}, {"email": "b@example.com"}],
        }
    )
    result = run(
        [
            schema("customers", CUSTOMERS),
            record("customers", id="c1", name="First"),
            *customers(1, first=50),
            record("customers", id=None, email="b@example.com", name="Second"),
            record("customers", id="c1", name="Third"),
        ],
        batch_size_rows=2,
    )
    assert result.counts() == {"created": 1, "updated": 3}
    stored = simulator.org.customer(external_id="c1")
    assert stored is not None
    assert stored.attributes["name"] == "Third"


def test_a_record_is_not_found_by_the_keys_of_one_that_was_rejected(
    simulator: Simulator, run: Runner
) -> None:
    other = simulator.org.add_customer({"name": "Other", "emails": [{"email": "a@example.com"}]})
    columns = {"home_email": TEXT, "work_email": TEXT, "name": TEXT, "company_id": TEXT}
    result = run(
        [
            schema("customers", columns, None),
            record(
                "customers",
                home_email="a@example.com",
                work_email="b@example.com",
                name="R1",
                company_id="none",
            ),
            record("customers", home_email="b@example.com", name="R2"),
        ],
        streams={"customers": {"mode": "update", "match_on": ["email"]}},
    )
    assert result.counts() == {"rejected": 1, "skipped": 1}
    assert (other.attributes["name"], other.updates) == ("Other", 0)

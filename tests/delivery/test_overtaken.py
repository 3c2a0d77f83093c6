"""What changes while a run goes on is not overtaken: by its own batches, by agents, by replays."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import SPEED, FastTarget, fast_time
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    INTEGER,
    TEXT,
    Runner,
    customers,
    record,
    schema,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support import Result

PEOPLE = schema("customers", CUSTOMERS)
OF_COMPANY = schema("customers", {"id": TEXT, "company_id": TEXT, "age": INTEGER})
GONE = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}
OLD = "old@example.com"


# By the run's own batches


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Two batches on one customer: the second reads him, and waits until the first has landed."""
    with Simulator(rate_limit=100_000, job_seconds=0.05) as simulator:
        run = Runner(simulator, tmp_path)
        faults = simulator.faults
        simulator.org.add_customer({"externalId": "c2", "emails": [{"email": "y@example.com"}]})
        faults.add("slow_job", method="PUT", path_pattern="/customers/bulk", seconds=3.0, times=1)
        faults.add("400", method="GET", path_pattern="/customers$", times=None)  # no list is read
        waits = faults.add("timeout_before", method="GET", path_pattern="email=y", times=1)

        def load(held: dict[str, Any], *rows: dict[str, Any], **settings: Any) -> Result:
            run.simulator.org.add_customer(held)
            columns = schema("customers", {**CUSTOMERS, "tags": TEXT})
            records = (record("customers", **each) for each in rows)
            few = {"batch_size_rows": 2, "max_parallel_requests": 4, "request_timeout_seconds": 6}
            result = run([columns, *records, state("end")], **few, **settings)
            assert waits.fired == 1
            assert result.exit_code == 0, result.error
            return result

        load.simulator = simulator  # type: ignore[attr-defined]
        yield load


def test_lists_are_merged_with_what_an_earlier_batch_left(landing: Any) -> None:
    landing(
        {"externalId": "c1", "emails": [{"email": OLD}], "tags": ["old"]},
        {"id": "c1", "tags": "one", "age": 1},
        {"id": "other", "name": "Filler"},
        {"email": OLD, "tags": "two", "name": "Two"},
        {"email": "y@example.com", "tags": "why"},
    )
    customer = landing.simulator.org.customer(external_id="c1")
    assert set(customer.attributes["tags"]) == {"old", "one", "two"}


def test_whose_address_an_earlier_batch_took_is_not_overwritten(landing: Any) -> None:
    landing(
        {"externalId": "c1", "name": "Ann", "emails": [{"email": OLD}]},
        {"id": "c1", "email": "new@example.com"},
        {"id": "other", "name": "Filler"},
        {"email": OLD, "name": "Bob"},  # the address has come to another person
        {"email": "y@example.com", "name": "Yve"},
        lists="replace",
    )
    customer = landing.simulator.org.customer(external_id="c1")
    assert customer.attributes["name"] == "Ann"


def test_a_new_customer_of_two_streams_is_created_by_the_first(tmp_path: Path) -> None:
    with Simulator(rate_limit=100_000) as simulator:
        simulator.faults.add(
            "slow_job", method="POST", path_pattern="/customers/bulk", seconds=3.0, times=1
        )

        def messages() -> Iterator[dict[str, Any]]:
            yield schema("crm", CUSTOMERS)
            yield schema("shop", {"email": TEXT, "age": INTEGER}, ["email"])
            yield record("crm", id="1", email="a@example.com", age=1)
            yield record("crm", id="2", email="z@example.com", age=1)
            wait_until(lambda: simulator.requests.counts().get("bulk-submit", 0) > 0)
            yield record("shop", email="a@example.com", age=2)
            yield record("shop", email="b@example.com", age=2)
            yield state("end")

        crm = {"object": "customer", "match_on": ["externalId"], "fields": {"id": "externalId"}}
        result = Runner(simulator, tmp_path)(
            messages(),
            batch_size_rows=2,
            max_parallel_requests=4,
            streams={"crm": crm, "shop": {"object": "customer", "match_on": ["email"]}},
        )
        assert result.rejected == []
        both = simulator.org.customer(external_id="1")
        assert both is not None
        assert both.attributes["custom"]["ageNum"] == 2


# By companies that come and go


@pytest.mark.parametrize("who", ["new", "c"])
@pytest.mark.parametrize("comes_back", [True, False])
def test_all_customers_of_a_company_that_kustomer_has_lost(
    who: str, simulator: Simulator, run: Runner, tmp_path: Path, *, comes_back: bool
) -> None:
    ledger = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "missing_company": "ignore"}
    firms = [schema("companies", COMPANIES), record("companies", id="7", name="Acme")]
    people = (record("customers", id=f"c{n}", company_id="7", age=1) for n in range(5))
    run([*firms, OF_COMPANY, *people], **ledger)
    lost = simulator.org.company(external_id="7")
    assert lost is not None
    simulator.org.vanish(lost.id)
    if comes_back:
        simulator.org.add_company({"name": "Acme", "externalId": "7"})
    people = (record("customers", id=f"{who}{n}", company_id="7", age=2) for n in range(5))
    result = run([OF_COMPANY, *people], **ledger)
    assert result.counts() == {"created" if who == "new" else "updated": 5}
    company = simulator.org.company(external_id="7")
    for n in range(5):
        customer = simulator.org.customer(external_id=f"{who}{n}")
        assert customer is not None
        assert (customer.company != lost.id) or who == "c"
        assert not comes_back or (company is not None and customer.company == company.id)


def test_a_company_that_is_lost_and_comes_back_within_a_run(
    simulator: Simulator, run: Runner
) -> None:
    org = simulator.org
    old = org.add_company({"name": "Acme", "externalId": "7"})

    def messages() -> Iterator[dict[str, Any]]:
        yield OF_COMPANY
        yield record("customers", id="a", company_id="7")
        wait_until(lambda: org.customer(external_id="a") is not None)
        org.vanish(old.id)
        org.add_company({"name": "Acme", "externalId": "7"})
        yield record("customers", id="b", company_id="7")
        yield record("customers", id="c", company_id="7")

    result = run(messages(), batch_size_rows=1)
    assert result.counts() == {"created": 3}


# By agents


def test_who_is_deleted_is_who_bears_the_key_now(simulator: Simulator, run: Runner) -> None:
    org = simulator.org
    for n in range(150):
        org.add_customer({"name": f"C{n}", "emails": [{"email": f"c{n}@example.com"}]})
    former = org.customer(email="c149@example.com")
    assert former is not None
    bearer = org.add_customer({"name": "Another person"})

    def messages() -> Iterator[dict[str, Any]]:
        yield schema("customers", {"email": TEXT}, ["email"])
        for n in range(100):
            yield record("customers", email=f"c{n}@example.com", **GONE)
        wait_until(lambda: len(org.customers) <= 51, 60)
        for person, email in ((former, "new@example.com"), (bearer, "c149@example.com")):
            change = {"id": person.id, "emails": [{"email": email}]}
            org.write("customer", "update", change, org.clock())
        yield record("customers", email="c149@example.com", **GONE)

    run(
        messages(),
        on_delete="delete",
        max_deleted_records=500,
        streams={"customers": {"match_on": ["email"]}},
    )
    deleted = [org.get("customer", each.id).deleted for each in (bearer, former)]
    assert deleted == [True, False]


@pytest.fixture
def hours(tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """A run that has read all 300 customers; then an agent acts, and minutes later more come."""
    with Simulator(clock=fast_time, rate_limit=1_000_000, object_limit=1_000_000) as simulator:
        org = simulator.org
        for n in range(300):
            own = {"externalId": f"c{n}", "emails": [{"email": f"c{n}@example.com"}]}
            org.add_customer({"name": f"Customer {n}", "custom": {"ageNum": n % 90}, **own})

        def messages(act: Callable[[], None]) -> Iterator[dict[str, Any]]:
            yield PEOPLE
            yield from customers(250)
            yield state("a")
            wait_until(lambda: simulator.requests.counts().get("customer.list", 0) >= 3)
            act()
            time.sleep(600 / SPEED)  # what was read grows old
            yield from customers(50, 250)

        def load(act: Callable[[Any], None], **settings: Any) -> Result:
            run = Runner(simulator, tmp_path, FastTarget)
            return run(messages(lambda: act(org)), batch_size_rows=50, **settings)

        load.simulator = simulator  # type: ignore[attr-defined]
        yield load


def test_who_has_vanished_is_created_anew(hours: Any, tmp_path: Path) -> None:
    result = hours(
        lambda org: org.vanish(org.customer(external_id="c299").id),
        ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    assert result.counts()["created"] == 1
    assert hours.simulator.org.customer(external_id="c299") is not None


def test_who_was_merged_is_one(hours: Any, tmp_path: Path) -> None:
    result = hours(
        lambda org: org.merge(
            org.customer(external_id="c299").id, org.customer(external_id="c298").id
        ),
        ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    assert result.rejected == []


# By a replay


@pytest.mark.parametrize("records_between", [0, 4000])
def test_a_replay_of_two_versions_ends_with_the_later_one(
    simulator: Simulator, run: Runner, tmp_path: Path, records_between: int
) -> None:
    ledger = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"}
    refused = {1, 2}
    run([PEOPLE, record("customers", id="c", age=0)], **ledger)
    simulator.org.refuse_item_if(lambda item: (item.get("custom") or {}).get("ageNum") in refused)
    one, two = (run([PEOPLE, record("customers", id="c", age=age)], **ledger) for age in (1, 2))
    assert one.reasons == two.reasons == {"c": "refused"}
    refused.clear()

    def messages() -> Iterator[dict[str, Any]]:
        yield from map(json.loads, one.rejects_bytes.splitlines())
        if records_between:
            yield from customers(records_between)

            def is_written() -> bool:
                found = simulator.org.customer(external_id="c")
                return found is not None and found.attributes["custom"]["ageNum"] == 1

            wait_until(is_written, 60)
            time.sleep(2.1)  # a rejects file tells times in whole seconds
        yield from map(json.loads, two.rejects_bytes.splitlines())

    run(messages(), **ledger)
    found = simulator.org.customer(external_id="c")
    assert found is not None
    assert found.attributes["custom"]["ageNum"] == 2

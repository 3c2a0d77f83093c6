from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_kustomer.simulator.org import Org

ONE_EACH: dict[str, Any] = {"batch_size_rows": 1, "max_parallel_requests": 8}
"""Each record is a batch, and eight of them are on their way at once."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Runner]:
    """Against jobs of which each takes half as long as the one before: the worst order."""
    with Simulator(clock=fast_time, job_seconds=0.0) as simulator:
        for number in range(1, 9):
            seconds = 256.0 / 2**number
            simulator.faults.add(
                "slow_job", path_pattern="/bulk$", nth=number, times=1, seconds=seconds
            )
        yield Runner(simulator, tmp_path, FastTarget)


def test_the_last_value_wins_though_its_job_would_be_the_first_to_end(run: Runner) -> None:
    versions = [record("customers", id="c1", name=f"Version {number}") for number in range(12)]
    result = run([schema("customers", CUSTOMERS), *versions, state("end")], **ONE_EACH)
    [customer] = run.simulator.org.customers
    assert customer.attributes["name"] == "Version 11"
    assert result.counts() == {"created": 1, "updated": 11}
    assert result.states == ["end"]


def test_a_customer_by_address_and_then_by_external_id_keeps_its_order(run: Runner) -> None:
    org = run.simulator.org
    org.add_customer({"externalId": "c1", "emails": [{"email": "ada@example.com"}]})
    versions = [
        record("customers", **({"id": "c1"} if number % 2 else {"email": "Ada@example.com"}), age=n)
        for number, n in enumerate(range(12))
    ]
    result = run([schema("customers", CUSTOMERS), *versions], **ONE_EACH)
    assert result.counts() == {"updated": 12}
    [customer] = org.customers
    assert customer.attributes["custom"]["ageNum"] == 11


@pytest.mark.parametrize("interleaved", [False, True], ids=["one-stream-first", "interleaved"])
def test_one_customer_in_two_streams_keeps_stdins_order(run: Runner, interleaved: bool) -> None:  # noqa: FBT001
    streams = ["shop", "crm"]
    names = [streams[n % 2] if interleaved else streams[n // 6] for n in range(12)]
    versions = [record(name, id="c1", age=n) for n, name in enumerate(names)]
    result = run(
        [*(schema(name, CUSTOMERS) for name in streams), *versions],
        streams={name: {"object": "customer", "fields": {"id": "externalId"}} for name in streams},
        **ONE_EACH,
    )
    assert result.exit_code == 0, result.error
    [customer] = run.simulator.org.customers
    assert customer.attributes["custom"]["ageNum"] == 11


def test_a_customer_never_overtakes_the_company_that_it_names(run: Runner) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", {**CUSTOMERS, "company_id": TEXT}),
    ]
    for number in range(6):
        messages.append(record("companies", id=f"k{number}", name=f"Company {number}"))
        messages.append(record("customers", id=f"c{number}", name="A", company_id=f"k{number}"))
    result = run([*messages, state("end")], **ONE_EACH)
    assert result.counts() == {"created": 6}
    assert companies_of(run.simulator.org) == {f"c{n}": f"k{n}" for n in range(6)}
    assert result.states == ["end"]


AGE_AS_TEXT = {**CUSTOMERS, "age": TEXT}
WITHOUT_AGE = {name: CUSTOMERS[name] for name in ("id", "name", "email")}
WITH_CITY = {**CUSTOMERS, "town": TEXT}


@pytest.mark.parametrize(
    ("columns", "keys", "custom"),
    [
        (CUSTOMERS, ("id",), {"ageNum": 2}),
        (AGE_AS_TEXT, ("id",), {"ageNum": 1, "ageStr": "2"}),
        (WITHOUT_AGE, ("id",), {"ageNum": 1}),
        (WITH_CITY, ("id",), {"ageNum": 2, "townStr": "Bern"}),
        (CUSTOMERS, (), {"ageNum": 2}),
    ],
    ids=["same", "other-type", "column-gone", "column-come", "other-keys"],
)
def test_a_schema_that_changes_in_mid_stream_keeps_the_order(
    run: Runner, columns: dict[str, Any], keys: tuple[str, ...], custom: dict[str, Any]
) -> None:
    before = [record("customers", id=f"c{n}", name="Before", age=1) for n in range(4)]
    later = [record("customers", id=f"c{n}", name="After", age=2, town="Bern") for n in range(4)]
    messages = [
        schema("customers", CUSTOMERS),
        *before,
        schema("customers", columns, keys),
        *later,
        state("end"),
    ]
    result = run(messages, batch_size_rows=3, max_parallel_requests=8)
    assert result.counts() == {"created": 4, "updated": 4}
    found = run.simulator.org.customers
    assert [each.attributes["name"] for each in found] == ["After"] * 4
    assert [each.attributes["custom"] for each in found] == [custom] * 4
    assert result.states == ["end"]


def companies_of(org: Org) -> dict[str, str]:
    names = {each.id: each.attributes["externalId"] for each in org.companies}
    return {each.attributes["externalId"]: names[each.company or ""] for each in org.customers}

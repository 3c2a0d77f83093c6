"""Any stream, delivered in any way, ends as if its records had been sent one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.guarantees.worlds import World, check, worlds
from tests.support import CUSTOMERS, Runner, customers, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Simulator(clock=fast_time) as simulator:
        yield Runner(simulator, tmp_path_factory.mktemp("runs"), FastTarget)


@given(worlds())
def test_any_stream_ends_as_if_its_records_were_sent_one_by_one(fast: Runner, world: World) -> None:
    check(fast, world)


ALONE = {"batch_size_rows": 1, "max_parallel_requests": 1}
A, B, C, D = (f"{each}@example.com" for each in "abcd")
PHONE = "+41446681800"

FOUND: dict[str, World] = {
    "a company is named only by a later record": World(
        rows=[("companies", {"id": "e2", "size": 1}), ("companies", {"id": "e2", "name": "Firm"})],
    ),
    "a later record names a company that is there": World(
        companies=["2"],
        rows=[("companies", {"id": "e2"}), ("companies", {"id": "e2", "name": "Firm 2"})],
    ),
    "the company of that name is another one to the record with an id": World(
        companies=["e9"],
        rows=[
            ("companies", {"name": "Firm 1", "size": 1}),
            ("companies", {"id": "e1", "name": "Firm 1", "size": 2}),
        ],
    ),
    "a name that two companies have by then": World(
        companies=["e9"],
        rows=[("companies", {"id": "e1", "name": "Firm 1"}), ("companies", {"name": "Firm 1"})],
    ),
    "an address was given up, and a later key finds the record": World(
        options={"lists": "replace"},
        delivery=ALONE,
        rows=[
            ("customers", {"email": B, "work_email": A, "phone": PHONE}),
            ("customers", {"email": A}),
            ("customers", {"email": B, "phone": PHONE}),
        ],
    ),
    "an address was given up, and the company is known": World(
        options={"lists": "replace"},
        delivery=ALONE,
        companies=["e1"],
        rows=[
            ("customers", {"email": A}),
            ("customers", {"id": "1", "email": A}),
            ("customers", {"id": "1", "email": B}),
            ("customers", {"email": A, "company_id": "e1"}),
        ],
    ),
    "an address was given up before a create": World(
        modes={"shop-customers": "create"},
        options={"lists": "replace"},
        delivery=ALONE,
        rows=[
            ("shop-customers", {"email": A}),
            ("customers", {"id": "1", "email": A}),
            ("customers", {"id": "1", "email": B}),
            ("shop-customers", {"email": A, "phone": PHONE}),
        ],
    ),
    "a later record finds another customer by its own id": World(
        customers=["1"],
        rows=[
            ("customers", {"email": B, "age": 1}),
            ("customers", {"id": "1", "email": B, "age": 2}),
        ],
    ),
    "a later record brings an address that is another one's": World(
        customers=["b"],
        rows=[
            ("customers", {"id": "4", "email": C, "age": 1}),
            ("customers", {"id": "4", "email": B, "age": 2}),
        ],
    ),
    "in mode update only the later record is there": World(
        customers=["b"],
        modes={"customers": "update"},
        rows=[
            ("customers", {"id": "4", "email": C}),
            ("customers", {"id": "4", "email": B, "age": 2}),
        ],
    ),
    "in mode update the later record is not there without the first": World(
        customers=["3", "b"],
        modes={"customers": "update"},
        rows=[
            ("customers", {"id": "4", "email": B, "work_email": A, "phone": PHONE}),
            ("customers", {"email": A, "company_id": "e1"}),
        ],
    ),
    "what goes again keeps its place": World(
        customers=["3"],
        modes={"customers": "update"},
        rows=[
            ("customers", {"id": "3", "email": D, "company_id": "e1"}),
            ("customers", {"id": "4", "email": A}),
            ("customers", {"id": "3", "email": C, "work_email": D}),
            ("customers", {"email": A, "phone": PHONE}),
        ],
    ),
    "a company has lost the name by which a customer was linked": World(
        companies=["e1"],
        delivery=ALONE,
        rows=[
            ("customers", {"id": "1", "company_name": "Firm 1"}),
            ("companies", {"id": "e1", "name": "Firm 2"}),
            ("customers", {"id": "2", "company_name": "Firm 1"}),
        ],
    ),
    "a company has lost its name, and the customer makes another one": World(
        companies=["e1"],
        options={"missing_company": "create"},
        delivery=ALONE,
        rows=[
            ("customers", {"id": "1", "company_name": "Firm 1"}),
            ("companies", {"id": "e1", "name": "Firm 2"}),
            ("customers", {"id": "1", "company_name": "Firm 1"}),
        ],
    ),
    "a second company has taken the name": World(
        delivery=ALONE,
        rows=[
            ("companies", {"name": "Firm 1"}),
            ("customers", {"id": "1", "company_name": "Firm 1"}),
            ("companies", {"id": "e1", "name": "Firm 2"}),
            ("companies", {"id": "e1", "name": "Firm 1"}),
            ("customers", {"id": "2", "company_name": "Firm 1"}),
            ("companies", {"name": "Firm 1"}),
        ],
    ),
    "two streams meet in a customer that only an earlier record makes one": World(
        delivery={"batch_size_rows": 2, "max_parallel_requests": 1},
        rows=[
            ("customers", {"id": "1", "email": B, "work_email": A}),
            ("shop-customers", {"email": B, "name": "Ann"}),
            ("customers", {"email": A, "name": "Bob"}),
        ],
    ),
    "in mode create the company of a customer that is there is not made": World(
        customers=["1"],
        modes={"customers": "create"},
        options={"missing_company": "create"},
        rows=[("customers", {"id": "1", "company_id": "e1", "company_name": "Firm 1"})],
    ),
}
"""What was once delivered wrongly, in the smallest world that shows it."""


@pytest.mark.parametrize("world", FOUND.values(), ids=FOUND)
def test_what_was_once_delivered_wrongly_is_not_again(fast: Runner, world: World) -> None:
    check(fast, world)


@settings(max_examples=settings().max_examples // 5)
@given(st.integers(1, 100), st.data())
def test_halving_finds_any_culprits_within_its_bounds(
    fast: Runner, number: int, data: st.DataObject
) -> None:
    culprits = data.draw(st.sets(st.integers(0, number - 1), max_size=min(number, 12)))
    names = {f"c{each}" for each in culprits}
    fast.simulator.reset(job_seconds=0.0, rate_limit=1_000_000)
    fast.simulator.org.refuse_request_if(lambda item: item["externalId"] in names)
    result = fast(
        [schema("customers", CUSTOMERS), *customers(number), state("end")], max_rejected_records=-1
    )
    assert result.reasons == dict.fromkeys(names, "refused")
    loaded = {each.attributes["externalId"] for each in fast.simulator.org.customers}
    assert loaded == {f"c{each}" for each in range(number)} - names
    assert result.states == ["end"]
    sent = fast.simulator.requests.of_kind("bulk-submit")
    k, rounds = len(culprits), math.ceil(math.log2(number))
    assert len(sent) <= 2 * k * rounds + 1
    assert sum(entry.status == 400 for entry in sent) <= k * rounds + 1

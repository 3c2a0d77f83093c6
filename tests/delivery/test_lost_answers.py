from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

QUICK: dict[str, Any] = {
    "request_timeout_seconds": 0.3,
    "lost_answer_wait_seconds": 0.3,
    "retry_deadline_seconds": 20,
}

TAKEN: list[dict[str, Any]] = [
    {"kind": "reset_after"},
    {"kind": "timeout_after"},
    {"kind": "cut_json"},
    {"kind": "cut_body"},
    {"kind": "empty_200"},
    {"kind": "500", "processed": True},
    {"kind": "gateway_403_html", "processed": True},
]
NOT_TAKEN: list[dict[str, Any]] = [
    {"kind": "refuse_connection"},
    {"kind": "reset_before"},
    {"kind": "timeout_before"},
    {"kind": "500"},
    {"kind": "503_html"},
]


def named(fault: dict[str, Any]) -> str:
    return "-".join(str(value) for value in fault.values())


def lose(simulator: Simulator, fault: dict[str, Any], method: str = "POST", **more: Any) -> None:
    path = None if fault["kind"] == "refuse_connection" else "/bulk$"
    simulator.faults.add(**{"path_pattern": path, "method": path and method, **fault, **more})


@pytest.mark.parametrize(
    ("mode", "fault"),
    [("upsert", fault) for fault in (*TAKEN, *NOT_TAKEN)]
    + [("create", fault) for fault in (TAKEN[0], TAKEN[4], NOT_TAKEN[1])],
    ids=str,
)
def test_customers_whose_create_was_not_answered_are_created_once(
    simulator: Simulator, run: Runner, mode: str, fault: dict[str, Any]
) -> None:
    lose(simulator, fault)
    result = run(
        [schema("customers", CUSTOMERS), *customers(12), state("end")],
        streams={"customers": {"mode": mode}},
        **QUICK,
    )
    assert result.exit_code == 0
    assert result.counts() == {"created": 12}
    assert len(simulator.org.customers) == 12
    assert result.states == ["end"]


def test_a_customer_that_was_there_before_a_lost_create_is_updated(
    simulator: Simulator, run: Runner
) -> None:
    ann = simulator.org.add_customer({"externalId": "c1", "name": "Old", "tags": ["kept"]})
    lose(simulator, {"kind": "reset_after"})
    result = run([schema("customers", CUSTOMERS), *customers(3)], **QUICK)
    assert result.counts() == {"created": 2, "updated": 1}
    assert ann.attributes["name"] == "Customer 1"
    assert ann.attributes["tags"] == ["kept"]


def test_customers_of_a_lost_job_that_is_still_queued_are_created_once(
    simulator: Simulator, run: Runner
) -> None:
    simulator.faults.add("slow_job", seconds=0.6)
    lose(simulator, {"kind": "reset_after"})
    result = run([schema("customers", CUSTOMERS), *customers(12)], **QUICK)
    assert result.counts() == {"created": 12}
    assert len(simulator.org.customers) == 12


@pytest.mark.parametrize("fault", [*TAKEN[1:4], *NOT_TAKEN[2:4]], ids=named)
def test_an_update_that_was_not_answered_is_sent_again(
    simulator: Simulator, run: Runner, fault: dict[str, Any]
) -> None:
    for number in range(6):
        simulator.org.add_customer({"externalId": f"c{number}", "name": "Old"})
    lose(simulator, fault, "PUT")
    result = run(
        [schema("customers", CUSTOMERS), *customers(6), state("end")],
        streams={"customers": {"mode": "update"}},
        **QUICK,
    )
    assert result.counts() == {"updated": 6}
    assert [each.attributes["name"] for each in simulator.org.customers] == [
        f"Customer {number}" for number in range(6)
    ]
    assert result.states == ["end"]


def test_a_single_update_that_was_not_answered_is_sent_again(
    simulator: Simulator, run: Runner
) -> None:
    ann = simulator.org.add_customer({"externalId": "1", "name": "Old"})
    simulator.faults.add("reset_after", path_pattern="/customers/[0-9a-f]{24}$", method="PATCH")
    simulator.faults.add("reset_after", path_pattern="/customers/[0-9a-f]{24}$", method="PUT")
    result = run(
        [
            schema("customers", {**CUSTOMERS, "whatsapp": TEXT}),
            record("customers", id="1", name="New", whatsapp="+12025550101"),
        ],
        **QUICK,
    )
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "New"


@pytest.mark.parametrize(
    ("unique", "fault"),
    [(False, fault) for fault in (*TAKEN, *NOT_TAKEN)]
    + [(True, fault) for fault in (TAKEN[0], TAKEN[4], NOT_TAKEN[1])],
    ids=str,
)
def test_companies_whose_create_was_not_answered_are_created_once(
    start: Callable[..., Runner], fault: dict[str, Any], *, unique: bool
) -> None:
    run = start(company_external_id_unique=unique)
    lose(run.simulator, fault)
    rows = [record("companies", id=f"e{n}", name=f"Company {n}") for n in range(5)]
    result = run([schema("companies", COMPANIES), *rows, state("end")], **QUICK)
    assert result.exit_code == 0
    assert result.counts("companies") == {"created": 5}
    assert len(run.simulator.org.companies) == 5
    assert result.states == ["end"]


@pytest.mark.parametrize(("mode", "unique"), [("upsert", False), ("create", True)])
def test_companies_of_a_lost_job_that_is_still_queued_are_found_in_the_end(
    start: Callable[..., Runner], mode: str, *, unique: bool
) -> None:
    run = start(company_external_id_unique=unique)
    run.simulator.faults.add("slow_job", seconds=0.7)
    lose(run.simulator, {"kind": "reset_after"})
    rows = [record("companies", id=f"e{n}", name=f"Company {n}") for n in range(3)]
    result = run(
        [schema("companies", COMPANIES), *rows],
        streams={"companies": {"mode": mode}},
        **{**QUICK, "lost_answer_wait_seconds": 5},
    )
    assert result.counts("companies") == {"created": 3}
    assert len(run.simulator.org.companies) == 3


def test_the_wait_for_a_lost_company_is_ten_times_the_longest_job_at_least(
    start: Callable[..., Runner],
) -> None:
    """The job of the lost request takes longer than the setting, as jobs do here."""
    run = start(company_external_id_unique=False, job_seconds=0.2)
    run.simulator.faults.add("slow_job", seconds=1.2, nth=2)
    lose(run.simulator, {"kind": "reset_after"}, nth=2)
    rows = [record("companies", id=f"e{n}", name=f"Company {n}") for n in range(6)]
    result = run(
        [schema("companies", COMPANIES), *rows],
        batch_size_rows=3,
        max_parallel_requests=1,
        **{**QUICK, "lost_answer_wait_seconds": 0},
    )
    assert result.counts("companies") == {"created": 6}
    assert len(run.simulator.org.companies) == 6


def test_companies_without_external_id_are_found_by_name_after_a_lost_answer(
    simulator: Simulator, run: Runner
) -> None:
    lose(simulator, {"kind": "reset_after"})
    rows = [record("companies", name=f"Company {n}") for n in range(3)]
    result = run([schema("companies", {"name": TEXT}, keys=None), *rows], **QUICK)
    assert result.counts("companies") == {"created": 3}
    assert len(simulator.org.companies) == 3


@pytest.mark.parametrize("fault", [TAKEN[0], TAKEN[2], NOT_TAKEN[1]], ids=named)
def test_a_company_that_a_customer_creates_is_created_once_after_a_lost_answer(
    start: Callable[..., Runner], fault: dict[str, Any]
) -> None:
    run = start(company_external_id_unique=False)
    lose(run.simulator, fault, path_pattern="/companies/bulk$")
    result = run(
        [
            schema("customers", {**CUSTOMERS, "company_id": TEXT, "company_name": TEXT}),
            record("customers", id="1", name="A", company_id="e1", company_name="Acme"),
            record("customers", id="2", name="B", company_id=None, company_name="Bravo"),
        ],
        missing_company="create",
        **QUICK,
    )
    assert result.counts() == {"created": 2}
    assert sorted(each.attributes["name"] for each in run.simulator.org.companies) == [
        "Acme",
        "Bravo",
    ]
    assert all(each.company for each in run.simulator.org.customers)


@pytest.mark.parametrize("fault", [TAKEN[0], TAKEN[1], TAKEN[4], NOT_TAKEN[1]], ids=named)
def test_what_nothing_finds_again_is_unconfirmed_and_not_sent_twice(
    simulator: Simulator, run: Runner, fault: dict[str, Any]
) -> None:
    lose(simulator, fault)
    columns = {"name": TEXT, "email": TEXT}
    result = run(
        [
            schema("customers", columns, keys=None),
            record("customers", name="Nobody", email=None),
            record("customers", name="Ann", email="ann@example.com"),
            state("end"),
        ],
        streams={"customers": {"mode": "create"}},
        max_rejected_records=-1,
        **QUICK,
    )
    assert result.exit_code == 0
    assert result.counts() == {"created": 1, "rejected": 1}
    [rejected] = result.rejected
    assert rejected["record"]["name"] == "Nobody"
    assert rejected["rejection"]["reason"] == "unconfirmed"
    names = [each.attributes["name"] for each in simulator.org.customers]
    assert names.count("Nobody") == (fault in TAKEN)
    assert names.count("Ann") == 1
    assert result.states == ["end"]


def test_a_record_without_keys_is_sent_again_where_it_surely_was_not_taken(
    simulator: Simulator, run: Runner
) -> None:
    simulator.faults.add("429", method="POST", path_pattern="/bulk$", seconds=0.1)
    result = run(
        [schema("customers", {"name": TEXT}, keys=None), record("customers", name="Nobody")],
        streams={"customers": {"mode": "create"}},
        **QUICK,
    )
    assert result.counts() == {"created": 1}


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("customers", "reset_after"), ("companies", "reset_after"), ("companies", "502_html")],
)
def test_answers_that_never_come_end_the_run_at_the_deadline(
    simulator: Simulator, run: Runner, stream: str, kind: str
) -> None:
    simulator.faults.add(kind, method="POST", path_pattern="/bulk$", times=None)  # type: ignore[arg-type]
    columns = CUSTOMERS if stream == "customers" else COMPANIES
    result = run(
        [schema(stream, columns), record(stream, id="1", name="Acme"), state("end")],
        request_timeout_seconds=0.2,
        retry_deadline_seconds=0.5,
        lost_answer_wait_seconds=0.1,
    )
    org = simulator.org
    there = org.customers if stream == "customers" else org.companies
    if kind == "reset_after" and stream == "companies":
        assert (result.exit_code, len(there)) == (0, 1)
    else:
        assert result.exit_code == 5
        assert len(there) == (kind == "reset_after")
        assert result.states == []

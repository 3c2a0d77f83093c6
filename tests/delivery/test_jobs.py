from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import CUSTOMERS, customers, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Runner

READINGS: list[dict[str, Any]] = [
    {"results_location": "item"},
    {"results_location": "absent"},
    {"results_location": "absent", "sparse_answers": True},
    {"sparse_answers": True},
    {"sparse_answers": True, "batch_size": 7, "batches_page_size": 2},
    {"batch_size": 7, "batches_page_size": 2},
    {"batch_size": 1, "batches_page_size": 3, "job_seconds": 0.4},
    {"batch_size": 7, "results_location": "absent"},
    {"batches_listed_while_queued": False, "job_seconds": 0.4},
    {"job_unknown_seconds": 0.3},
    {"results_kept_seconds": 0.0},
    {"results_shuffled": False},
]


def loaded(run: Runner) -> dict[str, int]:
    return {
        each.attributes["externalId"]: each.attributes["custom"]["ageNum"]
        for each in run.simulator.org.customers
    }


@pytest.mark.parametrize("switches", READINGS, ids=str)
def test_each_form_of_a_finished_job_is_understood(
    start: Callable[..., Runner], switches: dict[str, Any]
) -> None:
    run = start(**switches)
    for number in range(5):
        run.simulator.org.add_customer(
            {"externalId": f"c{number}", "name": "Old", "custom": {"ageNum": 77}}
        )
    result = run([schema("customers", CUSTOMERS), *customers(20), state("end")])
    assert result.exit_code == 0
    assert loaded(run) == {f"c{number}": number for number in range(20)}
    assert result.counts() == {"created": 15, "updated": 5}
    assert result.states == ["end"]


@pytest.mark.parametrize(
    "switches",
    [each for each in READINGS if {"results_location", "sparse_answers"} & set(each)]
    + [{"batch_size": 7}, {"results_kept_seconds": 0.0}],
    ids=str,
)
def test_a_refused_item_among_others_is_told_or_unconfirmed(
    start: Callable[..., Runner], switches: dict[str, Any]
) -> None:
    run = start(**switches)
    run.simulator.org.refuse_item_if(lambda item: item.get("externalId") == "c3")
    result = run(
        [schema("customers", CUSTOMERS), *customers(20), state("end")], max_rejected_records=-1
    )
    tells = "absent" not in switches.values() and switches.get("results_kept_seconds") != 0.0
    assert result.exit_code == 0
    assert result.reasons == {"c3": "refused" if tells else "unconfirmed"}
    assert len(loaded(run)) == 19
    assert result.states == ["end"]


@pytest.mark.parametrize("mode", ["upsert", "create"])
def test_a_job_without_results_that_counts_no_failure_is_done(
    start: Callable[..., Runner], mode: str
) -> None:
    run = start()
    run.simulator.faults.add("job_without_results")
    result = run(
        [schema("customers", CUSTOMERS), *customers(30)], streams={"customers": {"mode": mode}}
    )
    assert result.counts() == {"created": 30}
    assert run.simulator.requests.of_kind("customer.read") == []


def test_updates_of_a_job_without_results_are_looked_up_and_compared(
    start: Callable[..., Runner],
) -> None:
    run = start()
    for number in range(6):
        run.simulator.org.add_customer({"externalId": f"c{number}", "name": "Old"})
    run.simulator.faults.add("job_without_results", method="PUT")
    run.simulator.org.refuse_item_if(lambda item: item.get("name") == "Customer 2")
    result = run(
        [schema("customers", CUSTOMERS), *customers(6)],
        streams={"customers": {"mode": "update"}},
        max_rejected_records=-1,
    )
    assert result.counts() == {"updated": 5, "rejected": 1}
    assert result.reasons == {"c2": "unconfirmed"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_items_that_are_missing_from_the_results_are_looked_up(
    start: Callable[..., Runner], method: str
) -> None:
    run = start()
    if method == "PUT":
        for number in range(6):
            run.simulator.org.add_customer({"externalId": f"c{number}", "name": "Old"})
    fault = run.simulator.faults.add("item_missing_from_results", method=method, amount=3)
    result = run([schema("customers", CUSTOMERS), *customers(6)])
    assert fault.fired == 1
    assert result.counts() == {"updated" if method == "PUT" else "created": 6}
    assert len(loaded(run)) == 6


@pytest.mark.parametrize("amount", [1, 3])
def test_a_job_that_is_not_known_yet_is_asked_for_again(
    start: Callable[..., Runner], amount: int
) -> None:
    run = start()
    run.simulator.faults.add("job_unknown_yet", amount=amount)
    result = run([schema("customers", CUSTOMERS), *customers(5)])
    assert result.counts() == {"created": 5}


@pytest.mark.parametrize("switches", [{"jobs_stuck": True}, {"job_unknown_seconds": 100}], ids=str)
def test_a_job_that_never_ends_ends_the_run(
    start: Callable[..., Runner], switches: dict[str, Any]
) -> None:
    run = start(**switches)
    result = run(
        [schema("customers", CUSTOMERS), *customers(5), state("end")], job_timeout_seconds=0.5
    )
    assert result.exit_code == 5
    assert "job_timeout_seconds" in result.error
    assert result.states == []
    assert result.rejected == []


@pytest.mark.parametrize("kind", ["500", "cut_json", "empty_200"])
def test_a_poll_that_fails_is_repeated(start: Callable[..., Runner], kind: str) -> None:
    run = start()
    run.simulator.faults.add(kind, method="GET", path_pattern="/bulk/", seconds=0.1)  # type: ignore[arg-type]
    result = run([schema("customers", CUSTOMERS), *customers(5)])
    assert result.counts() == {"created": 5}


def test_polls_that_always_fail_end_the_run(start: Callable[..., Runner]) -> None:
    run = start()
    run.simulator.faults.add("502_html", method="GET", path_pattern="/bulk/", times=None)
    result = run(
        [schema("customers", CUSTOMERS), *customers(5), state("end")], retry_deadline_seconds=0.3
    )
    assert result.exit_code == 5
    assert result.states == []


def test_jobs_are_polled_by_their_batches_alone(start: Callable[..., Runner]) -> None:
    run = start()
    run([schema("customers", CUSTOMERS), *customers(250)])
    polls = run.simulator.requests.of_kind("bulk-poll")
    assert {entry.path.rpartition("/")[2] for entry in polls} == {"batches"}


def test_long_jobs_are_not_asked_for_often(start: Callable[..., Runner]) -> None:
    run = start(job_seconds=1.0)
    run([schema("customers", CUSTOMERS), *customers(200)])
    assert len(run.simulator.requests.of_kind("bulk-poll")) <= 2 * 8


@pytest.mark.parametrize("most", [1, 3])
def test_unsettled_jobs_and_requests_keep_to_the_setting(
    start: Callable[..., Runner], most: int
) -> None:
    run = start(job_seconds=0.05)
    result = run(
        [schema("customers", CUSTOMERS), *customers(100)],
        batch_size_rows=10,
        max_parallel_requests=most,
    )
    assert result.counts() == {"created": 100}
    jobs = run.simulator.org.jobs
    starts = [job.submitted_at for job in jobs]
    at_once = [
        sum(other.submitted_at <= start < other.done_at for other in jobs) for start in starts
    ]
    assert max(at_once) <= most
    assert max(entry.in_flight for entry in run.simulator.requests.entries) <= most

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, customers, record, schema, state, wait_until

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner

FOR_EVER = 3600


def _stream(count: int) -> list[dict[str, Any]]:
    """Customers with a STATE behind each ten of them; each seventh is rejected."""
    messages: list[dict[str, Any]] = [schema("customers", CUSTOMERS)]
    for number, message in enumerate(customers(count)):
        if number % 7 == 3:
            message["record"]["age"] = "old"
        messages.append(message)
        if number % 10 == 9:
            messages.append(state(number + 1))
    return messages


def test_a_signal_ends_a_run_that_has_read_nothing(run: Runner, simulator: Simulator) -> None:
    with run.start() as running:
        wait_until(lambda: simulator.requests.entries)
        running.process.terminate()
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


def test_the_work_in_flight_settles_within_the_grace(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("slow_job", seconds=1.5)
    with run.start(shutdown_grace_seconds=FOR_EVER, batch_size_rows=10) as running:
        running.write(_stream(10))
        wait_until(lambda: simulator.org.jobs)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 143
    assert result.states == [10]
    assert result.counts() == {"created": 9, "rejected": 1}


def test_what_does_not_settle_within_the_grace_is_not_acknowledged(
    run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("stuck_job")
    with run.start(shutdown_grace_seconds=0.2, batch_size_rows=10) as running:
        running.write(_stream(10))
        wait_until(lambda: simulator.org.jobs)
        running.process.terminate()
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


def test_a_signal_while_a_customer_waits_for_its_company(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("stuck_job", path_pattern="companies/bulk")
    columns = {**CUSTOMERS, "company_id": COMPANIES["id"]}
    with run.start(shutdown_grace_seconds=0, batch_size_rows=1) as running:
        running.write(
            [
                schema("companies", COMPANIES),
                schema("customers", columns),
                record("companies", id="a", name="Firm"),
                *customers(1, company_id="a"),
                state(1),
            ]
        )
        wait_until(lambda: simulator.org.jobs)
        running.process.terminate()
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")
    assert not simulator.org.customers


# What ended the reading decides


def test_a_failure_that_ended_the_reading_decides_over_a_later_signal(
    run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("stuck_job")  # the first batch keeps the run settling
    simulator.faults.add("500", method="POST", path_pattern="/bulk", nth=2, times=None)
    settings: dict[str, Any] = {
        "batch_size_rows": 10,
        "max_parallel_requests": 2,
        "retry_deadline_seconds": 0,
    }
    with run.start(shutdown_grace_seconds=2, **settings) as running:
        running.write(_stream(20))
        wait_until(lambda: "completed processing" in running.log)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 5
    assert result.stdout == ""


def test_a_broken_line_decides_over_a_later_signal(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("stuck_job")
    with run.start(shutdown_grace_seconds=0, batch_size_rows=10) as running:
        running.write(_stream(10))
        running.write(b"broken\n")
        wait_until(lambda: "completed processing" in running.log)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 2
    assert result.stdout == ""


# The run ends by itself while stdin stays open and silent


@pytest.mark.parametrize(
    ("kind", "code"),
    [("unreachable", 5), ("systematic", 2), ("stuck", 5), ("config", 2), ("role", 4)],
)
def test_a_fatal_failure_ends_the_run_while_stdin_stays_open(
    kind: str, code: int, run: Runner, simulator: Simulator
) -> None:
    settings: dict[str, Any] = {"retry_deadline_seconds": 0, "job_timeout_seconds": 1}
    messages = [schema("customers", CUSTOMERS), *customers(100), state(100)]
    if kind == "unreachable":
        simulator.faults.add("503_html", method="POST", path_pattern="/bulk", times=None)
    elif kind == "stuck":
        simulator.faults.add("stuck_job", times=None)
    elif kind == "systematic":
        simulator.org.refuse_request_if(lambda _: True)
        settings["job_timeout_seconds"] = 60
    elif kind == "role":
        simulator.org.add_key("none", roles=["org.permission.bulk"])
        settings["api_key"] = "none"
    else:
        messages = [schema("orders", CUSTOMERS)]
    with run.start(shutdown_grace_seconds=5, **settings) as running:
        running.write(messages)
        wait_until(lambda: running.ended)
        result = running.result()
    assert result.exit_code == code
    assert result.stdout == "" or kind == "systematic"  # its records are in the rejects file
    assert "Traceback" not in result.log

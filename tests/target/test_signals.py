from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import COMPANIES, CUSTOMERS, Runner, customers, record, schema, state, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Result

FOR_EVER = 3600

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


def _covered(simulator: Simulator, result: Result) -> bool:
    """Whether the simulator or the rejects file holds every record that the STATE covers."""
    last = result.states[-1] if result.states else 0
    loaded = {each.attributes["externalId"] for each in simulator.org.customers}
    rejected = {each["record"]["id"] for each in result.rejected}
    return {f"c{number}" for number in range(last)} <= loaded | rejected


def _stream(count: int, step: int = 10) -> list[dict[str, Any]]:
    """Customers with a STATE behind each ``step`` of them; each seventh is rejected."""
    messages: list[dict[str, Any]] = [schema("customers", CUSTOMERS)]
    for number, message in enumerate(customers(count)):
        if number % 7 == 3:
            message["record"]["age"] = "old"
        messages.append(message)
        if number % step == step - 1:
            messages.append(state(number + 1))
    return messages


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_silent_run(
    number: int, code: int, run: Runner, simulator: Simulator
) -> None:
    with run.start(shutdown_grace_seconds=FOR_EVER, batch_size_rows=10) as running:
        running.write(_stream(20))
        wait_until(lambda: '"at": 20' in running.stdout or '"at":20' in running.stdout)
        running.write(customers(3, first=20))
        running.process.send_signal(number)
        result = running.result()
    assert result.exit_code == code
    assert result.states[-1] == 20
    assert _covered(simulator, result)
    assert "run again" in result.error
    assert "Traceback" not in result.log


def test_a_signal_ends_a_run_that_has_read_nothing(run: Runner, simulator: Simulator) -> None:
    with run.start() as running:
        wait_until(lambda: simulator.requests.entries)
        running.process.terminate()
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("grace", [0, 30])
def test_a_signal_ends_a_full_pipeline(
    number: int, code: int, grace: float, tmp_path: Path
) -> None:
    with Simulator(job_seconds=0.3) as simulator:
        run = Runner(simulator, tmp_path)
        settings: dict[str, Any] = {
            "batch_size_rows": 10,
            "max_parallel_requests": 2,
            "max_rejected_records": -1,
        }
        with run.start(shutdown_grace_seconds=grace, **settings) as running:
            running.write(_stream(400))
            wait_until(lambda: running.stdout)
            running.process.send_signal(number)
            result = running.result()
            assert not running.process.stdin or not running.process.stdin.closed
        assert result.exit_code == code
        assert _covered(simulator, result)
        assert 0 < result.states[-1] < 400
        if grace:  # all that was begun is acknowledged or at least there
            assert not [job for job in simulator.org.jobs if job.done_at > simulator.org.clock()]


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
    assert _covered(simulator, result)


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


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_grace(second: int, run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("stuck_job")
    with run.start(shutdown_grace_seconds=FOR_EVER, batch_size_rows=10) as running:
        running.write(_stream(10))
        wait_until(lambda: simulator.org.jobs)
        running.process.terminate()
        wait_until(lambda: _sent_again(running.process, second) or running.ended)
        wait_until(lambda: running.ended)
        result = running.result()
    # at the very end of a process signals have their default effect, which a shell shows alike
    code = result.exit_code if result.exit_code >= 0 else 128 - result.exit_code
    assert code in {143, 128 + second}
    assert result.stdout == ""


def _sent_again(process: Any, number: int) -> bool:
    """Signals of one kind that come too fast count once: send until the process has ended."""
    if process.poll() is None:
        process.send_signal(number)
    return process.poll() is not None


@pytest.mark.parametrize("path", ["tokens/current", "metadata"])
def test_a_signal_ends_the_wait_for_an_answer_at_the_start(
    path: str, run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("timeout_before", path_pattern=path, times=None)
    settings: dict[str, Any] = {
        "request_timeout_seconds": FOR_EVER,
        "retry_deadline_seconds": FOR_EVER,
    }
    with run.start(shutdown_grace_seconds=0, **settings) as running:
        running.write(_stream(10))
        wait_until(lambda: any(path in each.path for each in simulator.requests.entries))
        running.process.terminate()
        wait_until(lambda: running.ended, 20)
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


@pytest.mark.parametrize("path", ["tokens/current", "metadata"])
def test_a_signal_ends_the_retries_at_the_start(
    path: str, run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("500", path_pattern=path, times=None)
    with run.start(shutdown_grace_seconds=0, retry_deadline_seconds=FOR_EVER) as running:
        running.write(_stream(10))
        wait_until(lambda: any(path in each.path for each in simulator.requests.entries))
        running.process.terminate()
        wait_until(lambda: running.ended, 20)
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


@pytest.mark.parametrize("kind", ["500", "429", "timeout_before"])
def test_a_signal_ends_the_retries_of_a_worker(
    kind: Any, run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add(kind, path_pattern="customers/bulk", times=None, seconds=50)
    settings: dict[str, Any] = {"request_timeout_seconds": 30, "retry_deadline_seconds": FOR_EVER}
    with run.start(shutdown_grace_seconds=0, batch_size_rows=10, **settings) as running:
        running.write(_stream(10))
        wait_until(lambda: any("bulk" in each.path for each in simulator.requests.entries))
        running.process.terminate()
        wait_until(lambda: running.ended, 20)
        result = running.result()
    assert (result.exit_code, result.stdout) == (143, "")


def test_a_signal_after_the_end_of_stdin_ends_the_settling(
    run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("stuck_job", nth=2)
    settings: dict[str, Any] = {"batch_size_rows": 10, "max_parallel_requests": 1}
    with run.start(shutdown_grace_seconds=0, **settings) as running:
        running.write(_stream(40))
        running.close_stdin()
        wait_until(lambda: len(simulator.org.jobs) == 2)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 143
    assert result.states[-1] == 10
    assert _covered(simulator, result)


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


def test_a_closed_stdout_ends_the_run(run: Runner) -> None:
    command = run.command(batch_size_rows=10)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(
            b"".join(json.dumps(message).encode() + b"\n" for message in _stream(20))
        )
        process.stdin.close()
        log = process.stderr.read().decode()
        assert process.wait(60) != 0
    assert "Traceback" not in log
    assert "stdout" in log.splitlines()[-1]

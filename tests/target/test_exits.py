from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import COMPANIES, CUSTOMERS, Runner, customers, record, schema, state, to_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Result

BAD = [record("customers", id=f"bad{number}", name="Ann", age="old") for number in range(3)]


def _with_rejects(run: Runner, **settings: Any) -> Result:
    messages = [schema("customers", CUSTOMERS), *BAD, *customers(5), state(8)]
    return run(messages, **settings)


@pytest.mark.parametrize(
    ("limit", "code"), [(0, 3), (1, 3), (2, 3), (3, 0), (4, 0), (100, 0), (-1, 0)]
)
def test_more_rejects_than_allowed_is_exit_3(
    limit: int, code: int, run: Runner, simulator: Simulator
) -> None:
    result = _with_rejects(run, max_rejected_records=limit)
    assert result.exit_code == code
    assert result.counts() == {"created": 5, "rejected": 3}
    assert len(simulator.org.customers) == 5
    assert len(result.rejected) == 3
    assert result.states == [8]


def test_without_rejects_no_limit_is_passed(run: Runner) -> None:
    assert run([schema("customers", CUSTOMERS), *customers(2)]).exit_code == 0


def test_the_limit_is_on_all_streams_together(run: Runner) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", CUSTOMERS),
        record("companies", id="f", name="x" * 300),
        *BAD[:1],
    ]
    assert run(messages, max_rejected_records=1).exit_code == 3
    assert run(messages, max_rejected_records=2).exit_code == 0


def test_a_replay_of_what_was_rejected_is_named_at_the_end(run: Runner) -> None:
    result = _with_rejects(run)
    [path] = result.rejects_dir.glob("*.singer")
    assert str(path) in result.error


@pytest.mark.parametrize("option", ["--check", "--plan"])
def test_a_closed_stdout_is_told_in_words_that_fit(option: str, run: Runner) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*run.command(), option], input=b"", stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 128 + signal.SIGPIPE
    last = done.stderr.decode().splitlines()[-1]
    assert last.endswith("stdout was closed: what was found cannot be told")


# What ended the reading decides; 3 only where nothing else did


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ([b"broken"], 2),
        ([schema("orders", CUSTOMERS)], 2),
        ([], 3),
    ],
)
def test_what_ended_the_reading_comes_before_rejects(
    last: list[Any], code: int, run: Runner
) -> None:
    lines = to_lines([schema("customers", CUSTOMERS), *BAD, *customers(2), state(5)])
    for each in last:
        lines += each + b"\n" if isinstance(each, bytes) else to_lines([each])
    result = run(lines)
    assert result.exit_code == code
    assert result.states == [5]
    assert len(result.rejected) == 3


def test_a_refused_role_comes_before_rejects(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_key("narrow", roles=["org.permission.customer", "org.permission.bulk"])
    messages = [
        schema("customers", CUSTOMERS),
        *BAD,
        state(3),
        schema("companies", COMPANIES),
        record("companies", id="f", name="Firm"),
        state(4),
    ]
    result = run(messages, api_key="narrow")
    assert result.exit_code == 4
    assert result.states == [3]


def test_an_unreachable_kustomer_comes_before_rejects(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("500", path_pattern="/bulk", times=None)
    result = _with_rejects(run, retry_deadline_seconds=0.2)
    assert result.exit_code == 5
    assert result.states == []
    assert not simulator.org.customers


# Kustomer goes away, or says no, in the middle


def test_what_was_confirmed_before_kustomer_went_away_is_acknowledged(
    run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add("503_html", method="POST", path_pattern="/bulk", nth=3, times=None)
    messages = [schema("customers", CUSTOMERS)]
    for number in range(0, 100, 10):
        messages += [*customers(10, first=number), state(number + 10)]
    result = run(messages, retry_deadline_seconds=0.2, batch_size_rows=10, max_parallel_requests=1)
    assert result.exit_code == 5
    assert len(simulator.org.customers) == 20
    assert result.states[-1] == 20


def test_a_job_that_never_ends_is_exit_5(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("stuck_job")
    messages = [schema("customers", CUSTOMERS), *customers(2), state(2)]
    result = run(messages, job_timeout_seconds=0.3)
    assert result.exit_code == 5
    assert result.states == []
    assert "job" in result.error


def test_a_key_that_is_revoked_in_the_middle_is_exit_4(tmp_path: Path) -> None:
    now = [1_800_000_000.0]

    def clock() -> float:
        now[0] += 0.05
        return now[0]

    with Simulator(clock=clock) as simulator:
        simulator.org.add_key("brief", expires_at=now[0] + 20)
        messages = [schema("customers", CUSTOMERS)]
        for number in range(400):
            messages += [*customers(1, first=number), state(number + 1)]
        run = Runner(simulator, tmp_path)
        result = run(messages, api_key="brief", batch_size_rows=1, max_parallel_requests=2)
        loaded = {each.attributes["externalId"] for each in simulator.org.customers}
    assert result.exit_code == 4
    assert "api_key" in result.error
    assert result.states
    assert {f"c{number}" for number in range(result.states[-1])} <= loaded
    assert result.states[-1] < 400


def test_a_gateways_403_is_no_word_on_roles(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("gateway_403_html", path_pattern="/bulk")
    assert run([schema("customers", CUSTOMERS), *customers(2), state(2)]).exit_code == 0


def test_a_hundred_records_refused_as_requests_are_exit_2(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.refuse_request_if(lambda _: True, "Invalid value")
    result = run([schema("customers", CUSTOMERS), *customers(300), state(300)])
    assert result.exit_code == 2
    assert "customers" in result.error
    assert len(result.rejected) >= 100
    # a rejection on disk is a verdict: the STATE may pass it, when all are there
    assert not result.states or len(result.rejected) == 300


def test_fewer_records_refused_as_requests_are_rejects(run: Runner, simulator: Simulator) -> None:
    simulator.org.refuse_request_if(lambda _: True, "Invalid value")
    result = run([schema("customers", CUSTOMERS), *customers(20), state(20)])
    assert result.exit_code == 3
    assert result.states == [20]
    assert len(result.rejected) == 20


# The process


@pytest.mark.parametrize(
    ("settings", "lines", "code", "words"),
    [
        ({}, b"", 0, ""),
        ({"api_key": "wrong"}, b"", 4, "api_key"),
        ({"api_url": "http://127.0.0.1:9", "retry_deadline_seconds": 0}, b"", 5, "network"),
        ({"region": "moon"}, b"", 2, "region"),
        ({}, b"broken\n", 2, "line 1"),
    ],
)
def test_the_process_ends_with_the_code_and_a_line_that_says_what_to_do(
    settings: dict[str, Any], lines: bytes, code: int, words: str, run: Runner
) -> None:
    result = run.process(lines, **settings)
    assert result.exit_code == code, result.log
    assert words in result.error
    assert "Traceback" not in result.log
    assert result.stdout == ""


def test_the_process_ends_with_3_and_names_the_file(run: Runner) -> None:
    result = run.process([schema("customers", CUSTOMERS), *BAD, state(3)])
    assert result.exit_code == 3
    [path] = result.rejects_dir.glob("*.singer")
    assert str(path) in result.error
    assert result.states == [3]


def test_a_good_run_ends_with_the_summaries(run: Runner) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", CUSTOMERS),
        record("companies", id="f", name="Firm"),
        *customers(2),
    ]
    result = run(messages)
    first, second = result.log.splitlines()[-2:]
    assert first.startswith("summary stream=companies read=1 created=1 updated=0 ")
    assert second == (
        "summary stream=customers read=2 created=2 updated=0 unchanged=0 skipped=0 rejected=0"
    )

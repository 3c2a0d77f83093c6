"""A run takes no more at its end than at its beginning, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.checkpoints import Checkpoints
from target_kustomer.exceptions import FatalError
from target_kustomer.target import TargetKustomer
from tests.support import CUSTOMERS, customers, record, schema, state, to_lines, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def test_a_long_run_stays_flat_and_exact(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--records", "10000"]
    done = subprocess.run([*command, "--json", str(path)], check=False, capture_output=True)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["exit_code"] == 0, done.stdout
    assert report["summary"] == report["expected_summary"]
    assert report["world_is_exact"]
    first, _, last = report["peak_mb"]
    assert last <= 1.1 * first  # the ids that it remembers are still filling up
    before, after = report["held"]["10 %"], report["held"]["100 %"]
    assert after["threads"] <= before["threads"]
    assert after["files"] <= before["files"]
    assert after["sockets"] <= 8  # one for each parallel request
    assert after["temporary"] <= 2  # one for the list of each object


# What a run leaves behind in the process that ran it


@dataclass
class Way:
    """How a run comes to its end.

    Attributes:
        code: The exit code of this end.
        messages: What it reads.
        faults: What goes wrong, as arguments of the simulator's faults.
        settings: Its config.
    """

    code: int
    messages: bytes
    faults: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


RECORDS = to_lines([schema("customers", CUSTOMERS), *customers(80), state(80)])
REJECTED = to_lines([record("customers", id="bad", age="old")])

NO_JOB = {"kind": "500", "method": "POST", "path_pattern": "/bulk", "times": None}
IN_TENS = {"batch_size_rows": 10, "shutdown_grace_seconds": 0}

WAYS = {
    "done": Way(0, RECORDS, settings=IN_TENS),
    "rejects": Way(3, RECORDS + REJECTED, settings=IN_TENS),
    "broken input": Way(2, RECORDS + b"broken\n", settings=IN_TENS),
    "unknown stream": Way(2, RECORDS + to_lines([schema("orders", CUSTOMERS)]), settings=IN_TENS),
    "unreachable": Way(5, RECORDS, [NO_JOB], {**IN_TENS, "retry_deadline_seconds": 0}),
    "unreachable while others try again": Way(
        5,
        RECORDS,
        [{"kind": "stuck_job"}, {**NO_JOB, "nth": 2}],
        {**IN_TENS, "job_timeout_seconds": 1},
    ),
    "unreachable at the start": Way(
        5, RECORDS, [{"kind": "500", "times": None}], {"retry_deadline_seconds": 0}
    ),
    "key refused at the start": Way(4, RECORDS, settings={"api_key": "unknown"}),
}


def _descriptors() -> dict[str, str]:
    """What each open file descriptor is: a file, a pipe, a socket."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of the listing itself
            found[path.name] = str(path.readlink())
    return found


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _listen(target: TargetKustomer, path: Path, lines: bytes) -> int:
    """Run the target, and return the exit code."""
    path.write_bytes(lines)
    try:
        with redirect_stdout(io.StringIO()), path.open("rb") as stdin:
            target.listen(stdin)  # type: ignore[arg-type]
    except FatalError as fatal:
        return fatal.exit_code
    return 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_run_leaves_nothing_behind(
    way: Way, run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    for fault in way.faults:
        simulator.faults.add(**fault)
    threads, handlers, descriptors = set(threading.enumerate()), _handlers(), _descriptors()
    target = TargetKustomer(config=run.config(**way.settings))
    assert _listen(target, tmp_path / "lines", way.messages) == way.code
    assert set(threading.enumerate()) == threads
    assert _handlers() == handlers
    # The simulator, in this process too, closes its end of each connection a moment later.
    wait_until(lambda: _descriptors() == descriptors, 20)


def test_a_signal_is_the_runs_until_it_ends(
    run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.faults.add("stuck_job")
    taken: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: taken.append(number))
    try:
        target = TargetKustomer(config=run.config(**IN_TENS))
        ender = threading.Thread(target=_terminate_when, args=[lambda: simulator.org.jobs])
        ender.start()
        assert _listen(target, tmp_path / "lines", RECORDS) == 143
        ender.join()
        assert taken == []
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: taken == [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate_when(condition: Callable[[], object]) -> None:
    wait_until(condition)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_in_a_thread_of_its_own_leaves_the_signals_alone(
    run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    before = _handlers()
    codes: list[int] = []

    def load() -> None:
        target = TargetKustomer(config=run.config())
        codes.append(_listen(target, tmp_path / "lines", RECORDS))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert (codes, len(simulator.org.customers)) == ([0], 80)
    assert _handlers() == before


# What a run remembers


def test_rejected_lines_are_forgotten_when_all_before_them_is_settled(
    run: Runner, tmp_path: Path
) -> None:
    lines = to_lines([schema("customers", CUSTOMERS)]) + 100 * REJECTED
    target = TargetKustomer(config=run.config(batch_size_rows=10))
    assert _listen(target, tmp_path / "lines", lines) == 3
    assert len(target.run._rejects._lines) <= 10


def test_a_rejected_line_is_remembered_while_a_batch_may_reject_it_again(run: Runner) -> None:
    maps = {
        "companies": {"__source__": "contacts", "name": "'x' * 300"},
        "customers": {"__source__": "contacts", "__filter__": "id in ('5', '95')"},
    }
    contacts = [record("contacts", id=str(number), age="old") for number in range(100)]
    result = run(
        [schema("contacts", CUSTOMERS), *contacts],
        stream_maps=maps,
        streams={"contacts": {"object": "ignore"}},
        batch_size_rows=10,
    )
    assert result.counts("companies") == {"rejected": 100}
    assert result.counts("customers") == {"rejected": 2}
    assert len(result.rejected) == 100


def test_of_the_states_that_wait_for_one_batch_only_the_newest_is_kept() -> None:
    out: list[int] = []
    checkpoints = Checkpoints(out.append)
    for number in range(100):
        checkpoints.checkpoint(number, next_ticket=2 + number // 50)
    assert len(checkpoints._waiting) == 2
    checkpoints.confirm(1, first_line=1)
    checkpoints.confirm(2, first_line=100)
    assert out == [49, 99]

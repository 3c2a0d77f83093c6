"""Two processes at once with one ledger keep to one share of the org's limit."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from target_kustomer.simulator import Simulator
from tests.kustomer.windows import most_in_a_window
from tests.support import TEXT, Runner, Running, record, schema, state, wait_until
from tests.target import hurried

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 100
SHARE = 0.8
CUSTOMERS = 90
"""Of each run: each costs at least a request, since WhatsApp numbers are updated singly."""


def test_two_processes_with_one_ledger_keep_to_one_share(tmp_path: Path) -> None:
    with _simulator() as simulator, ExitStack() as runs:
        started = [runs.enter_context(_start(simulator, tmp_path, each)) for each in range(2)]
        results = [run.result(120) for run in started]
    assert [each.exit_code for each in results] == [0, 0], [each.error for each in results]
    assert [each.states for each in results] == [["end"], ["end"]]
    assert [each.counts() for each in results] == [{"updated": CUSTOMERS}] * 2
    assert _most(simulator) <= SHARE * LIMIT
    assert 429 not in {each.status for each in simulator.requests.entries}


def test_a_killed_process_leaves_its_part_to_the_other(tmp_path: Path) -> None:
    with _simulator() as simulator, ExitStack() as runs:
        killed, other = (runs.enter_context(_start(simulator, tmp_path, each)) for each in range(2))
        wait_until(lambda: len(simulator.requests.entries) >= 50)
        killed.process.kill()
        result = other.result(120)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            [(notices,)] = connection.execute("SELECT count(*) FROM target_kustomer_runs")
    assert result.exit_code == 0, result.error
    assert result.counts() == {"updated": CUSTOMERS}
    assert _most(simulator) <= SHARE * LIMIT
    assert 429 not in {each.status for each in simulator.requests.entries}
    assert notices <= 2


def _simulator() -> Simulator:
    simulator = Simulator(clock=hurried.hurried_time, rate_limit=LIMIT)
    for number in range(2 * CUSTOMERS):
        simulator.org.add_customer({"externalId": str(number)})
    return simulator


def _most(simulator: Simulator) -> int:
    return most_in_a_window(each.time for each in simulator.requests.entries)


def _start(simulator: Simulator, folder: Path, number: int) -> Running:
    """A run that updates its customers, so many as there are."""
    own = folder / str(number)
    own.mkdir()
    settings = {"ledger_url": f"sqlite:///{folder / 'ledger.db'}", "rate_limit_share": SHARE}
    config = Runner(simulator, own).command(**settings)[-1]
    command = [sys.executable, hurried.__file__, "--config", config]
    run = Running(command, os.environ, own, own / "rejects")
    run.write([schema("customers", {"id": TEXT, "whatsapp": TEXT})])
    run.write(
        record("customers", id=str(each), whatsapp=f"+1202555{each:04}")
        for each in range(number * CUSTOMERS, (number + 1) * CUSTOMERS)
    )
    run.write([state("end")])
    run.close_stdin()
    return run

"""Two runs at once share what the org has, and know of each other by its answers alone."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from target_kustomer.simulator import Simulator
from tests.support import TEXT, Runner, Running, record, schema, state
from tests.target import hurried

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 100
CUSTOMERS = 90
"""Of each run: each costs at least a request, since WhatsApp numbers are updated singly."""


def test_two_runs_at_once_stay_within_the_org_s_limit(tmp_path: Path) -> None:
    with Simulator(clock=hurried.hurried_time, rate_limit=LIMIT) as simulator, ExitStack() as runs:
        for number in range(2 * CUSTOMERS):
            simulator.org.add_customer({"externalId": str(number)})
        started = [
            runs.enter_context(_start(simulator, tmp_path / name)) for name in ("one", "other")
        ]
        for run, numbers in zip(
            started, (range(CUSTOMERS), range(CUSTOMERS, 2 * CUSTOMERS)), strict=True
        ):
            run.write([schema("customers", {"id": TEXT, "whatsapp": TEXT})])
            run.write(
                record("customers", id=str(number), whatsapp=f"+1202555{number:04}")
                for number in numbers
            )
            run.write([state("end")])
            run.close_stdin()
        results = [run.result() for run in started]
    assert [each.exit_code for each in results] == [0, 0], [each.error for each in results]
    assert [each.states for each in results] == [["end"], ["end"]]
    assert [each.counts() for each in results] == [{"updated": CUSTOMERS}] * 2
    requests = simulator.requests.entries
    assert Counter(each.status == 429 for each in requests) == {False: len(requests)}
    assert requests[-1].time - requests[0].time > 60


def _start(simulator: Simulator, folder: Path) -> Running:
    folder.mkdir()
    runner = Runner(simulator, folder)
    config = runner.command()[-1]
    command = [sys.executable, hurried.__file__, "--config", config]
    return Running(command, os.environ, folder, folder / "rejects")

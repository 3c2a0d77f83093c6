"""A process that ends at any moment, in any way, has acknowledged nothing but what is there.

A cell is named by the request at which the process ends, by its end, and by whether Kustomer has
processed the request. This runs one:
``scripts/test tests/guarantees/test_kills.py --full-grid -k '[14-submit-customers-sigkill-after]'``
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import subprocess
import sys
import termios
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import cycle, pairwise, product
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM
from typing import IO, TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from target_kustomer.target import TargetKustomer
from tests.guarantees.audit import SMALL, SMALL_REJECTED, Scenario, prepare
from tests.guarantees.grid import REQUESTS, request_of
from tests.guarantees.resumption import resume
from tests.support import (
    CUSTOMERS,
    Result,
    Runner,
    customers,
    record,
    schema,
    state,
    to_lines,
    wait_until,
)

if TYPE_CHECKING:
    from tests.guarantees.tally import Tally
    from tests.support import Running

ROOT = Path(__file__).parents[2]

FOR_EVER = 3600

PATIENT: dict[str, Any] = {
    "max_parallel_requests": 1,
    "batch_size_rows": 5,
    "request_timeout_seconds": FOR_EVER,
    "lost_answer_wait_seconds": 0,
    "shutdown_grace_seconds": FOR_EVER,
}
"""One request after the other, in the order of the grid; none is given up."""

SETTLED = ((3, 0), (8, 4), (18, 7), (22, 11), (23, 15))
"""The last request of each batch, and the STATE when the batch has settled."""


@pytest.fixture
def small(simulator: Simulator, run: Runner) -> Runner:
    """Runs the target against a Kustomer where the small scenario finds what it meets."""
    prepare(simulator.org)
    return run


@dataclass(frozen=True)
class End:
    """How a process is ended.

    Attributes:
        signals: What it is sent.
        codes: How it may end.
        at_once: Whether a second signal comes before the first has had its effect.
    """

    signals: tuple[signal.Signals, ...]
    codes: frozenset[int]
    at_once: bool = False

    @property
    def graceful(self) -> bool:
        return self.signals in {(SIGTERM,), (SIGINT,)}


ENDS = {
    "sigkill": End((SIGKILL,), frozenset({-SIGKILL})),
    "sigterm": End((SIGTERM,), frozenset({143})),
    "sigint": End((SIGINT,), frozenset({130})),
    "sigterm-twice": End((SIGTERM, SIGTERM), frozenset({143})),
    "sigint-twice": End((SIGINT, SIGINT), frozenset({130})),
    "sigint-sigterm": End((SIGINT, SIGTERM), frozenset({130, 143}), at_once=True),
    "sigterm-sigint": End((SIGTERM, SIGINT), frozenset({130, 143}), at_once=True),
}


@dataclass(frozen=True)
class Cell:
    """A process that ends while it waits for the answer to a request.

    Attributes:
        ordinal: The request's, in the grid.
        end_name: How it ends.
        when: Whether it ends before Kustomer has processed the request, or after.
    """

    ordinal: int
    end_name: str
    when: str

    @property
    def end(self) -> End:
        return ENDS[self.end_name]

    @property
    def name(self) -> str:
        return f"{self.ordinal}-{REQUESTS[self.ordinal - 1][0]}-{self.end_name}-{self.when}"

    @property
    def stdin_ends(self) -> bool:
        """Whether stdin has come to its end by then; else it stays open, and silent."""
        last_but_one = SETTLED[-2][0]
        return self.ordinal % 2 == 0 or self.ordinal > last_but_one

    @property
    def states(self) -> tuple[int, int]:
        """The STATE before the batch of the request has settled, and when it has."""
        reached = [0, *(covered for last, covered in SETTLED if last < self.ordinal)]
        return reached[-1], SETTLED[len(reached) - 1][1]


GRID = [
    Cell(ordinal, *how)
    for ordinal in range(1, len(REQUESTS) + 1)
    for how in product(ENDS, ("before", "after"))
]


def sample() -> list[Cell]:
    """Each kind of request behind each other that it follows; every end is dealt out in turn."""
    dice = random.Random(1)
    alike = defaultdict(list)
    for ordinal, kinds in enumerate(pairwise((None, *REQUESTS)), 1):
        alike[kinds].append(ordinal)
    ends = list(product(ENDS, ("before", "after")))
    dice.shuffle(ends)
    ordinals = sorted(map(dice.choice, alike.values()))
    return [Cell(ordinal, *how) for ordinal, how in zip(ordinals, cycle(ends), strict=False)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        cells = GRID if metafunc.config.getoption("--full-grid") else sample()
        metafunc.parametrize("cell", cells, ids=[cell.name for cell in cells])


def test_a_process_that_ends_at_a_request(cell: Cell, tmp_path: Path, tally: Tally) -> None:
    with Simulator(job_seconds=0.0) as simulator:
        prepare(simulator.org)
        run = Runner(simulator, tmp_path)
        fault = simulator.faults.add(f"timeout_{cell.when}", ordinal=cell.ordinal)  # type: ignore[arg-type]
        with run.start(**PATIENT) as running:
            running.write(SMALL.messages)
            if cell.stdin_ends:
                running.close_stdin()
            wait_until(lambda: fault.fired)
            request = simulator.requests.entries[cell.ordinal - 1]
            wait_until(lambda: request.cost or cell.when == "before")
            end(cell, running, simulator)
            dead = running.result()
        rest = resume(run, SMALL, dead, tally)
    assert request_of(request)[0] == REQUESTS[cell.ordinal - 1][0]
    assert dead.exit_code in cell.end.codes
    last = dead.states[-1] if dead.states else 0
    if SIGKILL in cell.end.signals:
        assert last <= cell.states[0]
    else:
        assert last == cell.states[cell.end.graceful]
        assert bool(dead.summaries) == (cell.ordinal > 2)  # the first stream has begun
        assert_ended_by_signal(dead)
    assert dead.reasons | rest.reasons == SMALL_REJECTED


def end(cell: Cell, running: Running, simulator: Simulator) -> None:
    """End a process that waits for an answer; where it has a grace, break the connection."""
    first, *others = cell.end.signals
    running.process.send_signal(first)
    if not cell.end.at_once:
        wait_until(lambda: "ending: " in running.log or running.ended)
    if cell.end.at_once or cell.ordinal > 3:  # before, the first signal leaves no time for another
        for other in others:
            running.process.send_signal(other)
    if cell.end.graceful:
        simulator.stop()
        simulator.start()


def assert_ended_by_signal(
    dead: Result, mend: str = "run again: it goes on from the last STATE"
) -> None:
    """Its last line says what to do."""
    assert dead.error.endswith(f"ended by signal {dead.exit_code - 128}: {mend}")
    assert "Traceback" not in dead.log


# More of what is under way when a process ends


@dataclass(frozen=True)
class Late:
    """A job that is done when its process has ended.

    Attributes:
        ordinal: The request that starts it, in the grid.
        seconds: How long it takes.
        unique: Whether companies' external ids are unique.
    """

    ordinal: int
    seconds: float
    unique: bool = True


LATE = {
    "companies": Late(5, 3),
    "customers": Late(10, 3),
    "companies-of-any-external-id": Late(5, 0, unique=False),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_what_a_job_creates_when_its_process_has_ended_is_not_created_twice(
    late: Late, tmp_path: Path, tally: Tally
) -> None:
    with Simulator(job_seconds=0.0, company_external_id_unique=late.unique) as simulator:
        prepare(simulator.org)
        run = Runner(simulator, tmp_path)
        simulator.faults.add("slow_job", ordinal=late.ordinal, seconds=late.seconds)
        fault = simulator.faults.add("timeout_after", ordinal=late.ordinal)
        with run.start(**PATIENT) as running:
            running.write(SMALL.messages)
            wait_until(lambda: fault.fired and simulator.requests.entries[-1].cost)
            running.process.kill()
            dead = running.result()
        resume(run, SMALL, dead, tally)


SWARM = Scenario(
    [
        schema("customers", CUSTOMERS),
        *(
            message
            for number in range(0, 400, 10)
            for message in (
                *customers(9, first=number),
                record("customers", id=f"c{number + 9}", age="old"),
                state(number + 10),
            )
        ),
    ]
)
"""Many customers; each tenth is rejected."""


@pytest.mark.parametrize(("end_name", "grace"), [("sigkill", 0), ("sigterm", 0), ("sigint", 30)])
def test_a_process_that_ends_while_it_is_full(
    end_name: str, grace: float, tmp_path: Path, tally: Tally
) -> None:
    how = ENDS[end_name]
    settings: dict[str, Any] = {
        "batch_size_rows": 10,
        "max_parallel_requests": 2,
        "shutdown_grace_seconds": grace,
    }
    with Simulator(job_seconds=1.0) as simulator:
        run = Runner(simulator, tmp_path)
        with run.start(**settings) as running:
            running.write(SWARM.messages)
            wait_until(lambda: running.stdout)
            running.process.send_signal(how.signals[0])
            dead = running.result()
        assert dead.exit_code in how.codes
        assert 0 < dead.states[-1] < 400
        if grace:  # what was begun is in Kustomer
            assert all(job.completed for job in simulator.org.jobs)
        resume(run, SWARM, dead, tally)


@pytest.mark.parametrize("end_name", ["sigkill", "sigterm", "sigint"])
def test_a_process_that_ends_while_stdin_is_silent(
    end_name: str, small: Runner, tally: Tally
) -> None:
    how = ENDS[end_name]
    with small.start(**PATIENT) as running:
        running.write(SMALL.messages)
        wait_until(lambda: running.stdout.count("\n") == 3)
        running.process.send_signal(how.signals[0])
        dead = running.result()
    rest = resume(small, SMALL, dead, tally)
    assert dead.exit_code in how.codes
    assert dead.states == [4, 7, 11]
    assert rest.states == [15]


@dataclass(frozen=True)
class Wait:
    """Where a process waits for long.

    Attributes:
        fault: What makes it wait, for ever.
        says: What it logs when it waits.
        number: The signal that ends it.
    """

    fault: dict[str, Any]
    says: str
    number: signal.Signals


WAITS = {
    "for-a-retry-at-the-start": Wait(
        {"kind": "500", "path_pattern": "tokens/current"}, "retry kind=", SIGTERM
    ),
    "for-a-retry-at-a-schema": Wait(
        {"kind": "reset_before", "path_pattern": "metadata"}, "retry kind=", SIGINT
    ),
    "for-a-retry-of-a-worker": Wait(
        {"kind": "502_html", "path_pattern": "customers/bulk"}, "retry kind=", SIGINT
    ),
    "for-the-budget-at-the-start": Wait(
        {"kind": "429", "path_pattern": "tokens/current", "seconds": 100}, "budget spent", SIGINT
    ),
    "for-the-budget-of-a-worker": Wait(
        {"kind": "429", "path_pattern": "customers/bulk", "seconds": 100}, "budget spent", SIGTERM
    ),
    "for-a-lost-company": Wait(
        {"kind": "reset_before", "path_pattern": "companies/bulk"}, "no answer to a create", SIGTERM
    ),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_signal_ends_a_long_wait(
    wait: Wait, small: Runner, simulator: Simulator, tally: Tally
) -> None:
    fault = simulator.faults.add(**wait.fault, times=None)
    settings = {"retry_deadline_seconds": FOR_EVER, "lost_answer_wait_seconds": FOR_EVER}
    with small.start(**PATIENT | settings | {"shutdown_grace_seconds": 0}) as running:
        running.write(SMALL.messages)
        wait_until(lambda: wait.says in running.log)
        running.process.send_signal(wait.number)
        dead = running.result()
    fault.times = 0
    resume(small, SMALL, dead, tally)
    assert dead.exit_code == 128 + wait.number
    assert_ended_by_signal(dead)


# At the start and at the end


STRIKE_AT_AN_IMPORT = """
import signal
import sys

class Striker:
    def find_spec(self, name, path=None, target=None):
        if name == "singer_sdk":
            signal.raise_signal({number:d})

sys.meta_path.insert(0, Striker())
"""


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
@pytest.mark.parametrize("start", ["module", "script"])
def test_a_signal_while_modules_are_imported_ends_the_process(
    start: str, number: signal.Signals, run: Runner, tmp_path: Path
) -> None:
    code = STRIKE_AT_AN_IMPORT.format(number=number)
    (tmp_path / "sitecustomize.py").write_text(code)
    python, *by_module, config, path = run.command()
    how = by_module if start == "module" else ["-c", _console_script()]
    done = subprocess.run(
        [python, *how, config, path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        timeout=120,
    )
    assert done.returncode == -number  # a shell says 128 and the number
    assert done.stdout + done.stderr == b""
    assert not run.simulator.requests.entries


def _console_script() -> str:
    """What pip makes of the entry point."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^target-kustomer = "(.+):(.+)"', project, re.MULTILINE)
    assert found
    name = found[2].partition(".")[0]
    return f"import sys; from {found[1]} import {name}; sys.exit({found[2]}())"


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
@pytest.mark.parametrize("hook", ["setup_mapper", "_start", "process_endofpipe"])
def test_a_signal_at_the_start_and_at_the_end_of_stdin(
    hook: str,
    number: signal.Signals,
    simulator: Simulator,
    tmp_path: Path,
    tally: Tally,
) -> None:
    def strike(self: TargetKustomer) -> None:
        signal.raise_signal(number)
        getattr(super(struck, self), hook)()

    struck = type("Struck", (TargetKustomer,), {hook: strike})
    prepare(simulator.org)
    dead = Runner(simulator, tmp_path, struck)(SMALL.messages)
    assert dead.exit_code == 128 + number
    if hook == "setup_mapper":
        assert_ended_by_signal(dead, "nothing was done yet; start it again")
    else:
        assert_ended_by_signal(dead)
    resume(Runner(simulator, tmp_path / "rest"), SMALL, dead, tally)


# The tap dies


def test_a_stdin_that_ends_early_ends_the_run_well(small: Runner, tally: Tally) -> None:
    part = SMALL.messages[:12]
    early = small.process(part)
    rest = resume(small, SMALL, early, tally)
    assert early.exit_code == 3  # one of its companies was rejected
    assert early.states == [4, 7]
    assert rest.states == [15]


@pytest.mark.parametrize("kind", ["RECORD", "STATE"])
def test_a_stdin_that_ends_within_a_line_is_broken(kind: str, small: Runner, tally: Tally) -> None:
    at = max(index for index, each in enumerate(SMALL.messages[:13]) if each["type"] == kind)
    line = to_lines(SMALL.messages[at : at + 1])
    broken = small.process(to_lines(SMALL.messages[:at]) + line[: len(line) // 2])
    resume(small, SMALL, broken, tally)
    assert broken.exit_code == 2
    assert f"line {at + 1}: " in broken.error
    assert broken.states[-1] == max(
        each["value"]["at"] for each in SMALL.messages[:at] if each["type"] == "STATE"
    )


# Who reads the STATE dies, or stops to read


@pytest.mark.parametrize("lines_read", [0, 1, 2])
def test_a_stdout_that_is_closed_ends_the_run(lines_read: int, small: Runner, tally: Tally) -> None:
    reading, writing = os.pipe()
    with small.start(stdout=writing, **PATIENT) as running, os.fdopen(reading, "rb") as stdout:
        os.close(writing)
        running.write(SMALL.messages[:13])
        read = b"".join(stdout.readline() for _ in range(lines_read))
        stdout.close()
        running.write(SMALL.messages[13:])
        running.close_stdin()
        dead = replace(running.result(), stdout=read.decode())
    resume(small, SMALL, dead, tally)
    assert dead.exit_code == 128 + signal.SIGPIPE
    assert dead.error.endswith(
        "stdout was closed: nothing can be acknowledged; run again from the last STATE"
    )
    assert "Traceback" not in dead.log


def test_a_process_without_a_stdout_ends_likewise(small: Runner) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *small.command()]
    done = subprocess.run(
        command, input=to_lines(SMALL.messages), stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 128 + signal.SIGPIPE
    assert "stdout was closed" in done.stderr.decode().splitlines()[-1]


PADDED = Scenario(
    [
        {**each, "value": each["value"] | {"padding": "x" * 2_000_000}}
        if each["type"] == "STATE"
        else each
        for each in SMALL.messages
    ]
)
"""The small scenario, with STATEs that no pipe holds."""


@dataclass(frozen=True)
class Stall:
    """A process that nobody reads from is ended.

    Attributes:
        signals: How often it is sent one.
        grace: Its grace, in seconds.
        stdin_ends: Whether stdin has come to its end before.
        read_on: Whether the reader goes on when the signals are sent.
    """

    signals: int
    grace: float
    stdin_ends: bool = False
    read_on: bool = False


STALLS = {
    "no-grace": Stall(1, 0),
    "no-grace-at-the-end": Stall(1, 0, stdin_ends=True),
    "second-signal": Stall(2, FOR_EVER),
    "second-signal-at-the-end": Stall(2, FOR_EVER, stdin_ends=True),
    "read-on-within-the-grace": Stall(1, FOR_EVER, read_on=True),
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_a_stdout_that_nobody_reads_does_not_keep_a_process_from_its_end(
    stall: Stall, small: Runner, tally: Tally
) -> None:
    reading, writing = os.pipe()
    settings = PATIENT | {"shutdown_grace_seconds": stall.grace}
    with small.start(stdout=writing, **settings) as running, os.fdopen(reading, "rb") as stdout:
        os.close(writing)
        running.write(PADDED.messages)
        if stall.stdin_ends:
            running.close_stdin()
            wait_until(lambda: "completed processing" in running.log)
        wait_until(lambda: _is_full(stdout))
        for _ in range(stall.signals):
            running.process.terminate()
            wait_until(lambda: "ending: " in running.log)
        read = stdout.read() if stall.read_on else b""
        dead = running.result()
        read += stdout.read()
    whole = read[: read.rfind(b"\n") + 1]
    dead = replace(dead, stdout=whole.decode())
    resume(small, PADDED, dead, tally)
    assert dead.exit_code == 143
    assert_ended_by_signal(dead)
    assert (whole == read) == stall.read_on
    assert bool(dead.states) == stall.read_on


def _is_full(pipe: IO[bytes]) -> bool:
    held = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(held, sys.byteorder) == fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)

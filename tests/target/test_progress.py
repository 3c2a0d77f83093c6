"""How far a run is: live lines on a terminal, lines in the log without one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import select
import struct
import subprocess
import termios
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pyte
import pytest

from target_kustomer.models import Verdict
from target_kustomer.progress import Progress, Standing, live_lines, log_lines
from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import CUSTOMERS, Runner, customers, schema, state, to_lines, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Clock

MANY = [schema("customers", CUSTOMERS), *customers(60), state(60)]

AT_30 = Standing(
    at=30.0,
    read={"customers": 4000, "idle": 7},
    verdicts={
        "customers": {Verdict.CREATED: 2000, Verdict.UPDATED: 300, Verdict.REJECTED: 1},
        "idle": {Verdict.SKIPPED: 7},
    },
    requests=88,
    waiting=2,
    limit=1000,
    remaining=912,
)
BEFORE = Standing(
    at=20.0,
    read={"customers": 10},
    verdicts={"customers": {Verdict.CREATED: 1}, "idle": {Verdict.SKIPPED: 7}},
)


def test_the_log_tells_of_each_stream_that_moves_and_of_the_requests() -> None:
    stream, requests = log_lines(BEFORE, AT_30)
    assert stream == (
        "progress stream=customers read=4000 created=2000 updated=300 unchanged=0 skipped=0 "
        "rejected=1 per_second=230"
    )
    assert requests == "progress requests=88 waiting=2"


def test_the_live_lines_tell_of_all() -> None:
    assert live_lines(BEFORE, AT_30, 80, 12) == [
        "requests: 88 sent, 2 waiting, 912 of 1,000 left",
        "customers: 4,000 read, 2,300 written, 0 unchanged, 0 skipped, 1 rejected, 230/s",
        "idle: 7 read, 0 written, 0 unchanged, 7 skipped, 0 rejected, 0/s",
    ]


def test_live_lines_that_do_not_fit_tell_of_the_requests_and_of_what_moves() -> None:
    names = [f"shop-public-{number:02}-customers" for number in range(40)]
    read = dict.fromkeys(names, 4000)
    done = {each: {Verdict.CREATED: 4000} for each in names}
    before = Standing(0.0, read, done)
    now = Standing(10.0, {**read, names[30]: 4100, names[39]: 4001}, done)
    requests, first, second, third, *rest, last = live_lines(before, now, 80, 12)
    assert requests == "requests: 0 sent, 0 waiting"
    name, counts = first.split(": ")
    assert counts == "4,100 read, 4,000 written, 0 unchanged, 0 skipped, 0 rejected, 0/s"
    assert (len(first), name) == (80, "shop-publ...")
    assert "4,001 read" in second
    assert "4,000 read" in third
    assert len(rest) == 7
    assert last == "and 30 streams more"
    assert live_lines(before, now, 20, 1) == ["requests: 0 sent, 0 "]
    assert all(len(each) <= 20 for each in live_lines(before, now, 20, 5))


def test_no_name_of_a_stream_speaks_to_the_terminal() -> None:
    name = "cust\x1b]0;owned\x07\nomers"
    now = Standing(1.0, {name: 2}, {})
    for line in (*live_lines(BEFORE, now, 80, 12), *log_lines(BEFORE, now)):
        assert line.isprintable()


def test_the_log_tells_it_each_half_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress(lambda: Standing(clock.now, {"people": int(clock.now)}, {}), clock)
    for clock.now in (1.0, 29.9, 30.0, 31.0, 59.9, 62.0, 91.9, 92.0):
        progress.tick()
    told = [each for each in caplog.messages if "stream=people" in each]
    assert [re.findall(r"read=(\d+)", each) for each in told] == [["30"], ["62"], ["92"]]


def _told(caplog: pytest.LogCaptureFixture, times: int) -> bool:
    return caplog.text.count("progress requests=") >= times


def test_a_long_run_tells_how_far_it_is_without_a_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def slowly() -> Iterator[dict[str, Any]]:
        for count, message in enumerate(MANY):
            if count in {20, 40}:
                wait_until(partial(_told, caplog, count // 10))
            yield message

    with Simulator(clock=fast_time) as simulator:
        result = Runner(simulator, tmp_path, FastTarget)(slowly(), batch_size_rows=2)
    assert result.exit_code == 0
    told = re.findall(r"progress stream=customers read=\d+ created=(\d+) updated=0", result.log)
    assert told
    assert sorted(map(int, told)) == list(map(int, told))
    sent = re.findall(r"progress requests=(\d+) waiting=\d+", result.log)
    assert len(sent) >= 4
    assert 0 < int(sent[0]) < int(sent[-1]) <= len(simulator.requests.entries)
    assert "progress" not in result.stdout


QUIET = {"PYTHONWARNINGS": "ignore"}
"""The SDK says on stderr, beside the log, that Python 3.10 reached its end of life."""


def _open_terminal(columns: int = 300, rows: int = 100) -> tuple[int, int]:
    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    return master, terminal


class Screen:
    """A terminal as its user sees it, with all that it ever showed.

    Attributes:
        fd: What a process has as its terminal.
        seen: Each line that it ever showed.
        shown: All that it showed, from moment to moment.
    """

    def __init__(self, columns: int = 300, rows: int = 100) -> None:
        self._master, self.fd = _open_terminal(columns, rows)
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self.seen: set[str] = set()
        self.shown: list[list[str]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        while not self._ended.is_set() or select.select([self._master], [], [], 0)[0]:
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                self._stream.feed(os.read(self._master, 4096))
            except OSError:  # nobody has the terminal any more
                return
            self.shown.append([line.rstrip() for line in self._screen.display])
            self.seen.update(self.shown[-1])

    def lines(self) -> list[str]:
        """What is left on it when all is over, with what has scrolled off it."""
        os.close(self.fd)
        self._ended.set()
        self._thread.join()
        os.close(self._master)
        columns = range(self._screen.columns)
        off = ["".join(line[at].data for at in columns) for line in self._screen.history.top]
        return [line.rstrip() for line in (*off, *self._screen.display) if line.strip()]


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Runner]:
    with Simulator(latency_seconds=0.05) as simulator:
        yield Runner(simulator, tmp_path)


def _run(
    runner: Runner, screen: Screen, stdout: int, messages: Any = MANY, **env: str
) -> tuple[int, bytes]:
    done = subprocess.run(
        runner.command(
            batch_size_rows=1,
            max_parallel_requests=2,
            streams={"shop-*": {"match_on": ["email"], "fields": {"id": None}}},
        ),
        input=to_lines(messages),
        stdout=stdout,
        stderr=screen.fd,
        check=False,
        env={**os.environ, "TERM": "xterm", **QUIET, **env},
        timeout=120,
    )
    return done.returncode, done.stdout


LIVE = re.compile(
    r"customers: \d+ read, \d+ written, \d+ unchanged, \d+ skipped, \d+ rejected, \d+/s$"
)
BUDGET = re.compile(r"requests: \d+ sent, \d+ waiting, [\d,]+ of [\d,]+ left$")
LOGGED = re.compile(r"\d{4}-\d\d-\d\d .{12} +\| [A-Z]+ +\| ")


def test_a_terminal_has_live_lines_and_whole_log_lines(slow: Runner) -> None:
    slow.simulator.faults.add("500", path_pattern="/bulk/", times=3)  # retries are logged
    screen = Screen()
    code, stdout = _run(slow, screen, subprocess.PIPE)
    left = screen.lines()
    assert code == 0
    assert len({line for line in screen.seen if LIVE.match(line)}) > 1
    assert {line for line in screen.seen if BUDGET.match(line)}
    assert all(LOGGED.match(line) for line in left), left
    assert sum("retry kind=poll" in line for line in left) == 3
    assert "summary stream=customers read=60 created=60" in left[-1]
    assert json.loads(stdout)["at"] == 60


def test_states_leave_the_lines_of_the_same_terminal_whole(slow: Runner) -> None:
    screen = Screen()
    code, _ = _run(slow, screen, screen.fd)
    left = screen.lines()
    assert code == 0
    assert '{"at":60}' in left
    assert any(LIVE.match(line) for line in screen.seen)
    assert all(LOGGED.match(line) for line in left if line != '{"at":60}'), left


def test_many_streams_leave_a_small_terminal_room_and_the_requests_in_sight(slow: Runner) -> None:
    names = [f"shop-{number:02}-customers" for number in range(40)]
    messages = [schema(name, CUSTOMERS) for name in names]
    for number, [person] in enumerate(customers(1, first=each) for each in range(40)):
        messages.append({**person, "stream": names[number]})
    screen = Screen(80, 24)
    code, _ = _run(slow, screen, subprocess.DEVNULL, messages)
    left = screen.lines()
    assert code == 0
    full = [each[12:] for each in screen.shown if each[-1] == "and 30 streams more"]
    assert any(  # some are seen while they are drawn
        BUDGET.match(each[0]) and all("/s" in line[-6:] for line in each[1:-1]) for each in full
    )
    assert not any("streams more" in line or BUDGET.match(line) for line in left)


def test_a_terminal_that_can_do_nothing_has_none(slow: Runner) -> None:
    screen = Screen()
    _run(slow, screen, subprocess.DEVNULL, TERM="dumb")
    assert all(LOGGED.match(line) for line in screen.lines())
    assert not any(LIVE.match(line) for line in screen.seen)


def test_a_terminal_that_goes_does_not_end_the_run(slow: Runner) -> None:
    master, terminal = _open_terminal()
    process = subprocess.Popen(
        slow.command(batch_size_rows=1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", **QUIET},
    )
    os.close(terminal)
    os.read(master, 1)
    os.close(master)
    out: Any
    out, _ = process.communicate(to_lines(MANY), 120)
    assert json.loads(out.splitlines()[-1])["at"] == 60
    assert process.returncode == 0

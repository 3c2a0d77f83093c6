from __future__ import annotations

import heapq
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from statistics import mean
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from target_kustomer.delivery.bulk import BulkJobs
from target_kustomer.delivery.knowledge import Knowledge
from target_kustomer.delivery.lost import LostAnswers
from target_kustomer.delivery.polling import JobTimes, seconds_between
from target_kustomer.delivery.results import ItemState
from target_kustomer.delivery.traffic import Traffic
from target_kustomer.identity import Identities
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import CUSTOMERS, Clock, Runner, customers, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path


class Server:
    """Jobs that are done after so many seconds of the clock; requests with bad items fail."""

    def __init__(
        self, clock: Clock, job_seconds: float, bad: Iterable[int] = (), *, stamps: bool = True
    ) -> None:
        self.clock = clock
        self.job_seconds = job_seconds
        self.bad = {f"n{number}" for number in bad}
        self.stamps = stamps
        self.polls = 0
        self._jobs: list[tuple[float, list[dict[str, Any]]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            items = json.loads(request.content)
            if any(item["name"] in self.bad for item in items):
                return httpx.Response(400, json={"errors": [{"title": "Bad"}]})
            self._jobs.append((self.clock.now + self.job_seconds, items))
            created: dict[str, Any] = {"createdAt": self._stamp(self.clock.now)}
            data = {"type": "bulk", "id": str(len(self._jobs) - 1), "attributes": created}
            return httpx.Response(201, json={"data": data})
        self.polls += 1
        done_at, items = self._jobs[int(request.url.path.split("/")[-2])]
        done = self.clock.now >= done_at
        attributes: dict[str, Any] = {"completed": done}
        if done:
            attributes["results"] = [
                {"_clientRef": item["_clientRef"], "status": "created", "objectId": "x"}
                for item in items
            ]
            attributes["completedAt"] = self._stamp(done_at)
        return httpx.Response(200, json={"data": [{"attributes": attributes}]})

    def _stamp(self, seconds: float) -> str | None:
        moment = datetime.fromtimestamp(1_800_000_000.0 + seconds, timezone.utc)
        return moment.isoformat() if self.stamps else None


def run_jobs(server: Server, number: int, times: JobTimes) -> list[ItemState]:
    clock = server.clock
    settings = Settings.from_config({"api_key": "k", "api_url": "http://kustomer.test"})
    client = Client(settings, clock, httpx.MockTransport(server))
    kustomer = Kustomer(client)
    lost = LostAnswers(
        Identities(kustomer, clock, lambda _: 0, Knowledge(skip_unchanged=False)), times, 1.0, clock
    )
    bulk = BulkJobs(kustomer, lost, times, settings, Traffic(clock))
    payloads = [{"name": f"n{index}", "externalId": str(index)} for index in range(number)]
    results = bulk.run("create", "customer", payloads)
    client.close()
    return [result.state for result in results]


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("job_seconds", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("bad", [[70], [0, 50], [3, 30, 60, 90, 99]], ids=str)
def test_the_parts_of_a_halved_request_are_not_waited_for_one_by_one(
    bad: list[int], job_seconds: float, *, stamps: bool
) -> None:
    """Eight jobs go out together and end together: the last is known soon after the first."""
    clock = Clock()
    server = Server(clock, job_seconds, bad, stamps=stamps)
    states = run_jobs(server, 100, JobTimes())
    assert states.count(ItemState.DONE) == 100 - len(bad)
    jobs = 1 + len(bad) * 7
    rounds = -(-jobs // 8)
    assert clock.now <= 3 * rounds * (job_seconds + 1)


@pytest.mark.parametrize("job_seconds", [0.0, 0.3, 4.0, 60.0, 600.0])
def test_a_job_of_any_length_costs_few_polls_and_little_delay(job_seconds: float) -> None:
    clock = Clock()
    server = Server(clock, job_seconds)
    run_jobs(server, 1, JobTimes())
    assert clock.now <= 1.6 * job_seconds + 1
    assert server.polls <= 30


def test_after_some_jobs_the_first_question_comes_when_most_are_done() -> None:
    times = JobTimes()
    clock = Clock()
    server = Server(clock, 4.0)
    for _ in range(10):
        run_jobs(server, 1, times)
    server.polls, clock.now = 0, 1000.0
    run_jobs(server, 1, times)
    assert server.polls <= 2
    assert clock.now <= 1000 + 8


def test_the_longest_job_is_remembered() -> None:
    times = JobTimes()
    for seconds in (1.0, 7.0, 2.0, *(0.1,) * 100):
        times.record(seconds)
    assert times.longest == 7.0


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:02.500Z", 2.5),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:02+01:00", 2.0),
        ("2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z", 0.0),
        (None, "2026-01-01T00:00:00Z", None),
        ("2026-01-01T00:00:00Z", None, None),
        ("yesterday", "2026-01-01T00:00:00Z", None),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z", None),
    ],
)
def test_the_servers_own_stamps_tell_how_long_a_job_took(
    start: str | None, end: str | None, expected: float | None
) -> None:
    assert seconds_between(start, end) == expected


# Many jobs at once, in time that is only counted.

_ANSWER_SECONDS = 0.02


@dataclass
class Load:
    """What the polls of a load of jobs came to."""

    times: JobTimes = field(default_factory=JobTimes)
    polls: int = 0
    delays: list[float] = field(default_factory=list)
    """By how much each wait was longer than its job, as a part of the job's time."""


def worker(
    jobs: Iterator[float], load: Load, lag: float, *, stamps: bool
) -> Generator[float, float, None]:
    """Submits one job after the other and asks for it; yields waits, is sent the time."""
    now = yield 0.0
    for seconds in jobs:
        done_at = now + seconds
        submitted_at = now = yield _ANSWER_SECONDS
        with load.times.watch() as watch:
            while True:
                if wait := watch.wait_seconds(now - submitted_at):
                    now = yield wait
                    continue
                load.polls += 1
                asked_at, now = now, (yield _ANSWER_SECONDS)
                if asked_at >= done_at + lag:
                    break
                watch.told_too_early()
            watch.told_done(now - submitted_at, seconds if stamps else None)
        load.delays.append((asked_at - submitted_at) / seconds - 1)


def run_load(
    seconds: Iterable[float], in_flight: int = 8, lag: float = 0.0, *, stamps: bool = True
) -> Load:
    load, jobs = Load(), iter(seconds)
    workers = [worker(jobs, load, lag, stamps=stamps) for _ in range(in_flight)]
    due = [(0.001 * number + next(each), number) for number, each in enumerate(workers)]
    while due:
        now, number = heapq.heappop(due)
        with suppress(StopIteration):
            heapq.heappush(due, (now + workers[number].send(now), number))
    return load


def jittered(seconds: Iterable[float], seed: int, jitter: float = 0.1) -> list[float]:
    randomness = random.Random(seed)
    return [each * randomness.uniform(1 - jitter, 1 + jitter) for each in seconds]


@pytest.mark.parametrize("seconds", [0.05, 0.3, 2.0, 10.0])
def test_at_the_start_of_a_run_one_job_is_asked_for_and_teaches_all(seconds: float) -> None:
    load = run_load([seconds] * 20)
    assert len(load.delays) == 20
    assert load.polls <= 1.3 * 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("seconds", [0.3, 2.0, 10.0, 60.0])
def test_jobs_cost_few_polls_and_little_delay_whatever_their_time(
    seconds: float, seed: int, *, stamps: bool
) -> None:
    load = run_load(jittered([seconds] * 200, seed), stamps=stamps)
    assert load.polls <= 1.2 * 200
    assert mean(load.delays[50:]) <= 0.25


@pytest.mark.parametrize("in_flight", [1, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_job_times_that_drift_cost_few_polls_and_little_delay(seed: int, in_flight: int) -> None:
    load = run_load(jittered([0.3] * 60 + [3.0] * 60 + [0.3] * 60, seed), in_flight)
    assert load.polls <= 1.25 * 180
    assert all(mean(load.delays[start : start + 30]) <= 0.25 for start in (30, 80, 150))


def test_jobs_that_are_told_of_later_than_their_stamps_say_cost_few_polls() -> None:
    load = run_load([0.3] * 200, lag=0.3)
    assert load.polls <= 1.3 * 200


@pytest.mark.parametrize("stuck", [0, 30])
def test_a_job_that_takes_much_longer_does_not_hold_up_the_others(stuck: int) -> None:
    seconds = [0.3] * 60
    seconds[stuck] = 300.0
    load = run_load(seconds)
    assert load.polls <= 1.5 * 60
    assert max(sorted(load.delays)[:-8]) <= 0.6
    assert max(load.delays) <= 4


# The same against the simulator.


def polls_and_submits(run: Runner) -> tuple[int, int]:
    counts = run.simulator.requests.counts()
    return counts["bulk-poll"], counts["bulk-submit"]


@pytest.mark.parametrize("job_seconds", [0.05, 0.3])
def test_a_load_polls_each_job_little_more_than_once(
    start: Callable[..., Runner], job_seconds: float
) -> None:
    run = start(job_seconds=job_seconds)
    result = run([schema("customers", CUSTOMERS), *customers(2000)])
    assert result.counts() == {"created": 2000}
    polls, submits = polls_and_submits(run)
    assert submits == 20
    assert polls <= 1.3 * submits


@pytest.mark.parametrize("job_seconds", [2.0, 10.0])
def test_a_load_with_long_jobs_polls_each_little_more_than_once(
    tmp_path: Path, job_seconds: float
) -> None:
    with Simulator(clock=fast_time, job_seconds=job_seconds, rate_limit=1_000_000) as simulator:
        run = Runner(simulator, tmp_path, FastTarget)
        result = run([schema("customers", CUSTOMERS), *customers(2000)])
    assert result.counts() == {"created": 2000}
    polls, submits = polls_and_submits(run)
    assert polls <= 1.3 * submits

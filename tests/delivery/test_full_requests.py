from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import pytest

from target_kustomer.delivery.batches import Batch, Stream, StreamTrial
from target_kustomer.delivery.pipeline import Flight, Pipeline
from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.sharing import Call, Kind, Sharing
from target_kustomer.delivery.traffic import LINGER_SECONDS, Traffic
from target_kustomer.models import MatchKey
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    INTEGER,
    TEXT,
    customers,
    record,
    schema,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from target_kustomer.delivery.traffic import Doing
    from target_kustomer.models import Outcome
    from target_kustomer.simulator import Simulator
    from tests.support import Clock, Runner

CREATES = Kind("create", "customer")
UPDATES = Kind("update", "customer")


@pytest.fixture
def traffic(clock: Clock) -> Traffic:
    return Traffic(clock)


@pytest.fixture
def sharing(traffic: Traffic) -> Sharing:
    return Sharing(traffic)


@contextmanager
def workers(traffic: Traffic, doing: Sequence[Callable[[], Doing]]) -> Iterator[None]:
    """Other threads, each a worker that does what it is asked for."""
    ready, done = threading.Barrier(len(doing) + 1), threading.Event()

    def work(what: Callable[[], Doing]) -> None:
        with traffic.doing(what):
            ready.wait(30)
            done.wait(30)

    with ThreadPoolExecutor(len(doing) + 1) as pool, ExitStack() as stack:
        stack.callback(done.set)
        threads = [pool.submit(work, what) for what in doing]
        ready.wait(30)
        yield
        done.set()
        for thread in threads:
            thread.result()


def payloads(number: int, size: int = 1) -> list[dict[str, Any]]:
    return [{"name": "x" * size} for _ in range(number)]


def sizes(call: Call) -> tuple[list[int], list[int]]:
    """How many items the requests hold that a batch leads, and those that it follows."""
    return [len(each.items) for each in call.led], [len(each.items) for each in call.followed]


# Who shares a request with whom.


def test_batches_fill_requests_one_after_the_other(sharing: Sharing) -> None:
    calls = [sharing.join(CREATES, payloads(number)) for number in (60, 30, 50, 100, 20)]
    assert [sizes(call) for call in calls] == [
        ([100], []),
        ([], [100]),
        ([100], [100]),
        ([60], [100]),
        ([], [60]),
    ]
    gone = [[each.gone for each in call.led] for call in calls]
    assert gone == [[True], [], [True], [False], []]


def test_what_differs_in_kind_or_stream_never_shares(sharing: Sharing) -> None:
    streams = [Kind("create", "customer", StreamTrial(name)) for name in ("a", "b")]
    kinds = [CREATES, UPDATES, Kind("create", "company"), *streams]
    calls = [sharing.join(kind, payloads(10)) for kind in kinds]
    assert [sizes(call) for call in calls] == 5 * [([10], [])]


def test_a_request_is_full_too_when_the_next_item_would_make_it_too_large(
    sharing: Sharing,
) -> None:
    first = sharing.join(CREATES, payloads(3, size=300_000))
    second = sharing.join(CREATES, payloads(1, size=300_000))
    assert sizes(first) == ([3], [])
    assert sizes(second) == ([1], [])
    assert first.led[0].gone


def test_nothing_joins_a_request_that_has_gone(sharing: Sharing) -> None:
    first = sharing.join(CREATES, payloads(10))
    sharing.depart(first.led[0])
    assert sizes(sharing.join(CREATES, payloads(10))) == ([10], [])


# How long a request waits for more.


@pytest.mark.parametrize(
    ("kind", "doing", "waits"),
    [
        (CREATES, [], False),
        (CREATES, ["resolving"], True),
        (CREATES, ["resting"], False),
        (CREATES, ["idle"], False),
        (CREATES, ["create", "update"], False),
        (UPDATES, ["create"], True),
        (UPDATES, ["update", "resting"], False),
    ],
    ids=str,
)
def test_a_request_waits_while_a_batch_could_add_to_it(
    traffic: Traffic, clock: Clock, kind: Kind, doing: list[Doing], *, waits: bool
) -> None:
    sharing = Sharing(traffic)
    call = sharing.join(kind, payloads(10))
    with workers(traffic, [lambda each=each: each for each in doing]):  # type: ignore[misc]
        sharing.depart(call.led[0])
    assert clock.now == pytest.approx(LINGER_SECONDS if waits else 0, abs=0.1)


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize("doing", ["create", "update", "idle", "resting"])
def test_a_request_waits_for_batches_to_come_if_a_worker_will_be_free(
    traffic: Traffic, clock: Clock, doing: Doing, *, queued: bool
) -> None:
    sharing = Sharing(traffic)
    traffic.queue = ["a batch"] if queued else []
    call = sharing.join(CREATES, payloads(10))
    with workers(traffic, [lambda: doing]):
        sharing.depart(call.led[0])
    assert (clock.now > 0) == (queued and doing != "resting")


@pytest.mark.parametrize(
    ("arrivals", "ended", "waits"),
    [
        ([0.0], False, 0.0),
        ([0.0, 0.2], False, 0.5),
        ([0.0, 0.9], False, 1.9),
        ([0.0, 1.5], False, 2.0),
        ([0.0, 5.0], False, 0.0),
        ([0.0, 0.2], True, 0.0),
    ],
)
def test_a_request_waits_for_the_next_batch_as_long_as_stdin_lets_expect_one(
    traffic: Traffic, clock: Clock, arrivals: list[float], waits: float, *, ended: bool
) -> None:
    sharing = Sharing(traffic)
    for moment in arrivals:
        clock.now = moment
        traffic.arrived()
    if ended:
        traffic.ended()
    call = sharing.join(CREATES, payloads(10))
    with workers(traffic, [lambda: "idle"]):
        sharing.depart(call.led[0])
    assert clock.now - arrivals[-1] == pytest.approx(waits, abs=0.05)


def test_a_batch_counts_as_soon_as_its_wait_is_over(traffic: Traffic) -> None:
    """Its thread may not have woken up yet."""
    landed = threading.Event()

    def waiting(inside: threading.Event, leave: threading.Event) -> None:
        with traffic.doing(lambda: "resolving"), traffic.resting(landed.is_set):
            inside.set()
            leave.wait(30)

    inside, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=waiting, args=(inside, leave))
    thread.start()
    assert inside.wait(30)
    before = traffic.could_add("create")
    landed.set()
    after = traffic.could_add("create")
    leave.set()
    thread.join()
    assert (before, after) == (False, True)
    assert not traffic.could_add("create")


def test_a_batch_in_requests_could_add_when_all_of_them_are_over(sharing: Sharing) -> None:
    first = sharing.join(CREATES, payloads(60))
    second = sharing.join(CREATES, payloads(60))
    assert second.doing() == "resting"
    sharing.depart(second.led[0])
    assert (first.doing(), second.doing()) == ("create", "create")
    sharing.end(first.led, None)
    assert (first.doing(), second.doing()) == ("resolving", "create")


@pytest.mark.parametrize("accepted", [True, False])
def test_a_stream_on_trial_waits_for_nobody(
    sharing: Sharing, traffic: Traffic, clock: Clock, *, accepted: bool
) -> None:
    trial = StreamTrial("customers")
    if accepted:
        trial.accepted.set()
    call = sharing.join(Kind("create", "customer", trial), payloads(10))
    with workers(traffic, [lambda: "resolving"]):
        sharing.depart(call.led[0])
    assert (clock.now > 0) == accepted


def test_a_full_request_waits_for_nobody(traffic: Traffic, clock: Clock) -> None:
    sharing = Sharing(traffic)
    call = sharing.join(CREATES, payloads(100))
    with workers(traffic, [lambda: "resolving"]):
        sharing.depart(call.led[0])
    assert clock.now == 0


# What the workers of a pipeline do.


class Line:
    """A pipeline whose batches are in a job, or are made ready, until they are let go.

    Batches come so far apart that none is expected, unless told otherwise.
    """

    def __init__(self, traffic: Traffic, clock: Clock, workers: int, doing: Doing | None) -> None:
        self._traffic = traffic
        self._clock = clock
        self._doing = doing
        self._begun = threading.Semaphore(0)
        self._let_go = threading.Event()
        self._pipeline = Pipeline(self._deliver, lambda *_: None, self._failed, workers, traffic)

    def __enter__(self) -> Self:
        self._pipeline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.close()
        assert self._pipeline.join(30)

    def submit(self, after_seconds: float = 100, *, begins: bool = True, key: str = "") -> None:
        """Hand over a batch; where it begins, it is under way when this returns."""
        self._clock.now += after_seconds
        stream = Stream("s", "customer", None, (), StreamTrial("s"))  # type: ignore[arg-type]
        batch = Batch(0, stream, 0.0)
        batch.writes |= {("customer", MatchKey("email", key))} if key else set()
        self._pipeline.submit(batch, lambda: False)
        assert not begins or self._begun.acquire(timeout=30)

    def let_go(self) -> None:
        self._let_go.set()

    def close(self) -> None:
        self._pipeline.close()

    def _deliver(self, _: Flight) -> list[Outcome]:
        told = self._doing and self._traffic.doing(lambda: self._doing or "resolving")
        with told or nullcontext():
            self._begun.release()
            self._let_go.wait(30)
        return []

    def _failed(self, failure: BaseException) -> None:
        raise failure


def test_a_batch_could_add_from_its_start_to_its_end(traffic: Traffic, clock: Clock) -> None:
    with Line(traffic, clock, workers=2, doing=None) as line:
        line.submit()
        assert traffic.could_add("create")
        line.let_go()
        wait_until(lambda: not traffic.could_add("create"), 20)


def test_batches_that_queue_could_add_after_a_job(traffic: Traffic, clock: Clock) -> None:
    with Line(traffic, clock, workers=1, doing="update") as line:
        line.submit()
        assert not traffic.could_add("create")
        line.submit(begins=False)
        assert traffic.could_add("create")


def test_batches_are_expected_while_stdin_brings_them(traffic: Traffic, clock: Clock) -> None:
    with Line(traffic, clock, workers=2, doing="update") as line:
        line.submit()
        line.submit(after_seconds=0.5)
        assert traffic.could_add("create")
        line.close()
        assert not traffic.could_add("create")


def test_a_batch_that_waits_for_another_could_not_add(traffic: Traffic, clock: Clock) -> None:
    with Line(traffic, clock, workers=2, doing="update") as line:
        line.submit(key="a@example.com")
        line.submit(key="a@example.com", begins=False)
        wait_until(lambda: not traffic.could_add("create"), 20)


# How a request ends.


def test_a_failure_concerns_the_batches_whose_items_have_no_result(sharing: Sharing) -> None:
    first, second = (sharing.join(CREATES, payloads(10)) for _ in range(2))
    for item in first.items:
        item.result = ItemResult(ItemState.DONE)
    failure = RuntimeError("gone")
    sharing.end(first.led, failure)
    sharing.await_others(second)
    assert first.results() == 10 * [ItemResult(ItemState.DONE)]
    with pytest.raises(RuntimeError, match="gone"):
        second.results()


def test_nothing_joins_a_request_that_has_failed(sharing: Sharing) -> None:
    first = sharing.join(CREATES, payloads(10))
    sharing.end(first.led, RuntimeError())
    assert sizes(sharing.join(CREATES, payloads(10))) == ([10], [])


# Runs.

LINKED = {"id": TEXT, "name": TEXT, "age": INTEGER, "company_external_id": TEXT}


def linked(numbers: Sequence[int], age: int) -> list[dict[str, Any]]:
    return [
        record("customers", id=f"c{n}", name=f"Name {n}", age=age, company_external_id="e")
        for n in numbers
    ]


def items_of(simulator: Simulator) -> list[int]:
    """How many items each job had."""
    return [sum(len(batch.items) for batch in job.batches) for job in simulator.org.jobs]


@pytest.mark.parametrize("order", ["alternating", "shuffled", "by hundreds"])
def test_new_and_known_records_in_one_stream_cost_about_as_many_requests_as_full_ones(
    start: Callable[..., Runner], tmp_path: Path, order: str
) -> None:
    number = 2000
    run = start(rate_limit=1_000_000)
    run.simulator.org.add_company({"externalId": "e", "name": "E"})
    settings = {"ledger_url": f"sqlite:///{tmp_path / 'full.db'}", "rate_limit_share": 1}
    run([schema("customers", LINKED), *linked(range(number), age=1)], **settings)
    before = run.simulator.requests.counts()
    numbers = [each for pair in zip(range(number), range(number, 2 * number)) for each in pair]  # noqa: B905
    if order == "shuffled":
        random.Random(1).shuffle(numbers)
    elif order == "by hundreds":
        numbers.sort(key=lambda each: (each % number // 100, each))
    result = run([schema("customers", LINKED), *linked(numbers, age=2), state("end")], **settings)
    assert result.counts() == {"created": number, "updated": number}
    assert result.states == ["end"]
    after = run.simulator.requests.counts()
    full = 2 * number / 100
    assert after["bulk-submit"] - before["bulk-submit"] <= 1.15 * full
    assert after["bulk-poll"] - before["bulk-poll"] <= 1.3 * full
    ages = {each.attributes["custom"]["ageNum"] for each in run.simulator.org.customers}
    assert ages == {2}


def test_small_batches_share_requests_and_settle_alone(simulator: Simulator, run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS)]
    for number, message in enumerate(customers(400)):
        messages += [message, state(number)]
    result = run(messages, batch_size_rows=20)
    assert result.counts() == {"created": 400}
    assert len(items_of(simulator)) <= 10
    assert result.states[-1] == 399
    assert result.states == sorted(result.states)


@pytest.mark.parametrize("culprits", [[30], [30, 95], [21, 22, 60, 119]], ids=str)
def test_the_culprits_of_a_shared_request_are_found_within_the_bounds(
    simulator: Simulator, run: Runner, culprits: list[int]
) -> None:
    bad = {f"c{number}" for number in culprits}
    simulator.org.refuse_request_if(lambda item: item.get("externalId") in bad)
    result = run(
        [schema("customers", CUSTOMERS), *customers(120), state("end")],
        batch_size_rows=20,
        max_rejected_records=-1,
    )
    assert result.reasons == dict.fromkeys(bad, "refused")
    assert {each["rejection"]["status"] for each in result.rejected} == {400}
    assert result.counts() == {"created": 120 - len(bad), "rejected": len(bad)}
    sent = simulator.requests.of_kind("bulk-submit")
    requests = 1 + 5  # the first batch's, and at the very worst one for each other batch
    assert sum(entry.status == 400 for entry in sent) <= 7 * len(culprits) + 1
    assert len(sent) <= 2 * 7 * len(culprits) + requests


def test_a_rejection_tells_nothing_of_records_of_other_batches(
    simulator: Simulator, run: Runner
) -> None:
    told = "no: c25@example.com is not like c70@example.com of Customer 110"
    simulator.org.refuse_item_if(lambda item: item.get("externalId") == "c25", told)
    result = run([schema("customers", CUSTOMERS), *customers(120)], batch_size_rows=20)
    details = [each["rejection"]["detail"] for each in result.rejected]
    assert max(items_of(simulator)) == 100
    assert details == ["no: c25@example.com is not like *** of ***"]


def test_a_batch_whose_items_are_settled_outlives_the_failure_of_its_request(
    start: Callable[..., Runner],
) -> None:
    """The second and the third batch share a request that is too large; one half is stuck."""
    run = start(max_body_bytes=9_000)
    run.simulator.faults.add("stuck_job", nth=3)
    messages = [schema("customers", CUSTOMERS)]
    for number, message in enumerate(customers(150)):
        messages += [message, state(number)]
    result = run(messages, batch_size_rows=50, job_timeout_seconds=1)
    assert result.exit_code == 5
    assert "job_timeout_seconds" in result.error
    assert 413 in {entry.status for entry in run.simulator.requests.entries}
    assert result.counts() == {"created": 100}
    assert len(run.simulator.org.customers) == 100


@pytest.mark.parametrize("kind", ["cut_json", "reset_after"])
@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_a_shared_request_without_an_answer_creates_nothing_twice(
    simulator: Simulator, run: Runner, stream: str, kind: Literal["cut_json", "reset_after"]
) -> None:
    fault = simulator.faults.add(kind, method="POST", path_pattern="/bulk$", nth=2)
    rows = [record(stream, id=f"x{number}", name=f"Name {number}") for number in range(120)]
    result = run([schema(stream, COMPANIES), *rows], batch_size_rows=20)
    assert fault.fired == 1
    assert result.exit_code == 0
    assert result.counts(stream) == {"created": 120}
    there = [*simulator.org.customers, *simulator.org.companies]
    assert sorted(each.attributes["name"] for each in there) == sorted(
        each["record"]["name"] for each in rows
    )


def test_all_batches_of_a_request_that_is_given_up_fail(simulator: Simulator, run: Runner) -> None:
    simulator.faults.add("500", method="POST", path_pattern="/bulk$", nth=2, times=None)
    result = run(
        [schema("customers", CUSTOMERS), *customers(120), state("end")],
        batch_size_rows=20,
        retry_deadline_seconds=0.3,
        shutdown_grace_seconds=20,
    )
    assert result.exit_code == 5
    assert result.states == []
    assert len(simulator.org.customers) == 20

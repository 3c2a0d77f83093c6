"""What is gathered stays small however long a run is, and stays right."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from target_kustomer.delivery.polling import JobEnded
from target_kustomer.kustomer.client import Exchange
from target_kustomer.models import Outcome, Reason, Rejection, SourceRecord, Verdict
from target_kustomer.report.document import Run, document
from target_kustomer.report.durations import Durations
from target_kustomer.report.gather import Gathering, Phases
from target_kustomer.report.page import page
from target_kustomer.report.timeline import FIRST_BUCKET_SECONDS, MAX_BUCKETS, Timeline, per_minute
from target_kustomer.settlement import BatchSettled, RecordsPassed

if TYPE_CHECKING:
    from tests.support import Clock

SOURCE = SourceRecord("customers", 1, 1, b"", b"")
UNCHANGED = (Outcome(SOURCE, Verdict.UNCHANGED),) * 3


def _exchange(started: float, waited: float = 0.0) -> Exchange:
    return Exchange("look-up", "GET", "customer", 1, started, 0.1, waited, 200, limit=100)


def _run(clock: Clock) -> Run:
    return Run(
        started_at=clock.time() - clock.now,
        ended_at=clock.time(),
        seconds=clock.now,
        exit_code=0,
        exit_line=None,
        share=0.5,
        objects={"customers": "customer"},
        read={"customers": 0},
    )


def test_a_report_stays_small_over_a_hundred_thousand_buckets(clock: Clock) -> None:
    gathering = Gathering(clock, clock.now)
    many = 100_000
    for number in range(many):
        gathering.exchanged(_exchange(clock.now, waited=0.1))
        gathering.job_ended(JobEnded("create", "customer", 100, 2 + number % 7, None))
        rejection = Rejection(Reason.REFUSED, column=f"column{number}")
        outcomes = (
            Outcome(SOURCE, Verdict.CREATED),
            Outcome(SOURCE, Verdict.REJECTED, rejection),
        )
        gathering.settled(BatchSettled(number, "customers", outcomes, 0))
        gathering.settled(RecordsPassed("customers", UNCHANGED))
        clock.now += FIRST_BUCKET_SECONDS
    content = document(gathering.snapshot(), _run(clock))
    timeline = content["timeline"]
    assert len(timeline["requests"]) <= MAX_BUCKETS
    assert len(timeline["requests"]) * timeline["bucket_seconds"] >= clock.now
    assert sum(timeline["requests"]) == content["requests"]["total"] == many
    assert {name: sum(amounts) for name, amounts in timeline["records"].items()} == {
        "created": many,
        "updated": 0,
        "unchanged": 3 * many,
        "skipped": 0,
        "rejected": many,
    }
    assert sum(timeline["stalled_seconds"]) == pytest.approx(many * 0.1, rel=1e-3)
    assert sum(each["records"] for each in content["rejects"]["reasons"]) == many
    assert len(content["rejects"]["reasons"]) <= 1001
    assert content["jobs"]["kinds"][0]["items"] == 100 * many
    assert len(json.dumps(content)) < 200_000
    assert len(page(content)) < 300_000


def test_time_goes_to_its_bucket_however_wide_it_is() -> None:
    timeline = Timeline()
    timeline.add("one", 0.0)
    timeline.add("one", 30.0, 2)
    timeline.spread("time", 10.1, 20.3)
    timeline.add("two", 1000.0)
    width = timeline.bucket_seconds
    assert width == 4.0
    amounts = timeline.amounts("one", 1000.0)
    assert {at * width: each for at, each in enumerate(amounts) if each} == {0.0: 1, 28.0: 2}
    spread = timeline.amounts("time", 1000.0)
    assert sum(spread) == pytest.approx(10.2)
    assert spread[2:6] == pytest.approx([1.9, 4.0, 4.0, 0.3])


def test_a_spread_ends_where_floats_cannot_tell_buckets_apart() -> None:
    timeline = Timeline()
    for number in range(400):
        timeline.spread("time", number / 3, (number + 1) / 3)
    assert sum(timeline.amounts("time", 400 / 3)) == pytest.approx(400 / 3)


@pytest.mark.parametrize("width", [0.25, 1.0, 8.0, 16.0, 64.0, 256.0])
def test_a_minute_holds_what_came_in_it(width: float) -> None:
    a_second = 2.0
    counts = per_minute([a_second * width] * 300, width)
    assert counts[-1] == pytest.approx(120)
    assert counts[0] == pytest.approx(a_second * min(width, 60))


def test_quantiles_are_nearly_exact() -> None:
    chance = random.Random(1)
    values = sorted(chance.lognormvariate(0, 2) for _ in range(5000))
    durations = Durations()
    for each in values:
        durations.add(each)
    for part in (0.5, 0.9, 0.99):
        assert durations.quantile(part) == pytest.approx(values[int(part * 5000) - 1], rel=0.026)
    assert durations.longest == values[-1]
    assert durations.total == pytest.approx(sum(values))
    assert Durations().quantile(0.5) == 0.0


def test_what_waits_at_the_same_time_stalls_once(clock: Clock) -> None:
    gathering = Gathering(clock, 0.0)
    for until, seconds in ((10, 4), (11, 5), (12, 1), (30, 2), (30.5, 40)):
        gathering.exchanged(_exchange(until, seconds))
    gathered = gathering.snapshot()
    assert gathered.stalled == pytest.approx(6 + 2 + 0.5)
    assert sum(each.waited for each in gathered.calls.values()) == 52


def test_a_snapshot_does_not_change(clock: Clock) -> None:
    gathering = Gathering(clock, 0.0)
    gathering.settled(RecordsPassed("customers", UNCHANGED))
    before = gathering.snapshot()
    gathering.settled(RecordsPassed("customers", UNCHANGED))
    assert before.verdicts["customers"].total() == 3


def test_phases_end_where_the_next_begins(clock: Clock) -> None:
    phases = Phases(clock)
    clock.now += 1
    phases.enter("reading")
    clock.now += 2
    with phases.during("waiting_for_delivery"):
        clock.now += 4
    clock.now += 8
    phases.enter("settling")
    clock.now += 16
    phases.enter("settling")
    assert phases.seconds == {
        "start": 1,
        "reading": 10,
        "waiting_for_delivery": 4,
        "settling": 16,
    }


def test_a_record_costs_what_delivery_spent_on_it(clock: Clock) -> None:
    gathering = Gathering(clock, clock.now)
    for _ in range(4):
        gathering.exchanged(_exchange(clock.now, waited=0.3))  # and 0.1 s of work
    created = (Outcome(SOURCE, Verdict.CREATED),) * 10
    broken = (Outcome(SOURCE, Verdict.REJECTED, Rejection(Reason.INVALID_TYPE)),) * 90
    gathering.settled(BatchSettled(1, "customers", (*broken, *created), len(broken)))
    gathering.settled(RecordsPassed("customers", UNCHANGED))
    content = document(gathering.snapshot(), _run(clock))
    assert content["requests"]["per_record"] == 4 / 10
    assert content["waits"]["cost_records"] == 10 * (4 * 0.3) / (4 * 0.1)

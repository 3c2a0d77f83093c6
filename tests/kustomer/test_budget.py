from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from target_kustomer.kustomer.budget import Budget

if TYPE_CHECKING:
    from tests.support import Clock


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log tells of waits."""
    return [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]


def ask(budget: Budget, clock: Clock, headers: dict[str, str]) -> float:
    """One request, answered at once; returns how long it waited."""
    waited = budget.acquire()
    budget.answered(headers, clock.monotonic())
    return waited


def told(limit: str, remaining: str) -> dict[str, str]:
    return {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}


@pytest.mark.parametrize(("share", "free"), [(0.8, 80), (0.5, 50), (1.0, 100), (0.001, 1)])
def test_a_run_keeps_to_its_share_of_each_minute(clock: Clock, share: float, free: int) -> None:
    budget = Budget(share, clock)
    times = []
    for _ in range(3 * free):
        ask(budget, clock, {"x-ratelimit-limit": "100"})
        times.append(clock.now)
    for first in range(len(times)):
        window = [each for each in times if times[first] <= each < times[first] + 60]
        assert len(window) <= free


def test_before_the_limit_is_known_nothing_waits(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    assert sum(budget.acquire() for _ in range(10)) == 0


def test_requests_before_the_limit_is_known_count_all_the_same(clock: Clock) -> None:
    budget = Budget(1.0, clock)
    for _ in range(5):
        ask(budget, clock, {})
    budget.acquire()
    budget.answered({"x-ratelimit-limit": "6"}, clock.monotonic())
    assert budget.acquire() >= 60


def test_a_limit_that_changes_is_learnt(clock: Clock) -> None:
    budget = Budget(1.0, clock)
    ask(budget, clock, {"x-ratelimit-limit": "2"})
    ask(budget, clock, {"x-ratelimit-limit": "6000"})
    assert sum(budget.acquire() for _ in range(100)) < 10


@pytest.mark.parametrize("text", ["", "many", "-5", "0", "²"])
def test_a_limit_that_is_none_is_not_believed(clock: Clock, text: str) -> None:
    budget = Budget(1.0, clock)
    ask(budget, clock, told(text, text))
    assert sum(budget.acquire() for _ in range(10)) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"x-ratelimit-reset": "1800000010"}, 10),
        ({"x-ratelimit-reset": "1800000010000"}, 10),
        ({"x-ratelimit-reset": "1799999000"}, 1),
        ({"x-ratelimit-reset": "1800009999"}, 120),
        ({"x-ratelimit-reset": "soon"}, 60),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "7", "x-ratelimit-reset": "1800000010"}, 7),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "9999"}, 120),
    ],
    ids=str,
)
def test_a_spent_window_holds_all_requests_until_its_reset(
    clock: Clock, headers: dict[str, str], seconds: float
) -> None:
    budget = Budget(0.8, clock)
    assert budget.exhausted(headers) == pytest.approx(seconds)
    assert budget.acquire() == pytest.approx(seconds)
    assert budget.acquire() == 0


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize("name", ["retry-after", "x-ratelimit-reset"])
def test_a_reset_that_is_no_number_holds_for_a_time_between_one_second_and_two_minutes(
    clock: Clock, name: str, text: str
) -> None:
    assert 1 <= Budget(0.8, clock).exhausted({name: text}) <= 120


def test_a_later_reset_is_not_shortened_by_an_earlier_one(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    budget.exhausted({"retry-after": "30"})
    budget.exhausted({"retry-after": "2"})
    assert budget.acquire() == pytest.approx(30)


def test_the_limit_of_one_object_holds_that_object_alone(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    spent = {**told("1000", "900"), "x-ratelimit-object-remaining": "0", "retry-after": "30"}
    budget.exhausted(spent, "one")
    assert budget.acquire("other") == 0
    assert budget.acquire() == 0
    assert budget.acquire("one") == pytest.approx(30)


def test_where_both_limits_are_spent_all_requests_wait(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    spent = {**told("1000", "0"), "x-ratelimit-object-remaining": "0", "retry-after": "30"}
    budget.exhausted(spent, "one")
    assert budget.acquire("other") == pytest.approx(30)


def test_an_object_whose_limit_is_spent_waits_without_being_refused(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    budget.acquire("one")
    spent = {**told("1000", "900"), "x-ratelimit-object-remaining": "0"}
    budget.answered(spent, clock.monotonic(), "one")
    assert budget.acquire("other") == 0
    assert budget.acquire("one") == pytest.approx(60)
    assert budget.acquire("one") == 0


def test_a_long_wait_is_told_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    budget = Budget(1.0, clock)
    started = clock.now
    while clock.now - started < 300:
        ask(budget, clock, {"x-ratelimit-limit": "6"})
    assert set(lines(caplog)) == {"requests wait for the rate limit"}
    assert 4 <= len(lines(caplog)) <= 6


def test_short_waits_are_not_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    budget = Budget(0.8, clock)
    assert sum(ask(budget, clock, {"x-ratelimit-limit": "300"}) for _ in range(500)) > 60
    assert not lines(caplog)


def test_a_wait_for_the_reset_is_told_by_its_429_alone(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    budget = Budget(0.8, clock)
    budget.exhausted({"retry-after": "30"})
    assert budget.acquire() == pytest.approx(30)
    assert not lines(caplog)

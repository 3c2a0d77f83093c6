from __future__ import annotations

import pytest

from target_kustomer.kustomer.budget import Budget


class Clock:
    """Moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def monotonic(self) -> float:
        return self.now - 1_799_999_000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def told(limit: str, remaining: str) -> dict[str, str]:
    return {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}


@pytest.mark.parametrize(("share", "free"), [(0.8, 80), (0.5, 50), (1.0, 100), (0.001, 1)])
def test_a_run_keeps_to_its_share_of_each_minute(clock: Clock, share: float, free: int) -> None:
    budget = Budget(share, clock)
    times = []
    for _ in range(3 * free):
        budget.acquire()
        times.append(clock.now)
        budget.answered({"x-ratelimit-limit": "100"})
    for first in range(len(times)):
        window = [each for each in times if times[first] <= each < times[first] + 60]
        assert len(window) <= free


def test_before_the_limit_is_known_nothing_waits(clock: Clock) -> None:
    budget = Budget(0.8, clock)
    assert sum(budget.acquire() for _ in range(10)) == 0


def test_requests_before_the_limit_is_known_count_all_the_same(clock: Clock) -> None:
    budget = Budget(1.0, clock)
    for _ in range(5):
        budget.acquire()
    budget.answered({"x-ratelimit-limit": "5"})
    assert budget.acquire() >= 60


def test_a_limit_that_changes_is_learnt(clock: Clock) -> None:
    budget = Budget(1.0, clock)
    budget.answered({"x-ratelimit-limit": "1"})
    budget.answered({"x-ratelimit-limit": "6000"})
    assert sum(budget.acquire() for _ in range(100)) < 10


@pytest.mark.parametrize("text", ["", "many", "-5", "0", "²"])
def test_a_limit_that_is_none_is_not_believed(clock: Clock, text: str) -> None:
    budget = Budget(1.0, clock)
    budget.answered(told(text, text))
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

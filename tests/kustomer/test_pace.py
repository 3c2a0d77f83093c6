"""Minutes of requests in no time: what runs at their pace, and agents beside them, come to."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest

from target_kustomer.kustomer.pace import Pace
from tests.kustomer.windows import Fixed, Sliding, most_in_a_window

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES = 12
WORKERS = 8
ROUND_TRIP_SECONDS = 0.2
SHARE = 0.8


@dataclass
class World:
    """An org, with runs that always have work and agents that ask so often a minute.

    Attributes:
        starts: When each run starts.
        agents: What the agents spend, as a part of the limit.
        manner: Whether they spend it at random times, at regular times, or all at once.
        agents_start: When they start.
        arrived: When the requests of each run arrived.
        refused: How often somebody was told that the limit was spent.
    """

    window: Fixed | Sliding
    starts: list[float]
    agents: float = 0.0
    manner: Literal["random", "regular", "at once"] = "random"
    agents_start: float = 0.5
    arrived: list[list[float]] = field(init=False)
    refused: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(0)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._paces = [Pace(SHARE) for _ in self.starts]
        self.arrived = [[] for _ in self.starts]

    def live(self) -> World:
        for run, start in enumerate(self.starts):
            for worker in range(WORKERS):
                self._at(start + 0.5 * bool(worker), lambda now, run=run: self._ask(run, now))  # type: ignore[misc]
        if self.agents:
            self._at(self.agents_start, self._agent)
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            if now > 60 * MINUTES:
                break
            happen(now)
        return self

    def used(self, run: int, since: float = 0.0) -> float:
        """The requests of a run in a minute, since then, as a part of its share."""
        since = max(since, self.starts[run])
        requests = sum(each >= since for each in self.arrived[run])
        return requests / (MINUTES - since / 60) / (self.window.limit * SHARE)

    def most(self, run: int) -> int:
        """The most requests of a run in any sixty seconds."""
        return most_in_a_window(self.arrived[run])

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    def _ask(self, run: int, now: float) -> None:
        wait = self._paces[run].take(now)
        if wait > 0:
            self._at(now + max(wait, 1e-3), lambda now: self._ask(run, now))
        else:
            sent_at = now
            self._at(now + self._half_trip(), lambda now: self._arrive(run, now, sent_at))

    def _arrive(self, run: int, now: float, sent_at: float) -> None:
        left = self.window.take(now)
        if left is None:
            self.refused += 1
        else:
            self.arrived[run].append(now)
        self._at(now + self._half_trip(), lambda now: self._answer(run, now, sent_at, left))

    def _answer(self, run: int, now: float, sent_at: float, left: int | None) -> None:
        pace = self._paces[run]
        pace.answered(now, sent_at, self.window.limit, left or 0)
        if left is None:
            pace.hold(self.window.resets_at() + 0.1)
        self._ask(run, now)

    def _agent(self, now: float) -> None:
        a_minute = self.agents * self.window.limit
        together = round(a_minute) if self.manner == "at once" else 1
        self.refused += sum(self.window.take(now) is None for _ in range(together))
        wait = 60 * together / a_minute
        if self.manner == "random":
            wait = self._random.expovariate(1 / wait)
        self._at(now + wait, self._agent)

    def _half_trip(self) -> float:
        return ROUND_TRIP_SECONDS * self._random.uniform(0.2, 0.6)


@pytest.mark.parametrize("limit", [300, 1000, 2000])
def test_a_run_alone_uses_its_share_and_never_more(limit: int) -> None:
    world = World(Fixed(limit), [0.0]).live()
    assert world.used(0) >= 0.95
    assert world.most(0) <= SHARE * limit
    assert world.refused == 0


@pytest.mark.parametrize("limit", [300, 1000])
@pytest.mark.parametrize(
    ("agents", "manner", "agents_start"),
    [
        (0.02, "random", 0.5),
        (0.19, "random", 0.5),
        (0.2, "regular", 0.5),
        (0.2, "at once", 0.5),
        (0.2, "at once", 30.0),
        (0.2, "at once", 55.0),
    ],
)
def test_a_run_uses_its_share_beside_agents_that_keep_to_their_part(
    limit: int,
    agents: float,
    manner: Literal["random", "regular", "at once"],
    agents_start: float,
) -> None:
    world = World(Fixed(limit), [0.0], agents, manner, agents_start).live()
    assert world.used(0) >= 0.95
    assert world.most(0) <= SHARE * limit
    assert world.refused == 0


def test_a_run_gives_way_to_agents_that_spend_more_than_their_part() -> None:
    world = World(Fixed(1000), [0.0], agents=0.5, manner="regular").live()
    assert 0.5 <= world.used(0) <= 0.65


@pytest.mark.parametrize("limit", [300, 1000])
@pytest.mark.parametrize("starts", [[0.0, 0.0], [0.0, 17.0], [0.0, 40.0]])
@pytest.mark.parametrize(("agents", "least"), [(0.0, 1.2), (0.2, 0.97)])
def test_two_runs_take_equal_parts_of_what_the_others_leave(
    limit: int, starts: list[float], agents: float, least: float
) -> None:
    world = World(Fixed(limit), starts, agents, "regular").live()
    late = 60 * MINUTES / 2
    first, second = world.used(0, late), world.used(1, late)
    assert first + second >= least
    assert abs(first - second) < 0.1
    assert world.refused == 0


def test_three_runs_take_equal_parts_too() -> None:
    world = World(Fixed(1000), [0.0, 10.0, 100.0]).live()
    used = [world.used(run, 60 * MINUTES / 2) for run in range(3)]
    assert sum(used) >= 1.2
    assert max(used) - min(used) < 0.15
    assert world.refused == 0


@pytest.mark.parametrize("starts", [[0.0], [0.0, 17.0]])
@pytest.mark.parametrize("agents", [0.0, 0.2])
def test_a_limit_over_the_last_minute_is_kept_too_at_a_lower_pace(
    starts: list[float], agents: float
) -> None:
    world = World(Sliding(1000), starts, agents, "regular").live()
    assert sum(world.used(run) for run in range(len(starts))) >= 0.45
    assert all(world.most(run) <= SHARE * 1000 for run in range(len(starts)))
    assert world.refused == 0


def test_requests_are_spread_over_the_window() -> None:
    arrived = World(Fixed(1000), [0.0]).live().arrived[0]
    seconds = Counter(int(each) for each in arrived)
    assert max(seconds.values()) <= 60


def test_what_gets_no_answer_is_not_counted_for_ever() -> None:
    pace = Pace(SHARE)
    now = _ask(pace, 0.0, 1000, 999)
    for _ in range(3000):
        now = _ask(pace, now, None, None)
    now = _ask(pace, now, 1000, 999)
    assert pace.take(now + 1) == 0


def test_a_late_answer_of_the_window_before_holds_nothing_back() -> None:
    pace = Pace(SHARE)
    _ask(pace, 0.0, 1000, 100)
    assert pace.take(59.0) == 0
    pace.answered(65.0, 59.0, 1000, 3)
    assert pace.take(65.0) == 0


def test_a_late_answer_of_the_window_before_is_no_news_of_this_one() -> None:
    pace = Pace(SHARE)
    _ask(pace, 0.0, 1000, 100)
    assert pace.take(59.0) == 0
    _ask(pace, 61.0, 1000, 999)
    pace.answered(65.0, 59.0, 1000, 3)
    assert pace.take(65.0) == 0


def test_what_is_on_its_way_counts_as_spent() -> None:
    pace = Pace(SHARE)
    _ask(pace, 0.0, 1000, 400)
    _ask(pace, 59.3, 1000, 25)
    assert pace.take(59.6) == pace.take(59.6) == 0
    assert pace.take(59.6) > 0


def test_a_late_answer_is_no_news_after_a_spent_window() -> None:
    pace = Pace(SHARE)
    now = _ask(pace, 0.0, 1000, 500)
    assert pace.take(now) == pace.take(now) == 0
    pace.answered(now + 1, now, 1000, 0)
    pace.hold(30.0)
    pace.answered(now + 2, now, 1000, 1)
    assert pace.take(now + 3) == pytest.approx(27 - now)
    assert pace.take(30.0) == 0


def _ask(pace: Pace, now: float, limit: int | None, remaining: int | None) -> float:
    """One request and its answer; returns when that came."""
    while (wait := pace.take(now)) > 0:
        now += max(wait, 1e-3)
    pace.answered(now + ROUND_TRIP_SECONDS, now, limit, remaining)
    return now + ROUND_TRIP_SECONDS

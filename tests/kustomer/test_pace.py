"""Minutes of requests in no time: what runs at their pace, and agents beside them, come to."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from target_kustomer.kustomer.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES = 12
WORKERS = 8
ROUND_TRIP_SECONDS = 0.2


class Fixed:
    """A window that opens with its first request."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ends_at = 0.0
        self._spent = 0

    def take(self, now: float) -> int | None:
        """What is left after this request; None where nothing was."""
        if now >= self._ends_at:
            self._ends_at, self._spent = now + 60, 0
        if self._spent >= self.limit:
            return None
        self._spent += 1
        return self.limit - self._spent

    def resets_at(self) -> float:
        return self._ends_at


class Sliding:
    """The last sixty seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: float) -> int | None:
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return None
        self._taken.append(now)
        return self.limit - len(self._taken)

    def resets_at(self) -> float:
        return self._taken[0] + 60


@dataclass
class World:
    """An org, with runs that always have work and agents that ask so often a minute.

    Attributes:
        arrived: When the requests of each run arrived.
        refused: How often somebody was told that the limit was spent.
    """

    window: Fixed | Sliding
    share: float
    starts: list[float]
    agents: float = 0.0
    regular: bool = False
    arrived: list[list[float]] = field(init=False)
    refused: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(0)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._paces = [Pace(self.share) for _ in self.starts]
        self.arrived = [[] for _ in self.starts]

    def live(self) -> World:
        for run, start in enumerate(self.starts):
            for worker in range(WORKERS):
                self._at(start + 0.5 * bool(worker), lambda now, run=run: self._ask(run, now))  # type: ignore[misc]
        if self.agents:
            self._at(self._random.random(), self._agent)
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            if now > 60 * MINUTES:
                break
            happen(now)
        return self

    def used(self, run: int) -> float:
        """The requests of a run in a minute, as a part of its share."""
        minutes = MINUTES - self.starts[run] / 60
        return len(self.arrived[run]) / minutes / (self.window.limit * self.share)

    def most(self, run: int) -> int:
        """The most requests of a run in any sixty seconds."""
        recent: deque[float] = deque()
        most = 0
        for now in self.arrived[run]:
            recent.append(now)
            while recent[0] <= now - 60:
                recent.popleft()
            most = max(most, len(recent))
        return most

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    def _ask(self, run: int, now: float) -> None:
        wait = self._paces[run].take(now)
        if wait > 0:
            self._at(now + max(wait, 1e-3), lambda now: self._ask(run, now))
        else:
            self._at(now + self._half_trip(), lambda now: self._arrive(run, now))

    def _arrive(self, run: int, now: float) -> None:
        left = self.window.take(now)
        if left is None:
            self.refused += 1
        else:
            self.arrived[run].append(now)
        self._at(now + self._half_trip(), lambda now: self._answer(run, now, left))

    def _answer(self, run: int, now: float, left: int | None) -> None:
        pace = self._paces[run]
        pace.answered(now, self.window.limit, left or 0)
        if left is None:
            pace.hold(self.window.resets_at() + 0.1)
        self._ask(run, now)

    def _agent(self, now: float) -> None:
        self.refused += self.window.take(now) is None
        usual = 60 / self.agents
        wait = self._random.uniform(0.5, 1.5) * usual
        self._at(now + (wait if self.regular else self._random.expovariate(1 / usual)), self._agent)

    def _half_trip(self) -> float:
        return ROUND_TRIP_SECONDS * self._random.uniform(0.2, 0.6)


@pytest.mark.parametrize("limit", [300, 1000, 2000])
def test_a_run_alone_uses_its_share_and_never_more(limit: int) -> None:
    world = World(Fixed(limit), 0.8, [0.0]).live()
    assert world.used(0) >= 0.95
    assert world.most(0) <= 0.8 * limit
    assert world.refused == 0


@pytest.mark.parametrize(("agents", "regular"), [(190, False), (200, True), (20, False)])
def test_a_run_uses_its_share_beside_agents_that_keep_to_their_part(
    agents: int, *, regular: bool
) -> None:
    world = World(Fixed(1000), 0.8, [0.0], agents, regular).live()
    assert world.used(0) >= 0.95
    assert world.most(0) <= 800
    assert world.refused == 0


def test_a_run_gives_way_to_agents_that_spend_more_than_their_part() -> None:
    world = World(Fixed(1000), 0.8, [0.0], agents=500, regular=True).live()
    assert 0.5 <= world.used(0) <= 0.65


@pytest.mark.parametrize("starts", [[0.0, 0.0], [0.0, 17.0]])
@pytest.mark.parametrize("agents", [0, 190])
def test_two_runs_share_what_the_org_has(starts: list[float], agents: int) -> None:
    world = World(Fixed(1000), 0.8, starts, agents).live()
    assert world.refused == 0
    assert 1000 - agents >= sum(world.used(run) for run in range(2)) * 800 >= 0.95 * 800
    assert abs(world.used(0) - world.used(1)) < 0.1


def test_a_limit_over_the_last_minute_is_kept_too() -> None:
    world = World(Sliding(1000), 0.8, [0.0], agents=190).live()
    assert world.refused == 0
    assert world.used(0) >= 0.5


def test_requests_are_spread_over_the_window() -> None:
    arrived = World(Fixed(1000), 0.8, [0.0]).live().arrived[0]
    busiest = max(
        sum(second <= each < second + 1 for each in arrived) for second in range(60 * MINUTES)
    )
    assert busiest <= 60


def test_what_gets_no_answer_is_not_counted_for_ever() -> None:
    pace = Pace(0.8)
    pace.answered(0.0, 1000, 999)
    now = 0.0
    for _ in range(3000):
        now += max(pace.take(now), 1e-3)
        pace.answered(now, None, None)
    pace.answered(now, 1000, 999)
    assert pace.take(now + 1) == 0

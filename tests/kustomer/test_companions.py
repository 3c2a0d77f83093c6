"""Minutes of runs that share a ledger in no time: together they keep to one share, and use it."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from target_kustomer.kustomer.companions import Companions, fair_part
from target_kustomer.kustomer.pace import Pace
from tests.kustomer.windows import Fixed, Sliding, most_in_a_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.models import Notice

WORKERS = 8
ROUND_TRIP_SECONDS = 0.2
SHARE = 0.8
UTC = 1_800_000_000.0


@dataclass
class Run:
    """A run that has work from its start to its end.

    Attributes:
        start: When it starts; its first request tells it the limit, then it joins.
        end: When it ends.
        manner: Whether it says so, is killed, or is only stopped until ``resume``.
        think_seconds: How long each of its workers does something else after a request.
        clock: How far its clock for durations is ahead of the others'.
        utc: How far its clock for the time of day is.
    """

    start: float = 0.0
    end: float = 1e9
    manner: Literal["ends", "killed", "stopped"] = "ends"
    resume: float = 1e9
    think_seconds: float = 0.0
    clock: float = 0.0
    utc: float = 0.0
    name: str = ""
    pace: Pace = field(default_factory=lambda: Pace(SHARE))
    companions: Companions | None = None
    in_flight: int = 0
    arrived: list[float] = field(default_factory=list)

    def works(self, now: float) -> bool:
        return self.start <= now < self.end or now >= self.resume


class World:
    """An org with runs that share a board, and agents that spend so much of its limit at once.

    Args:
        window: How the org counts.
        runs: The runs.
        minutes: How long to watch.
        agents: What the agents spend in a minute, as a part of the limit.
        together: How many requests they send at once.
        locked: When nobody can look at the board.
    """

    def __init__(
        self,
        window: Fixed | Sliding,
        runs: list[Run],
        *,
        minutes: float = 6,
        agents: float = 0.0,
        together: int = 1,
        locked: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.window = window
        self.runs = runs
        self.refused = 0
        self._locked = locked
        self._board: dict[str, Notice] = {}
        self._random = random.Random(0)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        for number, run in enumerate(runs):
            run.name = f"run {number}"
            self._at(run.start, lambda now, run=run: self._begin(run, now))  # type: ignore[misc]
        if agents:
            every = 60 * together / (agents * window.limit)
            self._at(0.5, lambda now: self._agents(now, together, every))
        while self._events and self._events[0][0] <= 60 * minutes:
            now, _, happen = heapq.heappop(self._events)
            happen(now)

    @property
    def most(self) -> float:
        """The most requests of all runs in any sixty seconds, as a part of the share."""
        together = most_in_a_window(each for run in self.runs for each in run.arrived)
        return together / (SHARE * self.window.limit)

    def used(self, since: float, until: float, *runs: int) -> float:
        """What some runs, or all, have used in this time, as a part of the share."""
        chosen = [self.runs[each] for each in runs] or self.runs
        count = sum(since <= each < until for run in chosen for each in run.arrived)
        return count / ((until - since) / 60 * SHARE * self.window.limit)

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    def _begin(self, run: Run, now: float) -> None:
        """The request that tells a run its org; then all its workers start."""

        def join(now: float) -> None:
            run.companions = Companions(run.name, run.pace)
            for _ in range(WORKERS):
                self._at(now, lambda now: self._ask(run, now))

        assert run.pace.take(now) == 0
        self._send(run, now, join)
        self._at(run.end, lambda now: self._end(run, now))
        for _ in range(WORKERS):
            self._at(run.resume, lambda now: self._ask(run, now))

    def _end(self, run: Run, now: float) -> None:
        if run.manner != "ends" or not run.companions:
            return
        if run.in_flight:
            self._at(now + 0.1, lambda now: self._end(run, now))
        elif not now < self._locked[1]:
            self._board[run.name] = run.companions.leave(now + run.clock, UTC + now + run.utc)

    def _ask(self, run: Run, now: float) -> None:
        if not run.works(now):
            return
        if run.companions and run.companions.begin(now + run.clock):
            self._at(now + self._random.uniform(0, 0.05), lambda now: self._look(run, now))
            return
        wait = run.pace.take(now + run.clock)
        if wait > 0:
            self._at(now + max(wait, 1e-3), lambda now: self._ask(run, now))
        else:
            self._send(run, now, lambda now: self._ask(run, now))

    def _look(self, run: Run, now: float) -> None:
        assert run.companions
        done = not self._locked[0] <= now < self._locked[1]
        if done:
            notices = list(self._board.values())
            notice, over = run.companions.post(now + run.clock, UTC + now + run.utc, notices)
            self._board[run.name] = notice
            for each in over:
                del self._board[each]
        later = now + self._random.uniform(0, 0.05)
        self._at(later, lambda now: self._looked(run, now, done=done))

    def _looked(self, run: Run, now: float, *, done: bool) -> None:
        assert run.companions
        run.companions.end(now + run.clock, done=done)
        self._ask(run, now)

    def _send(self, run: Run, now: float, then: Callable[[float], None]) -> None:
        sent_at = now
        run.in_flight += 1

        def arrive(now: float) -> None:
            left = self.window.take(now)
            run.arrived += [] if left is None else [now]
            self.refused += left is None
            self._at(now + self._half_trip(), lambda now: answer(now, left))

        def answer(now: float, left: int | None) -> None:
            run.in_flight -= 1
            mine = now + run.clock
            run.pace.answered(mine, sent_at + run.clock, self.window.limit, left or 0)
            if left is None:
                run.pace.hold(self.window.resets_at() + run.clock + 0.1)
            self._at(now + run.think_seconds, then)

        self._at(now + self._half_trip(), arrive)

    def _agents(self, now: float, together: int, every: float) -> None:
        self.refused += sum(self.window.take(now) is None for _ in range(together))
        self._at(now + every, lambda now: self._agents(now, together, every))

    def _half_trip(self) -> float:
        return ROUND_TRIP_SECONDS * self._random.uniform(0.2, 0.6)


@pytest.mark.parametrize("limit", [300, 1000])
@pytest.mark.parametrize("starts", [[0.0, 0.0], [0.0, 17.0], [0.0, 40.0], [0.0, 10.0, 70.0]])
@pytest.mark.parametrize(("agents", "at_once"), [(0.0, False), (0.2, False), (0.2, True)])
def test_runs_use_one_share_together_and_never_more(
    limit: int, starts: list[float], agents: float, *, at_once: bool
) -> None:
    together = round(agents * limit) if at_once else 1
    runs = [Run(each) for each in starts]
    world = World(Fixed(limit), runs, agents=agents, together=together)
    assert world.most <= 1
    assert world.refused == 0
    assert world.used(starts[-1], 360) >= 0.95


@pytest.mark.parametrize("count", [2, 3])
def test_runs_come_to_equal_parts(count: int) -> None:
    world = World(Fixed(1000), [Run(9.0 * number) for number in range(count)])
    parts = [world.used(180, 360, run) for run in range(count)]
    assert max(parts) - min(parts) < 0.05
    assert sum(parts) >= 0.95


@pytest.mark.parametrize("manner", ["ends", "killed", "stopped"])
def test_a_run_that_goes_gives_its_part_back(
    manner: Literal["ends", "killed", "stopped"],
) -> None:
    world = World(Fixed(1000), [Run(), Run(end=120, manner=manner)], agents=0.2)
    assert world.most <= 1
    assert world.refused == 0
    assert world.used(100, 220) >= 0.9
    assert world.used(200, 360, 0) >= 0.95


def test_a_run_that_was_stopped_knows_that_its_part_is_another_s_now() -> None:
    stopped = Run(end=120, manner="stopped", resume=200)
    world = World(Fixed(1000), [Run(), stopped], agents=0.2)
    assert world.most <= 1
    assert world.refused == 0
    assert world.used(270, 360, 1) >= 0.4


def test_what_one_run_leaves_another_uses() -> None:
    world = World(Fixed(1000), [Run(), Run(think_seconds=4)])
    assert 0.1 <= world.used(120, 360, 1) <= 0.2
    assert world.used(120, 360) >= 0.95
    assert world.most <= 1


def test_a_board_that_is_locked_holds_nobody_back_and_breaks_no_bound() -> None:
    world = World(Fixed(1000), [Run(), Run(5.0)], agents=0.2, locked=(100, 160))
    assert world.used(100, 160) >= 0.9
    assert world.most <= 1
    assert world.refused == 0


def test_a_run_that_never_met_a_dead_one_minds_what_that_has_sent() -> None:
    world = World(Fixed(1000), [Run(end=100, manner="killed"), Run(101)], agents=0.2)
    assert world.most <= 1
    assert world.refused == 0
    assert world.used(180, 360, 1) >= 0.95


def test_a_run_that_died_long_ago_holds_nobody_back() -> None:
    world = World(Fixed(1000), [Run(end=100, manner="killed"), Run(240)])
    assert world.used(240, 360, 1) >= 0.95


@pytest.mark.parametrize("utc", [-50.0, 50.0])
def test_clocks_of_other_machines_may_be_a_little_wrong(utc: float) -> None:
    other = Run(70.0, end=150, manner="killed", clock=7200, utc=utc)
    world = World(Fixed(1000), [Run(), other], minutes=5)
    assert world.most <= 1
    assert world.used(100, 150) >= 0.95
    assert world.used(230, 300) >= 0.95


def test_agents_that_spend_more_than_their_part_are_given_way() -> None:
    world = World(Fixed(1000), [Run(), Run(17.0)], agents=0.5)
    assert world.refused == 0
    assert 0.5 <= world.used(60, 360) <= 0.65


def test_a_limit_over_the_last_minute_is_kept_too() -> None:
    world = World(Sliding(1000), [Run(), Run(17.0)], agents=0.2)
    assert world.most <= 1
    assert world.refused == 0
    assert world.used(0, 360) >= 0.45


RUNS = st.builds(
    Run,
    start=st.floats(0, 100),
    end=st.floats(100, 200),
    manner=st.sampled_from(["ends", "killed", "stopped"]),
    resume=st.one_of(st.floats(200, 240), st.just(1e9)),
    think_seconds=st.sampled_from([0.0, 0.0, 3.0]),
    clock=st.sampled_from([0.0, 1000.0]),
    utc=st.floats(-29, 29),
)


@settings(max_examples=25, phases=[Phase.generate])
@given(
    st.lists(RUNS, min_size=1, max_size=4),
    st.sampled_from([60, 200]),
    st.tuples(st.floats(0, 240), st.floats(0, 240)),
    st.sampled_from([0.01, 0.25, 1.0]),
)
def test_whatever_runs_do_they_keep_to_one_share(
    runs: list[Run], limit: int, locked: tuple[float, float], at_once: float
) -> None:
    for each in runs:  # whoever says that it has ended does not come back
        each.resume = 1e9 if each.manner != "stopped" else each.resume
    together = max(1, round(at_once * limit * 0.2))
    world = World(Fixed(limit), runs, minutes=5, agents=0.2, together=together, locked=locked)
    assert world.most <= 1
    assert world.refused == 0


@pytest.mark.parametrize(
    ("wanted", "others", "part"),
    [
        (100, [], 100),
        (10, [], 100),
        (100, [100], 50),
        (100, [20], 80),
        (20, [100], 20),
        (20, [20], 50),
        (90, [30, 20], 50),
        (100, [100, 100, 100], 25),
    ],
)
def test_parts_are_equal_but_for_who_wants_less(
    wanted: int, others: list[int], part: float
) -> None:
    assert fair_part(100, wanted, others) == part
